"""What a case says, filled in and compared with what came.

A case's value is taken as it is, but for strings: ``$name.field`` stands for what the case has saved
or made under that name, and for itself if it is all of the string; ``$$`` stands for a dollar sign. A field
of a list is a place in it, from 0.

An expected table wants what it has and leaves the rest alone. A table with one of these keys is a
comparison instead: `at_least`, `below`, `contains`, `matches`, `one_of`, `absent`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Table = dict[str, Any]


class CaseError(AssertionError):
    """A step did not come out as the case says."""


_REFERENCE = re.compile(r"\$(?:\$|([a-z_]\w*)((?:\.\w+)*))")


def fill(value: object, known: Mapping[str, object]) -> object:
    """Return the value with every reference replaced."""
    if isinstance(value, str):
        whole = _REFERENCE.fullmatch(value)
        if whole:
            return _look_up(whole, known)
        return _REFERENCE.sub(lambda found: str(_look_up(found, known)), value)
    if isinstance(value, list):
        return [fill(item, known) for item in value]
    if isinstance(value, dict):
        return {key: fill(item, known) for key, item in value.items()}
    return value


def _look_up(found: re.Match[str], known: Mapping[str, object]) -> object:
    if found[0] == "$$":
        return "$"
    value: object = known
    for part in [found[1], *found[2].split(".")[1:]]:
        table = (
            {str(place): item for place, item in enumerate(value)}
            if isinstance(value, list)
            else value
        )
        if not isinstance(table, Mapping) or part not in table:
            raise KeyError(f"{found[0]} is not known; known are {', '.join(known)}")
        value = table[part]
    return value


def differences(wanted: object, found: object, where: str = "answer") -> list[str]:
    """Return how what came differs from what is wanted, a line each."""
    if isinstance(wanted, dict):
        comparison = _compare(wanted, found)
        if comparison is not None:
            return [] if comparison else [f"{where} is {found!r}, not {wanted}"]
        if not isinstance(found, dict):
            return [f"{where} is {found!r}, not a table"]
        lines = []
        for key, value in wanted.items():
            if key not in found and value != {"absent": True}:
                lines.append(f"{where}.{key} is absent, not {value!r}")
            else:
                lines += differences(value, found.get(key), f"{where}.{key}")
        return lines
    if isinstance(wanted, list):
        if not isinstance(found, list) or len(found) != len(wanted):
            return [f"{where} is {found!r}, not {wanted!r}"]
        return [
            line
            for index, (one, other) in enumerate(zip(wanted, found, strict=True))
            for line in differences(one, other, f"{where}[{index}]")
        ]
    same = type(wanted) is type(found) and wanted == found
    return [] if same else [f"{where} is {found!r}, not {wanted!r}"]


# By the key of a table: whether what came compares so with the operand.
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "absent": lambda operand, found: (found is None) == operand,
    "at_least": lambda operand, found: isinstance(found, int) and found >= operand,
    "below": lambda operand, found: isinstance(found, int) and found < operand,
    "contains": lambda operand, found: isinstance(found, str | list) and operand in found,
    "matches": lambda operand, found: re.search(operand, str(found)) is not None,
    "one_of": lambda operand, found: found in operand,
}


def _compare(wanted: Table, found: object) -> bool | None:
    """Make the comparison that a table stands for; None if it stands for itself."""
    if len(wanted) != 1:
        return None
    [(key, operand)] = wanted.items()
    comparison = _COMPARISONS.get(key)
    return comparison(operand, found) if comparison else None
