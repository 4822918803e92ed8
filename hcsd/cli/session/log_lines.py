"""Output of processes as lines, with what is said before each of them.

    AT START ──bytes──▶ INSIDE, its head was written ──newline──▶ AT START

Of one process a part of a line is shown at once, so that a prompt is seen. Of several, a line is kept until it is
whole, since another's would come between.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from hcsd.cli.session.standard_streams import DESCRIPTORS, show

if TYPE_CHECKING:
    from hcsd.cli.session.sink import Sink
    from hcsd.v1 import process_pb2 as pb
    from hcsd.v1 import process_service_pb2 as service_pb

LONGEST = 1024 * 1024  # bytes of a line that is kept until it is whole


class LogLines:
    """Shows the output of one process.

    Args:
        sink: Where to.
        name: What to say before each line; "" for nothing.
        times: Say before each line when it was read from the process.
    """

    def __init__(self, sink: Sink, *, name: str = "", times: bool = False) -> None:
        self._sink = sink
        self._name = f"{name} | ".encode() if name else b""
        self._times = times
        self._inside: set[pb.OutputStream] = set()
        self._kept: dict[pb.OutputStream, bytearray] = {}  # of several: the line that is not whole
        self._cut: set[pb.OutputStream] = set()  # after a gap: what comes began in the middle

    async def show(self, event: service_pb.ReadOutputResponse) -> None:
        """Show an event."""
        kind = event.WhichOneof("event")
        if kind == "chunk":
            await self._show_chunk(event.chunk)
            return
        if kind == "gap":
            await self._end_line(event.gap.stream)
            self._cut.add(event.gap.stream)
        elif kind == "eof":
            await self._end_line(event.eof.stream)
        elif kind == "end":  # its process may run on
            await self.finish()
        await show(event, self._sink)

    async def finish(self) -> None:
        """Show what was kept of lines that are not whole; nothing more comes."""
        for stream in list(self._kept):
            await self._end_line(stream)

    async def _show_chunk(self, chunk: pb.OutputChunk) -> None:
        data = chunk.data
        if chunk.stream in self._cut:  # begin at a line, if there is one: this is text then
            self._cut.discard(chunk.stream)
            data = data[data.find(b"\n") + 1 :]
        if not (self._name or self._times):
            await self._sink.write(DESCRIPTORS[chunk.stream], data)
            return
        *lines, rest = data.split(b"\n")
        for piece in [line + b"\n" for line in lines] + ([rest] if rest else []):
            await self._show_piece(chunk, piece)

    async def _show_piece(self, chunk: pb.OutputChunk, piece: bytes) -> None:
        stream = chunk.stream
        if stream not in self._inside:
            piece = self._head(chunk) + piece
            self._inside.add(stream)
        whole = piece.endswith(b"\n")
        if whole:
            self._inside.discard(stream)
        if self._name:
            kept = self._kept.setdefault(stream, bytearray())
            kept += piece
            if not whole and len(kept) < LONGEST:
                return
            piece = bytes(kept)
            del self._kept[stream]
        await self._sink.write(DESCRIPTORS[stream], piece)

    def _head(self, chunk: pb.OutputChunk) -> bytes:
        if not self._times:
            return self._name
        moment = datetime.fromtimestamp(chunk.read_time.ToNanoseconds() / 1e9).astimezone()
        return self._name + f"{moment.isoformat(timespec='milliseconds')} ".encode()

    async def _end_line(self, stream: pb.OutputStream) -> None:
        """Show what was kept of a line that will not become whole."""
        self._inside.discard(stream)
        if rest := self._kept.pop(stream, None):
            await self._sink.write(DESCRIPTORS[stream], bytes(rest) + b"\n")
