"""Nested values as people read them: one a line, with the fields that are set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from hcsd.cli.output.text import show
from hcsd.cli.output.times import local_time
from hcsd.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

INDENT = "  "


def print_tree(tree: Mapping[str, object]) -> None:
    """Print nested values, one a line."""
    show(*_lines(tree, ""))


def print_trees(messages: Iterable[Message]) -> None:
    """Print the fields of messages that are set, with an empty line between two."""
    for number, message in enumerate(messages):
        if number:
            show()
        print_tree(tree_of(message))


def tree_of(message: Message) -> dict[str, object]:
    """Return the fields of a message that are set, by their names; moments as `local_time` has them."""
    tree: dict[str, object] = MessageToDict(message, preserving_proto_field_name=True)
    _localize(message, tree)
    return tree


def _localize(message: Message, tree: dict[str, object]) -> None:
    for field, value in message.ListFields():
        shown = tree.get(field.name)  # a document has names of its own
        if isinstance(value, Timestamp):
            tree[field.name] = local_time(value)
        elif isinstance(value, Message) and isinstance(shown, dict):
            _localize(value, shown)
        elif isinstance(shown, list) and field.message_type is not None:
            for item, part in zip(value, shown, strict=True):
                _localize(item, part)


def _lines(tree: Mapping[str, object], indent: str) -> Iterator[str]:
    tree = {printable(key): value for key, value in tree.items()}
    width = max((len(key) for key, value in tree.items() if not _is_nested(value)), default=0)
    for key, value in tree.items():
        if not _is_nested(value):
            yield f"{indent}{key + ':':{width + 1}} {_scalar(value)}"
        elif value:
            yield f"{indent}{key}:"
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, dict):
                    yield from _lines(item, indent + INDENT)
                else:
                    yield f"{indent}{INDENT}{_scalar(item)}"


def _scalar(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else printable(str(value))


def _is_nested(value: object) -> bool:
    return isinstance(value, dict | list)
