"""The last lines of what a process has written so far, and then all that follows.

    BEFORE ──the end that the output had at the start, of each stream──▶ AFTER
    keeps the last lines                                                 shows what comes

Lines of both streams count together, in the order in which they came.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from hcsd.cli.session.standard_streams import DESCRIPTORS, show
from hcsd.v1 import process_pb2 as pb

if TYPE_CHECKING:
    from hcsd.cli.session.sink import Sink
    from hcsd.v1 import process_service_pb2 as service_pb


class Tail:
    """Shows the events of one output.

    Args:
        lines: How many lines to show of what was written before; None for all.
        sink: Where to.
    """

    def __init__(self, lines: int | None, sink: Sink) -> None:
        self._sink = sink
        self._lines: deque[tuple[pb.OutputStream, bytearray]] = deque(maxlen=lines)
        self._unfinished: dict[pb.OutputStream, bytearray] = {}
        self._ends: dict[pb.OutputStream, int] = {}  # of what was written before; empty in AFTER
        self._begun = lines is None

    async def show(self, event: service_pb.ReadOutputResponse) -> None:
        """Show an event, now or later, or never."""
        kind = event.WhichOneof("event")
        if kind == "started" and not self._begun:
            self._begin(event.started)
        elif not self._ends:
            await show(event, self._sink)
        elif kind == "chunk":
            self._keep(event.chunk.stream, event.chunk.data)
            await self._reach(event.chunk.stream, event.chunk.offset + len(event.chunk.data))
        elif kind == "gap":  # what is gone was not asked for
            await self._reach(event.gap.stream, event.gap.to_offset)
        elif kind == "eof":
            await self._reach(event.eof.stream, event.eof.end_offset)
            await show(event, self._sink)

    async def finish(self) -> None:
        """Show what was kept."""
        self._ends.clear()
        for stream, line in self._lines:
            await self._sink.write(DESCRIPTORS[stream], bytes(line))
        self._lines.clear()

    def _begin(self, started: pb.OutputStarted) -> None:
        self._begun = True
        process = started.process
        ends = {
            pb.OUTPUT_STREAM_STDOUT: process.stdout.end_offset,
            pb.OUTPUT_STREAM_STDERR: process.stderr.end_offset,
        }
        self._ends = {
            cursor.stream: ends[cursor.stream]
            for cursor in started.cursors
            if cursor.offset < ends[cursor.stream]
        }

    def _keep(self, stream: pb.OutputStream, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        for piece in [line + b"\n" for line in lines] + ([rest] if rest else []):
            line = self._unfinished.pop(stream, None)
            if line is None:
                line = bytearray()
                self._lines.append((stream, line))
            line += piece
            if not piece.endswith(b"\n"):
                self._unfinished[stream] = line

    async def _reach(self, stream: pb.OutputStream, offset: int) -> None:
        if offset >= self._ends.get(stream, 0):
            self._ends.pop(stream, None)
            if not self._ends:
                await self.finish()
