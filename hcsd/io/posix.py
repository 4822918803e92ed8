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

A ring with files is filled without reading: the system moves the bytes from the pipe into the file. A
terminal needs a pipe, the bridge, in between; what an earlier process has left there goes first.

The loop watches by descriptor number: `descriptor` says how a number is given up.
"""

import asyncio
import errno
import os
from collections.abc import Callable, Sequence

import anyio

from hcsd.io import linux
from hcsd.io.descriptor import Descriptor
from hcsd.io.ends import PULL_BYTES, READ_BYTES, BaseDrain, BaseWriteEnd, DrainState
from hcsd.io.reserve import RESERVE
from hcsd.io.ring import Ring
from hcsd.io.spool import Spool

TURN_BYTES = 2 * READ_BYTES  # per loop callback: 20 % faster than one read, no better with four
SMALL_BYTES = READ_BYTES // 4  # a turn that brought less than this did not find the pipe filling up
MEMORY_PAUSE = 1.0  # seconds until another try to read for which there was no memory (arbitrary)
TERMINAL_BYTES = 4096  # the most that a read of a terminal brings
HOLD = 0.001  # seconds; what an epoll timeout can do at the least, and fills a pipe many times over


class Drain(BaseDrain):
    """Reads a descriptor into a ring; see `BaseDrain`.

    Args:
        handle: the descriptor.
        ring: as there.
        on_end: as there.
        bridge: the ends of a pipe, reading end first, that lies between a terminal and the files of
            the ring. Without one a terminal is read, and a kill may lose what was just read.

    Raises:
        ValueError: the descriptor is not a pipe, a terminal or a socket; it stays the caller's.
    """

    def __init__(
        self, handle: int, ring: Ring, on_end: Callable[[], None], bridge: Sequence[int] = ()
    ) -> None:
        self._descriptor = Descriptor(handle)
        super().__init__(ring, on_end)
        self._bridge = tuple(bridge)
        for end in self._bridge:
            os.set_blocking(end, False)  # type: ignore[attr-defined, unused-ignore]  # typeshed: not in 3.11 for win32
        self._bridged = linux.unread_bytes(self._bridge[0]) if self._bridge else 0
        self._by_files = bool(self._bridge) or (ring.splices and self._descriptor.pipe)
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
        bridge, self._bridge = self._bridge, ()
        for end in bridge:
            os.close(end)

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
            count = self._move(size, beyond=beyond)
            if count is None:
                return
            budget -= count
            if count < size and not until_empty:
                return  # it was all there is: asking again would cost a call to be told so

    def _move(self, size: int, *, beyond: bool) -> int | None:
        """Move up to `size` bytes to the ring; None if there is nothing now, or nothing more ever."""
        if not RESERVE.is_held():
            self._hold_for(MEMORY_PAUSE)
            return None
        try:
            return self._take(size, beyond=beyond)
        except BlockingIOError:
            pass
        except MemoryError:
            RESERVE.give_up()
            self._hold_for(MEMORY_PAUSE)
        except OSError as error:
            self._fail(error)
        return None

    def _take(self, size: int, *, beyond: bool) -> int | None:
        source = self._descriptor.number
        if self._by_files:
            source = self._cross(size)
            if self._ring.splices:
                return self._splice(source, min(size, self._bridged or size), beyond=beyond)
        data = os.read(source, size)
        if not data:
            self.finish(forced=False)
            return None
        self._bridged -= min(self._bridged, len(data))
        try:
            self.last_activity = asyncio.get_running_loop().time()
            self._ring.append(data, beyond=beyond)
        except MemoryError as error:  # the bytes are lost
            self._fail(error)
            return None
        return len(data)

    def _cross(self, size: int) -> int:
        """Return where to take bytes from; a terminal's are moved to the bridge first."""
        if not self._bridge:
            return self._descriptor.number
        if not self._bridged:
            if not self._ring.splices:
                return self._descriptor.number
            most = min(size, TERMINAL_BYTES)
            self._bridged = linux.splice(self._descriptor.number, self._bridge[1], most)
        return self._bridge[0]

    def _splice(self, source: int, size: int, *, beyond: bool) -> int | None:
        try:
            count = self._ring.splice(source, size, beyond=beyond)
        except MemoryError as error:  # the files were full, and the bytes are lost
            self._fail(error)
            return None
        if not count:
            self.finish(forced=False)
            return None
        self.last_activity = asyncio.get_running_loop().time()
        self._bridged -= min(self._bridged, count)
        return count

    def _fail(self, error: OSError | MemoryError) -> None:
        hung_up = isinstance(error, OSError) and error.errno == errno.EIO
        if self._descriptor.terminal and hung_up:
            self.finish(forced=False)  # how a terminal says that nobody has it open any more
            return
        super()._fail(error)


class WriteEnd(BaseWriteEnd):
    """Writes a descriptor; see `BaseWriteEnd`.

    Args:
        handle: the descriptor.
        spool: where the bytes lie before they are accepted, if a kill of this process is to leave no
            doubt about them. `written` begins with what it says. It is closed with the end.

    Raises:
        ValueError: the descriptor is not a pipe, a terminal or a socket, or the spool is for another
            kind; both stay the caller's.
    """

    def __init__(self, handle: int, spool: Spool | None = None) -> None:
        super().__init__()
        if spool is not None and spool.bridged is not os.isatty(handle):
            raise ValueError("a spool has a bridge in front of a terminal, and nowhere else")
        self._descriptor = Descriptor(handle)
        self._spool = spool
        if spool is not None:
            self.written = spool.accepted
        self._wait: asyncio.Future[None] | None = None

    @property
    def closed(self) -> bool:
        """Whether the end was closed by its owner."""
        return self._descriptor.number == -1

    def close(self) -> None:
        """Close the descriptor, once nobody waits for it."""
        self._wake(self._wait)
        self._descriptor.close()
        if self._spool is not None:
            self._spool.close()

    async def _write(self, rest: memoryview) -> None:
        try:
            await self._write_rest(rest)
        finally:
            if self._spool is not None:
                self._spool.take_back()

    async def _write_rest(self, rest: memoryview) -> None:
        waited = False
        while True:
            if self.closed:
                raise anyio.ClosedResourceError
            if not rest:
                return
            try:
                count = self._write_some(rest)
            except OSError as error:  # EPIPE, ECONNRESET, or EIO of a terminal
                raise anyio.BrokenResourceError from error
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
            if self._spool is not None:
                return self._spool.move(self._descriptor.number, rest)
            return os.write(self._descriptor.number, rest)
        except BlockingIOError:
            return 0

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
