"""How the embedded engine reads HCS documents.

Input is checked strictly. A document that is not JSON, or has a member that its schema does not
know or whose type is wrong, is HCS_E_INVALID_JSON. A member that the schema knows and this engine
cannot honour is ERROR_NOT_SUPPORTED. Nothing that was asked for is ignored.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.embedded.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Check = Callable[[object], bool]


def is_string(value: object) -> bool:
    """Tell whether a member is a string that C can hold."""
    return isinstance(value, str) and "\0" not in value


def is_bool(value: object) -> bool:
    """Tell whether a member is a boolean."""
    return isinstance(value, bool)


def is_strings(value: object) -> bool:
    """Tell whether a member is an array of such strings."""
    return isinstance(value, list) and all(is_string(item) for item in value)


def is_object(value: object) -> bool:
    """Tell whether a member is an object."""
    return isinstance(value, dict)


def is_one_of(*names: str) -> Check:
    """Return a check that a member is one of some strings."""
    return lambda value: isinstance(value, str) and value in names


def parse(text: str | None, what: str, members: Mapping[str, Check]) -> dict[str, object]:
    """Read a document and check its members.

    Args:
        text: The document; None and "" are an empty one.
        what: Schema name, for the error's text.
        members: Known members and what their value must be.

    Raises:
        Fault: HCS_E_INVALID_JSON, naming what is wrong.
    """
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise invalid(f"{what} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise invalid(f"{what} must be an object, not {type(value).__name__}")
    for name, item in value.items():
        check = members.get(name)
        if check is None:
            raise invalid(f"{what} has no member '{name}'")
        if not check(item):
            raise invalid(f"{what}.{name} has a value of the wrong type or range")
    return value


def refuse(members: Mapping[str, object], what: str, names: Iterable[str]) -> None:
    """Refuse members that the schema knows and this engine cannot honour.

    Raises:
        Fault: ERROR_NOT_SUPPORTED: one of them has a value that asks for something.
    """
    for name in names:
        if members.get(name):
            raise Fault(HR.ERROR_NOT_SUPPORTED, f"the embedded engine cannot honour {what}.{name}")


def invalid(message: str) -> Fault:
    """Make the fault of a malformed document."""
    return Fault(HR.INVALID_JSON, message)
