"""Bytes that say where they belong: a block that a process writes again and again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hcsd.v1 import process_pb2 as pb
    from tests.support.chaos import Story

# No power of two, so that what is lost or doubled in whole buffers does not hide.
BLOCK_BYTES = 262_144 + 77
NEEDLE_BYTES = 32  # enough to be in the block once


class Pattern:
    """The block, and what is where in the stream that repeats it.

    Attributes:
        block: The block.
    """

    def __init__(self, seed: int) -> None:
        self.block = random.Random(seed).randbytes(BLOCK_BYTES)  # noqa: S311  (repeatable)
        self._long = memoryview(self.block * 6)  # a chunk has 1 MiB at the most

    def at(self, offset: int, size: int) -> memoryview:
        """Return the bytes of the stream from an offset on; at most 1 MiB."""
        begin = offset % BLOCK_BYTES
        return self._long[begin : begin + size]

    def fault(self, offset: int, data: bytes) -> tuple[int, str] | None:
        """Compare bytes with what belongs there: None, or where and how they differ."""
        wanted = self.at(offset, len(data))
        if data == wanted:
            return None
        first = next(
            i for i, (ours, theirs) in enumerate(zip(data, wanted, strict=True)) if ours != theirs
        )
        place = self.block.find(data[first : first + NEEDLE_BYTES])
        if place < 0:
            return offset + first, "bytes that are nowhere in what was written"
        ahead = (place - offset - first) % BLOCK_BYTES
        behind = BLOCK_BYTES - ahead
        if ahead <= behind:
            return offset + first, f"{ahead} bytes are missing (or as many and whole blocks)"
        return offset + first, f"{behind} bytes came twice (or as many less whole blocks)"


class Stream:
    """One stream of a process as a reader gets it, held against the pattern.

    Args:
        story: Told what is wrong.
        pattern: What is written.
        name: Of the process and the stream.
        has_gaps: Whether bytes may be gone, if that is told.

    Attributes:
        offset: Of the next byte.
        ended: The end was told.
    """

    def __init__(self, story: Story, pattern: Pattern, name: str, *, has_gaps: bool) -> None:
        self.offset = 0
        self.ended = False
        self._story = story
        self._pattern = pattern
        self._name = name
        self._has_gaps = has_gaps

    def chunk(self, chunk: pb.OutputChunk) -> None:
        if chunk.offset != self.offset:
            self._wrong(f"the chunk says offset {chunk.offset}", self.offset)
        if self.ended:
            self._wrong("bytes after the end of the stream", self.offset)
        if found := self._pattern.fault(chunk.offset, chunk.data):
            self._wrong(found[1], found[0])
        self.offset += len(chunk.data)

    def gap(self, gap: pb.OutputGap) -> None:
        if not self._has_gaps:
            self._wrong(f"a gap up to {gap.to_offset}", gap.from_offset)
        if gap.from_offset != self.offset or gap.to_offset <= gap.from_offset:
            self._wrong(f"a gap from {gap.from_offset} to {gap.to_offset}", self.offset)
        self.offset = gap.to_offset

    def eof(self, eof: pb.OutputEof) -> None:
        if eof.end_offset != self.offset:
            self._wrong(f"the end is told to be at {eof.end_offset}", self.offset)
        if eof.forced:
            self._wrong("the stream was closed by force", self.offset)
        if self.ended:
            self._wrong("the end was told twice", self.offset)
        self.ended = True

    def finish(self, size: int) -> None:
        """The reader has come to the end, and the process has written so much."""
        if not self.ended:
            self._wrong("the reader ended before the stream", self.offset)
        if self.offset != size:
            self._wrong(f"the stream ended, and {size} bytes were written", self.offset)

    def _wrong(self, what: str, offset: int) -> None:
        self._story.violated(what, process=self._name, offset=offset)
