"""Bytes of a stream kept in files, under their absolute offsets, so that they outlive this process.

The files of a store are segments. Each is named by the offset of its first byte, and each begins
where the one before it ends; only the newest grows. So the names and the size of the newest say
exactly which bytes there are, at any moment, also when the process is killed.

    state    event                                          next
    NOTHING  the first byte                                 FILES: folder and first segment are made
    FILES    the newest segment has its size                FILES, with one more segment
    FILES    all was dropped                                FILES: an empty segment keeps the offset
    FILES    the file system is full, or refuses otherwise  MEMORY; `on_full` is called
    NOTHING  the same                                       MEMORY; `on_full` is called
    any      remove()                                       NOTHING on disk; the store is used no more

In MEMORY what comes is kept in a `ChunkStore` behind the segments. The newest segment was renamed to
`….cut`, which takes no room on a full file system: who finds it knows that bytes are missing behind
it. It never goes back, since a hole would be left.

Only whole segments are removed, the oldest first, so what is held beyond the range that the store
covers is less than a segment. A removal that is cut off in the middle leaves a store that begins
earlier.

Descriptors: the newest segment is open between the first byte and `close`. Others are opened for
each read.

Thread: one. The calls take as long as the file system does; on a tmpfs they never wait.
"""

import contextlib
import logging
import os
from bisect import bisect_right
from collections import deque
from collections.abc import Callable

from hcsd.failpoints import reach
from hcsd.io import linux, segment_files
from hcsd.io.chunks import ChunkStore

SEGMENTS = 8  # how many a full ring has: what is held too long is an eighth of it at most
LEAST_BYTES = 64 * 1024  # of a segment: a smaller one is not worth a file

logger = logging.getLogger(__name__)


class SegmentStore:
    """The bytes of a stream from `start` to `end`, in files; see the module.

    Args:
        folder: Where the segments are. It is made with the first byte.
        name: Of the stream; the segments' names begin with it.
        capacity: How many bytes the ring of this store retains.
        restored: Whether to take up what is there, rather than begin a new stream.
        on_full: Called once when bytes go to memory because the files cannot take them.

    Attributes:
        start: Offset of the first byte retained. After a restore it is that of the oldest segment.
        end: Offset after the last byte.
        cut: Whether bytes behind `end` were lost: the store was restored, and they had been in memory.
    """

    def __init__(
        self,
        folder: str,
        name: str,
        *,
        capacity: int = SEGMENTS * LEAST_BYTES,
        restored: bool = False,
        on_full: Callable[[], None] | None = None,
    ) -> None:
        self._folder = folder
        self._name = name
        self._segment_bytes = max(capacity // SEGMENTS, LEAST_BYTES)
        self._on_full = on_full
        self._starts: deque[int] = deque()  # the offset of each segment's first byte, ascending
        self._file = -1  # the newest segment, with its position at `end`
        self._memory: ChunkStore | None = None  # what came after the files could not take it
        self._cut_path: str | None = None  # of the newest segment, once it is renamed
        self.start = 0
        self.end = 0
        self.cut = False
        if restored:
            self._take_up()

    @property
    def held_bytes(self) -> int:
        """Count the bytes in files and memory: those covered, and the head of the first segment."""
        return self.end - (self._starts[0] if self._starts else self.start)

    @property
    def in_memory(self) -> bool:
        """Whether what comes now is kept in memory, and will not outlive this process."""
        return self._memory is not None

    def append(self, data: bytes) -> None:
        """Add `data`, which is not empty, at `end`."""
        rest = memoryview(data)
        while rest:
            if self._memory is None and self._open_newest():
                try:
                    count = os.write(self._file, rest)
                except OSError as error:
                    self._go_on_in_memory(error)
                    continue
                self.end += count
                rest = rest[count:]
            else:
                self._keep(bytes(rest))
                return

    def splice(self, descriptor: int, size: int) -> int:
        """Move up to `size` bytes from a pipe to `end`.

        Returns:
            How many; fewer than `size` if the pipe has no more now. 0 at the end of the pipe.

        Raises:
            BlockingIOError: the pipe is empty.
            MemoryError: the files cannot take them, and memory cannot; they are in the pipe still.
        """
        if not self._starts and not linux.has_bytes(descriptor):
            return 0
        while self._memory is None and self._open_newest():
            try:
                count = linux.splice(descriptor, self._file, size)
            except BlockingIOError:
                raise
            except OSError as error:
                self._go_on_in_memory(error)
                continue
            reach("splice")
            self.end += count
            return count
        data = os.read(descriptor, size)
        if data:
            self._keep(data)
        return len(data)

    def drop_before(self, offset: int) -> None:
        """Move `start` to `offset`, which it has not passed, and remove the segments before it.

        An offset past `end` moves `end` as well: the bytes up to there never enter the store.
        """
        starts = self._starts
        while len(starts) > 1 and starts[1] <= offset:
            self._unlink(starts.popleft())
        if self._memory is not None:
            self._drop_memory(self._memory, offset)
        elif offset >= self.end and (offset > self.end or (starts and starts[-1] < offset)):
            self._begin_again(offset)
        self.start = offset
        self.end = max(self.end, offset)

    def read(self, offset: int, size: int) -> bytes:
        """Return the bytes at `offset`: `size` of them, or all up to `end` if those are fewer.

        Args:
            offset: at least `start` and less than `end`.
            size: at least 1.

        Raises:
            OSError: a segment cannot be read.
        """
        starts, memory = self._starts, self._memory
        size = min(size, self.end - offset)
        if self._file != -1 and offset >= starts[-1]:  # and so nothing is in memory
            data = linux.read_at(self._file, size, offset - starts[-1])
            if len(data) == size:
                return data
        pieces = []
        while size:
            if memory is not None and offset >= memory.start:
                piece = memory.read(offset, size)
            else:
                start = starts[bisect_right(starts, offset) - 1]
                piece = segment_files.read_segment(self._path(start), size, offset - start)
            pieces.append(piece)
            offset += len(piece)
            size -= len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Close the newest segment; idempotent. What is there can be read, and added to, as before."""
        file, self._file = self._file, -1
        if file != -1:
            os.close(file)

    def remove(self) -> None:
        """Remove all files; idempotent. The folder stays. The store is used no more."""
        self.close()
        while self._starts:
            self._unlink(self._starts.popleft())
        if self._cut_path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._cut_path)
        self._memory = None
        self.start = self.end

    def _path(self, start: int) -> str:
        if self._cut_path is not None and start == self._starts[-1]:
            return self._cut_path
        return segment_files.segment_path(self._folder, self._name, start)

    def _unlink(self, start: int) -> None:
        with contextlib.suppress(OSError):  # somebody has removed it, or nobody may
            os.unlink(segment_files.segment_path(self._folder, self._name, start))

    def _open_newest(self) -> bool:
        """Have a segment that takes bytes; returns whether there is one."""
        full = not self._starts or self.end - self._starts[-1] >= self._segment_bytes
        if self._file != -1 and not full:
            return True
        try:
            if full:
                self._add_segment(self.end)
            else:
                self._file = os.open(self._path(self._starts[-1]), os.O_RDWR)
                os.lseek(self._file, 0, os.SEEK_END)
        except OSError as error:
            if self._file != -1:
                return True  # no descriptor or no name for one more: the newest grows on
            self._go_on_in_memory(error)
            return False
        return True

    def _add_segment(self, start: int) -> None:
        file = segment_files.open_segment(self._folder, self._name, start)
        self.close()
        self._file = file
        self._starts.append(start)

    def _begin_again(self, offset: int) -> None:
        """Keep nothing but the offset, as the name of an empty segment."""
        was_open = self._file != -1
        try:
            self._add_segment(offset)
        except OSError as error:
            if offset > self.end:
                self._go_on_in_memory(error)
                self.drop_before(offset)
            return  # else the newest segment says as well where the stream ends
        if not was_open:
            self.close()
        while len(self._starts) > 1:
            self._unlink(self._starts.popleft())

    def _drop_memory(self, memory: ChunkStore, offset: int) -> None:
        if offset <= memory.start:
            return
        memory.drop_before(offset)
        while self._starts:  # an empty segment says from now on that the stream was cut
            with contextlib.suppress(OSError):
                os.truncate(self._path(self._starts[-1]), 0)
            self._starts.pop()

    def _keep(self, data: bytes) -> None:
        memory = self._memory
        assert memory is not None  # noqa: S101 - for the type checker
        memory.append(data)
        self.end = memory.end

    def _go_on_in_memory(self, error: OSError) -> None:
        logger.warning(
            "output is kept in memory alone, and would not survive this daemon: %s: %s",
            self._folder,
            error.strerror,
        )
        self.close()
        if self._starts:
            path = self._path(self._starts[-1])
            with contextlib.suppress(OSError):
                os.rename(path, path + segment_files.CUT)
                self._cut_path = path + segment_files.CUT
        self._begin_memory()
        if self._on_full is not None:
            self._on_full()

    def _begin_memory(self) -> None:
        self._memory = ChunkStore()
        self._memory.drop_before(self.end)

    def _take_up(self) -> None:
        found = segment_files.found_segments(self._folder, self._name)
        if not found:
            return
        first = segment_files.first_of_run(found)
        for segment in found[:first]:
            self._unlink(segment.start)
        self._starts.extend(segment.start for segment in found[first:])
        newest = found[-1]
        self.start, self.end = found[first].start, newest.start + newest.size
        if newest.cut:
            self._cut_path = self._path(newest.start) + segment_files.CUT
            self.cut = True
            self._begin_memory()
