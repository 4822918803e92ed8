"""Output of a process on our own standard streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.cli.output.text import say
from hcsd.v1 import process_pb2 as pb

if TYPE_CHECKING:
    from hcsd.cli.session.sink import Sink
    from hcsd.v1 import process_service_pb2 as service_pb

STDIN, STDOUT, STDERR = 0, 1, 2

DESCRIPTORS = {pb.OUTPUT_STREAM_STDOUT: STDOUT, pb.OUTPUT_STREAM_STDERR: STDERR}
_NAMES = {pb.OUTPUT_STREAM_STDOUT: "stdout", pb.OUTPUT_STREAM_STDERR: "stderr"}


async def show(
    event: service_pb.ReadOutputResponse | service_pb.RunProcessResponse, sink: Sink
) -> None:
    """Write the bytes of an event, if it has some, or say that some are missing."""
    kind = event.WhichOneof("event")
    if kind == "chunk":
        chunk = event.chunk
        await sink.write(DESCRIPTORS[chunk.stream], chunk.data)
    elif kind == "gap":
        gap = event.gap
        await sink.flush()
        say(
            f"{gap.to_offset - gap.from_offset} bytes of {_NAMES[gap.stream]} are gone, from offset "
            f"{gap.from_offset} to {gap.to_offset}"
        )
    elif kind == "eof" and event.eof.forced and sink.failure is None:  # else we closed it ourselves
        await sink.flush()
        say(
            f"a descendant of the process keeps {_NAMES[event.eof.stream]} open; what it still "
            "writes is not kept"
        )
