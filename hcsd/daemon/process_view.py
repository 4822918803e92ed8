"""What there is to see of a process, as values."""

from __future__ import annotations

import enum
import itertools
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from hcsd.abi.hresult import HR
from hcsd.daemon.shorten import shorten
from hcsd.hcs.errors import HcsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.daemon.names import ProcessKey
    from hcsd.daemon.options import Options
    from hcsd.daemon.process_life import Life
    from hcsd.daemon.spec import ProcessSpec
    from hcsd.hcs.process import ProcessEnd
    from hcsd.io import Ring

# Bytes, generously (measured): of an event of a process without what was asked for; and of what holds
# a text in a tuple and in a message, beside the text itself, which is there twice.
BASE_WEIGHT = 2048
TEXT_WEIGHT = 64


class Origin(enum.Enum):
    """How the daemon came to know a process."""

    CREATED = enum.auto()
    OPENED = enum.auto()


class ExitReason(enum.Enum):
    """Why a process ended."""

    EXITED = enum.auto()
    SIGNALED = enum.auto()
    TERMINATED = enum.auto()
    RUN_TIMEOUT = enum.auto()
    OWNER_GONE = enum.auto()
    SYSTEM_EXITED = enum.auto()
    DAEMON_SHUTDOWN = enum.auto()
    OUT_OF_MEMORY = enum.auto()


class Failure(NamedTuple):
    """What HCS could not do: an HRESULT, unsigned, and the same in words.

    Of a start also how far it came and what the host answered there, if the engine can tell.
    """

    hresult: int
    message: str
    stage: str = ""
    errno: int = 0

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Take down why a process did not start."""
        if isinstance(error, HcsError):
            return cls(error.hresult, shorten(str(error)), error.stage, error.errno)
        return cls(HR.E_UNEXPECTED, shorten(str(error)))


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended. At most one of `code`, `start_error` and `unknown` is set.

    Attributes:
        code: Exit code, 0 to 2**32-1.
        start_error: Why it did not start.
        unknown: Why nobody can tell its code.
        signal: Number of the signal that ended it; 0 if none did, or the engine cannot tell.
        time: POSIX time in nanoseconds when it ended, if the engine tells that, or else when the daemon
            learnt of it; 0 if it has not.
        reason: Why it ended; None if that is not known.
        output_complete: Whether the daemon has read all of its output.
    """

    code: int | None = None
    start_error: Failure | None = None
    unknown: Failure | None = None
    signal: int = 0
    time: int = 0
    reason: ExitReason | None = None
    output_complete: bool = False

    @classmethod
    def of(
        cls, end: ProcessEnd, reason: ExitReason | None, started: int, *, output_complete: bool
    ) -> Exit:
        """Record an end that the engine has just told.

        Args:
            end: What it told.
            reason: Why the daemon ended it, if it did.
            started: When the daemon learnt that it runs: it may have ended before, and is told to have ended
                then. In nanoseconds since 1970.
            output_complete: Whether the daemon has read all of its output.
        """
        return cls(
            code=end.exit_code,
            unknown=Failure(end.hresult, shorten(end.message)) if end.exit_code is None else None,
            signal=end.signal,
            time=max(started, end.time or time.time_ns()),
            reason=reason or _natural_reason(end),
            output_complete=output_complete,
        )


def _natural_reason(end: ProcessEnd) -> ExitReason | None:
    if end.out_of_memory:  # it says more than that its system ended, too
        return ExitReason.OUT_OF_MEMORY
    if end.with_system:
        return ExitReason.SYSTEM_EXITED
    if end.exit_code is None:
        return None
    return ExitReason.SIGNALED if end.signal else ExitReason.EXITED


# Shown of a process that is lost: it may be found again.
LOST_EXIT = Exit(unknown=Failure(HR.SERVICE_DISCONNECT, "the Host Compute Service went away"))


class StreamStatus(NamedTuple):
    """A stream of a process.

    Attributes:
        start_offset: Offset of the first byte that is kept.
        end_offset: How many bytes it has had.
        closed: Whether none can follow.
        dropped_bytes: How many have left the ring.
        readers: How many read it, or write to it.
    """

    start_offset: int = 0
    end_offset: int = 0
    closed: bool = False
    dropped_bytes: int = 0
    readers: int = 0

    @classmethod
    def of(cls, ring: Ring) -> StreamStatus:
        """Describe an output stream."""
        return cls(
            ring.start_offset, ring.end_offset, ring.closed, ring.dropped_bytes, ring.readers
        )


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """What never changes of a process.

    Attributes:
        key: Its identity in the daemon.
        uid: Unique id, never used again.
        incarnation: Boot id of the daemon.
        spec: What was asked for, with the defaults that apply. None if nobody asked: it was opened.
        options: How it is kept; None likewise.
        labels: Labels.
        origin: How the daemon came to know it.
        create_time: POSIX time in nanoseconds.
        name: Its resource name.
        cached: What a protocol has made of this, to be used again; nothing else of it changes.
        weight: About how many bytes of memory it takes, with what a protocol makes of it.
    """

    key: ProcessKey
    uid: str
    incarnation: str
    spec: ProcessSpec | None
    options: Options | None
    labels: Mapping[str, str]
    origin: Origin
    create_time: int
    name: str
    cached: list[object] = field(default_factory=list)
    weight: int = field(init=False)

    def __post_init__(self) -> None:
        texts = [self.name, *itertools.chain.from_iterable(self.labels.items())]
        if self.spec is not None:
            texts += self.spec.texts
        weight = BASE_WEIGHT + sum(TEXT_WEIGHT + 2 * sys.getsizeof(text) for text in texts)
        object.__setattr__(self, "weight", weight)  # it is frozen from here on

    @property
    def has_console(self) -> bool:
        """Whether it was created with a console."""
        return self.spec is not None and self.spec.console is not None


class ProcessView(NamedTuple):
    """A process as it is at one moment; made for every answer, so it is the cheapest kind of value.

    Attributes:
        identity: What never changes of it.
        life: Where it is; of a deleted one where it was.
        pid: Pid in the guest; 0 before it runs.
        start_time: POSIX time in nanoseconds; 0 if the daemon did not start it, or not yet.
        stdin: None if the daemon has no pipe to it.
        stdout: Its output.
        stderr: Its output.
        exit: How it ended, once that is known.
    """

    identity: Identity
    life: Life
    pid: int
    start_time: int
    stdin: StreamStatus | None
    stdout: StreamStatus
    stderr: StreamStatus
    exit: Exit | None
