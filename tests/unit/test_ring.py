"""Which bytes a ring gives its readers, and what it does when it is full."""

import pytest

from hcsd.io import (
    Cursor,
    Gap,
    OffsetOutOfRangeError,
    Overflow,
    Ring,
    RingFullError,
)
from hcsd.io.chunks import CHUNK_BYTES, MERGE_BYTES, ChunkStore

BOTH = pytest.mark.parametrize("overflow", list(Overflow))


def ignore() -> None:
    """Stand for a wake in a test that looks for bytes alone."""


def take_all(cursor: Cursor, max_bytes: int = 1 << 20) -> list[bytes | Gap]:
    taken: list[bytes | Gap] = []
    while (item := cursor.take(max_bytes)) is not None:
        taken.append(item)
    return taken


@BOTH
def test_two_cursors_see_the_same_bytes_at_the_same_offsets(overflow: Overflow) -> None:
    ring = Ring(100, overflow)
    first = ring.open_cursor(0, ignore)
    ring.append(b"one")
    second = ring.open_cursor(0, ignore)
    ring.append(b"two")
    assert (first.take(100), first.offset) == (b"onetwo", 6)
    assert (second.take(4), second.offset) == (b"onet", 4)
    assert (second.take(4), second.offset) == (b"wo", 6)


def test_a_cursor_in_step_gets_the_very_object_that_was_appended() -> None:
    ring = Ring(1 << 20, Overflow.BLOCK)
    cursor = ring.open_cursor(0, ignore)
    for size in (CHUNK_BYTES, MERGE_BYTES, 10_000):
        data = bytes(size)
        ring.append(data)
        assert cursor.take(CHUNK_BYTES) is data


def test_take_joins_chunks_up_to_the_limit_and_not_beyond() -> None:
    ring = Ring(1 << 20, Overflow.BLOCK)
    cursor = ring.open_cursor(0, ignore)
    for letter in (b"a", b"b", b"c"):
        ring.append(letter * 5000)
    assert cursor.take(12_000) == b"a" * 5000 + b"b" * 5000 + b"c" * 2000
    assert cursor.take(12_000) == b"c" * 3000


def test_a_reader_resumes_at_any_offset_it_was_given() -> None:
    ring = Ring(1 << 20, Overflow.DROP_OLDEST)
    stream = bytes(range(256)) * 200
    for begin in range(0, len(stream), 5000):
        ring.append(stream[begin : begin + 5000])
    for offset in (0, 1, 4999, 5000, 5001, 20_000, len(stream) - 1, len(stream)):
        with ring.open_cursor(offset, ignore) as cursor:
            assert cursor.take(len(stream)) == (stream[offset:] or None)


def test_the_tail_offset_is_where_the_last_bytes_begin() -> None:
    ring = Ring(10, Overflow.DROP_OLDEST)
    ring.append(b"0123456789abcde")
    assert ring.tail_offset(3) == 12
    assert ring.tail_offset(0) == ring.tail_offset(-1) == 15
    assert ring.tail_offset(100) == ring.start_offset == 5
    with ring.open_cursor(ring.tail_offset(3), ignore) as cursor:
        assert cursor.take(100) == b"cde"


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("offset", [-1, 6])
def test_an_offset_outside_the_stream_is_refused(closed: bool, offset: int) -> None:
    ring = Ring(3, Overflow.DROP_OLDEST)
    ring.append(b"12345")
    if closed:
        ring.close()
    with pytest.raises(OffsetOutOfRangeError, match="ends at 5") as refused:
        ring.open_cursor(offset, ignore)
    assert (refused.value.offset, refused.value.start_offset, refused.value.end_offset) == (
        offset,
        2,
        5,
    )
    assert ring.readers == 0


@pytest.mark.parametrize("max_bytes", [0, -1])
def test_taking_less_than_a_byte_is_an_error(max_bytes: int) -> None:
    ring = Ring(3, Overflow.BLOCK)
    ring.append(b"1")
    cursor = ring.open_cursor(0, ignore)
    with pytest.raises(ValueError, match="cannot take"):
        cursor.take(max_bytes)


def test_a_ring_needs_a_capacity() -> None:
    with pytest.raises(ValueError, match="at least 1 byte"):
        Ring(0, Overflow.BLOCK)


def test_drop_oldest_reports_what_a_slow_cursor_missed_exactly_once() -> None:
    ring = Ring(10, Overflow.DROP_OLDEST)
    cursor = ring.open_cursor(0, ignore)
    ring.append(b"abcd")
    assert cursor.take(2) == b"ab"
    ring.append(b"0123456789")
    ring.append(b"XY")
    assert cursor.lag == 14
    assert take_all(cursor) == [Gap(2, 6), b"23456789XY"]


def test_drop_oldest_keeps_the_end_of_an_append_larger_than_the_ring() -> None:
    ring = Ring(10, Overflow.DROP_OLDEST)
    ring.append(b"abc")
    ring.append(b"0123456789ABCDEF")
    assert (ring.start_offset, ring.end_offset, ring.dropped_bytes) == (9, 19, 9)
    assert take_all(ring.open_cursor(9, ignore)) == [b"6789ABCDEF"]


def test_drop_oldest_always_has_room() -> None:
    ring = Ring(10, Overflow.DROP_OLDEST, ignore)
    for _ in range(3):
        assert ring.room() == 10
        ring.append(bytes(7))


def test_block_refuses_more_than_it_has_room_for_and_keeps_nothing_of_it() -> None:
    ring = Ring(10, Overflow.BLOCK)
    ring.append(b"1234567")
    with pytest.raises(RingFullError, match="4 bytes to a ring with room for 3"):
        ring.append(b"abcd")
    assert (ring.start_offset, ring.end_offset) == (0, 7)


def test_block_without_a_cursor_fills_like_a_pipe() -> None:
    ring = Ring(10, Overflow.BLOCK)
    ring.append(bytes(10))
    assert (ring.room(), ring.start_offset) == (0, 0)


def test_block_lets_the_slowest_cursor_lag_one_ring_and_no_more() -> None:
    ring = Ring(10, Overflow.BLOCK)
    slow, fast = ring.open_cursor(0, ignore), ring.open_cursor(0, ignore)
    ring.append(b"0123456789")
    fast.take(10)
    assert ring.room() == 0
    slow.take(4)
    assert ring.room() == 4
    ring.append(b"abcd")
    assert (ring.start_offset, ring.room()) == (4, 0)
    assert take_all(slow) == [b"456789abcd"]


def test_block_keeps_what_was_read_for_a_reader_that_comes_back() -> None:
    ring = Ring(10, Overflow.BLOCK)
    with ring.open_cursor(0, ignore) as cursor:
        ring.append(b"0123456789")
        assert cursor.take(10) == b"0123456789"
    assert ring.room() == 0
    assert take_all(ring.open_cursor(7, ignore)) == [b"789"]


def test_block_keeps_behind_the_slowest_cursor_what_may_be_lost_on_the_way() -> None:
    ring = Ring(10, Overflow.BLOCK, kept_behind=4)
    cursor, faster = ring.open_cursor(0, ignore), ring.open_cursor(0, ignore)
    ring.append(b"0123456789")
    faster.take(10)
    cursor.take(5)
    assert ring.room() == 1
    cursor.take(5)
    assert ring.room() == 6
    ring.append(b"abcdef")
    assert (ring.start_offset, ring.room()) == (6, 0)
    cursor.close()
    faster.close()
    assert take_all(ring.open_cursor(6, ignore)) == [b"6789abcdef"]


@pytest.mark.parametrize("kept_behind", [-1, 6])
def test_a_ring_keeps_at_most_half_behind(kept_behind: int) -> None:
    with pytest.raises(ValueError, match="behind a cursor"):
        Ring(10, Overflow.BLOCK, kept_behind=kept_behind)


def test_dropped_bytes_are_those_that_no_cursor_was_given() -> None:
    ring = Ring(10, Overflow.DROP_OLDEST)
    fast, slow = ring.open_cursor(0, ignore), ring.open_cursor(0, ignore)
    ring.append(b"0123456789")
    fast.take(10)
    ring.append(b"abcdef")
    assert slow.take(10) == Gap(0, 6)
    assert ring.dropped_bytes == 0  # the fast one had them
    ring.append(bytes(14))
    assert (ring.start_offset, ring.dropped_bytes) == (20, 10)


def test_a_million_tiny_appends_cost_few_objects() -> None:
    ring = Ring(1 << 18, Overflow.DROP_OLDEST)
    for _ in range(20_000):
        ring.append(b"x" * 50)
    store = ring._state.chunks
    assert isinstance(store, ChunkStore)
    sizes = [len(chunk) for chunk in store._chunks]
    assert len(sizes) <= 2 * ring.capacity // MERGE_BYTES + 2
    assert max(sizes) <= MERGE_BYTES  # else every append would copy all that came before it
    assert take_all(ring.open_cursor(ring.start_offset, ignore)) == [b"x" * ring.capacity]


def test_memory_stays_within_a_chunk_of_the_capacity() -> None:
    ring = Ring(1 << 20, Overflow.DROP_OLDEST)
    ring.append(bytes(1 << 20))
    ring.append(bytes((1 << 20) - 1))
    assert ring._state.chunks.held_bytes < ring.capacity + CHUNK_BYTES


def test_what_a_ring_was_made_with_can_be_read_back() -> None:
    ring = Ring(10, Overflow.DROP_OLDEST)
    assert (ring.capacity, ring.overflow) == (10, Overflow.DROP_OLDEST)


def test_a_ring_takes_the_rest_of_its_process_beyond_its_capacity() -> None:
    ring = Ring(4, Overflow.BLOCK)
    ring.append(b"0123")
    ring.append(b"456789", beyond=True)
    assert (ring.start_offset, ring.end_offset, ring.room()) == (0, 10, 0)
    with pytest.raises(RingFullError):
        ring.append(b"x")
    cursor = ring.open_cursor(0, lambda: None)
    assert cursor.take(100) == b"0123456789"
    assert ring.room() == 4
    ring.append(b"abc")
    assert cursor.take(100) == b"abc"
    assert ring.start_offset == 9
