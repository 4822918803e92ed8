"""What callers give, checked before anything is sent: an error names the keyword, the value and what is wanted.

`message` makes every message of a call. Its fields have the names of the keywords, and the contract says of
which kind each is; so a keyword that a call gains is checked without a line here. A keyword that is no field
is checked by one of the other functions.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Path: TypeAlias = str | os.PathLike[str]
    Seconds: TypeAlias = float | timedelta
    Bytes: TypeAlias = bytes | bytearray | memoryview

P = ParamSpec("P")
M = TypeVar("M", bound=Message)
T = TypeVar("T")

_SHOWN = 80  # characters of a value in a message
_LONGEST = 100 * 365 * 86400  # seconds: no message can tell of more than some thousand years

_RANGES = {
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: (-(2**31), 2**31 - 1),
}


def wrong_kind(name: str, value: object, wanted: str) -> TypeError:
    """Return the error for a value of another kind.

    Args:
        name: The keyword, or a part of what it was given.
        value: What was given.
        wanted: What to give.
    """
    kind = type(value).__name__
    return TypeError(f"{name} is {_shown(value)}, of type {kind}; give {wanted}")


def wrong_value(name: str, value: object, wanted: str) -> ValueError:
    """Return the error for a value of the right kind that makes no sense; as `wrong_kind`."""
    return ValueError(f"{name} is {_shown(value)}; give {wanted}")


def message(kind: Callable[P, M], *_: P.args, **fields: P.kwargs) -> M:
    """Return a message of these fields, each with the value of the keyword of its name; None is not set.

    Raises:
        TypeError: A value is of another kind.
        ValueError: A value makes no sense.
    """
    known = cast("type[M]", kind).DESCRIPTOR.fields_by_name
    values = {
        name: _field(cast("FieldDescriptor", known[name]), value)
        for name, value in fields.items()
        if value is not None
    }
    return kind(**values)  # type: ignore[call-arg, arg-type]  # of the kinds that it takes, as was checked


def text(value: object, name: str) -> str:
    """Return a text, or the path that an object stands for."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise wrong_kind(name, value, "text")
    return value


def flag(value: object, name: str) -> bool:
    """Return a yes or no."""
    if not isinstance(value, bool):
        raise wrong_kind(name, value, "True or False")
    return value


def number(
    value: object, name: str, of: str = "a whole number", least: int = 0, most: int = 2**64 - 1
) -> int:
    """Return a whole number.

    Args:
        value: What was given.
        name: The keyword.
        of: What it counts.
        least: The smallest that there may be.
        most: The largest.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_kind(name, value, f"{of}, as 65536" if of == "bytes" else of)
    if value < least:
        raise wrong_value(name, value, f"{least} or more")
    if value > most:
        raise wrong_value(name, value, f"{most} at the most")
    return value


def seconds(value: object, name: str) -> float:
    """Return a time in seconds, of a number or a timedelta."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong_kind(name, value, "seconds or a timedelta")
    if not 0 <= value < float("inf"):
        raise wrong_value(name, value, "0 or more seconds")
    return value


def duration(value: object, name: str) -> Duration | None:
    """Return a time as a message; None stays None, which is an unset field."""
    if value is None:
        return None
    found = Duration()
    found.FromNanoseconds(round(min(seconds(value, name), _LONGEST) * 1e9))
    return found


def moment(value: object, name: str) -> datetime | None:
    """Return a point in time with the zone UTC; one without a zone is local."""
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise wrong_kind(name, value, "a datetime, as datetime.now() - timedelta(minutes=5)")
    return value.astimezone(UTC)


def bytes_of(value: object, name: str) -> bytes:
    """Return bytes."""
    try:
        return value if isinstance(value, bytes) else bytes(memoryview(value))  # type: ignore[arg-type]
    except TypeError:
        raise wrong_kind(name, value, "bytes, or text.encode()") from None


def data(value: object, name: str) -> bytes:
    """Return bytes, or those of a text by UTF-8."""
    if isinstance(value, str):
        return value.encode()
    try:
        return bytes_of(value, name)
    except TypeError:
        raise wrong_kind(name, value, "bytes or text") from None


def mapping(value: object, name: str, example: str) -> Mapping[str, str]:
    """Return texts by their names; of nothing there are none."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise wrong_kind(name, value, f"a mapping, as {example}")
    return {
        text(key, f"a name in {name}"): text(item, f"{name}[{key!r}]")
        for key, item in value.items()
    }


def instance(value: object, name: str, kind: type[T], wanted: str) -> T:
    """Return what is of this kind."""
    if not isinstance(value, kind):
        raise wrong_kind(name, value, wanted)
    return value


def instances(value: object, name: str, kind: type[T], wanted: str) -> Sequence[T]:
    """Return a list of what is of this kind."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise wrong_kind(name, value, f"a list of {wanted}")
    return [
        instance(item, f"{name}[{place}]", kind, f"one of {wanted}")
        for place, item in enumerate(value)
    ]


def _field(field: FieldDescriptor, value: object) -> object:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        return mapping(value, field.name, "{'job': 'nightly'}")
    if field.is_repeated:
        if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
            raise wrong_kind(field.name, value, f"a list of {_wanted(field)}")
        return [_one(field, item, f"{field.name}[{at}]") for at, item in enumerate(value)]
    return _one(field, value, field.name)


def _one(field: FieldDescriptor, value: object, name: str) -> object:
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return text(value, name)
        case FieldDescriptor.TYPE_BYTES:
            return bytes_of(value, name)
        case FieldDescriptor.TYPE_BOOL:
            return flag(value, name)
        case FieldDescriptor.TYPE_ENUM:
            return _choice(field, value, name)
        case FieldDescriptor.TYPE_MESSAGE:
            known = getattr(value, "DESCRIPTOR", None)
            if known is not field.message_type and not _becomes(field, value):
                raise wrong_kind(name, value, _wanted(field))
            return value
    of = "bytes" if name.endswith("bytes") else "a whole number"
    return number(value, name, of, *_RANGES[field.type])


def _choice(field: FieldDescriptor, value: object, name: str) -> int:
    wanted = _wanted(field)
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_kind(name, value, wanted)
    if field.enum_type is None or value not in field.enum_type.values_by_number:
        raise wrong_value(name, value, wanted)
    return value


def _becomes(field: FieldDescriptor, value: object) -> bool:
    """Whether protobuf makes a point in time of it."""
    kind = field.message_type
    is_moment = kind is not None and kind.full_name == "google.protobuf.Timestamp"
    return is_moment and isinstance(value, datetime)


def _wanted(field: FieldDescriptor) -> str:
    if field.enum_type is not None:
        first, *names = [value.name for value in field.enum_type.values]
        return " or ".join(names or [first])
    if field.message_type is not None:
        return f"a message {field.message_type.name} of hcsd.v1"
    return {FieldDescriptor.TYPE_STRING: "texts", FieldDescriptor.TYPE_BYTES: "bytes"}.get(
        field.type, "whole numbers"
    )


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
