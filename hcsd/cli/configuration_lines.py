"""Where the entries of a TOML file are: `tomllib` has their values, and forgets their lines.

A statement of TOML ends with a line, and no beginning of one is a statement by itself. So the lines are
read one after the other, and as soon as those that wait are TOML, they are the next statement.
Quoted keys, arrays and texts over many lines thus need no grammar here.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, NamedTuple

from hcsd.daemon.shorten import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_SHOWN = 80  # bytes of a line in a message
# What most often leads to some errors of `tomllib`.
_REMEDIES = {
    "Invalid value": 'this is no value; a text needs quotes, as in log-level = "debug"',
    "Cannot overwrite a value": "the entry is there twice; leave out one of them",
    "Expected '=' after a key in a key/value pair": "write NAME = VALUE",
}
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class Statement(NamedTuple):
    """An entry, or the head of a table.

    Attributes:
        line: Its first line, from 1.
        key: The entry, or the first part of its name; that of a table.
        value: What the entry is given; nothing in a table.
        is_table: Whether it is the head of a table.
    """

    line: int
    key: str
    value: object
    is_table: bool


class SyntaxProblem(NamedTuple):
    """Why a text is no TOML.

    Attributes:
        line: Where, from 1; 0 if nobody knows.
        text: Why, for people, with the remedy.
    """

    line: int
    text: str


def syntax_problem(text: str) -> SyntaxProblem | None:
    """Return why a text is no TOML; None if it is."""
    try:
        tomllib.loads(text)
    except RecursionError:
        return SyntaxProblem(0, "it is not TOML: arrays or tables are nested too deeply")
    except ValueError as error:
        said = str(error)
        place = _PLACE.search(said)
        if not isinstance(error, tomllib.TOMLDecodeError) or not place:
            return SyntaxProblem(0, f"it is not TOML: {said}")
        why = said[: place.start()]
        lines = text.rstrip().split("\n")
        number = min(int(place[1] or len(lines)), len(lines))
        shown = shorten(lines[number - 1].strip(), MOST_SHOWN)
        remedy = _REMEDIES.get(why)
        why = f"{why[0].lower()}{why[1:]}"
        return SyntaxProblem(number, f"'{shown}' is not TOML: {remedy or why}")
    return None


def statements(text: str) -> Iterator[Statement]:
    """Yield the statements of a text that is TOML.

    Entries in a table are left out: they belong to its head.
    """
    waiting = ""
    start = 1
    in_table = False
    for number, line in enumerate(text.split("\n"), 1):
        if not waiting.strip():
            waiting, start = "", number
        waiting += line + "\n"
        try:
            found = tomllib.loads(waiting)
        except tomllib.TOMLDecodeError:
            continue
        is_table = waiting.lstrip().startswith("[")
        in_table = in_table or is_table
        if is_table or not in_table:
            for key, value in found.items():
                yield Statement(start, key, value, is_table)
        waiting = ""
