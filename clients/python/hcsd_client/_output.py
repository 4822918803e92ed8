"""One output stream of a process, as bytes that survive lost connections.

    state    event                                   next
    IDLE     receive()                               READING
    READING  cancelled, aclose(), any other error    IDLE
    READING  the end of the stream                   ENDED

READING is an `Output` that was asked for what follows `offset`; it survives lost connections by itself. The
offset moves with the bytes that are handed out, and only then, so whatever ends the `Output`, the next one
goes on at the right byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from anyio.abc import ByteReceiveStream

from hcsd.v1.process_pb2 import GAP_POLICY_FAIL, GAP_POLICY_REPORT, OutputCursor
from hcsd_client._errors import check_same
from hcsd_client._lines import STREAM_NAMES, LineCutter
from hcsd_client._values import message, number

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from hcsd.v1.process_pb2 import OutputStream, Process
    from hcsd.v1.process_service_pb2 import ReadOutputResponse
    from hcsd_client._calls import Calls
    from hcsd_client._stream import Output


class RemoteOutput(ByteReceiveStream):
    """What a process writes to one of its streams; iterate over it, or `receive`.

    It follows the stream until its end. A lost connection shows only as a pause: reading goes on at
    the byte where it stopped, within the bounds of `Retry`. So does an iteration that was left, a `receive` that was
    cancelled, and a program that pauses for longer than the daemon waits for it.

    It is an `anyio.abc.ByteReceiveStream`, so anyio's `TextReceiveStream` and
    `BufferedByteReceiveStream` can be put over it. One task may read it at a time.

    Raises (while iterating):
        OutputEvictedError: Bytes are gone that were not read in time, and `skip_gaps` is off.
        DaemonRestartedError: The daemon was started again without its state, and so without the process.
        NotFoundError: The process was deleted.
        UnavailableError: The daemon was out of reach for too long.
        CallError: Anything else that fails; see `Client`.

    Attributes:
        offset: Offset of the next byte, from the start of the stream. None until it is known: a
            stream that is read from its tail tells it with the first bytes.
        skipped: How many bytes were gone, with `skip_gaps`.
        forced: Whether the daemon ended the stream, since a descendant of the process kept it open.
    """

    def __init__(
        self,
        calls: Calls,
        process: Process,
        cursor: OutputCursor,
        *,
        skip_gaps: bool,
    ) -> None:
        tail = cursor.WhichOneof("position") == "last_bytes"
        self.offset: int | None = None if tail else cursor.offset
        self.skipped = 0
        self.forced = False
        self._calls = calls
        self._process = process
        self._start = cursor
        self._gap_policy = GAP_POLICY_REPORT if skip_gaps else GAP_POLICY_FAIL
        self._call: Output | None = None
        self._rest = b""  # received, and not yet handed out
        self._ended = False

    async def receive(self, max_bytes: int = 1024 * 1024) -> bytes:
        """Return the next bytes, at least one.

        Args:
            max_bytes: How many at the most.

        Raises:
            anyio.EndOfStream: There are no more.
        """
        number(max_bytes, "max_bytes", "bytes", least=1)
        while not self._rest:
            if self._ended:
                await self.aclose()
                raise anyio.EndOfStream
            try:
                self._take(await self._next())
            except BaseException:
                await self.aclose()
                raise
        data, self._rest = self._rest[:max_bytes], self._rest[max_bytes:]
        self.offset = (self.offset or 0) + len(data)
        return data

    async def read(self) -> bytes:
        """Return all that is left, when the stream has ended."""
        return b"".join([data async for data in self])

    async def lines(self) -> AsyncGenerator[str, None]:
        """Give each line as text, by UTF-8 and without its end; a line over 1 MiB comes in pieces."""
        cutter = LineCutter()
        async for data in self:
            for line in cutter.cut(data):
                yield line
        for line in cutter.finish():
            yield line

    def __repr__(self) -> str:
        """Name the process, the stream, and how far it was read."""
        stream = STREAM_NAMES.get(self._start.stream, "output")
        return f"<RemoteOutput {stream} of {self._process.name!r} at {self.offset}>"

    async def aclose(self) -> None:
        """End the call; idempotent. Reading again goes on where it stopped."""
        call, self._call = self._call, None
        self._rest = b""
        if call is not None:
            await call.aclose()

    async def _next(self) -> ReadOutputResponse | None:
        if self._call is None:
            cursor = OutputCursor(stream=self._start.stream, offset=self.offset or 0)
            if self.offset is None:
                cursor = self._start
            self._call = self._calls.read_output(
                self._process.name, cursors=[cursor], follow=True, gap_policy=self._gap_policy
            )
        return await anext(self._call, None)

    def _take(self, event: ReadOutputResponse | None) -> None:
        kind = event.WhichOneof("event") if event else None
        if event is None or kind == "end":
            self._ended = True
        elif kind == "started":
            check_same(self._process, event.started.process)
            self.offset = event.started.cursors[0].offset
        elif kind == "chunk":
            self._rest = event.chunk.data
        elif kind == "gap":
            self.skipped += event.gap.to_offset - event.gap.from_offset
            self.offset = event.gap.to_offset
        elif kind == "eof":
            self.forced = event.eof.forced
            self._ended = True


def cursor_of(stream: OutputStream, offset: int, last_bytes: int | None) -> OutputCursor:
    """Return where to begin: at an offset, or so many bytes before the present end.

    Raises:
        TypeError: A value is of another kind.
        ValueError: It makes no sense.
    """
    cursor = message(OutputCursor, stream=stream, offset=offset)
    if last_bytes is not None:
        cursor = message(OutputCursor, stream=stream, last_bytes=last_bytes)
    return cursor
