"""Results as people and programs read them.

On a terminal tables have colour and fit its width; elsewhere they are plain text in columns, with
nothing cut. JSON is that of protobuf, with the names of the fields as the contract has them and
nothing left out, so that a script finds a field whatever its value.
"""

from __future__ import annotations

import itertools
import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from google.protobuf.json_format import MessageToDict

from hcsd.cli._text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from google.protobuf.message import Message
    from rich.table import Table

GAP = "  "
KIB = 1024
LEAST = 10  # columns of a terminal for the last column of a table


def print_json(message: Message) -> None:
    """Print a message as a JSON object."""
    typer.echo(json.dumps(plain(message), indent=2, ensure_ascii=False))


def print_json_array(messages: Iterable[Message]) -> None:
    """Print messages as a JSON array."""
    array = [plain(message) for message in messages]
    typer.echo(json.dumps(array, indent=2, ensure_ascii=False))


def print_json_line(value: object) -> None:
    """Print a value as JSON on a line of its own."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def plain(message: Message) -> dict[str, object]:
    """Return all fields of a message, by their names."""
    fields: dict[str, object] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return fields


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    styles: Mapping[str, str] | None = None,
    spare: Sequence[str] = (),
) -> None:
    """Print a table.

    Args:
        header: Titles of the columns.
        rows: Cells.
        styles: Colours of words, for a terminal.
        spare: Columns that a terminal can do without if it is too narrow, in this order.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich_table(header, rows, styles or {}, spare)
        return
    widths = _widths(header, rows)
    text = "\n".join(
        GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [header, *rows]
    )
    typer.echo(text)


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
    table, width = _rich_table(header, rows, styles, console.width)
    console.width = width
    console.print(table)


def _rich_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    styles: Mapping[str, str],
    available: int,
) -> tuple[Table, int]:
    """Make a table, and tell how wide a terminal it needs.

    The last column gives way; where that is not enough, lines run over.
    """
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
    return table, max(available, sum(widths) + len(GAP) * len(widths))


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

    def show(rows: Sequence[Sequence[str]]) -> None:
        cells = [[printable(cell) for cell in row] for row in rows]
        ends = itertools.accumulate(width + len(GAP) for width in _widths(header, cells))
        fitting = max(1, sum(end - len(GAP) <= console.width for end in ends))
        table, _ = _rich_table(
            header[:fitting], [row[:fitting] for row in cells], styles, console.width
        )
        live.update(table, refresh=True)

    with Live(console=console, auto_refresh=False) as live:
        yield show


def print_tree(tree: Mapping[str, object]) -> None:
    """Print nested values, one a line."""
    typer.echo("\n".join(_lines(tree, "")))


def print_trees(messages: Iterable[Message]) -> None:
    """Print the fields of messages that are set, with an empty line between two."""
    for number, message in enumerate(messages):
        if number:
            typer.echo()
        print_tree(tree_of(message))


def tree_of(message: Message) -> dict[str, object]:
    """Return the fields of a message that are set, by their names."""
    tree: dict[str, object] = MessageToDict(message, preserving_proto_field_name=True)
    return tree


def _lines(tree: Mapping[str, object], indent: str) -> Iterator[str]:
    width = max((len(key) for key, value in tree.items() if not _is_nested(value)), default=0)
    for key, value in tree.items():
        if not _is_nested(value):
            yield f"{indent}{key + ':':{width + 1}} {_scalar(value)}"
        elif value:
            yield f"{indent}{key}:"
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, dict):
                    yield from _lines(item, indent + GAP)
                else:
                    yield f"{indent}{GAP}{_scalar(item)}"


def _scalar(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else printable(str(value))


def _is_nested(value: object) -> bool:
    return isinstance(value, dict | list)


def ago(seconds: float) -> str:
    """Return for how long something has been, in its largest unit."""
    return f"{span(seconds)} ago"


def span(seconds: float) -> str:
    """Return a time in its largest unit."""
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return f"{max(0, int(seconds))}s"


def size(count: int) -> str:
    """Return a number of bytes in the largest unit that leaves at least one."""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < KIB:
            break
        value, unit = value / KIB, larger
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
