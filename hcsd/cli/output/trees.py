"""Nested values as people read them: one a line, with the fields that are set."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from hcsd.cli.output.text import show
from hcsd.cli.output.times import local_time
from hcsd.cli.output.units import ago, limit_size
from hcsd.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

INDENT = "  "


def print_tree(tree: Mapping[str, object]) -> None:
    """Print nested values, one a line."""
    show(*_lines(tree, ""))


def print_trees(trees: Iterable[Mapping[str, object]]) -> None:
    """Print nested values, with an empty line between two."""
    for number, tree in enumerate(trees):
        if number:
            show()
        print_tree(tree)


def tree_of(message: Message) -> dict[str, object]:
    """Return the fields of a message that are set, by their names, as people read them.

    Enum values are words, bytes are in larger units, and times are as `local_time` has them and say how long ago.
    """
    shape: Descriptor = message.DESCRIPTOR  # type: ignore[assignment]  # of two classes, which are alike
    return _in_words(MessageToDict(message, preserving_proto_field_name=True), shape)


def _in_words(tree: Mapping[str, object], shape: Descriptor) -> dict[str, object]:
    fields = shape.fields_by_name
    return {
        name: _readable(value, fields[name]) if name in fields else value
        for name, value in tree.items()
    }


def _readable(value: object, field: FieldDescriptor) -> object:
    kind = field.message_type
    if isinstance(value, list):
        return [_readable(item, field) for item in value]
    if isinstance(value, dict) and kind is not None and not kind.GetOptions().map_entry:
        return _in_words(value, kind)
    return _scalar_in_words(value, field) if isinstance(value, str | int) else value


def _scalar_in_words(value: str | int, field: FieldDescriptor) -> object:
    if field.enum_type is not None:
        prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", field.enum_type.name).upper()
        return str(value).removeprefix(f"{prefix}_").lower().replace("_", " ")
    if field.name.endswith("_bytes"):
        return limit_size(int(value))
    if (
        field.message_type is not None
        and field.message_type.full_name == Timestamp.DESCRIPTOR.full_name
    ):
        moment = Timestamp()
        moment.FromJsonString(str(value))
        passed = time.time() - moment.ToNanoseconds() / 1e9
        return local_time(moment) + (f" ({ago(passed)})" if passed >= 0 else "")
    return value


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
