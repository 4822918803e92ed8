"""Nested values as people read them: one a line, with the fields that are set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToDict

from hcsd.cli.output.text import show
from hcsd.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from google.protobuf.message import Message

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
    """Return the fields of a message that are set, by their names."""
    tree: dict[str, object] = MessageToDict(message, preserving_proto_field_name=True)
    return tree


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
