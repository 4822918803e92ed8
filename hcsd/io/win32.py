"""Asynchronous ends of overlapped Windows pipes.

    read    READING has one operation under way, every other state none
    write   one operation under way at a time; a writer that goes away leaves it there

What a read brings when the ring has lost its room meanwhile (a reader came back to an older offset)
waits here, PAUSED, and goes first. Reads grow with what they find, from a page to 64 KiB, so that an
idle pipe does not pin much memory.

A cancelled write does not tell how much of it was read before. So none is ever cancelled: the bytes
that the system has taken count as written, at most `WRITE_BYTES` of them ahead of the other side, and
`close` leaves the handle open until they have arrived or the pipe is broken.

A reading end is closed in the order cancel, wait, close: a handle that is closed under an operation
may report an end of file that none was.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence

import anyio

from hcsd.io import overlapped
from hcsd.io.ends import PULL_BYTES, READ_BYTES, BaseDrain, BaseWriteEnd, DrainState
from hcsd.io.ring import Ring
from hcsd.io.spool import Spool

assert sys.platform == "win32"  # noqa: S101, TID251  (says the same to the type checker)

IDLE_BYTES = 4096
WRITE_BYTES = 64 * 1024
ERROR_PIPE_NOT_CONNECTED = 233
GONE = {overlapped.ERROR_BROKEN_PIPE, ERROR_PIPE_NOT_CONNECTED}


class Drain(BaseDrain):
    """Reads an overlapped handle into a ring; see `BaseDrain`.

    There is no splicing here, and so no bridge.

    Raises:
        ValueError: the handle is not a pipe; it stays the caller's.
    """

    def __init__(
        self,
        handle: int,
        ring: Ring,
        on_end: Callable[[], None],
        bridge: Sequence[int] = (),
    ) -> None:
        self._pipe = overlapped.Pipe(handle)
        super().__init__(ring, on_end)
        self._operation: overlapped.Operation | None = None
        self._size = IDLE_BYTES
        self._unplaced = b""  # read, and waiting for room

    def drain_available(self, *, beyond: bool = False) -> None:
        """Take what a read under way has found, and read on while there is something."""
        if self._state not in {DrainState.READING, DrainState.PAUSED}:
            return
        end = self._ring.end_offset + PULL_BYTES
        while self._place(beyond=beyond) and self._ring.end_offset < end:
            operation, self._operation = self._operation, None
            try:
                if operation is None:
                    size = min(self._pipe.available(), self._room(beyond=beyond))
                    if not size:
                        break
                    operation = self._pipe.read(size)
                self._take(operation.bytes_read(cancel=True))
            except (OSError, MemoryError) as error:
                self._end(error)
        if self._state is DrainState.READING and self._operation is None:
            self._read()

    def _room(self, *, beyond: bool) -> int:
        return READ_BYTES if beyond else min(self._ring.room(), READ_BYTES)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._state = DrainState.READING
        self._read()

    def _unwatch(self) -> None:
        operation, self._operation = self._operation, None
        if operation is not None:
            with contextlib.suppress(OSError):  # nobody wants it any more
                operation.bytes_read(cancel=True)

    def _close(self) -> None:
        self._pipe.close()

    def _read(self) -> None:
        """Place what was read, then ask for more."""
        if not self._place():
            return
        try:
            self._operation = self._pipe.read(min(self._size, self._ring.room()))
        except (OSError, MemoryError) as error:
            self._end(error)
            return
        self._operation.completed.add_done_callback(self._on_completed)

    def _place(self, *, beyond: bool = False) -> bool:
        """Append what was read; returns whether there is room for more, else pauses."""
        while self._state is not DrainState.ENDED:
            room = self._room(beyond=beyond)
            if not room:
                self._pause()
                return False
            if not self._unplaced:
                return True
            try:
                data, self._unplaced = self._unplaced[:room], self._unplaced[room:]
                self._ring.append(data, beyond=beyond)  # which may finish the drain, by a wake
            except MemoryError as error:  # the bytes are lost
                self._fail(error)
        return False

    def _on_completed(self, completed: asyncio.Future[None]) -> None:
        operation = self._operation
        if operation is None or operation.completed is not completed:
            return  # it was taken already
        self._operation = None
        try:
            self._take(operation.bytes_read())
        except (OSError, MemoryError) as error:
            self._end(error)
            return
        self._read()

    def _take(self, data: bytes) -> None:
        """Note what a read brought.

        Raises:
            OSError: nothing, because the pipe has ended.
        """
        if not data:
            self._pipe.available()
            return
        self.last_activity = asyncio.get_running_loop().time()
        self._size = min(2 * self._size, READ_BYTES) if len(data) >= self._size else IDLE_BYTES
        self._unplaced += data

    def _end(self, error: OSError | MemoryError) -> None:
        if isinstance(error, OSError) and error.winerror in GONE:
            self.finish(forced=False)
        else:
            self._fail(error)


class WriteEnd(BaseWriteEnd):
    """Writes an overlapped handle; see `BaseWriteEnd`.

    There is no splicing here, and so no spool.

    Raises:
        ValueError: the handle is not a pipe; it stays the caller's.
    """

    def __init__(self, handle: int, spool: Spool | None = None) -> None:
        super().__init__()
        self._pipe = overlapped.Pipe(handle)
        self._operation: overlapped.Operation | None = None
        self._broken: OSError | None = None
        self._closed = False
        self._wait: asyncio.Future[None] | None = None

    @property
    def closed(self) -> bool:
        """Whether the end was closed by its owner."""
        return self._closed

    def close(self) -> None:
        """Close the handle, or leave that to the operation under way."""
        if self._closed:
            return
        self._closed = True
        self._wake()
        if self._operation is None:
            self._pipe.close()

    async def _write(self, rest: memoryview) -> None:
        while True:
            while self._operation is not None and not self._closed:
                self._wait = asyncio.get_running_loop().create_future()
                await self._wait
            if self._closed:
                raise anyio.ClosedResourceError
            if self._broken is not None:
                raise anyio.BrokenResourceError from self._broken
            if not rest:
                return
            piece = bytes(rest[:WRITE_BYTES])
            try:
                self._operation = self._pipe.write(piece)
            except OSError as error:
                raise anyio.BrokenResourceError from error
            self.written += len(piece)
            rest = rest[len(piece) :]
            self._operation.completed.add_done_callback(self._on_completed)

    def _on_completed(self, _completed: asyncio.Future[None]) -> None:
        operation, self._operation = self._operation, None
        try:
            if operation is not None:
                operation.overlapped.getresult(False)
        except OSError as error:
            self._broken = error
        if self._closed:
            self._pipe.close()
        self._wake()

    def _wake(self) -> None:
        if self._wait is not None and not self._wait.done():
            self._wait.set_result(None)
