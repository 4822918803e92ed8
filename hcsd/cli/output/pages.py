"""Pages of the manual, which are our own: formatted on a terminal, elsewhere as they are."""

from __future__ import annotations

import sys

from hcsd.cli.output.pager import page_through

MOST_COLUMNS = 100  # longer lines are hard to read


def show_page(source: str) -> None:
    """Show a page in Markdown."""
    if not sys.stdout.isatty():
        sys.stdout.flush()
        sys.stdout.buffer.write(source.encode())  # UTF-8, as the file is
        sys.stdout.flush()
        return
    # Imported here: only a terminal needs it, and it takes time.
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    console.width = min(console.width, MOST_COLUMNS)
    markdown = Markdown(source, hyperlinks=False)  # the targets are pages: show their names
    if not console.is_dumb_terminal:
        with console.capture() as shown:
            console.print(markdown)
        if page_through(shown.get()):
            return
    console.print(markdown)
