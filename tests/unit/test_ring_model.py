"""A ring against a model that keeps everything ever appended, under any interleaving of calls."""

import fcntl
import os
import random
import shutil
import tempfile
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from hcsd.io import (
    Cursor,
    Gap,
    OffsetOutOfRangeError,
    Overflow,
    Ring,
    RingClosedError,
    RingFullError,
    SegmentStore,
)
from hcsd.io.chunks import CHUNK_BYTES, MERGE_BYTES, ChunkStore
from hcsd.io.segments import LEAST_BYTES

STREAM = random.Random(1).randbytes(1 << 22)  # noqa: S311 - any bytes that do not repeat
CAPACITIES = [1, 2, 3, 7, 64, 5_000, 70_000, 200_000]  # around the sizes of merged and full chunks


@dataclass
class Reader:
    """What the model knows of one cursor."""

    position: int
    asleep: bool = False  # was told None while the stream was open
    wakes_owed: int = 0
    wakes: int = 0

    def wake(self) -> None:
        self.wakes += 1


class RingMachine(RuleBasedStateMachine):
    """Calls of the ring, each beside what the model says about it."""

    cursors: Bundle[Cursor] = Bundle("cursors")

    def __init__(self) -> None:
        super().__init__()
        self.start = self.end = self.furthest = self.dropped = 0
        self.closed = self.forced = False
        self.full = False
        self.rooms_owed = self.rooms = 0
        self.readers: dict[Cursor, Reader] = {}

    @initialize(
        capacity=st.sampled_from(CAPACITIES),
        overflow=st.sampled_from(Overflow),
        behind=st.sampled_from([0.0, 0.1, 0.5]),
    )
    def make(self, capacity: int, overflow: Overflow, behind: float) -> None:
        self.capacity, self.blocks = capacity, overflow is Overflow.BLOCK
        self.kept_behind = int(capacity * behind)
        self.ring = Ring(
            capacity, overflow, self.on_room, kept_behind=self.kept_behind, store=self.new_store()
        )

    def new_store(self) -> SegmentStore | None:
        return None

    def add(self, data: bytes) -> None:
        self.ring.append(data)

    def on_room(self) -> None:
        self.rooms += 1

    def room(self) -> int:
        if self.closed:
            return 0
        if not self.blocks:
            return self.capacity
        return min(map(self.room_behind, self.readers.values()), default=self.room_for_none())

    def room_behind(self, reader: Reader) -> int:
        return self.capacity - (self.end - max(self.start, reader.position - self.kept_behind))

    def room_for_none(self) -> int:
        return self.capacity - (self.end - self.start)

    def evict(self, start: int) -> None:
        self.dropped += len(range(max(self.start, self.furthest), start))
        self.start = start

    def wake_sleepers(self) -> None:
        for reader in self.readers.values():
            reader.wakes_owed += reader.asleep
            reader.asleep = False

    # Part of the capacity, so that every size around merging, filling and overflow is met.
    @rule(share=st.floats(0, 1.5), odd=st.integers(0, 3))
    def append(self, share: float, odd: int) -> None:
        self.append_bytes(int(share * self.capacity) + odd)

    @rule(size=st.integers(1, 100), times=st.integers(1, 50))
    def append_small(self, size: int, times: int) -> None:
        for _ in range(times):
            self.append_bytes(size)

    @precondition(lambda self: self.room() > 0)
    @rule()
    def append_all_there_is_room_for(self) -> None:
        self.append_bytes(self.room())

    def append_bytes(self, size: int) -> None:
        data = STREAM[self.end : self.end + size]
        if self.closed:
            with pytest.raises(RingClosedError):
                self.add(data)
            return
        if self.blocks and len(data) > self.room():
            with pytest.raises(RingFullError):
                self.add(data)
            return
        served = [r for r in self.readers.values() if r.position >= self.start]
        safe = [r for r in served if r.position - self.kept_behind >= self.start]
        self.add(data)
        self.end += len(data)
        self.evict(max(self.start, self.end - self.capacity))
        if self.blocks:
            assert all(reader.position >= self.start for reader in served)
            assert all(reader.position - self.kept_behind >= self.start for reader in safe)
        if data:
            self.wake_sleepers()

    @rule(target=cursors, share=st.floats(0, 1))
    def open_anywhere(self, share: float) -> Cursor:
        return self.open_at(int(share * self.end))

    @rule(target=cursors, size=st.integers(0, 300_000))
    def open_tail(self, size: int) -> Cursor:
        offset = self.ring.tail_offset(size)
        assert offset == max(self.start, self.end - size)
        return self.open_at(offset)

    @rule(beyond=st.integers(1, 1000))
    def open_past_the_end(self, beyond: int) -> None:
        with pytest.raises(OffsetOutOfRangeError):
            self.ring.open_cursor(self.end + beyond, self.on_room)

    def open_at(self, offset: int) -> Cursor:
        reader = Reader(offset)
        cursor = self.ring.open_cursor(offset, reader.wake)
        self.readers[cursor] = reader
        return cursor

    @rule(cursor=cursors, max_bytes=st.one_of(st.integers(1, 100), st.integers(1, 1 << 18)))
    def take(self, cursor: Cursor, max_bytes: int) -> None:
        self.take_once(cursor, max_bytes)

    @rule(cursor=cursors)
    def take_everything(self, cursor: Cursor) -> None:
        while self.take_once(cursor, CHUNK_BYTES) is not None:
            pass

    def take_once(self, cursor: Cursor, max_bytes: int) -> bytes | Gap | None:
        reader = self.readers[cursor]
        item = cursor.take(max_bytes)
        if reader.position < self.start:
            assert item == Gap(reader.position, self.start)
            reader.position = self.start
        elif reader.position == self.end:
            assert item is None
            reader.asleep = not self.closed
        else:
            to = min(self.end, reader.position + max_bytes)
            assert item == STREAM[reader.position : to]
            reader.position = to
            self.furthest = max(self.furthest, to)
        self.settle()
        return item

    @rule(cursor=consumes(cursors))
    def close_cursor(self, cursor: Cursor) -> None:
        cursor.close()
        del self.readers[cursor]

    @rule()
    def clear(self) -> None:
        self.ring.clear()
        self.evict(self.end)

    @precondition(lambda self: self.end > self.capacity)  # not before something has happened
    @rule(forced=st.booleans())
    def close(self, forced: bool) -> None:
        self.ring.close(forced=forced)
        if not self.closed:
            self.closed, self.forced = True, forced
            self.wake_sleepers()

    def settle(self) -> None:
        """Work out, after each call, whether the writer had to be told of room."""
        room = self.room()
        if self.closed or not self.blocks:
            self.full = False
        elif room == 0:
            self.full = True
        elif self.full and room >= self.capacity // 4:
            self.full = False
            self.rooms_owed += 1

    @invariant()
    def the_ring_agrees_with_the_model(self) -> None:
        self.settle()
        ring = self.ring
        assert (ring.start_offset, ring.end_offset) == (self.start, self.end)
        assert (ring.closed, ring.forced) == (self.closed, self.forced)
        assert (ring.room(), ring.readers) == (self.room(), len(self.readers))
        assert ring.dropped_bytes == self.dropped
        assert self.rooms == self.rooms_owed
        for cursor, reader in self.readers.items():
            in_the_way = self.room_behind(reader) < max(1, self.capacity // 4)
            assert cursor.holds_up == (self.full and not self.closed and in_the_way)

    @invariant()
    def memory_is_bounded(self) -> None:
        store = self.ring._state.chunks
        assert isinstance(store, ChunkStore)
        assert store.held_bytes == sum(map(len, store._chunks))
        assert store.held_bytes < self.capacity + CHUNK_BYTES
        assert all(len(chunk) <= CHUNK_BYTES for chunk in store._chunks)
        assert len(store._chunks) <= 2 * store.held_bytes // MERGE_BYTES + 1

    @invariant()
    def no_wake_is_lost_and_none_is_spurious(self) -> None:
        for cursor, reader in self.readers.items():
            assert reader.wakes == reader.wakes_owed
            assert not (reader.asleep and (self.closed or reader.position < self.end))
            assert (cursor.offset, cursor.lag) == (reader.position, self.end - reader.position)
            assert cursor.at_end == (self.closed and reader.position == self.end)


class FilesMachine(RingMachine):
    """The same with a ring that keeps its bytes in files, and takes most of them by splicing."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, 1 << 20)

    def teardown(self) -> None:
        self.ring.close()
        os.close(self.reader)
        os.close(self.writer)
        shutil.rmtree(self.folder)

    def new_store(self) -> SegmentStore:
        return SegmentStore(self.folder, "out", capacity=self.capacity)

    def add(self, data: bytes) -> None:
        if self.end % 3 == 0 or not data:
            self.ring.append(data)
            return
        os.write(self.writer, data)
        try:
            assert self.ring.splice(self.reader, len(data)) == len(data)
        except (RingClosedError, RingFullError):
            os.read(self.reader, len(data))
            raise

    @invariant()
    def memory_is_bounded(self) -> None:
        store = self.ring._state.chunks
        most = LEAST_BYTES + max(CAPACITIES) * 3 // 2  # what one call may add to a segment
        assert store.held_bytes <= store.end - store.start + most

    @invariant()
    def whoever_comes_after_a_kill_finds_the_same(self) -> None:
        found = SegmentStore(self.folder, "out", restored=True)
        assert (found.start <= self.start or not self.end, found.end, found.cut) == (
            True,
            self.end,
            False,
        )
        if self.end > self.start:
            assert found.read(self.start, self.end) == STREAM[self.start : self.end]


RingMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestRing = RingMachine.TestCase
FilesMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestRingOfFiles = FilesMachine.TestCase
