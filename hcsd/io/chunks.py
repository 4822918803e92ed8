"""Bytes kept under the absolute offsets at which they entered a stream.

The store is a queue of immutable `bytes` objects, called chunks, that covers `start` to `end`
without a hole. It knows no policy and no reader; `hcsd.io.ring` decides what to keep.

- A chunk is handed out as the object that came in if a read asks for exactly that chunk, which is
  what a reader in step with the writer does. Nothing is copied then.
- A small chunk is merged into the one before it while both fit `MERGE_BYTES`, so any two
  neighbours exceed it together: a million one-byte writes cost neither a million objects nor,
  since the copy is bounded, quadratic time.
- No chunk exceeds `CHUNK_BYTES`. Only whole chunks are freed, so the bytes held beyond the range
  that the store covers are fewer than that.
"""

from bisect import bisect_right
from collections import deque

MERGE_BYTES = 4096  # a page: copying it costs about as much as keeping one more object
CHUNK_BYTES = 64 * 1024  # what a pipe holds by default, so one read makes one chunk


class ChunkStore:
    """The bytes of a stream from `start` to `end`; both are moved by the methods alone."""

    __slots__ = ("_chunks", "_starts", "end", "start")

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._starts: deque[int] = deque()  # the offset of each chunk's first byte, ascending
        self.start = 0
        self.end = 0

    @property
    def held_bytes(self) -> int:
        """Count the bytes in memory: those covered, and the freed head of the first chunk."""
        return self.end - self._starts[0] if self._starts else 0

    def close(self) -> None:
        """Note that nothing more is appended; what is there can be read."""

    def append(self, data: bytes) -> None:
        """Add `data`, which is not empty, at `end`."""
        size = len(data)
        if size > CHUNK_BYTES:
            for begin in range(0, size, CHUNK_BYTES):
                self.append(data[begin : begin + CHUNK_BYTES])
            return
        chunks = self._chunks
        if size < MERGE_BYTES and chunks and len(chunks[-1]) + size <= MERGE_BYTES:
            chunks[-1] += data
        else:
            chunks.append(data)
            self._starts.append(self.end)
        self.end += size

    def drop_before(self, offset: int) -> None:
        """Move `start` to `offset`, which it has not passed, and free the chunks before it.

        An offset past `end` moves `end` as well: the bytes up to there never enter the store.
        """
        chunks, starts = self._chunks, self._starts
        while chunks and starts[0] + len(chunks[0]) <= offset:
            chunks.popleft()
            starts.popleft()
        self.start = offset
        self.end = max(self.end, offset)

    def read(self, offset: int, size: int) -> bytes:
        """Return the bytes at `offset`: `size` of them, or all up to `end` if those are fewer.

        Args:
            offset: at least `start` and less than `end`.
            size: at least 1.
        """
        chunks, starts = self._chunks, self._starts
        index = len(starts) - 1
        if offset < starts[index]:
            index = bisect_right(starts, offset) - 1
        skipped = offset - starts[index]
        piece = chunks[index][skipped : skipped + size]  # the object itself if that is all of it
        missing = min(size, self.end - offset) - len(piece)
        if not missing:
            return piece
        pieces = [piece]
        while missing:
            index += 1
            piece = chunks[index][:missing]
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)
