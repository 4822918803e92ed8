"""Whose turn it is: the next bytes of several streams, in the order in which they were read.

    place ──every cursor is past this reading──▶ the next place, but never past the last reading

The last reading may still grow, so the place stays on it. What no reading tells of, a gap where the bytes
were freed, is found by the cursors themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hcsd.daemon.rings import STREAMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.daemon.streams import Stream
    from hcsd.io import Cursor, ReadingOrder


class Turn(NamedTuple):
    """Bytes that come next.

    Attributes:
        stream: Their stream.
        size: How many to take.
        time: When they were read, in nanoseconds since 1970.
    """

    stream: Stream
    size: int
    time: int


class Turns:
    """Whose turn it is among the cursors of a reader.

    Args:
        order: How the streams were read.
        cursors: The streams that are read.
        until: Where to stop in each.
        max_bytes: How many bytes a turn has at most.
        apart: Whether bytes that were read at different times are told apart.
    """

    def __init__(
        self,
        order: ReadingOrder,
        cursors: Mapping[Stream, Cursor],
        until: Mapping[Stream, int],
        *,
        max_bytes: int,
        apart: bool,
    ) -> None:
        self._order = order
        self._cursors = cursors
        self._until = until
        self._max_bytes = max_bytes
        self._apart = apart
        self._place = order.first

    def next(self) -> Turn | None:
        """Return what comes next; None if all that was read has been taken."""
        order = self._order
        while (reading := order.at(self._place)) is not None:
            stream = STREAMS[reading.stream]
            size = self._left(stream, reading.end)
            if size:
                if not self._apart:
                    size = self._run(stream, size)
                return Turn(stream, min(size, self._max_bytes), reading.time)
            if order.at(self._place + 1) is None:
                break
            self._place = max(self._place, order.first) + 1
        return None

    def _left(self, stream: Stream, end: int) -> int:
        cursor = self._cursors.get(stream)
        return max(0, min(end, self._until[stream]) - cursor.offset) if cursor is not None else 0

    def _run(self, stream: Stream, size: int) -> int:
        """Return how much can be taken of a stream before another one has its turn."""
        place = max(self._place, self._order.first) + 1
        while size < self._max_bytes and (reading := self._order.at(place)) is not None:
            left = self._left(STREAMS[reading.stream], reading.end)
            if STREAMS[reading.stream] is stream:
                size = max(size, left)
            elif left:
                break
            place += 1
        return size
