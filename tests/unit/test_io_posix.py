"""Drains and write ends over real pipes, terminals and sockets."""

import asyncio
import itertools
import os
import random
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import anyio
import pytest

from hcsd.io import Cursor, Drain, DrainState, Gap, Overflow, Ring, SegmentStore, Spool, WriteEnd
from hcsd.io.posix import TURN_BYTES

tty = pytest.importorskip("tty", reason="descriptors that a loop can watch are POSIX")
assert sys.platform != "win32"  # says the same to the type checker

pytestmark = pytest.mark.anyio


class Ends:
    """Makes descriptors for a test, and closes those that are still open after it.

    They do not block: a test that would wait for ever fails instead.
    """

    def __init__(self, stack: ExitStack, folder: Path | None) -> None:
        self._stack = stack
        self._folder = folder
        self._count = itertools.count()

    def pipe(self) -> tuple[int, int]:
        return self._own(*os.pipe())

    def terminal(self) -> tuple[int, int]:
        return self._own(*os.openpty())

    def store(self, capacity: int) -> SegmentStore | None:
        """Return where a ring keeps its bytes if they are to outlive a kill."""
        if self._folder is None:
            return None
        store = SegmentStore(str(self._folder), f"ring{next(self._count)}", capacity=capacity)
        self._stack.callback(store.close)
        return store

    def bridge(self) -> tuple[int, ...]:
        return () if self._folder is None else self.pipe()

    def write_end(self, fd: int) -> WriteEnd:
        if self._folder is None:
            return WriteEnd(fd)
        return WriteEnd(fd, Spool(os.memfd_create("spool"), os.pipe() if os.isatty(fd) else ()))

    def _own(self, first: int, second: int) -> tuple[int, int]:
        for fd in (first, second):
            os.set_blocking(fd, False)
            self._stack.callback(close_quietly, fd, os.fstat(fd))
        return first, second


def close_quietly(fd: int, identity: os.stat_result) -> None:
    with suppress(OSError):
        if os.path.samestat(os.fstat(fd), identity):
            os.close(fd)


@pytest.fixture(params=["memory", "files"])
def ends(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ends]:
    with ExitStack() as stack:
        yield Ends(stack, None if request.param == "memory" else tmp_path)


class Draining:
    """A drain into a ring, and a reader of the ring that can be awaited."""

    def __init__(
        self,
        fd: int,
        ends: Ends,
        capacity: int = 1 << 20,
        overflow: Overflow = Overflow.BLOCK,
    ) -> None:
        self.ends = 0
        self.ended = asyncio.Event()
        self.ring = Ring(capacity, overflow, store=ends.store(capacity))
        bridge = ends.bridge() if os.isatty(fd) else ()
        self.drain = Drain(fd, self.ring, self.on_end, bridge)
        self.woken = asyncio.Event()
        self.cursor: Cursor = self.ring.open_cursor(0, self.woken.set)

    def on_end(self) -> None:
        self.ends += 1
        self.ended.set()

    async def take(self, max_bytes: int = 1 << 20) -> bytes | Gap | None:
        """Take what comes next, or None at the end of the stream."""
        while (item := self.cursor.take(max_bytes)) is None and not self.cursor.at_end:
            self.woken.clear()
            await self.woken.wait()
        return item

    async def take_all(self) -> bytes:
        taken = bytearray()
        while (item := await self.take()) is not None:
            assert isinstance(item, bytes)
            taken += item
        return bytes(taken)


def contents(fd: int) -> bytes:
    """Read all that is in a pipe now."""
    read = bytearray()
    with suppress(BlockingIOError):
        while data := os.read(fd, 1 << 20):
            read += data
    return bytes(read)


def fill(fd: int) -> int:
    """Write to a pipe until it takes no more; return how much it took."""
    count = 0
    with suppress(BlockingIOError):
        while True:
            count += os.write(fd, bytes(4096))
    return count


def is_watched(fd: int) -> bool:
    """Tell whether the loop watched a descriptor; it no longer does."""
    loop = asyncio.get_running_loop()
    return loop.remove_reader(fd) or loop.remove_writer(fd)


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


async def test_a_drain_moves_a_pipe_to_its_ring_until_the_end(ends: Ends) -> None:
    reader, writer = ends.pipe()
    it = Draining(reader, ends)
    it.drain.start()
    os.write(writer, b"one")
    assert await it.take() == b"one"
    os.write(writer, b"two")
    assert await it.take() == b"two"
    assert it.drain.state in {DrainState.READING, DrainState.HELD}
    os.close(writer)
    assert await it.take() is None
    assert (it.drain.state, it.drain.error, it.ends) == (DrainState.ENDED, None, 1)
    assert (it.ring.closed, it.ring.forced) == (True, False)
    assert not is_open(reader)


@pytest.mark.parametrize("start", [True, False], ids=["started", "idle"])
async def test_finish_cuts_the_stream_and_says_so(ends: Ends, start: bool) -> None:
    reader, writer = ends.pipe()
    it = Draining(reader, ends)
    if start:
        it.drain.start()
        os.write(writer, b"before")
        assert await it.take() == b"before"
    it.drain.finish()
    assert (it.ring.closed, it.ring.forced, it.ends) == (True, True, 1)
    assert await it.take() is None
    with pytest.raises(BrokenPipeError):
        os.write(writer, b"after")


async def test_a_reader_may_finish_the_drain_that_wakes_it(ends: Ends) -> None:
    reader, writer = ends.pipe()
    it = Draining(reader, ends, capacity=6)
    first = it.ring.open_cursor(0, it.drain.finish)
    assert first.take(1) is None
    it.drain.start()
    os.write(writer, b"enough")
    await it.ended.wait()
    assert (it.drain.state, it.ends, await it.take_all()) == (DrainState.ENDED, 1, b"enough")


async def test_an_ended_drain_leaves_a_reused_descriptor_alone(ends: Ends) -> None:
    reader, _ = ends.pipe()
    it = Draining(reader, ends)
    it.drain.start()
    it.drain.finish()
    reused, other_writer = ends.pipe()
    assert reused == reader
    other = Draining(reused, ends)
    other.drain.start()
    it.drain.finish(forced=False)
    it.drain.drain_available()
    assert (it.drain.state, it.drain.error) == (DrainState.ENDED, None)
    assert (it.ends, it.ring.forced) == (1, True)
    os.write(other_writer, b"to the other one")
    assert await other.take() == b"to the other one"
    other.drain.finish()


async def test_a_drain_starts_once(ends: Ends) -> None:
    reader, writer = ends.pipe()
    it = Draining(reader, ends)
    os.write(writer, b"not yet")
    it.drain.drain_available()
    assert it.ring.end_offset == 0
    it.drain.start()
    with pytest.raises(RuntimeError, match="a drain that is reading"):
        it.drain.start()
    it.drain.finish()
    with pytest.raises(RuntimeError, match="a drain that is ended"):
        it.drain.start()


async def test_a_full_block_ring_pauses_its_drain_and_room_resumes_it(ends: Ends) -> None:
    reader, writer = ends.pipe()
    it = Draining(reader, ends, capacity=1000)
    os.write(writer, bytes(range(250)) * 8)
    it.drain.start()
    assert await it.take(1) == b"\0"
    assert (it.drain.state, it.ring.end_offset) == (DrainState.PAUSED, 1000)
    states = []
    for size in (248, 1):
        it.cursor.take(size)
        states.append(it.drain.state)
    assert states == [DrainState.PAUSED, DrainState.READING]
    os.close(writer)
    assert await it.take_all() == bytes(range(250)) * 7
    assert not it.ring.forced


async def test_a_paused_drain_costs_the_loop_nothing(ends: Ends) -> None:
    reader, writer = ends.pipe()
    it = Draining(reader, ends, capacity=10)
    os.write(writer, bytes(20))
    it.drain.start()
    await it.take(1)
    assert it.drain.state is DrainState.PAUSED
    assert not is_watched(reader)
    it.drain.finish()


async def test_twenty_megabytes_pass_a_slow_reader_byte_for_byte(ends: Ends) -> None:
    sent = random.Random(2).randbytes(20_000_000)  # noqa: S311 - any bytes that do not repeat
    reader, writer = ends.pipe()
    it, end = Draining(reader, ends, capacity=200_000), ends.write_end(writer)
    sizes, pauses, received = random.Random(3), 0, bytearray()  # noqa: S311

    async def send() -> None:
        await end.write(sent)
        end.close()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        it.drain.start()
        while (item := await it.take(sizes.randrange(1, 20_000))) is not None:
            assert isinstance(item, bytes)
            assert it.cursor.lag <= it.ring.capacity
            received += item
            pauses += it.drain.state is DrainState.PAUSED
            await anyio.lowlevel.checkpoint()
    assert received == sent
    assert (end.written, it.ring.dropped_bytes) == (len(sent), 0)
    assert pauses > 100


async def test_drop_oldest_takes_everything_and_reports_what_a_slow_reader_missed(
    ends: Ends,
) -> None:
    reader, writer = ends.pipe()
    it, end = (
        Draining(reader, ends, capacity=10_000, overflow=Overflow.DROP_OLDEST),
        ends.write_end(writer),
    )
    it.drain.start()
    await end.write(bytes(1_000_000) + b"last")
    end.close()
    await it.ended.wait()
    assert await it.take() == Gap(0, 990_004)
    assert (await it.take_all())[-4:] == b"last"


async def test_a_reader_in_step_misses_nothing_of_a_small_drop_oldest_ring(ends: Ends) -> None:
    sent = random.Random(4).randbytes(300_000)  # noqa: S311
    reader, writer = ends.pipe()
    it, end = (
        Draining(reader, ends, capacity=5_000, overflow=Overflow.DROP_OLDEST),
        ends.write_end(writer),
    )

    async def send() -> None:
        await end.write(sent)
        end.close()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        it.drain.start()
        assert await it.take_all() == sent


async def test_one_pipe_gets_a_bounded_share_of_a_turn_of_the_loop(ends: Ends) -> None:
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    it = Draining(reader.detach(), ends)
    with writer:
        held = fill(writer.fileno())
        assert held > TURN_BYTES
        it.drain.start()
        await it.take(1)
        assert it.ring.end_offset <= TURN_BYTES
    assert len(await it.take_all()) == held - 1


async def test_activity_is_stamped_with_the_time_of_the_last_data(ends: Ends) -> None:
    loop = asyncio.get_running_loop()
    reader, writer = ends.pipe()
    it = Draining(reader, ends)
    before_start = loop.time()
    it.drain.start()
    assert it.drain.last_activity >= before_start
    before_data = loop.time()
    os.write(writer, b"a")
    await it.take()
    assert before_data <= it.drain.last_activity <= loop.time()
    stamp = it.drain.last_activity
    os.close(writer)
    await it.ended.wait()
    assert it.drain.last_activity == stamp


async def test_what_is_in_the_pipe_can_be_had_before_a_cut(ends: Ends) -> None:
    reader, writer = ends.pipe()
    it = Draining(reader, ends)
    it.drain.start()
    held = fill(writer)
    it.drain.drain_available()
    assert it.ring.end_offset == held
    it.drain.finish()
    assert len(await it.take_all()) == held


async def test_draining_what_is_there_sees_the_end_if_it_is_there(ends: Ends) -> None:
    reader, writer = ends.pipe()
    it = Draining(reader, ends)
    it.drain.start()
    os.write(writer, b"all")
    os.close(writer)
    it.drain.drain_available()
    it.drain.finish()
    assert (it.ring.forced, await it.take_all()) == (False, b"all")


async def test_draining_what_is_there_keeps_the_end_of_it_in_a_small_drop_oldest_ring(
    ends: Ends,
) -> None:
    reader, writer = ends.pipe()
    it = Draining(reader, ends, capacity=10, overflow=Overflow.DROP_OLDEST)
    it.drain.start()
    os.write(writer, bytes(50_000) + b"0123456789")
    it.drain.drain_available()
    it.drain.finish()
    assert await it.take() == Gap(0, 50_000)
    assert await it.take() == b"0123456789"


async def test_draining_what_is_there_uses_the_room_of_a_paused_drain(ends: Ends) -> None:
    reader, writer = ends.pipe()
    it = Draining(reader, ends, capacity=100)
    os.write(writer, bytes(120))
    it.drain.start()
    await it.take(20)
    assert (it.drain.state, it.ring.end_offset) == (DrainState.PAUSED, 100)
    it.drain.drain_available()
    assert (it.drain.state, it.ring.end_offset) == (DrainState.PAUSED, 120)
    it.cursor.take(100)
    os.close(writer)
    assert await it.take() is None


async def test_a_terminal_that_nobody_has_open_any_more_has_ended(ends: Ends) -> None:
    master, slave = ends.terminal()
    it = Draining(master, ends)
    it.drain.start()
    os.write(slave, b"prompt> ")
    assert await it.take() == b"prompt> "
    os.write(slave, b"bye")
    os.close(slave)
    assert await it.take_all() == b"bye"
    assert (it.drain.error, it.ring.forced) == (None, False)


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    with peer, accepted:
        yield accepted, peer


async def test_a_read_error_ends_the_stream_as_forced_and_is_kept(
    ends: Ends,
    connection: tuple[socket.socket, socket.socket],
) -> None:
    accepted, peer = connection
    it = Draining(accepted.detach(), ends)
    it.drain.start()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()  # with no time to linger it resets the connection rather than ends it
    await it.ended.wait()
    assert isinstance(it.drain.error, ConnectionResetError)
    assert (it.ring.forced, it.ends) == (True, 1)


def take_for_drain(fd: int) -> None:
    Drain(fd, Ring(10, Overflow.BLOCK), lambda: None)


@pytest.mark.parametrize("take", [take_for_drain, WriteEnd], ids=["Drain", "WriteEnd"])
@pytest.mark.parametrize("path", [os.devnull, __file__])
def test_a_file_is_refused_and_stays_its_owners(path: str, take: Callable[[int], None]) -> None:
    with open(path, "rb") as file:
        with pytest.raises(ValueError, match="not a pipe, a terminal or a socket"):
            take(file.fileno())
        assert is_open(file.fileno())
        assert os.get_blocking(file.fileno())


async def test_a_write_waits_for_a_full_pipe_and_arrives_whole(ends: Ends) -> None:
    reader, writer = ends.pipe()
    sent = random.Random(5).randbytes(1_000_000)  # noqa: S311
    end = ends.write_end(writer)
    received = bytearray()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(end.write, sent)
        while len(received) < len(sent):
            await anyio.wait_readable(reader)
            received += os.read(reader, 10_000)
    assert received == sent
    assert end.written == len(sent)
    assert not is_watched(writer)
    end.close()


async def test_a_write_to_a_pipe_that_others_filled_waits_too(ends: Ends) -> None:
    reader, writer = ends.pipe()
    fill(writer)
    end = ends.write_end(writer)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(end.write, b"last")
        await anyio.wait_all_tasks_blocked()
        assert end.written == 0
        contents(reader)
    assert (end.written, contents(reader)) == (4, b"last")
    end.close()


async def test_closing_the_write_end_is_the_end_of_file(ends: Ends) -> None:
    reader, writer = ends.pipe()
    end = ends.write_end(writer)
    await end.write(b"")
    await end.write(b"bytes")
    end.close()
    assert os.read(reader, 100) == b"bytes"
    assert os.read(reader, 100) == b""


async def test_a_cancelled_write_knows_exactly_what_went_out(ends: Ends) -> None:
    reader, writer = ends.pipe()
    sent = random.Random(6).randbytes(300_000)  # noqa: S311
    end, received = ends.write_end(writer), bytearray()
    while len(received) < len(sent):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(end.write, sent[end.written :])
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        received += contents(reader)
        assert len(received) == end.written
        assert not is_watched(writer)
    assert received == sent
    end.close()


async def test_a_write_cancelled_before_it_begins_sends_nothing(ends: Ends) -> None:
    reader, writer = ends.pipe()
    end = ends.write_end(writer)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await end.write(b"never")
    assert scope.cancelled_caught
    assert (end.written, contents(reader)) == (0, b"")
    end.close()


async def test_close_wakes_a_blocked_writer(ends: Ends) -> None:
    _, writer = ends.pipe()
    end = ends.write_end(writer)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(expect_closed, end, bytes(1 << 20))
        await anyio.wait_all_tasks_blocked()
        assert 0 < end.written < 1 << 20
        end.close()
        assert end.closed
        assert not is_watched(writer)
    assert not is_open(writer)


async def expect_closed(end: WriteEnd, data: bytes) -> None:
    with pytest.raises(anyio.ClosedResourceError):
        await end.write(data)


async def expect_broken(end: WriteEnd, data: bytes) -> None:
    with pytest.raises(anyio.BrokenResourceError):
        await end.write(data)


async def test_a_closed_write_end_leaves_a_reused_descriptor_alone(ends: Ends) -> None:
    reader, writer = ends.pipe()
    end = ends.write_end(writer)
    end.close()
    os.close(reader)
    _, reused = ends.pipe()
    assert reused == writer
    end.close()
    await expect_closed(end, b"to nobody")
    assert is_open(reused)


async def test_a_write_that_nobody_will_read_is_broken_not_closed(ends: Ends) -> None:
    reader, writer = ends.pipe()
    end = ends.write_end(writer)
    os.close(reader)
    for _ in range(2):
        await expect_broken(end, b"a")
    assert (end.written, end.closed) == (0, False)
    end.close()


async def test_the_reader_leaving_ends_a_blocked_write(ends: Ends) -> None:
    reader, writer = ends.pipe()
    end = ends.write_end(writer)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(expect_broken, end, bytes(1 << 20))
        await anyio.wait_all_tasks_blocked()
        os.close(reader)
    assert 0 < end.written < 1 << 20
    end.close()


async def test_a_second_writer_is_refused_and_the_first_goes_on(ends: Ends) -> None:
    reader, writer = ends.pipe()
    end = ends.write_end(writer)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(end.write, bytes(100_000))
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(anyio.BusyResourceError):
            await end.write(b"second")
        received = len(contents(reader))
    assert received + len(contents(reader)) == end.written == 100_000
    await end.write(b"third")
    end.close()


async def test_a_terminal_is_read_and_written_through_its_master(ends: Ends) -> None:
    master, slave = ends.terminal()
    it, end = Draining(master, ends), ends.write_end(os.dup(master))
    it.drain.start()
    await end.write(b"typed\n")
    await anyio.wait_readable(slave)
    assert os.read(slave, 100) == b"typed\n"
    echo = b""
    while echo != b"typed\r\n":
        item = await it.take()
        assert isinstance(item, bytes)
        echo += item
    end.close()
    os.close(slave)
    await it.ended.wait()


async def test_a_terminal_hung_up_ends_a_blocked_write(ends: Ends) -> None:
    master, slave = ends.terminal()
    tty.setraw(slave)  # else the line discipline takes a line without end, and drops it
    end = ends.write_end(master)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(expect_broken, end, bytes(1 << 20))
        await anyio.wait_all_tasks_blocked()
        os.close(slave)
    assert 0 < end.written < 1 << 20
    end.close()


def test_a_forgotten_descriptor_is_closed_with_a_warning(ends: Ends) -> None:
    _, writer = ends.pipe()
    end = ends.write_end(writer)
    with pytest.warns(ResourceWarning, match=f"descriptor {writer} was not closed"):
        del end
    assert not is_open(writer)
