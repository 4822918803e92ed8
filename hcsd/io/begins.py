"""Where to begin to read several streams: at a moment, or with their last lines.

For the lines the readings are walked from the newest to the oldest. Each stream moves on its own:

    OUTSIDE ──bytes that end no line, or the end of a line──▶ INSIDE, one line less is wanted
    INSIDE ──the end of the line before, lines are wanted──▶ INSIDE, one less
    INSIDE ──the end of the line before, none is wanted──▶ DONE: it begins there
    OUTSIDE ──none is wanted──▶ OUTSIDE: nothing of it is shown

A last line without an end is a line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.io.reading_order import ReadingOrder
    from hcsd.io.ring import Ring

NEWLINE = b"\n"
BLOCK_BYTES = 4096  # newlines are counted in blocks, and looked at one by one in the last of them


def begin_at(order: ReadingOrder, rings: Mapping[int, Ring], moment: int) -> dict[int, int]:
    """Find where each stream begins with what was read at a moment or later.

    Args:
        order: The readings of the streams.
        rings: The streams that count, by the number that they have there.
        moment: In nanoseconds since 1970.
    """
    begins = {number: ring.start_offset for number, ring in rings.items()}
    for reading in order:
        if reading.time >= moment:
            break
        if reading.stream in begins:
            begins[reading.stream] = max(begins[reading.stream], reading.end)
    return begins


def begin_with_lines(order: ReadingOrder, rings: Mapping[int, Ring], lines: int) -> dict[int, int]:
    """Find where each stream begins with the last lines of all.

    Args:
        order: The readings of the streams.
        rings: The streams that count, by the number that they have there.
        lines: How many lines are wanted, at least 0.
    """
    begins = {number: ring.end_offset for number, ring in rings.items()}
    inside: set[int] = set()
    done: set[int] = set()
    for stream, begin in reversed(_pieces(order, rings)):
        if not lines and inside <= done:
            break
        end = begins[stream]
        if stream in done or begin >= end or not (lines or stream in inside):
            continue
        data = rings[stream].peek(begin, end - begin)
        if stream not in inside and not data.endswith(NEWLINE):
            lines -= 1
            inside.add(stream)
        count = data.count(NEWLINE)
        if 0 < count <= lines:
            lines -= count
            inside.add(stream)
            begins[stream] = begin
            continue
        position = len(data)
        while (found := data.rfind(NEWLINE, 0, position)) >= 0:
            if not lines:
                begins[stream] = begin + found + 1
                done.add(stream)
                break
            lines -= 1
            inside.add(stream)
            position = found
        else:
            begins[stream] = begin
    return begins


def _pieces(order: ReadingOrder, rings: Mapping[int, Ring]) -> list[tuple[int, int]]:
    """Return the stream and the begin of each block of the readings that are still kept."""
    begins = {number: ring.start_offset for number, ring in rings.items()}
    pieces: list[tuple[int, int]] = []
    for stream, end, _ in order:
        if stream in begins and end > begins[stream]:
            pieces.extend((stream, begin) for begin in range(begins[stream], end, BLOCK_BYTES))
            begins[stream] = end
    return pieces
