"""Variables of a Windows guest, whose names do not differ by case.

The last of a name holds, and is written as it was given last. HCS has a map for them: two spellings of
one name would both be in it, and which of them the process gets would be left to chance.

Windows compares names by the upper case of each UTF-16 unit, by a table of its own that changes no
length (RtlUpcaseUnicodeChar). `fold` holds for equal only what that table holds for equal: a name too
many is seen, one that is missing is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.daemon.errors import Violation
from hcsd.daemon.windows_command import units

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# "The maximum size of a user-defined environment variable is 32,767 characters": NAME=VALUE and its
# NUL. The block of all of them has no limit. Source: "Environment Variables", learn.microsoft.com.
MAX_UNITS = 32_767 - 1


def merge(variables: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return one variable for each name: the last, with its spelling."""
    last = {fold(name): (name, value) for name, value in variables}
    return dict(last.values())


def fold(name: str) -> str:
    """Return what the spellings of a name have in common."""
    return name.upper() if name.isascii() else "".join(map(_upper, name))


def _upper(character: str) -> str:
    upper = character.upper()
    # Windows leaves alone what does not come back, such as the dotless i.
    return upper if character <= "\uffff" and upper.lower() == character else character


def violations(variables: Iterable[tuple[str, str]]) -> Iterator[Violation]:
    """Find what no environment of Windows can hold."""
    for index, (name, value) in enumerate(variables):
        size = units(name) + len("=") + units(value)
        if size > MAX_UNITS:
            yield Violation(
                f"spec.env[{index}]",
                "string.max_len",
                f"has {size} UTF-16 units as NAME=VALUE, but Windows takes at most {MAX_UNITS}; pass long"
                " texts by stdin or in a file",
            )
