"""The output of one process: a ring of each stream, and the order in which they were filled."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from hcsd.daemon.streams import Stream
from hcsd.io import ReadingOrder, Ring, begin_at, begin_with_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hcsd.daemon.spec import ResolvedSpec

BYTES_FOR_ONE_READING = 128  # of one ring: the index takes a sixteenth of what both may hold
MOST_READINGS = (
    65_536  # who begins in the middle looks through all of them, which holds up the loop
)
NUMBERS = {stream: number for number, stream in enumerate(Stream)}
STREAMS = tuple(Stream)


class Rings(dict[Stream, Ring]):
    """The rings of a process; that of a stream without a pipe has ended.

    Half of a ring that blocks is for what is on its way to a reader, see `io.ring`.

    Args:
        resolved: What the daemon does by its spec.

    Attributes:
        order: When the streams were read, and in which order.
    """

    def __init__(self, resolved: ResolvedSpec) -> None:
        size = resolved.ring_bytes
        self.order = ReadingOrder(min(size // BYTES_FOR_ONE_READING, MOST_READINGS))
        for stream, number in NUMBERS.items():
            self[stream] = Ring(
                size,
                resolved.overflow,
                kept_behind=size // 2,
                on_append=functools.partial(self.order.note, number),
            )
            if not resolved.options.has_pipe(stream):
                self[stream].close()

    @property
    def readers(self) -> int:
        """How many cursors there are."""
        return sum(ring.readers for ring in self.values())

    @property
    def size(self) -> int:
        """How many bytes they may come to hold; of a stream that has ended, what it does hold."""
        return sum(
            ring.held_bytes if ring.closed else max(ring.held_bytes, ring.capacity)
            for ring in self.values()
        )

    @property
    def forced(self) -> bool:
        """Whether a stream was given up before its end."""
        return any(ring.forced for ring in self.values())

    def begin(
        self, streams: Iterable[Stream], *, since: int | None, lines: int | None
    ) -> dict[Stream, int]:
        """Find where to begin to read, if not at the start of what is kept.

        Args:
            streams: Which are read.
            since: Leave out what was read before this moment, in nanoseconds since 1970.
            lines: Begin with this many last lines of the streams together.

        Returns:
            The offsets; none of a stream that begins where it begins anyway.
        """
        rings = {NUMBERS[stream]: self[stream] for stream in streams}
        found = []
        if since is not None:
            found.append(begin_at(self.order, rings, since))
        if lines is not None:
            found.append(begin_with_lines(self.order, rings, lines))
        return {STREAMS[n]: max(begins[n] for begins in found) for n in rings if found}

    def free(self) -> None:
        """Free what they hold; whoever reads it later is told of a gap."""
        for ring in self.values():
            ring.clear()
        self.order.clear()

    def close(self) -> None:
        """End every stream that has not ended, and free what they hold."""
        for ring in self.values():
            ring.close(forced=True)
        self.free()
