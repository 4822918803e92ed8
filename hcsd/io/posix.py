"""Asynchronous ends of POSIX pipes, terminals and sockets, on the running asyncio loop.

Everything is driven by the loop's readiness callbacks: an idle pipe costs one registration, no
task and no thread, so their number does not grow with the number of processes.

A drain has one state more than `ends` tells of, and is registered with the loop in one of them:

    state    event                                next     reader registered
    READING                                                yes
    READING  small pieces in quick succession     HELD     no
    HELD     1 ms later                           READING  yes
    READING  there is no memory to read           HELD     no
    HELD     a second later                       READING  yes, see `reserve`

A held drain lets small writes gather in the pipe. Without it, a program that writes a page at a time
wakes the loop with each, and on a busy machine is preempted by it: every page then becomes a message
of its own, at ten times the cost (measured). The first small piece after a quiet moment is never held
up, nor is the end of file behind it.

The loop watches by descriptor number, and a number is reused as soon as it is closed. So the
callback is removed before the close, and the owner forgets the number first: a late use finds -1,
never somebody else's file.
"""

import asyncio
import errno
import os
import stat
import warnings
from collections.abc import Callable

import anyio

from hcsd.io.ends import PULL_BYTES, READ_BYTES, BaseDrain, BaseWriteEnd, DrainState
from hcsd.io.reserve import RESERVE
from hcsd.io.ring import Ring

TURN_BYTES = 2 * READ_BYTES  # per loop callback: 20 % faster than one read, no better with four
SMALL_BYTES = READ_BYTES // 4  # a turn that brought less than this did not find the pipe filling up
MEMORY_PAUSE = 1.0  # seconds until another try to read for which there was no memory (arbitrary)
HOLD = 0.001  # seconds; what an epoll timeout can do at the least, and fills a pipe many times over


class _Descriptor:
    """An owned descriptor in non-blocking mode; `number` is -1 once it is closed."""

    __slots__ = ("number", "terminal")

    def __init__(self, number: int) -> None:
        self.number = -1
        mode = os.fstat(number).st_mode
        self.terminal = stat.S_ISCHR(mode) and os.isatty(number)
        if not (self.terminal or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            # Readiness has no meaning for others, and epoll refuses them with a bare EPERM.
            raise ValueError(f"descriptor {number} is not a pipe, a terminal or a socket")
        os.set_blocking(number, False)  # type: ignore[attr-defined, unused-ignore]  # typeshed: not in 3.11 for win32
        self.number = number

    def close(self) -> None:
        number, self.number = self.number, -1
        if number != -1:
            os.close(number)

    def __del__(self) -> None:
        if self.number != -1:
            warnings.warn(f"descriptor {self.number} was not closed", ResourceWarning, stacklevel=2)
            self.close()


class Drain(BaseDrain):
    """Reads a descriptor into a ring; see `BaseDrain`.

    Raises:
        ValueError: the descriptor is not a pipe, a terminal or a socket; it stays the caller's.
    """

    def __init__(self, handle: int, ring: Ring, on_end: Callable[[], None]) -> None:
        self._descriptor = _Descriptor(handle)
        super().__init__(ring, on_end)
        self._release: asyncio.TimerHandle | None = None  # set while HELD
        self._small_at = 0.0  # the loop's time when a turn last brought little

    def drain_available(self, *, beyond: bool = False) -> None:
        """Move what is there."""
        if self._state in {DrainState.READING, DrainState.HELD, DrainState.PAUSED}:
            self._read(PULL_BYTES, until_empty=True, beyond=beyond)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._release = None
        loop.add_reader(self._descriptor.number, self._on_readable)
        self._state = DrainState.READING

    def _unwatch(self) -> None:
        if self._state is DrainState.READING and self._loop is not None:
            self._loop.remove_reader(self._descriptor.number)
        if self._release is not None:
            self._release.cancel()
            self._release = None

    def _close(self) -> None:
        self._descriptor.close()

    def _on_readable(self) -> None:
        # A turn moves no more than the room at its start: a cursor in step gets all of it even
        # from a DROP_OLDEST ring, since no consumer runs before the turn is over.
        before, budget = self._ring.end_offset, min(TURN_BYTES, self._ring.room())
        self._read(budget, until_empty=False)
        got = self._ring.end_offset - before
        if self._state is DrainState.READING and got < min(SMALL_BYTES, budget):
            self._hold()

    def _hold(self) -> None:
        """After a second small piece within a moment, let more of them gather."""
        last, self._small_at = self._small_at, self.last_activity
        if self.last_activity - last <= HOLD:
            self._hold_for(HOLD)

    def _hold_for(self, seconds: float) -> None:
        """Leave what the process writes in the pipe for a while."""
        if self._state is DrainState.READING and self._loop is not None:
            self._unwatch()
            self._state = DrainState.HELD
            self._release = self._loop.call_later(seconds, self._watch, self._loop)

    def _read(self, budget: int, *, until_empty: bool, beyond: bool = False) -> None:
        """Move up to `budget` bytes; a short read ends it too, unless `until_empty`."""
        while True:
            room = READ_BYTES if beyond else self._ring.room()
            if not room:
                self._pause()
                return
            size = min(READ_BYTES, budget, room)
            if not size:
                return
            data = self._read_some(size)
            if data is None:
                return
            try:
                self.last_activity = asyncio.get_running_loop().time()
                self._ring.append(data, beyond=beyond)
            except MemoryError as error:  # the bytes are lost
                self._fail(error)
                return
            budget -= len(data)
            if len(data) < size and not until_empty:
                return  # it was all there is: asking again would cost a call to be told so

    def _read_some(self, size: int) -> bytes | None:
        """Return what is there; None if there is nothing now, or nothing more ever."""
        if not RESERVE.is_held():
            self._hold_for(MEMORY_PAUSE)
            return None
        try:
            data = os.read(self._descriptor.number, size)
        except BlockingIOError:
            return None
        except MemoryError:
            RESERVE.give_up()
            self._hold_for(MEMORY_PAUSE)
            return None
        except OSError as error:
            self._fail(error)
            return None
        if not data:
            self.finish(forced=False)
            return None
        return data

    def _fail(self, error: OSError | MemoryError) -> None:
        hung_up = isinstance(error, OSError) and error.errno == errno.EIO
        if self._descriptor.terminal and hung_up:
            self.finish(forced=False)  # how a terminal says that nobody has it open any more
            return
        super()._fail(error)


class WriteEnd(BaseWriteEnd):
    """Writes a descriptor; see `BaseWriteEnd`.

    Raises:
        ValueError: the descriptor is not a pipe, a terminal or a socket; it stays the caller's.
    """

    def __init__(self, handle: int) -> None:
        super().__init__()
        self._descriptor = _Descriptor(handle)
        self._wait: asyncio.Future[None] | None = None

    @property
    def closed(self) -> bool:
        """Whether the end was closed by its owner."""
        return self._descriptor.number == -1

    def close(self) -> None:
        """Close the descriptor, once nobody waits for it."""
        self._wake(self._wait)
        self._descriptor.close()

    async def _write(self, rest: memoryview) -> None:
        waited = False
        while True:
            if self.closed:
                raise anyio.ClosedResourceError
            if not rest:
                return
            count = self._write_some(rest)
            if waited and not count and self._descriptor.terminal:
                # Writing to a terminal that was hung up is no error. Its buffer just stays full
                # while it is reported ready for ever, so trying again would never end.
                raise anyio.BrokenResourceError
            self.written += count
            rest = rest[count:]
            if rest:  # the pipe took less than all, so it is full: wait rather than be refused
                await self._writable()
                waited = True

    def _write_some(self, rest: memoryview) -> int:
        try:
            return os.write(self._descriptor.number, rest)
        except BlockingIOError:
            return 0
        except OSError as error:  # EPIPE, ECONNRESET, or EIO of a terminal
            raise anyio.BrokenResourceError from error

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        self._wait = wait = loop.create_future()
        loop.add_writer(self._descriptor.number, self._wake, wait)
        try:
            await wait
        finally:
            self._wake(wait)

    def _wake(self, wait: asyncio.Future[None] | None) -> None:
        """End the wait once, with the callback gone before the descriptor can be."""
        if wait is None or wait is not self._wait:
            return
        self._wait = None
        wait.get_loop().remove_writer(self._descriptor.number)
        if not wait.done():
            wait.set_result(None)
