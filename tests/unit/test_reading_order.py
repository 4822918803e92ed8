"""Several streams are shown again as they were read, held against a plain list of what was read."""

import itertools
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcsd.daemon.rings import NUMBERS, Rings
from hcsd.daemon.spec import OPENED
from hcsd.daemon.streams import Stream
from hcsd.daemon.turns import Turns
from hcsd.io import Cursor, Overflow, ReadingOrder, Ring, begin_at, begin_with_lines
from hcsd.io.reading_order import MERGE_NANOSECONDS

TEXT = st.text("ab\n", min_size=1, max_size=8).map(str.encode)
READINGS = st.lists(st.tuples(st.sampled_from([0, 1]), TEXT), max_size=40)
STREAMS = tuple(Stream)
SECOND = 1_000_000_000  # in nanoseconds


class Filled:
    """Two rings that were filled in an order, one second after the other."""

    def __init__(
        self, readings: list[tuple[int, bytes]], *, limit: int = 1000, capacity: int = 10_000
    ) -> None:
        ticks = itertools.count(100 * SECOND, SECOND)
        self.order = ReadingOrder(limit, lambda: next(ticks))
        self.rings = {
            number: Ring(
                capacity,
                Overflow.DROP_OLDEST,
                on_append=lambda end, number=number: self.order.note(number, end),  # type: ignore[misc]
            )
            for number in (0, 1)
        }
        for number, data in readings:
            self.rings[number].append(data)

    def cursors(self, begins: Mapping[int, int]) -> dict[Stream, Cursor]:
        return {
            STREAMS[number]: self.rings[number].open_cursor(begin, lambda: None)
            for number, begin in begins.items()
        }

    def read(
        self, cursors: dict[Stream, Cursor], *, apart: bool = True, max_bytes: int = 100
    ) -> list[tuple[int, bytes]]:
        """Read what there is, turn by turn."""
        until = {stream: self.rings[NUMBERS[stream]].end_offset for stream in cursors}
        turns = Turns(self.order, cursors, until, max_bytes=max_bytes, apart=apart)
        taken = []
        while (turn := turns.next()) is not None:
            data = cursors[turn.stream].take(turn.size)
            if isinstance(data, bytes):
                assert len(data) <= max_bytes
                taken.append((NUMBERS[turn.stream], data))
        return taken


def bytewise(readings: list[tuple[int, bytes]]) -> list[tuple[int, int]]:
    return [(number, byte) for number, data in readings for byte in data]


@given(READINGS, st.booleans(), st.integers(1, 20))
def test_two_streams_come_in_the_order_in_which_they_were_read(
    readings: list[tuple[int, bytes]], apart: bool, max_bytes: int
) -> None:
    filled = Filled(readings)
    taken = filled.read(filled.cursors({0: 0, 1: 0}), apart=apart, max_bytes=max_bytes)
    assert bytewise(taken) == bytewise(readings)


@given(READINGS, st.integers(8, 16))
def test_the_newest_half_keeps_its_order_and_nothing_is_lost_when_the_index_is_full(
    readings: list[tuple[int, bytes]], limit: int
) -> None:
    filled = Filled(readings, limit=limit)
    taken = bytewise(filled.read(filled.cursors({0: 0, 1: 0})))
    whole = bytewise(readings)
    for number in (0, 1):
        assert [x for x in taken if x[0] == number] == [x for x in whole if x[0] == number]
    newest = bytewise(readings[-(limit // 2) :])
    assert taken[len(taken) - len(newest) :] == newest
    assert len(filled.order) <= limit


@given(READINGS, st.integers(1, 30))
def test_what_has_left_the_rings_is_passed_over(
    readings: list[tuple[int, bytes]], capacity: int
) -> None:
    filled = Filled(readings, capacity=capacity)
    taken = filled.read(filled.cursors({0: 0, 1: 0}))
    for number, ring in filled.rings.items():
        written = b"".join(data for stream, data in readings if stream == number)
        assert (
            b"".join(data for stream, data in taken if stream == number)
            == written[ring.start_offset :]
        )


@given(READINGS, READINGS, st.integers(0, 40))
def test_a_reader_that_waits_goes_on_in_the_order_of_what_comes(
    before: list[tuple[int, bytes]], after: list[tuple[int, bytes]], offset: int
) -> None:
    filled = Filled(before)
    begins = {n: min(offset, ring.end_offset) for n, ring in filled.rings.items()}
    cursors = filled.cursors(begins)
    until = dict.fromkeys(cursors, 2**64 - 1)
    turns = Turns(filled.order, cursors, until, max_bytes=100, apart=False)
    taken = []
    for number, data in [(0, b""), *after]:
        if data:
            filled.rings[number].append(data)
        while (turn := turns.next()) is not None:
            piece = cursors[turn.stream].take(turn.size)
            assert isinstance(piece, bytes)
            taken.append((NUMBERS[turn.stream], piece))
    expected = []
    seen = dict(begins)
    passed = {0: 0, 1: 0}
    for number, byte in bytewise(before + after):
        if passed[number] >= seen[number]:
            expected.append((number, byte))
        passed[number] += 1
    assert bytewise(taken) == expected


@given(READINGS, st.integers(-2, 45))
def test_since_a_moment_only_what_was_read_then_or_later(
    readings: list[tuple[int, bytes]], index: int
) -> None:
    filled = Filled(readings)
    moment = (100 + index) * SECOND
    begins = begin_at(filled.order, filled.rings, moment)
    assert bytewise(filled.read(filled.cursors(begins))) == bytewise(readings[max(index, 0) :])


def last(readings: list[tuple[int, bytes]], lines: int) -> dict[int, bytes]:
    """Say what the last lines are, slowly: each byte belongs to a line, which ends where it ends."""
    place = {0: 0, 1: 0}
    ends: list[tuple[int, int]] = []  # of each line: its stream, and the offset after it
    for number, byte in bytewise(readings):
        place[number] += 1
        if byte == ord("\n"):
            ends.append((number, place[number]))
    for number, _ in reversed(bytewise(readings)):  # those without an end, by their last byte
        if place[number] and (number, place[number]) not in ends:
            position = len(ends) - sum(
                1 for other, end in ends if _after(readings, (other, end), (number, place[number]))
            )
            ends.insert(position, (number, place[number]))
        place[number] = 0
    wanted = ends[max(0, len(ends) - lines) :]
    shown = {}
    for number in (0, 1):
        written = b"".join(data for stream, data in readings if stream == number)
        first = next((end for stream, end in wanted if stream == number), None)
        if first is None:
            shown[number] = b""
            continue
        earlier = [end for stream, end in ends if stream == number and end < first]
        shown[number] = written[max(earlier, default=0) :]
    return shown


def _after(readings: list[tuple[int, bytes]], one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether the byte before one offset was read after that before another."""
    place = {0: 0, 1: 0}
    when = {}
    for index, (number, _) in enumerate(bytewise(readings)):
        place[number] += 1
        when[number, place[number]] = index
    return when[one] > when[other]


@given(READINGS, st.integers(0, 12))
def test_the_last_lines_are_counted_over_both_streams(
    readings: list[tuple[int, bytes]], lines: int
) -> None:
    filled = Filled(readings)
    begins = begin_with_lines(filled.order, filled.rings, lines)
    expected = last(readings, lines)
    for number, ring in filled.rings.items():
        size = ring.end_offset - begins[number]
        assert (ring.peek(begins[number], size) if size else b"") == expected[number]


@pytest.mark.parametrize("lines", [0, 1, 819, 820, 2000, 4999, 5000, 2**32 - 1])
def test_the_last_lines_of_much_at_once(lines: int) -> None:
    whole = [b"%04d\n" % number for number in range(5000)]
    filled = Filled([(0, b"".join(whole) + b"end"), (1, b"no end")], capacity=100_000)
    begins = begin_with_lines(filled.order, filled.rings, lines + 1)
    assert begins[1] == 0
    assert begins[0] == (5 * max(0, 5001 - lines) if lines else 25_003)


def test_the_index_of_a_large_ring_is_bounded() -> None:
    """Whoever begins in the middle looks through it, and nothing else runs meanwhile."""
    rings = Rings(replace(OPENED, ring_bytes=64 << 20))
    for number in range(100_000):
        rings.order.note(number % 2, number)
    assert 30_000 < len(rings.order) <= 65_536


def test_readings_within_a_millisecond_are_one_and_no_others() -> None:
    now = 5 * SECOND
    order = ReadingOrder(100, lambda: now)
    order.note(0, 10)
    order.note(0, 20)
    order.note(1, 5)
    order.note(0, 30)
    now = 5 * SECOND + 1_000_000
    order.note(0, 40)
    assert [tuple(reading) for reading in order] == [
        (0, 20, 5_000_000_000),
        (1, 5, 5_000_000_000),
        (0, 30, 5_000_000_000),
        (0, 40, 5_001_000_000),
    ]


class Outliving:
    """Two rings whose readings are in a file, which is taken up again at any time."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.now = SECOND
        self.order = self.restored()
        self.rings = {
            number: Ring(
                10_000,
                Overflow.DROP_OLDEST,
                on_append=lambda end, number=number: self.order.note(number, end),  # type: ignore[misc]
            )
            for number in (0, 1)
        }

    def restored(self) -> ReadingOrder:
        return ReadingOrder(8, lambda: self.now, self.path, restored=True)


@given(st.lists(st.tuples(st.sampled_from([0, 1]), st.integers(0, 2)), max_size=60))
def test_readings_are_the_same_after_a_kill(readings: list[tuple[int, int]]) -> None:
    """A step of a millisecond or less is one reading with the one before; over the limit they are fewer."""
    with tempfile.TemporaryDirectory() as folder:
        it = Outliving(f"{folder}/order")
        for number, step in readings:
            it.now += step * MERGE_NANOSECONDS // 2
            it.rings[number].append(b"x" * (step + 1))
            restored = it.restored()
            restored.settle(it.rings)
            assert list(restored) == list(it.order)
            restored.close()
        it.order.close()
        assert list(it.restored()) == list(it.order)


def test_bytes_behind_the_last_reading_are_one_more(tmp_path: Path) -> None:
    it = Outliving(f"{tmp_path}/order")
    it.rings[0].append(b"noted")
    it.order.close()
    other = ReadingOrder(8, lambda: it.now)  # which notes nothing in the file
    it.order, kept = other, it.order
    it.rings[1].append(b"spliced, and then came the kill")
    it.now += SECOND
    restored = it.restored()
    restored.settle(it.rings)
    assert [tuple(reading) for reading in restored] == [(0, 5, SECOND), (1, 31, 2 * SECOND)]
    restored.close()
    kept.remove()
    assert not list(tmp_path.iterdir())


def test_readings_of_bytes_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    it = Outliving(f"{tmp_path}/order")
    it.rings[0].append(b"all of it")
    it.order.close()
    it.rings[0].clear()
    restored = it.restored()
    restored.settle({0: Ring(10, Overflow.BLOCK), 1: Ring(10, Overflow.BLOCK)})
    assert not list(restored)
    assert not list(tmp_path.iterdir())


def test_readings_go_on_without_a_file_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    order = ReadingOrder(8, lambda: 0, f"{tmp_path}/file/order")
    for end in range(20):
        order.note(end % 2, end)
    assert next(reversed(list(order))).end == 19
    order.close()
