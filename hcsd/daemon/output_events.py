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


class Position(NamedTuple):
    """How far a reader has come in a stream."""

    stream: Stream
    offset: int


class Started(NamedTuple):
    """The first event."""

    process: ProcessView
    positions: Sequence[Position]


class Chunk(NamedTuple):
    """Bytes of a stream, from an offset on."""

    stream: Stream
    offset: int
    data: bytes
    sequence: int


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
