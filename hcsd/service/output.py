"""The output of a process as a stream of events, for ReadOutput and RunProcess alike.

A feed is a cursor on each ring it reads and one wake-up. It takes what the rings have, a chunk of
each stream in turn, and waits when there is nothing:

    started ─▶ (chunk | gap | eof | exit)… ─▶ end

`eof` comes once per stream, after its last chunk; `exit` once, as soon as it is known and so perhaps
before trailing chunks; `end` always and last. Without `follow` the feed ends after what is buffered.

The feed holds no data of its own: what it has written has left it, and what it has not is in the
ring. A slow client holds up its own feed and, in a ring that blocks, the process; no other reader.

A reader that holds a process up for too long (see `stalls`) gives up its cursors at once. Its call
ends with the write that it is in: gRPC takes no status before that, and the client gets the reason
behind all that was on its way to it.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
from typing import TYPE_CHECKING, Generic, TypeVar

import grpc

from hcsd.io import Gap, OffsetOutOfRangeError
from hcsd.service.errors import ProcessNotFoundError, RequestError
from hcsd.service.served import STDERR, STDOUT
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence

    from hcsd.io import Cursor
    from hcsd.service.served import ServedProcess
    from hcsd.service.stalls import StallWatch

MAX_OFFSET = 2**64 - 1

E = TypeVar("E", bound=service_pb.ReadOutputResponse | service_pb.RunProcessResponse)


class OutputFeed(Generic[E]):
    """The events of one reader.

    Args:
        process: Whose output.
        make: Makes an empty event.
        stalls: Watches its writes.
        cursors: Where to start, once per stream; empty for both streams from offset 0.
        follow: Go on until the process has exited and its output is complete.
        gap_policy: What to do about bytes that are gone.
        max_chunk_bytes: Largest chunk.

    Raises:
        RequestError: A cursor lies outside its stream, or the daemon has no output of the process.
    """

    def __init__(
        self,
        process: ServedProcess,
        make: Callable[[], E],
        stalls: StallWatch,
        *,
        cursors: Sequence[pb.OutputCursor],
        follow: bool,
        gap_policy: int,
        max_chunk_bytes: int,
    ) -> None:
        process.require_stdio()
        self._process = process
        self._make = make
        self._stalls = stalls
        self._stalled: RequestError | None = None
        self._follow = follow
        self._fail_on_gap = gap_policy == pb.GAP_POLICY_FAIL
        self._max_chunk_bytes = max_chunk_bytes
        self._awake = asyncio.Event()
        self._posted: collections.deque[E] = collections.deque()
        self._sequence = 0
        self._cursors: dict[pb.OutputStream, Cursor] = {}
        self._until: dict[int, int] = {}  # where to stop; what a reader that follows never reaches
        try:
            self._open(cursors)
        except BaseException:
            self.close()
            raise
        process.exited.observe(self._on_exit)

    def post(self, event: E) -> None:
        """Put an event of the caller's into the stream, ahead of further output."""
        self._posted.append(event)
        self._awake.set()

    def close(self) -> None:
        """Give up the cursors; idempotent."""
        self._process.exited.forget(self._on_exit)
        for cursor in self._cursors.values():
            cursor.close()

    async def pump(self, write: Callable[[E], Awaitable[None]]) -> None:
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

    async def _events(self) -> AsyncGenerator[E, None]:
        yield self._started()
        open_streams = dict(self._cursors)
        exit_due = True
        while True:
            self._check_known()
            self._awake.clear()
            progress = False
            while self._posted:
                yield self._posted.popleft()
                progress = True
            if exit_due and self._process.exited.value is not None:
                exit_due = False
                yield self._exit(self._process.exited.value)
            for stream, cursor in list(open_streams.items()):
                self._check_known()
                left = self._until[stream] - cursor.offset
                taken = cursor.take(min(self._max_chunk_bytes, left)) if left > 0 else None
                if taken is not None:
                    progress = True
                    yield self._output(stream, cursor, taken)
                elif cursor.at_end:
                    del open_streams[stream]
                    yield self._eof(stream)
            if progress:
                continue
            if not self._follow or not (open_streams or exit_due):
                break
            await self._awake.wait()
        yield self._end()

    def _check_known(self) -> None:
        """Look after each wait: what is left of the rings of a deleted process is no output.

        Raises:
            ProcessNotFoundError: The process was deleted.
        """
        if self._process.deleted:
            raise ProcessNotFoundError(self._process.name)

    def _open(self, cursors: Sequence[pb.OutputCursor]) -> None:
        wanted = cursors or [pb.OutputCursor(stream=s, offset=0) for s in (STDOUT, STDERR)]
        for cursor in wanted:
            self._cursors[cursor.stream] = self._cursor(cursor)
            end = self._process.rings[cursor.stream].end_offset
            self._until[cursor.stream] = MAX_OFFSET if self._follow else end

    def _cursor(self, wanted: pb.OutputCursor) -> Cursor:
        ring = self._process.rings[wanted.stream]
        offset = wanted.offset
        if wanted.WhichOneof("position") == "last_bytes":
            offset = ring.tail_offset(wanted.last_bytes)
        try:
            return ring.open_cursor(offset, self._awake.set)
        except OffsetOutOfRangeError as error:
            raise RequestError(
                grpc.StatusCode.OUT_OF_RANGE,
                "OUTPUT_OFFSET",
                f"offset {offset} lies past the end of {_name(wanted.stream)} of"
                f" '{self._process.name}', which is at {error.end_offset}",
                metadata={
                    "process": self._process.name,
                    "start_offset": str(error.start_offset),
                    "end_offset": str(error.end_offset),
                },
            ) from None

    def _on_exit(self, _exit: pb.ProcessExit) -> None:
        self._awake.set()

    def _started(self) -> E:
        event = self._make()
        event.started.process.CopyFrom(self._process.message())
        event.started.cursors.extend(self._positions())
        return event

    def _output(self, stream: pb.OutputStream, cursor: Cursor, taken: bytes | Gap) -> E:
        event = self._make()
        if isinstance(taken, Gap):
            if self._fail_on_gap:
                raise self._evicted(stream, taken)
            gap = event.gap
            gap.stream, (gap.from_offset, gap.to_offset) = stream, taken
            return event
        self._sequence += 1
        chunk = event.chunk  # filled in place: a message that is passed in would be copied
        chunk.stream = stream
        chunk.offset = cursor.offset - len(taken)
        chunk.data = taken
        chunk.sequence = self._sequence
        return event

    def _evicted(self, stream: pb.OutputStream, gap: Gap) -> RequestError:
        return RequestError(
            grpc.StatusCode.OUT_OF_RANGE,
            "OUTPUT_EVICTED",
            f"bytes {gap.from_offset} to {gap.to_offset} of {_name(stream)} of"
            f" '{self._process.name}' are no longer kept",
            metadata={"process": self._process.name, "start_offset": str(gap.to_offset)},
        )

    def _stalled_at(self, stream: pb.OutputStream, offset: int) -> RequestError:
        return RequestError(
            grpc.StatusCode.ABORTED,
            "SUBSCRIBER_STALLED",
            f"the process '{self._process.name}' waited {self._stalls.timeout:g} s for this reader,"
            f" which stood at offset {offset} of {_name(stream)}; to go on, read again from the"
            " offset after the last byte received of each stream",
            metadata={
                "process": self._process.name,
                "stream": _name(stream),
                "offset": str(offset),
            },
        )

    def _eof(self, stream: pb.OutputStream) -> E:
        ring = self._process.rings[stream]
        event = self._make()
        event.eof.stream = stream
        event.eof.end_offset = ring.end_offset
        event.eof.forced = ring.forced
        return event

    def _exit(self, exit_: pb.ProcessExit) -> E:
        event = self._make()
        event.exit.CopyFrom(exit_)
        return event

    def _end(self) -> E:
        event = self._make()
        event.end.cursors.extend(self._positions())
        return event

    def _positions(self) -> Iterable[pb.OutputCursor]:
        return [
            pb.OutputCursor(stream=stream, offset=cursor.offset)
            for stream, cursor in self._cursors.items()
        ]


def _name(stream: int) -> str:
    return "stdout" if stream == STDOUT else "stderr"
