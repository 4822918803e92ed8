"""What happens to processes and compute systems: the events that watchers are told."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hcsd.daemon.process_view import ProcessView


class ProcessEventKind(enum.Enum):
    """What happened to a process."""

    CREATED = enum.auto()
    STARTED = enum.auto()
    EXITED = enum.auto()
    OUTPUT_COMPLETE = enum.auto()
    DELETED = enum.auto()


class ProcessEvent(NamedTuple):
    """Something happened to a process.

    Attributes:
        kind: What.
        process: The process right after it.
    """

    kind: ProcessEventKind
    process: ProcessView


class SystemEvent(NamedTuple):
    """HCS told of something that happened to a compute system.

    Attributes:
        system_id: Which one.
        name: By HCS's names, such as ``SystemExited``; a number for what has none.
        value: Of HCS_EVENT_TYPE, unsigned.
        document: As HCS gave it; half a surrogate pair is ``?``.
    """

    system_id: str
    name: str
    value: int
    document: str


@dataclass(frozen=True, slots=True)
class Event:
    """An event in the log.

    Attributes:
        revision: Its place in the log.
        time: POSIX time in nanoseconds.
        system_id: The system that it happened in.
        weight: About how many bytes of memory it takes.
        what: What happened.
    """

    revision: int
    time: int
    system_id: str
    weight: int
    what: ProcessEvent | SystemEvent


class Bookmark(NamedTuple):
    """How far a watcher has come.

    Attributes:
        revision: It has been told of everything up to here.
    """

    revision: int
