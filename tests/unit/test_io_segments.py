"""Streams in files: what is there after this process, and when the files can take no more."""

import os
import random
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from hcsd.io import Gap, Overflow, Ring, SegmentStore
from hcsd.io.segments import LEAST_BYTES, SEGMENTS

assert os.name == "posix"

CAPACITY = SEGMENTS * LEAST_BYTES
STREAM = random.Random(6).randbytes(3 * CAPACITY)  # noqa: S311 - any bytes that do not repeat


class Folder:
    """A folder of one stream, and a pipe to splice from."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.full = 0

    def store(self, *, restored: bool = False) -> SegmentStore:
        return SegmentStore(
            str(self.path), "out", capacity=CAPACITY, restored=restored, on_full=self.on_full
        )

    def on_full(self) -> None:
        self.full += 1

    def splice(self, store: SegmentStore | Ring, begin: int, end: int) -> None:
        """Move bytes of the stream by the pipe."""
        while begin < end:
            piece = STREAM[begin : min(end, begin + LEAST_BYTES)]
            os.write(self.writer, piece)
            begin += len(piece)
            left = len(piece)
            while left:
                left -= store.splice(self.reader, left)

    def names(self) -> list[str]:
        return sorted(os.listdir(self.path))

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path / "streams" / "one")
    yield folder
    folder.close()


def contents(store: SegmentStore) -> bytes:
    return store.read(store.start, store.end - store.start)


def test_nothing_is_made_before_the_first_byte(folder: Folder) -> None:
    store = folder.store()
    with pytest.raises(BlockingIOError):
        store.splice(folder.reader, 10)
    reader, writer = os.pipe()
    os.close(writer)
    assert store.splice(reader, 10) == 0  # the end of the stream
    os.close(reader)
    store.close()
    assert not folder.path.exists()
    assert (store.end, folder.store(restored=True).end) == (0, 0)


def test_files_are_for_their_owner_alone(folder: Folder) -> None:
    store = folder.store()
    store.append(b"secret")
    store.close()
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert (folder.path / folder.names()[0]).stat().st_mode & 0o777 == 0o600


def test_what_is_in_files_is_taken_up_where_it_was(folder: Folder) -> None:
    store = folder.store()
    folder.splice(store, 0, 200_000)
    store.append(STREAM[200_000:300_000])
    restored = folder.store(restored=True)  # with the other one open, as after a kill
    assert (restored.start, restored.end, restored.cut) == (0, 300_000, False)
    assert contents(restored) == STREAM[:300_000]
    store.close()
    folder.splice(restored, 300_000, 400_000)
    assert contents(restored) == STREAM[:400_000]
    restored.close()


def test_whole_segments_go_and_the_rest_keeps_its_offsets(folder: Folder) -> None:
    store = folder.store()
    folder.splice(store, 0, CAPACITY)
    assert len(folder.names()) == SEGMENTS
    store.drop_before(3 * LEAST_BYTES + 1)
    assert len(folder.names()) == SEGMENTS - 3
    assert contents(store) == STREAM[3 * LEAST_BYTES + 1 : CAPACITY]
    restored = folder.store(restored=True)
    assert (restored.start, restored.end) == (3 * LEAST_BYTES, CAPACITY)
    store.close()


def test_a_stream_of_which_all_was_dropped_keeps_its_end(folder: Folder) -> None:
    store = folder.store()
    folder.splice(store, 0, 1000)
    store.drop_before(1000)
    assert store.held_bytes == 0
    restored = folder.store(restored=True)
    assert (restored.start, restored.end) == (1000, 1000)
    store.close()
    folder.splice(restored, 1000, 1100)
    restored.drop_before(2000)  # bytes that never come into the store
    restored.append(STREAM[2000:2100])
    restored.close()
    again = folder.store(restored=True)
    assert (again.start, contents(again)) == (2000, STREAM[2000:2100])


def test_what_is_behind_a_hole_counts(folder: Folder) -> None:
    """A kill between the new segment of a drop and the end of the old ones leaves a hole."""
    store = folder.store()
    folder.splice(store, 0, 3 * LEAST_BYTES)
    store.close()
    os.unlink(folder.path / folder.names()[1])
    restored = folder.store(restored=True)
    assert (restored.start, restored.end) == (2 * LEAST_BYTES, 3 * LEAST_BYTES)
    assert len(folder.names()) == 1


def test_streams_of_one_folder_are_apart(folder: Folder) -> None:
    stores = [SegmentStore(str(folder.path), name) for name in ("out", "outer")]
    for store, data in zip(stores, (b"one", b"other"), strict=True):
        store.append(data)
        store.close()
    assert contents(folder.store(restored=True)) == b"one"
    stores[0].remove()
    assert folder.names() == ["outer.00000000000000000000"]


@pytest.fixture
def room() -> Iterator[int]:
    """Files may have so many bytes; the system refuses more as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield 20_000
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_stream_goes_on_in_memory_when_files_take_no_more(folder: Folder, room: int) -> None:
    store = folder.store()
    ring = Ring(CAPACITY, Overflow.DROP_OLDEST, store=store)
    folder.splice(ring, 0, 100_000)
    assert (ring.end_offset, folder.full, ring.splices) == (100_000, 1, False)
    assert folder.names() == ["out.00000000000000000000.cut"]
    assert contents(store) == STREAM[:100_000]
    ring.append(STREAM[100_000:CAPACITY])
    ring.append(STREAM[CAPACITY : CAPACITY + 50_000])
    cursor = ring.open_cursor(0, lambda: None)
    assert cursor.take(10) == Gap(0, 50_000)
    assert cursor.take(CAPACITY) == STREAM[50_000 : CAPACITY + 50_000]
    restored = folder.store(restored=True)
    assert restored.cut
    store.remove()
    assert folder.names() == []


def test_a_stream_that_was_cut_says_so_and_has_what_was_in_files(folder: Folder, room: int) -> None:
    store = folder.store()
    folder.splice(store, 0, 50_000)
    restored = folder.store(restored=True)
    assert (restored.start, restored.end, restored.cut) == (0, room, True)
    assert (contents(restored), restored.in_memory) == (STREAM[:room], True)
    restored.remove()
    assert folder.names() == []


def test_a_folder_that_cannot_be_made_costs_no_byte(folder: Folder) -> None:
    folder.path.parent.write_bytes(b"a file is where the folder should be")
    store = folder.store()
    folder.splice(store, 0, 100_000)
    assert (contents(store), folder.full) == (STREAM[:100_000], 1)
    store.append(b"more")
    assert store.read(100_000, 10) == b"more"


def test_a_restored_ring_begins_where_the_other_one_ended(folder: Folder) -> None:
    ring = Ring(CAPACITY, Overflow.DROP_OLDEST, store=folder.store())
    folder.splice(ring, 0, CAPACITY + 100_000)
    ring.close()
    restored = Ring(CAPACITY, Overflow.DROP_OLDEST, store=folder.store(restored=True))
    assert 0 < restored.start_offset <= 100_000
    with restored.open_cursor(100_000, lambda: None) as cursor:
        assert cursor.take(CAPACITY) == STREAM[100_000 : CAPACITY + 100_000]


def test_few_descriptors_are_open(folder: Folder) -> None:
    before = len(os.listdir("/proc/self/fd"))
    ring = Ring(CAPACITY, Overflow.DROP_OLDEST, store=folder.store())
    folder.splice(ring, 0, CAPACITY)
    ring.peek(0, 1000)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    ring.close()
    assert ring.peek(0, CAPACITY) == STREAM[:CAPACITY]
    assert len(os.listdir("/proc/self/fd")) == before
