"""`hcsd docs`: the pages of the documentation, which are installed with the program.

They are the Markdown files in `hcsd/docs`. That folder has no `__init__.py`, and `hcsd` may have
none, so it is found as a namespace package and not from the place of a module.
"""

from __future__ import annotations

import re
import sys
import textwrap
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from hcsd.cli.help_text import PlainCommand

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = "hcsd.docs"
SUFFIX = ".md"
FIRST = "index"
EPILOG = """\b
Examples:
  hcsd docs
  hcsd docs index
  hcsd docs index > index.md
"""

app = typer.Typer()


class Summary(NamedTuple):
    """What a page is about.

    Attributes:
        title: Its first heading, as plain text.
        sentence: The first sentence of its text, as plain text.
    """

    title: str
    sentence: str


def read_pages() -> dict[str, str]:
    """Return the sources of all pages by their names; the index comes first."""
    # Imported here, so that other commands do not pay for it.
    from importlib.resources import files

    found = {
        file.name.removesuffix(SUFFIX): file.read_text(encoding="utf-8")
        for file in files(FOLDER).iterdir()
        if file.name.endswith(SUFFIX)
    }
    return dict(sorted(found.items(), key=lambda item: (item[0] != FIRST, item[0])))


def summarise(source: str) -> Summary:
    """Return what a page is about."""
    heading = re.search(r"^# +(.+)$", source, re.MULTILINE)
    text = source[heading.end() :] if heading else source
    blocks = re.split(r"\n\s*\n", text.strip())
    # Of what begins with a letter or with markup inside a line: no list, table, code or heading.
    paragraph = next((block for block in blocks if re.match(r"\w|`(?!``)|\[|\*\*?\w", block)), "")
    sentence = re.match(r".+?[.!?](?=\s|$)|.+", " ".join(_plain(paragraph).split()))
    return Summary(_plain(heading[1]).strip() if heading else "", sentence[0] if sentence else "")


def _plain(markdown: str) -> str:
    """Return a text without the markup inside its lines."""
    without_links = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", markdown)
    return re.sub(r"`|\*(?=\S)|(?<=\S)\*", "", without_links)


def complete_pages(incomplete: str) -> list[tuple[str, str]]:
    """Return the pages whose names begin so, with their titles."""
    return [
        (name, summarise(source).title)
        for name, source in read_pages().items()
        if name.startswith(incomplete)
    ]


@app.command("docs", cls=PlainCommand, epilog=EPILOG)
def docs(
    page: Annotated[
        str | None,
        typer.Argument(
            metavar="PAGE",
            help="Page to show. Default: list them.",
            autocompletion=complete_pages,
        ),
    ] = None,
) -> None:
    """Show a page of the documentation, or list the pages.

    On a terminal the page is formatted and goes through the program that PAGER names, by default
    less. Elsewhere it is printed as it is, in Markdown.
    """
    from hcsd.cli.output.pages import show_page

    pages = read_pages()
    if page is None:
        _list(pages)
        return
    source = pages.get(page.removesuffix(SUFFIX))
    if source is None:
        raise typer.BadParameter(_no_such(page, list(pages)), param_hint="PAGE")
    show_page(source)


def _list(pages: Mapping[str, str]) -> None:
    from hcsd.cli.output.pages import MOST_COLUMNS
    from hcsd.cli.output.text import show

    indent = max(map(len, pages)) + 2
    columns = None
    if sys.stdout.isatty():
        import shutil

        columns = max(indent + 20, min(shutil.get_terminal_size().columns, MOST_COLUMNS))
    for name, source in pages.items():
        first, *rest = (
            line
            for text in summarise(source)
            for line in (textwrap.wrap(text, columns - indent) if columns else [text])
        )
        show(f"{name.ljust(indent)}{first}", *(f"{' ' * indent}{line}" for line in rest))


def _no_such(page: str, names: list[str]) -> str:
    from hcsd.cli.did_you_mean import did_you_mean

    question = did_you_mean(page, names)
    return (
        f"no page '{page}'{f'; {question}' if question else '.'} The pages are: {', '.join(names)}"
    )
