"""What the journal keeps, as values.

A member with a default may be missing in what an older daemon wrote: see `hcsd.daemon.state.codec`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hcsd.daemon.events import Event
    from hcsd.daemon.idempotency import RequestKey
    from hcsd.daemon.process_life import Life as ProcessLife
    from hcsd.daemon.process_view import Exit, ExitReason, Identity
    from hcsd.daemon.streams import Stream
    from hcsd.daemon.system import SystemEnding
    from hcsd.daemon.system_life import Life as SystemLife
    from hcsd.hcs.schema import SystemProperties
    from hcsd.hcs.system_limits import SystemLimits


class SavedProcess(NamedTuple):
    """What never changes of a process.

    Attributes:
        identity: Its identity.
        number: Order of creation.
        request: What tells the request of its create from others.
    """

    identity: Identity
    number: int
    request: RequestKey


@dataclass(frozen=True, slots=True)
class SavedState:
    """Where a process is.

    Attributes:
        life: Where it is in its life.
        output_complete: Whether no more output can come.
        pid: Pid in the guest; 0 before it runs.
        created: Between which two times the engine created it, in seconds since 1970.
        start_time: POSIX time in nanoseconds; 0 if the daemon did not start it, or not yet.
        reason: Why the daemon is about to end it; None if it is not.
        exit: How it ended, once that is known.
        closed: Streams that have ended.
        forced: Those of them that were given up before their end.
        stdin_committed: How many bytes stdin had taken when it was closed; None while it is open.
    """

    life: ProcessLife
    output_complete: bool = False
    pid: int = 0
    created: tuple[float, float] = (0.0, 0.0)
    start_time: int = 0
    reason: ExitReason | None = None
    exit: Exit | None = None
    closed: frozenset[Stream] = frozenset()
    forced: frozenset[Stream] = frozenset()
    stdin_committed: int | None = None


@dataclass(frozen=True, slots=True)
class SavedSystem:
    """A compute system.

    Attributes:
        id: The id HCS knows it by.
        runtime_id: What tells it from another one of the same id; "" if the engine does not tell.
        create_time: POSIX time in nanoseconds of the create; None for a system made by others.
        request: What tells the request of its create from others.
        limits: What the create has asked for; None for a system made by others.
        properties: What HCS said of it last.
        life: Where it is in its life.
        exit: How it ended, once that is known.
    """

    id: str
    runtime_id: str
    create_time: int | None
    request: RequestKey
    limits: SystemLimits | None
    properties: SystemProperties
    life: SystemLife
    exit: SystemEnding | None = None


class Saved(NamedTuple):
    """All that a journal had when it was opened.

    Attributes:
        processes: Those that were not removed, in the order of their numbers.
        systems: Those that were not removed, in the order in which they were first kept.
        events: Those that were not dropped, without holes, the oldest first. Events of one process
            share its identity, also with `processes`.
        newest: Revision of the latest event that there ever was; 0 if there was none.
        next_number: A number greater than any that a process has had.
    """

    processes: list[tuple[SavedProcess, SavedState]]
    systems: list[SavedSystem]
    events: list[Event]
    newest: int
    next_number: int


NOTHING = Saved([], [], [], 0, 1)
