"""Rules for one field of a message: what it must hold before anybody looks at the request.

Rule ids are those of protovalidate, which could take the place of this module and of
`hcsd.rpc.validate`.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    from google.protobuf.message import Message


MAX_SECONDS = 315_576_000_000  # 10,000 years, the range of google.protobuf.Duration
# From the year 1 to the end of 9999 in seconds since 1970, the range of google.protobuf.Timestamp.
MIN_MOMENT = -62_135_596_800
MAX_MOMENT = 253_402_300_799
MIN_INTERVAL = 100_000_000  # nanoseconds
MAX_INTERVAL = 3_600_000_000_000


class Rule(NamedTuple):
    """One rule for one field.

    Attributes:
        field: Name of the field; of a oneof for rules about which member is set.
        id: Rule id as protovalidate names it.
        holds: Whether a message obeys it.
        message: What would be right; the value is put in front.
    """

    field: str
    id: str
    holds: Callable[[Message], bool]
    message: str


def value_of(message: Message, field: str) -> object:
    """Return a field of a message."""
    return getattr(message, field)


def is_said(message: Message, field: str) -> bool:
    """Tell whether a message says anything in a field."""
    return any(descriptor.name == field for descriptor, _ in message.ListFields())


def required(field: str, what: str) -> Rule:
    """Require a value."""
    return Rule(field, "required", lambda m: bool(value_of(m, field)), f"is required: {what}")


def matches(field: str, pattern: re.Pattern[str], what: str) -> Rule:
    """Require a pattern. An empty value passes: whether it may be empty is `required`'s to say."""
    return Rule(
        field,
        "string.pattern",
        lambda m: not value_of(m, field) or bool(pattern.fullmatch(str(value_of(m, field)))),
        f"must be {what}",
    )


def chosen(oneof: str, what: str) -> Rule:
    """Require that one member of a oneof is set."""
    return Rule(
        oneof, "required", lambda m: m.WhichOneof(oneof) is not None, f"must be set: {what}"
    )


def at_most(field: str, limit: int, kind: str = "uint32") -> Rule:
    """Bound a number."""

    def holds(message: Message) -> bool:
        value = value_of(message, field)
        return not isinstance(value, int) or value <= limit

    return Rule(field, f"{kind}.lte", holds, f"must be at most {limit}")


def at_most_items(field: str, limit: int, name: str = "") -> Rule:
    """Bound how many there are.

    Args:
        field: Name of the field.
        limit: How many.
        name: What the message adds, to name the limit.
    """
    return Rule(
        field,
        "repeated.max_items",
        lambda m: len(getattr(m, field)) <= limit,
        f"must have at most {limit} entries{name}",
    )


def at_most_bytes(field: str, limit: int, name: str) -> Rule:
    """Bound the length of a text in UTF-8.

    Args:
        field: Name of the field.
        limit: Bytes.
        name: Name of the limit.
    """
    return Rule(
        field,
        "string.max_bytes",
        lambda m: utf8_size(str(value_of(m, field))) <= limit,
        bytes_text(limit, name),
    )


def utf8_size(text: str) -> int:
    """Return how many bytes a text has in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def bytes_text(limit: int, name: str) -> str:
    """Say what a limit on bytes asks for."""
    return f"must have at most {limit} bytes, the limit '{name}'"


def duration_in_range(field: str) -> Rule:
    """Refuse a length of time below zero, or beyond what a Duration holds."""

    def holds(message: Message) -> bool:
        value = getattr(message, field)
        return not message.HasField(field) or (
            0 <= value.seconds <= MAX_SECONDS and 0 <= value.nanos < 1_000_000_000
        )

    return Rule(
        field, "duration.gte_lte", holds, f"must be from 0 to {MAX_SECONDS} s, as a Duration may be"
    )


def moment_in_range(field: str) -> Rule:
    """Refuse a moment that no Timestamp may have."""

    def holds(message: Message) -> bool:
        value = getattr(message, field)
        return not message.HasField(field) or (
            MIN_MOMENT <= value.seconds <= MAX_MOMENT and 0 <= value.nanos < 1_000_000_000
        )

    return Rule(
        field, "timestamp.gte_lte", holds, "must be in the years 1 to 9999, as a Timestamp may be"
    )


def seconds_of(message: Message, field: str) -> float:
    """Return a length of time in seconds; 0 if it is not there."""
    value = getattr(message, field)
    return float(value.seconds + value.nanos / 1e9)


def interval_in_range(field: str) -> Rule:
    """Bound the interval of heartbeats; zero, which is none, passes."""

    def holds(message: Message) -> bool:
        value = getattr(message, field)
        nanoseconds = value.seconds * 1_000_000_000 + value.nanos
        return not message.HasField(field) or (
            0 <= value.nanos < 1_000_000_000
            and (nanoseconds == 0 or MIN_INTERVAL <= nanoseconds <= MAX_INTERVAL)
        )

    return Rule(
        field, "duration.gte_lte", holds, "must be from 100 ms to 1 h, or zero for no heartbeats"
    )


def no_nul(field: str) -> Rule:
    """Refuse NUL, which would end the text in C."""
    return Rule(
        field,
        "string.not_contains",
        lambda m: "\0" not in str(value_of(m, field)),
        "must not contain a NUL character",
    )


def defined(field: str, enum: object) -> Rule:
    """Require a value that the enum has."""

    def holds(message: Message) -> bool:
        return value_of(message, field) in enum.values()  # type: ignore[attr-defined]  # enum wrapper

    return Rule(field, "enum.defined_only", holds, "is not a value of its enum")


def is_uuid(message: Message) -> bool:
    """Tell whether `request_id` is empty or a UUID."""
    text = str(value_of(message, "request_id"))
    try:
        return not text or str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
