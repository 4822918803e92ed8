"""Whose turn it is: when a ring wakes its readers, when its writer, and how a stream ends."""

from collections.abc import Callable

import pytest

from hcsd.io import Cursor, CursorClosedError, Gap, Overflow, Ring, RingClosedError

BOTH = pytest.mark.parametrize("overflow", list(Overflow))


class Calls:
    """Counts calls, to stand for a wake or an on_room."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def never() -> None:
    raise AssertionError("called without need")


def take_all(cursor: Cursor) -> list[bytes | Gap]:
    taken: list[bytes | Gap] = []
    while (item := cursor.take(1 << 20)) is not None:
        taken.append(item)
    return taken


def full_block_ring(capacity: int, on_room: Callable[[], None]) -> tuple[Ring, Cursor]:
    ring = Ring(capacity, Overflow.BLOCK, on_room)
    cursor = ring.open_cursor(0, Calls())
    ring.append(bytes(capacity))
    return ring, cursor


@BOTH
def test_a_cursor_that_found_nothing_is_woken_once(overflow: Overflow) -> None:
    ring, wake = Ring(100, overflow), Calls()
    cursor = ring.open_cursor(0, wake)
    assert cursor.take(10) is None
    assert cursor.take(10) is None
    ring.append(b"a")
    ring.append(b"b")
    assert wake.count == 1
    assert cursor.take(1) == b"a"
    ring.append(b"c")
    assert wake.count == 1  # it has not found the ring empty again
    assert take_all(cursor) == [b"bc"]
    ring.append(b"d")
    assert wake.count == 2


def test_an_empty_append_wakes_nobody() -> None:
    ring = Ring(10, Overflow.BLOCK)
    cursor = ring.open_cursor(0, never)
    assert cursor.take(1) is None
    ring.append(b"")
    assert ring.end_offset == 0


def test_a_closed_cursor_is_not_woken_even_if_another_wake_closes_it() -> None:
    ring = Ring(10, Overflow.BLOCK)
    others: list[Cursor] = []
    first = ring.open_cursor(0, lambda: others.pop().close())
    others.append(ring.open_cursor(0, never))
    assert first.take(1) is others[0].take(1) is None
    ring.append(b"a")
    assert ring.readers == 1


def test_a_closed_cursor_is_forgotten_even_while_nothing_is_appended() -> None:
    ring = Ring(10, Overflow.BLOCK)
    with ring.open_cursor(0, never) as cursor:
        assert cursor.take(1) is None
    assert not ring._state.waiting
    assert not ring._state.positions


def test_a_wake_may_take_at_once() -> None:
    ring = Ring(10, Overflow.BLOCK, never)
    taken: list[bytes | Gap] = []
    cursor = ring.open_cursor(0, lambda: taken.extend(take_all(cursor)))
    assert cursor.take(10) is None
    for letter in (b"a", b"b", b"c"):
        ring.append(letter)
    assert taken == [b"a", b"b", b"c"]


def test_a_closed_cursor_gives_nothing_and_closes_again_quietly() -> None:
    ring = Ring(10, Overflow.BLOCK)
    ring.append(b"a")
    cursor = ring.open_cursor(0, never)
    cursor.close()
    cursor.close()
    assert ring.readers == 0
    with pytest.raises(CursorClosedError):
        cursor.take(1)


@pytest.mark.parametrize("forced", [False, True])
def test_the_first_close_decides_how_the_stream_ended(forced: bool) -> None:
    ring = Ring(10, Overflow.BLOCK)
    ring.close(forced=forced)
    ring.close(forced=not forced)
    assert (ring.closed, ring.forced, ring.room()) == (True, forced, 0)
    with pytest.raises(RingClosedError):
        ring.append(b"a")


def test_close_wakes_the_waiting_and_leaves_what_is_buffered() -> None:
    ring, wake = Ring(10, Overflow.BLOCK), Calls()
    reader, waiter = ring.open_cursor(0, Calls()), ring.open_cursor(0, wake)
    ring.append(b"abc")
    take_all(waiter)
    ring.close()
    assert wake.count == 1
    assert (waiter.at_end, reader.at_end) == (True, False)
    assert take_all(reader) == [b"abc"]
    assert (waiter.at_end, reader.at_end) == (True, True)
    ring.close()
    assert wake.count == 1


def test_clear_leaves_a_gap_and_the_offsets() -> None:
    ring = Ring(10, Overflow.BLOCK)
    reader, waiter = ring.open_cursor(0, never), ring.open_cursor(0, never)
    ring.append(b"abcdef")
    assert take_all(waiter) == [b"abcdef"]
    waiter.close()
    ring.close()
    ring.clear()
    assert (ring.start_offset, ring.end_offset, ring._state.chunks.held_bytes) == (6, 6, 0)
    assert take_all(reader) == [Gap(0, 6)]
    assert reader.at_end
    assert take_all(ring.open_cursor(2, never)) == [Gap(2, 6)]


def test_cleared_bytes_count_as_dropped_unless_a_cursor_was_given_them() -> None:
    ring = Ring(10, Overflow.BLOCK)
    cursor = ring.open_cursor(0, never)
    ring.append(b"abcdef")
    cursor.take(4)
    ring.clear()
    assert ring.dropped_bytes == 2


def test_the_writer_hears_of_room_once_and_not_for_a_few_bytes() -> None:
    on_room = Calls()
    ring, cursor = full_block_ring(100, on_room)
    cursor.take(24)
    assert on_room.count == 0
    cursor.take(1)
    assert on_room.count == 1
    cursor.take(70)
    assert on_room.count == 1
    ring.append(bytes(95))
    cursor.take(100)
    assert on_room.count == 2


def test_a_partly_refilled_ring_still_owes_its_writer_the_room() -> None:
    on_room = Calls()
    ring, cursor = full_block_ring(100, on_room)
    cursor.take(10)
    ring.append(bytes(5))
    cursor.take(20)
    assert on_room.count == 1


def test_the_slowest_cursor_leaving_makes_room() -> None:
    on_room = Calls()
    ring, slowest = full_block_ring(100, on_room)
    other = ring.open_cursor(0, never)
    other.take(100)
    assert on_room.count == 0
    slowest.close()
    assert (on_room.count, ring.room()) == (1, 100)


def test_the_last_cursor_leaving_may_fill_the_ring_and_the_next_one_frees_it() -> None:
    on_room = Calls()
    ring, cursor = full_block_ring(100, on_room)
    cursor.take(100)
    assert on_room.count == 1
    cursor.close()
    assert ring.room() == 0
    ring.open_cursor(90, never)
    assert (on_room.count, ring.room()) == (2, 90)


def test_clear_makes_room() -> None:
    on_room = Calls()
    ring, _ = full_block_ring(100, on_room)
    ring.clear()
    assert (on_room.count, ring.room()) == (1, 100)


def test_a_closed_ring_asks_for_nothing_more() -> None:
    ring, cursor = full_block_ring(100, never)
    ring.close()
    assert take_all(cursor) == [bytes(100)]
    cursor.close()


def test_a_full_ring_without_a_writer_to_tell_is_no_error() -> None:
    ring = Ring(10, Overflow.BLOCK)
    cursor = ring.open_cursor(0, never)
    ring.append(bytes(10))
    assert cursor.take(10) == bytes(10)


def test_a_cursor_holds_up_the_writer_of_a_full_ring_until_there_is_enough_room() -> None:
    ring, slow = full_block_ring(100, Calls())
    fast = ring.open_cursor(90, Calls())
    assert (slow.holds_up, fast.holds_up) == (True, False)
    slow.take(24)
    assert slow.holds_up  # there is room, but not enough to wake a writer for
    slow.take(1)
    assert not slow.holds_up


def test_a_cursor_on_evicted_bytes_holds_up_the_writer() -> None:
    ring, first = full_block_ring(100, Calls())
    first.take(50)
    ring.append(bytes(50))
    first.take(25)
    first.close()
    late = ring.open_cursor(0, Calls())
    assert late.holds_up


@BOTH
def test_nobody_holds_up_the_writer_of_a_ring_that_drops_or_has_ended(overflow: Overflow) -> None:
    ring = Ring(100, overflow)
    cursor = ring.open_cursor(0, Calls())
    ring.append(bytes(100))
    assert cursor.holds_up is (overflow is Overflow.BLOCK)
    ring.close()
    assert not cursor.holds_up
