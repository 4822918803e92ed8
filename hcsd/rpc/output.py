"""Output events as messages, for ReadOutput and RunProcess alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hcsd.daemon.output_events import Chunk, End, Eof, Exited, Heartbeat, Missing, Started, Wanted
from hcsd.rpc.convert import cursor_messages, fill_exit, fill_process, seconds, starts_from
from hcsd.rpc.enums import STREAMS
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from google.protobuf.duration_pb2 import Duration

    from hcsd.daemon.output import OutputFeed
    from hcsd.daemon.output_events import OutputEvent
    from hcsd.daemon.settings import Limits
    from hcsd.rpc.calls import Context

R = TypeVar("R", service_pb.ReadOutputResponse, service_pb.RunProcessResponse)


def wanted_from(
    message: service_pb.ReadOutputRequest | service_pb.RunAttach,
    limits: Limits,
    heartbeat_interval: Duration,
) -> Wanted:
    """Read what a caller wants to see of an output."""
    return Wanted(
        starts=starts_from(message.cursors),
        max_chunk_bytes=message.max_chunk_bytes or limits.default_chunk_bytes,
        since=message.since.ToNanoseconds() if message.HasField("since") else None,
        last_lines=message.last_lines if message.HasField("last_lines") else None,
        times=message.timestamps,
        no_output=isinstance(message, service_pb.RunAttach) and message.without_output,
        fail_on_gap=message.gap_policy == pb.GAP_POLICY_FAIL,
        heartbeat_interval=seconds(heartbeat_interval),
    )


async def write_events(feed: OutputFeed[R], make: Callable[[], R], context: Context) -> None:
    """Write the events of a feed, and the messages that were posted among them.

    Args:
        feed: The feed.
        make: Makes an empty message.
        context: Of the call.

    Raises:
        RequestError: The feed was ended early.
    """

    def write(event: OutputEvent | R) -> Awaitable[None]:
        if not isinstance(event, tuple):
            return context.write(event)
        message = make()
        _fill(message, event)
        return context.write(message)

    await feed.pump(write)


def _fill(
    message: service_pb.ReadOutputResponse | service_pb.RunProcessResponse, event: OutputEvent
) -> None:
    """Fill in an empty message in place: a message that is passed in would be copied."""
    match event:
        case Chunk():
            chunk = message.chunk
            chunk.stream = STREAMS[event.stream]
            chunk.offset = event.offset
            chunk.data = event.data
            chunk.sequence = event.sequence
            if event.time is not None:
                chunk.read_time.FromNanoseconds(event.time)
        case Started():
            fill_process(message.started.process, event.process)
            message.started.cursors.extend(cursor_messages(event.positions))
        case Missing():
            message.gap.stream = STREAMS[event.stream]
            message.gap.from_offset, message.gap.to_offset = event.gap
        case Eof():
            message.eof.stream = STREAMS[event.stream]
            message.eof.end_offset = event.end_offset
            message.eof.forced = event.forced
        case Exited():
            message.exit.SetInParent()
            fill_exit(message.exit, event.exit)
        case End():
            message.end.SetInParent()
            message.end.cursors.extend(cursor_messages(event.positions))
        case Heartbeat():
            message.heartbeat.SetInParent()
