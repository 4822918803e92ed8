"""The output of a process as a stream of events, for every call that delivers it.

A feed is a cursor on each ring it reads and one wake-up. It takes what the rings have, in the order in
which it was read from the process, and waits when there is nothing:

    started ─▶ (chunk | gap | eof | exit)… ─▶ end

`eof` comes once per stream, after its last chunk; `exit` once, as soon as it is known and so perhaps
before trailing chunks; `end` always and last. Without `follow` the feed ends after what is buffered.
While there is nothing, a `heartbeat` comes at intervals, if the reader wants that.

The feed holds no data of its own: what it has written has left it, and what it has not is in the
ring. A slow client holds up its own feed and, in a ring that blocks, the process; no other reader.

A reader that holds a process up for too long (see `stalls`) gives up its cursors at once. Its call
ends with the write that it is in, so that the client gets the reason behind all that was on its way
to it.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
from typing import TYPE_CHECKING, Generic, TypeVar

from hcsd.daemon.errors import ProcessNotFoundError, RequestError
from hcsd.daemon.heartbeats import Heartbeats
from hcsd.daemon.output_events import (
    Chunk,
    End,
    Eof,
    Exited,
    Heartbeat,
    Missing,
    Position,
    Start,
    Started,
)
from hcsd.daemon.reasons import Reason
from hcsd.daemon.streams import Stream
from hcsd.daemon.turns import Turns
from hcsd.io import Gap, OffsetOutOfRangeError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from hcsd.daemon.output_events import OutputEvent, Wanted
    from hcsd.daemon.process import Process
    from hcsd.daemon.stalls import StallWatch
    from hcsd.io import Cursor

MAX_OFFSET = 2**64 - 1

N = TypeVar("N")


class OutputFeed(Generic[N]):
    """The events of one reader, and notes that its caller puts among them.

    Args:
        process: Whose output.
        stalls: Watches its writes.
        wanted: What of it.
        follow: Go on until the process has exited and its output is complete.

    Raises:
        RequestError: A cursor lies outside its stream, or the daemon has no output of the process.
    """

    def __init__(
        self,
        process: Process,
        stalls: StallWatch,
        wanted: Wanted,
        *,
        follow: bool,
    ) -> None:
        if not wanted.no_output:
            process.require_stdio()
        self._process = process
        self._stalls = stalls
        self._stalled: RequestError | None = None
        self._follow = follow
        self._wanted = wanted
        self._awake = asyncio.Event()
        self._heartbeats = Heartbeats(wanted.heartbeat_interval, self._awake)
        self._posted: collections.deque[N] = collections.deque()
        self._sequence = 0
        self._cursors: dict[Stream, Cursor] = {}
        self._until: dict[Stream, int] = {}  # where to stop; MAX_OFFSET if it follows
        self._turns = Turns(
            process.rings.order,
            self._cursors,
            self._until,
            max_bytes=wanted.max_chunk_bytes,
            apart=wanted.times,
        )
        try:
            if not wanted.no_output:
                self._open()
        except BaseException:
            self.close()
            raise
        process.exited.observe(self._on_exit)

    def post(self, note: N) -> None:
        """Put a note of the caller's into the stream, ahead of further output."""
        self._posted.append(note)
        self._awake.set()

    def close(self) -> None:
        """Give up the cursors; idempotent."""
        self._heartbeats.close()
        self._process.exited.forget(self._on_exit)
        for cursor in self._cursors.values():
            cursor.close()

    async def pump(self, write: Callable[[OutputEvent | N], Awaitable[None]]) -> None:
        """Write the events; see the module's head.

        Raises:
            RequestError: OUTPUT_EVICTED, if bytes are gone and the reader said to fail then;
                SUBSCRIBER_STALLED, if it has held up the process for too long.
            ProcessNotFoundError: The process was deleted.
        """
        async with contextlib.aclosing(self._events()) as events:
            async for event in events:
                self._stalls.begin(self)
                try:
                    await write(event)
                finally:
                    self._stalls.end(self)
                if self._stalled is not None:
                    raise self._stalled

    def holds_up(self) -> bool:
        """Tell whether the process waits for this reader."""
        return any(cursor.holds_up for cursor in self._cursors.values())

    def stall(self) -> None:
        """Give up the place, so that the process goes on; the call ends when its write does."""
        stream, cursor = next(item for item in self._cursors.items() if item[1].holds_up)
        self._stalled = self._stalled_at(stream, cursor.offset)
        self.close()

    async def _events(self) -> AsyncGenerator[OutputEvent | N, None]:
        yield Started(self._process.view(), self._positions())
        open_streams = dict(self._cursors)
        exit_due = True
        while True:
            self._check_known()
            self._awake.clear()
            progress = False
            while self._posted:
                yield self._posted.popleft()
                progress = True
            if exit_due and self._process.exit is not None:
                exit_due = False
                yield Exited(self._process.exit)
            for stream, cursor in list(open_streams.items()):
                if cursor.at_end:
                    del open_streams[stream]
                    ring = self._process.rings[stream]
                    yield Eof(stream, ring.end_offset, ring.forced)
                    progress = True
            output = self._next()
            if output is not None:
                progress = True
                yield output
            if progress:
                continue
            if not self._follow or not (open_streams or exit_due):
                break
            if await self._heartbeats.wait():
                yield Heartbeat()
        yield End(self._positions())

    def _check_known(self) -> None:
        """Look after each wait: what is left of the rings of a deleted process is no output.

        Raises:
            ProcessNotFoundError: The process was deleted.
        """
        if self._process.deleted:
            raise ProcessNotFoundError(self._process.name)

    def _next(self) -> Chunk | Missing | None:
        """Take the next bytes. If there are none, each cursor is owed a wake."""
        turn = self._turns.next()
        if turn is not None:
            taken = self._cursors[turn.stream].take(turn.size)
            return None if taken is None else self._output(turn.stream, taken, turn.time)
        for stream, cursor in self._cursors.items():
            left = min(self._wanted.max_chunk_bytes, self._until[stream] - cursor.offset)
            if left > 0 and (taken := cursor.take(left)) is not None:
                return self._output(stream, taken, None)
        return None

    def _open(self) -> None:
        wanted, rings = self._wanted, self._process.rings
        for start in wanted.starts or [Start(stream) for stream in Stream]:
            ring = rings[start.stream]
            self._until[start.stream] = MAX_OFFSET if self._follow else ring.end_offset
            self._cursors[start.stream] = self._cursor(start)
        begins = rings.begin(self._cursors, since=wanted.since, lines=wanted.last_lines)
        for stream, offset in begins.items():
            if offset > max(rings[stream].start_offset, self._cursors[stream].offset):
                self._cursors[stream].close()
                self._cursors[stream] = rings[stream].open_cursor(offset, self._awake.set)

    def _cursor(self, start: Start) -> Cursor:
        ring = self._process.rings[start.stream]
        offset = start.offset
        if start.last_bytes is not None:
            offset = ring.tail_offset(start.last_bytes)
        try:
            return ring.open_cursor(offset, self._awake.set)
        except OffsetOutOfRangeError as error:
            raise RequestError(
                Reason.OUTPUT_OFFSET,
                f"offset {offset} lies past the end of {start.stream.value} of"
                f" '{self._process.name}', which is at {error.end_offset}",
                metadata={
                    "process": self._process.name,
                    "start_offset": str(error.start_offset),
                    "end_offset": str(error.end_offset),
                },
            ) from None

    def _on_exit(self, _known: bool) -> None:
        self._awake.set()

    def _output(self, stream: Stream, taken: bytes | Gap, moment: int | None) -> Chunk | Missing:
        if isinstance(taken, Gap):
            if self._wanted.fail_on_gap:
                raise self._evicted(stream, taken)
            return Missing(stream, taken)
        self._sequence += 1
        offset = self._cursors[stream].offset - len(taken)
        return Chunk(stream, offset, taken, self._sequence, moment if self._wanted.times else None)

    def _evicted(self, stream: Stream, gap: Gap) -> RequestError:
        return RequestError(
            Reason.OUTPUT_EVICTED,
            f"bytes {gap.from_offset} to {gap.to_offset} of {stream.value} of"
            f" '{self._process.name}' are no longer kept",
            metadata={"process": self._process.name, "start_offset": str(gap.to_offset)},
        )

    def _stalled_at(self, stream: Stream, offset: int) -> RequestError:
        return RequestError(
            Reason.SUBSCRIBER_STALLED,
            f"the process '{self._process.name}' waited {self._stalls.timeout:g} s for this reader,"
            f" which stood at offset {offset} of {stream.value}; to go on, read again from the"
            " offset after the last byte received of each stream",
            metadata={
                "process": self._process.name,
                "stream": stream.value,
                "offset": str(offset),
            },
        )

    def _positions(self) -> list[Position]:
        return [Position(stream, cursor.offset) for stream, cursor in self._cursors.items()]
