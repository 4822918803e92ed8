"""The stdin of one process: offsets, one writer at a time, end-of-file.

The stream, which never goes back:

    OPEN ──close()──▶ CLOSING ──HCS has closed its handle──▶ CLOSED
      └──abandon()──▶ CLOSED      the process has exited, was deleted, or has closed its end

End-of-file needs two steps, since the service holds its own copy of the pipe: HCS is told to close its
handle, and then ours is closed. Ours is closed even if HCS fails; then stdin stays CLOSING, and another
`close` asks HCS again. Nothing else is end-of-file: not the end of a writer, nor that of its connection.

`committed` counts the bytes that the pipe has accepted. A write says at which offset its data
starts: what lies before `committed` is skipped (a client that resumes may repeat itself), what
lies beyond it is refused (bytes in between would be lost silently). So a write that was accepted in
full may be repeated at any time, even when stdin is closed.

A writer holds the place of the one who writes, from `Stdin.writer` to the end of its block:

    WRITING ──its block ends, or it lets go──▶ GONE
    WRITING ──another takes over──▶ LOST       its block ends with STDIN_TAKEN_OVER
    WRITING ──stdin is no longer OPEN──▶ LOST  its block ends with STDIN_CLOSED

Several calls may have the whole of the stdin, as those that share an ExecProcess. They feed it in turn,
each behind what the pipe has accepted. What others write, or take over from one that feeds, ends that for
good: their bytes and those of the feed would mix.

A writer that is lost is cancelled wherever its block waits. Its successor holds the place at once,
but writes only after the predecessor's write has ended: `_turn` passes from one to the other. So
each of them knows exactly what the pipe has accepted of it.

Thread: the event loop's.
"""

from __future__ import annotations

import contextlib
import enum
from typing import TYPE_CHECKING

import anyio

from hcsd.daemon.process_view import StreamStatus
from hcsd.daemon.reasons import Reason
from hcsd.daemon.stdin_errors import StdinClosedError, StdinError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from hcsd.hcs.process import Process
    from hcsd.io import WriteEnd


class StdinState(enum.Enum):
    """Where stdin is; the transitions are in the module's description."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class Stdin:
    """The stdin of a process.

    Args:
        name: Resource name of the process.
        process: Its engine object.
        pipe: The write end, or None if it was made without.
        before_close: Awaited before HCS is told to close it.
        closed_at: How many bytes the pipe had accepted when an earlier run of the daemon closed it, or
            was about to; None if it did not.

    Attributes:
        feeding: Held by the one that feeds it, of several calls that all have the whole of it.
        taken: Whether others have written to it, or taken it from one that feeds it.
    """

    def __init__(
        self,
        name: str,
        process: Process | None,
        pipe: WriteEnd | None,
        before_close: Callable[[], Awaitable[None]] | None = None,
        closed_at: int | None = None,
    ) -> None:
        self._name = name
        self._process = process
        self._pipe = pipe
        self._before_close = before_close
        self._state = StdinState.OPEN if pipe else StdinState.CLOSED
        self._why_closed = "the process was started without one"
        self._committed = closed_at or 0  # if there is no pipe
        if closed_at is not None:
            self._state = StdinState.CLOSING if pipe else StdinState.CLOSED
            self._why_closed = "it was closed"
        self._writer: Writer | None = None  # who holds the place
        self.feeding = anyio.Lock()
        self.taken = False
        self._turn = anyio.Lock()  # held while bytes go to the pipe

    @classmethod
    def over(cls, name: str, committed: int) -> Stdin:
        """Make that of a process which had ended before the daemon was started."""
        return cls(name, None, None, closed_at=committed)

    def leave(self) -> None:
        """Close our end, and leave what the engine has of it to the next run of the daemon."""
        self._close_pipe()

    @property
    def committed(self) -> int:
        """How many bytes the pipe has accepted."""
        return self._pipe.written if self._pipe else self._committed

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written."""
        return self._state is not StdinState.OPEN

    @property
    def writers(self) -> int:
        """How many hold the place of the writer: 0 or 1."""
        return 0 if self._writer is None else 1

    @property
    def closing(self) -> bool:
        """Whether HCS has not closed its copy of the pipe yet."""
        return self._state is StdinState.CLOSING

    def status(self) -> StreamStatus:
        """Describe it."""
        return StreamStatus(end_offset=self.committed, closed=self.closed, readers=self.writers)

    @contextlib.contextmanager
    def writer(self, *, take_over: bool = False, feeds: bool = False) -> Iterator[Writer]:
        """Be the one who writes, inside the block.

        Args:
            take_over: Whether to take the place of the present writer.
            feeds: Whether it is one that feeds it, and so holds `feeding`.

        Raises:
            StdinError: STDIN_BUSY; or the place was lost inside the block, STDIN_TAKEN_OVER or
                STDIN_CLOSED. Stdin that is closed at the start may be entered, since what was
                accepted may be repeated.
        """
        writer = Writer(self.committed, self._write, self._let_go, feeds=feeds)
        if not self.closed:
            self._give_place(writer, take_over=take_over)
        try:
            with writer.scope:
                yield writer
        finally:
            self._let_go(writer)
        if writer.scope.cancelled_caught:
            raise self._loss(writer)

    async def close(self) -> None:
        """Let the process see end-of-file; idempotent.

        A cancellation calls nothing back: HCS was told by then, since no native call is abandoned.

        Raises:
            HcsError: HCS could not close its copy; ours is closed all the same.
        """
        if self._state is StdinState.CLOSED:
            return
        self._end(StdinState.CLOSING, "it was closed")
        assert self._process is not None  # noqa: S101  (without a process it is closed)
        try:
            if self._before_close is not None:
                with anyio.CancelScope(shield=True):  # it takes a moment
                    await self._before_close()
            await self._process.close_stdio("StdIn")
            self._state = StdinState.CLOSED
        finally:
            self._close_pipe()

    def abandon(self, why: str) -> None:
        """Close our end without telling HCS, which has closed its own or is about to; idempotent."""
        self._end(StdinState.CLOSED, why)
        self._close_pipe()

    def _give_place(self, writer: Writer, *, take_over: bool) -> None:
        if self._writer is not None:
            if not take_over:
                raise StdinError(
                    Reason.STDIN_BUSY,
                    self._name,
                    "somebody else is writing to it",
                    self.committed,
                )
            self._writer.scope.cancel()
            self.taken = self.taken or self._writer.feeds
        self._writer = writer

    def _let_go(self, writer: Writer) -> None:
        if self._writer is writer:
            self._writer = None

    def _loss(self, writer: Writer) -> StdinError:
        if writer.cut_off:
            return StdinClosedError(self._name, self._why_closed, writer.committed)
        return StdinError(
            Reason.STDIN_TAKEN_OVER,
            self._name,
            "another writer took over",
            writer.committed,
        )

    def _end(self, state: StdinState, why: str) -> None:
        if self._state is StdinState.OPEN:
            self._why_closed = why
        self._state = state
        if self._writer is not None:
            self._writer.cut_off = True
            self._writer.scope.cancel()
            self._writer = None

    def _close_pipe(self) -> None:
        self._before_close = None  # it holds the process, which is to be freed at once
        if self._pipe is not None:
            self._pipe.close()

    async def _write(self, writer: Writer, offset: int, data: bytes) -> int:
        async with self._turn:
            before = self.committed
            writer.skipped = min(max(before - offset, 0), len(data))
            try:
                await self._write_rest(offset, data)
            finally:
                writer.committed = self.committed
                self.taken = self.taken or (self.committed > before and not writer.feeds)
        return writer.committed - before

    async def _write_rest(self, offset: int, data: bytes) -> None:
        if offset + len(data) <= self.committed:
            return
        if self._pipe is None or self.closed:
            raise StdinClosedError(self._name, self._why_closed, self.committed)
        if offset > self.committed:
            raise StdinError(
                Reason.STDIN_OFFSET,
                self._name,
                f"it is at offset {self.committed}, and offset {offset} would leave a hole",
                self.committed,
            )
        try:
            await self._pipe.write(data[self.committed - offset :])
        except anyio.BrokenResourceError:
            self.abandon("the process has closed it")
            raise StdinClosedError(self._name, self._why_closed, self.committed) from None
        except anyio.ClosedResourceError:
            raise StdinClosedError(self._name, self._why_closed, self.committed) from None


class Writer:
    """The one who writes to a stdin; see `Stdin.writer`.

    Attributes:
        scope: Around its block; cancelled when the place is lost.
        committed: How many bytes the pipe had accepted when this writer last wrote. Exact also
            after a write that was cut off.
        skipped: How many bytes of its last write the pipe had accepted before.
        cut_off: Whether it lost its place because stdin was closed.
        feeds: As `Stdin.writer` was told.
    """

    def __init__(
        self,
        committed: int,
        write: Callable[[Writer, int, bytes], Awaitable[int]],
        let_go: Callable[[Writer], None],
        *,
        feeds: bool,
    ) -> None:
        self.feeds = feeds
        self.scope = anyio.CancelScope()
        self.committed = committed
        self.skipped = 0
        self.cut_off = False
        self._write = write
        self._let_go = let_go

    async def write(self, offset: int, data: bytes) -> int:
        """Write data that starts at `offset`; waits for a predecessor, and while the pipe is full.

        Returns:
            How many bytes were written; the others of `data` were skipped.

        Raises:
            StdinError: STDIN_OFFSET or STDIN_CLOSED.
        """
        return await self._write(self, offset, data)

    def let_go(self) -> None:
        """Give up the place, to close stdin: a writer that holds it would be cut off by that."""
        self._let_go(self)
