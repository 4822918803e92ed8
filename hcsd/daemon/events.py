"""What happens to processes and compute systems: the events that watchers are told."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from hcsd.abi.types import HCS_EVENT_TYPE

if TYPE_CHECKING:
    from hcsd.daemon.process_view import ProcessView
    from hcsd.daemon.system import SystemView


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


class SystemEventKind(enum.Enum):
    """A step in the life of a compute system."""

    CREATED = enum.auto()
    STARTED = enum.auto()
    PAUSED = enum.auto()
    RESUMED = enum.auto()
    SHUTTING_DOWN = enum.auto()
    EXITED = enum.auto()
    OUT_OF_MEMORY = enum.auto()
    FORGOTTEN = enum.auto()


class HcsEvent(NamedTuple):
    """What HCS has sent.

    Attributes:
        value: Of HCS_EVENT_TYPE, unsigned; 0 if HCS has sent nothing.
        document: As the engine gave it.
    """

    value: int = 0
    document: str = ""

    @property
    def name(self) -> str:
        """By HCS's names, such as ``SystemExited``; a number for what has none; "" for nothing."""
        if not self.value:
            return ""
        known = {event.value: event.name for event in HCS_EVENT_TYPE}
        return known.get(self.value, f"0x{self.value:08X}").removeprefix("HcsEvent")


class SystemEvent(NamedTuple):
    """A step in the life of a compute system, or something that HCS told of it, or both.

    Attributes:
        system_id: Which one.
        hcs: What HCS has sent.
        kind: Which step; None if it is none.
        system: The system right after the step; None if it is none.
    """

    system_id: str
    hcs: HcsEvent = HcsEvent()
    kind: SystemEventKind | None = None
    system: SystemView | None = None


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
