"""Output as lines of text.

    BEGUN ──bytes without a line end──▶ BEGUN, they are kept
      └──line end, or the end of the stream──▶ the line is given out, without its end

Each line is decoded by itself. Bytes that are not UTF-8 become U+FFFD, so a wrong byte spoils one line only.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from hcsd.v1.process_pb2 import OUTPUT_STREAM_STDERR, OUTPUT_STREAM_STDOUT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from hcsd.v1.process_pb2 import OutputStream, Process
    from hcsd_client._stream import Output

LONGEST = 1024 * 1024  # bytes; a longer line comes in pieces
STREAM_NAMES = {OUTPUT_STREAM_STDOUT: "stdout", OUTPUT_STREAM_STDERR: "stderr"}


class Line(NamedTuple):
    """A line that a process has written.

    Attributes:
        stream: ``stdout`` or ``stderr``.
        text: The line, without its end.
        time: When the daemon read its first byte, with the zone UTC.
    """

    stream: str
    text: str
    time: datetime


class LineCutter:
    """Cuts the bytes of one stream into lines."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []
        self._size = 0

    @property
    def inside(self) -> bool:
        """Whether a line has begun."""
        return self._size > 0

    def cut(self, data: bytes) -> Iterator[str]:
        """Return the lines that end in `data`, and keep the rest."""
        *ends, rest = data.split(b"\n")
        for end in ends:
            yield self._take(end)
        if rest:
            self._begun.append(rest)
            self._size += len(rest)
        if self._size >= LONGEST:
            yield self._take(b"")

    def finish(self) -> Iterator[str]:
        """Return the last line if it has no end."""
        if self._size:
            yield self._take(b"")

    def _take(self, end: bytes) -> str:
        line = b"".join((*self._begun, end))
        self._begun, self._size = [], 0
        return line.removesuffix(b"\r").decode(errors="replace")


async def lines_of(
    output: Output, check: Callable[[Process], object]
) -> AsyncGenerator[Line, None]:
    """Give the lines of both outputs of a process, in the order in which they end.

    Args:
        output: All of its output, with timestamps.
        check: Refuses another process.
    """
    lines = _LinesOfAll()
    async for event in output:
        match event.WhichOneof("event"):
            case "started":
                check(event.started.process)
            case "chunk":
                chunk = event.chunk
                for line in lines.cut(chunk.stream, chunk.data, chunk.read_time.ToDatetime(UTC)):
                    yield line
            case "gap" | "eof" as kind:  # what follows a gap is another line
                for line in lines.finish(getattr(event, kind).stream):
                    yield line


class _LinesOfAll:
    """Cuts the output of a process into lines, in the order in which they end."""

    def __init__(self) -> None:
        self._cutters = {stream: LineCutter() for stream in STREAM_NAMES}
        self._begins: dict[OutputStream, datetime] = {}

    def cut(self, stream: OutputStream, data: bytes, moment: datetime) -> Iterator[Line]:
        """Return the lines that end in `data`, which was read at that moment."""
        cutter = self._cutters[stream]
        if not cutter.inside:
            self._begins[stream] = moment
        for text in cutter.cut(data):
            yield Line(STREAM_NAMES[stream], text, self._begins[stream])
            self._begins[stream] = moment

    def finish(self, stream: OutputStream) -> Iterator[Line]:
        """Return the last line of a stream if it has no end."""
        for text in self._cutters[stream].finish():
            yield Line(STREAM_NAMES[stream], text, self._begins[stream])
