"""Which readers are ended for standing still, and when."""

import anyio
import anyio.lowlevel
import pytest

from hcsd.daemon.stalls import StallWatch

pytestmark = pytest.mark.anyio

SHORT = 0.05


class Standing:
    """A reader in one long write."""

    def __init__(self, *, holds_up: bool = True) -> None:
        self.in_the_way = holds_up
        self.looks = 0
        self.looked = anyio.Event()
        self.stalled = anyio.Event()

    def holds_up(self) -> bool:
        self.looks += 1
        self.looked.set()
        self.looked = anyio.Event()
        return self.in_the_way

    def stall(self) -> None:
        assert not self.stalled.is_set()
        self.stalled.set()


async def test_a_reader_that_stands_in_the_way_is_ended_when_its_time_is_over() -> None:
    watch, reader = StallWatch(SHORT), Standing()
    begin = anyio.current_time()
    watch.begin(reader)
    await reader.stalled.wait()
    assert anyio.current_time() - begin >= SHORT


async def test_a_write_that_ends_in_time_starts_the_time_anew() -> None:
    watch, moving, other = StallWatch(SHORT), Standing(), Standing()
    watch.begin(moving)
    for _ in range(5):
        watch.begin(other)
        while other.looks == 0 and not other.stalled.is_set():
            watch.end(moving)
            watch.begin(moving)
            await anyio.lowlevel.checkpoint()
        other = Standing()
    assert not moving.stalled.is_set()
    watch.end(moving)
    watch.end(moving)


async def test_a_reader_that_is_in_nobodys_way_gets_another_time() -> None:
    watch, reader = StallWatch(SHORT), Standing(holds_up=False)
    watch.begin(reader)
    await reader.looked.wait()
    await reader.looked.wait()
    assert not reader.stalled.is_set()
    reader.in_the_way = True
    await reader.stalled.wait()
    assert reader.looks == 3


async def test_each_of_many_is_ended_once_and_in_turn() -> None:
    watch, readers = StallWatch(SHORT), [Standing(holds_up=number % 3 > 0) for number in range(30)]
    for reader in readers:
        watch.begin(reader)
        await anyio.lowlevel.checkpoint()
    last = Standing()
    watch.begin(last)
    await last.stalled.wait()
    assert [reader.stalled.is_set() for reader in readers] == [r.in_the_way for r in readers]


async def test_nothing_is_due_when_all_writes_are_over() -> None:
    watch, reader = StallWatch(SHORT), Standing()
    watch.begin(reader)
    watch.end(reader)
    later = Standing(holds_up=False)
    watch.begin(later)
    await later.looked.wait()
    watch.end(later)
    assert reader.looks == 0
