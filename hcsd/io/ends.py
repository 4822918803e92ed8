"""What pipe ends have in common on every platform; `posix` and `win32` do the input and output.

The one reader of a pipe is a drain, which moves what it reads into a ring:

    state    event                            next
    IDLE     start()                          READING
    READING  the ring has no room             PAUSED
    PAUSED   the ring calls on_room           READING
    READING  end of file, or an error         ENDED
    READING  no memory for what was read      ENDED, and the stream is cut
    any      finish()                         ENDED
    any      leave()                          ENDED, and nobody is told

A paused drain leaves the bytes in the pipe, and the process that writes them blocks: that is how a
BLOCK ring holds its process back. ENDED is final: the handle is closed, then the ring, then `on_end`
is called, once.

A write end has one writer at a time. Whatever ends a write (the reader, a cancellation, `close`),
`written` stays exact, because it moves together with the system call and no await lies between.

Thread: the loop's.
"""

import abc
import asyncio
import enum
import logging
from collections.abc import Callable

import anyio
import anyio.lowlevel

from hcsd.io.reserve import RESERVE
from hcsd.io.ring import Ring

logger = logging.getLogger(__name__)

READ_BYTES = 64 * 1024  # what a pipe holds by default
PULL_BYTES = 1024 * 1024  # the most a pipe holds unless its owner is privileged


class DrainState(enum.Enum):
    """Where a drain is; the transitions are in the module's description."""

    IDLE = "idle"
    READING = "reading"
    HELD = "held"  # reading, on POSIX: small writes are left to gather for a moment
    PAUSED = "paused"
    ENDED = "ended"


class BaseDrain(abc.ABC):
    """The one reader of a pipe, which appends to a ring until the pipe ends.

    Args:
        ring: takes the bytes. The drain sets its `on_room` and is the one that closes it.
        on_end: called once when the drain has ended, also when `finish` ends it.

    Attributes:
        error: why reading failed, if it did. The ring is then closed as forced, since the end of
            the stream was not seen.
        last_activity: the loop's time when data last came, or at `start`.

    Ownership:
        The handle is the drain's from construction, and is closed when the drain ends.
    """

    def __init__(self, ring: Ring, on_end: Callable[[], None]) -> None:
        self.error: OSError | MemoryError | None = None
        self.last_activity = 0.0
        self._ring = ring
        self._on_end = on_end
        self._state = DrainState.IDLE
        self._loop: asyncio.AbstractEventLoop | None = None
        ring.on_room = self._resume

    @property
    def state(self) -> DrainState:
        """Where the drain is."""
        return self._state

    def start(self) -> None:
        """Begin to read, on the running loop.

        Raises:
            RuntimeError: the drain was started before, or finished.
        """
        if self._state is not DrainState.IDLE:
            raise RuntimeError(f"cannot start a drain that is {self._state.value}")
        self._loop = asyncio.get_running_loop()
        self.last_activity = self._loop.time()
        self._watch(self._loop)

    @abc.abstractmethod
    def drain_available(self, *, beyond: bool = False) -> None:
        """Read at once what is in the pipe, and see its end if it is there.

        At most `PULL_BYTES` are moved, so that a writer that never stops cannot keep the loop.

        Args:
            beyond: also what a BLOCK ring has no room for.
        """

    def finish(self, *, forced: bool = True) -> None:
        """Stop reading, close the handle and the ring; idempotent.

        Args:
            forced: the stream is cut, rather than known to be complete.
        """
        if self._state is DrainState.ENDED:
            return
        self._unwatch()
        self._state = DrainState.ENDED
        self._close()
        self._ring.on_room = None
        self._ring.close(forced=forced)
        self._on_end()

    def leave(self) -> None:
        """Stop reading and close the handle, and leave the stream open for another process.

        Nobody is told.
        """
        if self._state is not DrainState.ENDED:
            self._unwatch()
            self._state = DrainState.ENDED
            self._close()
            self._ring.on_room = None

    @abc.abstractmethod
    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Become READING, and be called when there is something to read."""

    @abc.abstractmethod
    def _unwatch(self) -> None:
        """Be called no more; in any state."""

    @abc.abstractmethod
    def _close(self) -> None:
        """Close the handle."""

    def _pause(self) -> None:
        # Else it is paused, or a wake has finished it.
        if self._state in {DrainState.READING, DrainState.HELD}:
            self._unwatch()
            self._state = DrainState.PAUSED

    def _resume(self) -> None:
        if self._state is DrainState.PAUSED and self._loop is not None:
            self._watch(self._loop)

    def _fail(self, error: OSError | MemoryError) -> None:
        if isinstance(error, MemoryError):
            RESERVE.give_up()
            logger.warning("the output of a process was cut: there is no memory for it")
        self.error = error
        self.finish(forced=True)


class BaseWriteEnd(abc.ABC):
    """The writing end of a pipe, for one writer at a time.

    Attributes:
        written: how many bytes the pipe has accepted so far. Exact at any time, also after a
            write that was cancelled, closed or broken.

    Ownership:
        The handle is the object's from construction, until `close`.
    """

    def __init__(self) -> None:
        self.written = 0
        self._busy = False

    @property
    @abc.abstractmethod
    def closed(self) -> bool:
        """Whether the end was closed by its owner."""

    async def write(self, data: bytes) -> None:
        """Write all of `data`, as fast as the other side reads it.

        Raises:
            anyio.BusyResourceError: another write is under way; nothing of this one was written.
            anyio.ClosedResourceError: the end was closed, before the call or during it.
            anyio.BrokenResourceError: nobody has the other side open any more.
        """
        if self._busy:
            raise anyio.BusyResourceError("writing to")
        self._busy = True
        try:
            await anyio.lowlevel.checkpoint()
            await self._write(memoryview(data))
        finally:
            self._busy = False

    @abc.abstractmethod
    def close(self) -> None:
        """Close the end, which is the end of file for the reader; idempotent.

        A blocked writer gets `anyio.ClosedResourceError`. What was accepted still arrives.
        """

    @abc.abstractmethod
    async def _write(self, rest: memoryview) -> None:
        """Write all of it; raises as `write` does."""
