"""In which order, and when, the bytes of several streams were read.

A ring keeps the bytes of one stream. What was written in turn to two of them could not be shown in
turn again, so this index notes each reading: which stream it came from, where it ended, and when.

    note(s, end)   same stream as the last reading, within a millisecond    that one ends there now
                   otherwise                                                one more reading
    over the limit  the older half becomes one reading of each stream: its order and times are lost

With a path the readings are kept in a file as well, to outlive this process. A reading is written when it
begins, together with the final end of the one before it. So of those in the file only the newest may
be stale, and `settle` mends that. A file system that takes no more ends the file, not the readings.

A reader is a number of a reading, its `place`, and the offsets that it has reached. The last reading may
still grow, so a reader never goes past it.

Thread: the event loop's.
"""

from __future__ import annotations

import time
from array import array
from typing import TYPE_CHECKING, NamedTuple

from hcsd.io.reading_file import ReadingFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hcsd.io.ring import Ring

BYTES_PER_READING = 16
# What is finer than a millisecond is of no use to people, and bulk would fill the index.
MERGE_NANOSECONDS = 1_000_000


class Reading(NamedTuple):
    """Bytes of one stream that were read together.

    Attributes:
        stream: Number of the stream, in the order of the rings.
        end: Offset after the last of them. They begin where the stream's reading before has ended.
        time: When the first of them was read, in nanoseconds since 1970: a reader may come back with it, and
            a float would not be the same then.
    """

    stream: int
    end: int
    time: int


class ReadingOrder:
    """The readings of all streams of a process.

    Args:
        limit: How many are kept.
        clock: Tells the time in nanoseconds since 1970.
        path: A file to keep them in as well; it is made with the first of them.
        restored: Whether to begin with what is in the file. `settle` comes next then.
    """

    def __init__(
        self,
        limit: int,
        clock: Callable[[], int] = time.time_ns,
        path: str | None = None,
        *,
        restored: bool = False,
    ) -> None:
        self._limit = max(limit, 8)  # the older half must be more than a reading of each
        self._clock = clock
        self._ends = array("Q")  # twice the offset, plus the number of the stream
        self._times = array("q")
        self._first = 0  # number of the oldest that is kept
        self._file = None if path is None else ReadingFile(path)
        if self._file is not None and restored:
            self._ends, self._times = self._file.load()

    def __len__(self) -> int:
        """Return how many readings are kept."""
        return len(self._ends)

    @property
    def first(self) -> int:
        """Number of the oldest reading that is kept, where a reader of everything begins."""
        return self._first

    def note(self, stream: int, end: int) -> None:
        """Note that a stream was read up to `end`.

        Args:
            stream: 0 or 1.
            end: Offset after the last byte read.
        """
        now = self._clock()
        ends, times = self._ends, self._times
        code = end << 1 | stream
        if ends and ends[-1] & 1 == stream and 0 <= now - times[-1] < MERGE_NANOSECONDS:
            ends[-1] = code
            return
        ends.append(code)
        times.append(now)
        if len(ends) > self._limit:
            self._squash()
        if self._file is not None:
            self._file.begin(self._ends, self._times)

    def settle(self, rings: Mapping[int, Ring]) -> None:
        """Hold what was restored against the bytes: what is behind the last reading is one more.

        Args:
            rings: By the number of the stream.
        """
        ends = {code & 1: code >> 1 for code in self._ends}
        if any(end > rings[number].end_offset for number, end in ends.items()):
            self.clear()  # the bytes were lost, so nothing here says where others are
            ends.clear()
        newest = self._ends[-1] & 1 if self._ends else None
        for number, ring in sorted(rings.items(), key=lambda item: item[0] != newest):
            end = ring.end_offset
            if end <= max(ends.get(number, 0), ring.start_offset):
                continue
            if number == newest:
                self._ends[-1] = end << 1 | number
            else:
                self.note(number, end)

    def close(self) -> None:
        """Close the file, because nothing more comes; idempotent."""
        if self._file is not None:
            self._file.close(self._ends, self._times)

    def remove(self) -> None:
        """Remove the file; idempotent."""
        if self._file is not None:
            self._file.remove()

    def at(self, place: int) -> Reading | None:
        """Return a reading by its number; None if there is none yet. An old number is the oldest."""
        index = max(place - self._first, 0)
        if index >= len(self._ends):
            return None
        code = self._ends[index]
        return Reading(code & 1, code >> 1, self._times[index])

    def __iter__(self) -> Iterator[Reading]:
        """Go through the readings that are kept, oldest first."""
        for code, moment in zip(self._ends, self._times, strict=True):
            yield Reading(code & 1, code >> 1, moment)

    def clear(self) -> None:
        """Forget all readings, because the bytes were freed."""
        self._first += len(self._ends)
        del self._ends[:], self._times[:]
        if self._file is not None:
            self._file.rewrite(self._ends, self._times)

    def _squash(self) -> None:
        half = len(self._ends) // 2
        newest: dict[int, tuple[int, int]] = {}
        for code, moment in zip(self._ends[:half], self._times[:half], strict=True):
            newest.pop(code & 1, None)  # so that they stay in their order
            newest[code & 1] = (code, moment)
        kept = list(newest.values())
        self._ends = array("Q", [code for code, _ in kept]) + self._ends[half:]
        self._times = array("q", [moment for _, moment in kept]) + self._times[half:]
        self._first += half - len(kept)
        if self._file is not None:
            self._file.rewrite(self._ends, self._times)
