"""Results as JSON.

It is the JSON of protobuf, with the names of the fields as the contract has them. Nothing is left
out, so that a script finds a field whatever its value. Characters that a terminal would obey, or
not show, are written as the escapes of JSON, wherever it goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToDict

from hcsd.cli.output.text import show
from hcsd.printable import printable_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message


def print_json(message: Message) -> None:
    """Print a message as a JSON object."""
    _show(plain(message), indent=2)


def print_json_array(messages: Iterable[Message]) -> None:
    """Print messages as a JSON array."""
    _show([plain(message) for message in messages], indent=2)


def print_json_line(value: object) -> None:
    """Print a value as JSON on a line of its own."""
    _show(value)


def plain(message: Message) -> dict[str, object]:
    """Return all fields of a message, by their names."""
    fields: dict[str, object] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return fields


def _show(value: object, indent: int | None = None) -> None:
    show(*printable_json(value, indent).split("\n"))
