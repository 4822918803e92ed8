"""Tables.

On a terminal they have colours and fit its width. Elsewhere they are plain text in columns, with
nothing cut.
"""

from __future__ import annotations

import itertools
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hcsd.cli.output.text import show
from hcsd.cli.output.trees import print_trees
from hcsd.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.table import Table

GAP = "  "
LEAST = 10  # columns of a terminal for the last column of a table


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    styles: Mapping[str, str] | None = None,
    spare: Sequence[str] = (),
    *,
    whole: bool = False,
) -> None:
    """Print a table.

    Args:
        header: Titles of the columns.
        rows: Cells.
        styles: Colours of words, for a terminal.
        spare: Columns that a terminal can do without if it is too narrow, in this order. If that is not
            enough, each cell has a line of its own.
        whole: Print it on a terminal as elsewhere, so that lines may run over.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    if is_cut(whole=whole):
        _print_rich_table(header, rows, styles or {}, spare)
        return
    widths = _widths(header, rows)
    show(
        *(
            GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in [header, *rows]
        )
    )


def is_cut(*, whole: bool = False) -> bool:
    """Tell whether tables are made to fit: at a terminal, unless somebody wants the whole."""
    return sys.stdout.isatty() and not whole


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(header, *rows, strict=True)]


def _least_width(header: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    *widths, last = _widths(header, rows)
    return sum(widths) + len(GAP) * len(widths) + min(last, LEAST)


def _print_rich_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    styles: Mapping[str, str],
    spare: Sequence[str],
) -> None:
    from rich.console import Console

    console = Console()
    for title in spare:
        if _least_width(header, rows) <= console.width:
            break
        place = header.index(title)
        header, *rows = ([*line[:place], *line[place + 1 :]] for line in [header, *rows])
    if rows and _least_width(header, rows) > console.width:
        print_trees(
            {title.lower(): cell for title, cell in zip(header, row, strict=True) if cell}
            for row in rows
        )
        return
    console.print(_rich_table(header, rows, styles, console.width))


def _rich_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    styles: Mapping[str, str],
    available: int,
) -> Table:
    """Make a table. The last column gives way if the terminal is narrow."""
    # Imported here: only a terminal needs it, and it takes time.
    from rich.table import Table
    from rich.text import Text

    *widths, last = _widths(header, rows)
    room = available - sum(widths) - len(GAP) * len(widths)
    widths.append(min(last, max(room, LEAST)))
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, len(GAP), 0, 0))
    for title, width in zip(header, widths, strict=True):
        table.add_column(title, width=width, no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*(Text(cell, style=styles.get(cell, "")) for cell in row))
    return table


@contextmanager
def showing(
    header: Sequence[str], styles: Mapping[str, str]
) -> Iterator[Callable[[Sequence[Sequence[str]]], None]]:
    """Show tables on a terminal, each in the place of the one before; the last one stays.

    Lines must not run over there, so a narrow terminal loses columns on the right.
    """
    from rich.console import Console
    from rich.live import Live

    console = Console()

    def update(rows: Sequence[Sequence[str]]) -> None:
        cells = [[printable(cell) for cell in row] for row in rows]
        ends = itertools.accumulate(width + len(GAP) for width in _widths(header, cells))
        fitting = max(1, sum(end - len(GAP) <= console.width for end in ends))
        table = _rich_table(
            header[:fitting], [row[:fitting] for row in cells], styles, console.width
        )
        live.update(table, refresh=True)

    with Live(console=console, auto_refresh=False) as live:
        yield update
