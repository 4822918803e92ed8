"""Results as JSON.

It is the JSON of protobuf, with the names of the fields as the contract has them. Nothing is left
out, so that a script finds a field whatever its value.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer
from google.protobuf.json_format import MessageToDict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message


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
