"""Values on the command line that cannot be taken, in plain words.

typer checks values with pydantic, whose messages are for programmers: one begins with "Value error", and
others do not have the value.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from hcsd.cli.did_you_mean import did_you_mean

if TYPE_CHECKING:
    from typer.exceptions import TyperException

_NUMBERS = {
    "int_parsing": "is not a whole number",
    "int_from_float": "is not a whole number",
    "float_parsing": "is not a number",
    "bool_parsing": "is neither yes nor no; write true or false",
    "greater_than_equal": "is too small; the least is {ge}",
    "less_than_equal": "is too large; the most is {le}",
}


def plain(error: TyperException) -> str:
    """Return what an error says, in plain words."""
    from pydantic import ValidationError  # here, so that help does not load it

    if not isinstance(error.__cause__, ValidationError):
        return error.message
    found = error.__cause__.errors()
    what, value = found[0]["type"], found[0]["input"]
    if words := _NUMBERS.get(what):
        return f"'{value}' {words.format(**found[0].get('ctx', {}))}"
    choices = _choices(error)
    if choices and isinstance(value, str):
        meant = did_you_mean(value.lower(), choices)
        listed = f"'{value}' is not one of {', '.join(choices)}"
        return f"{listed}; {meant}" if meant else listed
    return error.message.removeprefix("Value error, ")


def _choices(error: TyperException) -> list[str]:
    """Return what a parameter takes, if those are certain words."""
    descriptor = getattr(getattr(error, "param", None), "type_descriptor", None)
    words = getattr(descriptor, "choices", None) or ()
    return [str(word.value if isinstance(word, enum.Enum) else word) for word in words]
