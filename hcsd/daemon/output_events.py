"""What a reader of output says and is told; `hcsd.daemon.output` says in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcsd.daemon.process_view import Exit, ProcessView
    from hcsd.daemon.streams import Stream
    from hcsd.io import Gap


class Start(NamedTuple):
    """Where to begin to read a stream.

    Attributes:
        stream: Which one.
        offset: Offset of the first byte wanted.
        last_bytes: If not None, as many bytes from the end of what is kept, in place of `offset`.
    """

    stream: Stream
    offset: int = 0
    last_bytes: int | None = None


class Wanted(NamedTuple):
    """What a reader wants to see of an output.

    Attributes:
        starts: Where to start, once per stream; empty for both streams from offset 0.
        since: Leave out what was read before this moment, in nanoseconds since 1970; None for nothing.
        last_lines: Begin with this many last lines of the streams together; None for all.
        times: Say of each chunk when it was read, and put into a chunk only what was read together.
        max_chunk_bytes: Largest chunk.
        no_output: Read no stream: there is only the start, the exit and the end.
        fail_on_gap: End with OUTPUT_EVICTED where bytes are gone, in place of an event.
        heartbeat_interval: Seconds without an event after which there is a heartbeat; 0 for none.
    """

    starts: Sequence[Start]
    max_chunk_bytes: int
    since: int | None = None
    last_lines: int | None = None
    times: bool = False
    no_output: bool = False
    fail_on_gap: bool = False
    heartbeat_interval: float = 0.0


class Position(NamedTuple):
    """How far a reader has come in a stream."""

    stream: Stream
    offset: int


class Started(NamedTuple):
    """The first event."""

    process: ProcessView
    positions: Sequence[Position]


class Chunk(NamedTuple):
    """Bytes of a stream, from an offset on.

    Attributes:
        stream: Which one.
        offset: Offset of the first byte.
        data: The bytes.
        sequence: Number of the chunk, from 1, over both streams.
        time: When the first of them was read, in seconds since 1970; None if nobody asked.
    """

    stream: Stream
    offset: int
    data: bytes
    sequence: int
    time: int | None = None


class Missing(NamedTuple):
    """Bytes of a stream that are no longer kept."""

    stream: Stream
    gap: Gap


class Eof(NamedTuple):
    """The end of a stream; forced if it was given up before its own end."""

    stream: Stream
    end_offset: int
    forced: bool


class Exited(NamedTuple):
    """The end of the process."""

    exit: Exit


class End(NamedTuple):
    """The last event."""

    positions: Sequence[Position]


class Heartbeat(NamedTuple):
    """Nothing has happened for a while."""


OutputEvent = Started | Chunk | Missing | Eof | Exited | End | Heartbeat
