"""Drains and write ends over real overlapped pipes."""

from __future__ import annotations

import _winapi
import asyncio
import os
import random
import sys
from asyncio import windows_utils
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from hcsd.io import Cursor, Drain, DrainState, Overflow, Ring, WriteEnd
from tests.windows.native import read_all, read_some, write

assert sys.platform == "win32"

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio


class Ends:
    """Makes pipes for a test, and closes what is still open after it."""

    def __init__(self) -> None:
        self._handles: list[int] = []

    def pipe(self, size: int = 4096) -> tuple[int, int]:
        """A reading and a writing end, of which each belongs to whoever takes it."""
        return windows_utils.pipe(overlapped=(True, True), bufsize=size)

    def mine(self, handle: int) -> int:
        """Close this one after the test."""
        self._handles.append(handle)
        return handle

    def close(self) -> None:
        for handle in self._handles:
            with suppress(OSError):
                _winapi.CloseHandle(handle)


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    made.close()


class Draining:
    """A drain into a ring, and a reader of the ring that can be awaited."""

    def __init__(self, handle: int, capacity: int = 1 << 20) -> None:
        self.ends = 0
        self.ended = asyncio.Event()
        self.ring = Ring(capacity, Overflow.BLOCK)
        self.drain = Drain(handle, self.ring, self._on_end)
        self.woken = asyncio.Event()
        self.cursor: Cursor = self.ring.open_cursor(0, self.woken.set)

    def _on_end(self) -> None:
        self.ends += 1
        self.ended.set()

    async def take(self, max_bytes: int = 1 << 20) -> bytes:
        """Take what comes next, or nothing at the end of the stream."""
        while (item := self.cursor.take(max_bytes)) is None and not self.cursor.at_end:
            self.woken.clear()
            await self.woken.wait()
        assert item is None or isinstance(item, bytes)
        return item or b""

    async def take_all(self) -> bytes:
        taken = bytearray()
        while item := await self.take():
            taken += item
        return bytes(taken)


async def test_a_drain_moves_a_pipe_to_its_ring_until_the_end(ends: Ends) -> None:
    reader, writer = ends.pipe()
    it = Draining(reader)
    it.drain.start()
    write(writer, b"one")
    assert await it.take() == b"one"
    write(writer, b"two")
    assert await it.take() == b"two"
    assert it.drain.state is DrainState.READING
    _winapi.CloseHandle(writer)
    assert await it.take() == b""
    assert (it.drain.state, it.drain.error, it.ends) == (DrainState.ENDED, None, 1)
    assert (it.ring.closed, it.ring.forced) == (True, False)


async def test_what_was_written_before_the_end_is_read(ends: Ends) -> None:
    reader, writer = ends.pipe()
    write(writer, b"last words")
    _winapi.CloseHandle(writer)
    it = Draining(reader)
    it.drain.start()
    assert await it.take_all() == b"last words"
    assert not it.ring.forced


async def test_finish_ends_a_read_that_is_under_way(ends: Ends) -> None:
    reader, writer = ends.pipe()
    ends.mine(writer)
    it = Draining(reader)
    it.drain.start()
    await anyio.lowlevel.checkpoint()
    it.drain.finish()
    assert (it.ring.closed, it.ring.forced, it.ends) == (True, True, 1)
    with pytest.raises(OSError, match=r"[Pp]ipe"):
        write(writer, b"after")
    for _ in range(5):  # what the loop still hears of the read changes nothing
        await anyio.lowlevel.checkpoint()
    assert (it.ends, it.drain.error) == (1, None)


async def test_a_drain_that_never_started_closes_its_handle(ends: Ends) -> None:
    reader, writer = ends.pipe()
    ends.mine(writer)
    it = Draining(reader)
    it.drain.finish()
    with pytest.raises(OSError, match=r"[Pp]ipe"):
        write(writer, b"x")
    with pytest.raises(RuntimeError, match="a drain that is ended"):
        it.drain.start()


async def test_what_is_there_is_read_at_once_before_a_finish(ends: Ends) -> None:
    reader, writer = ends.pipe()
    ends.mine(writer)
    it = Draining(reader)
    it.drain.start()
    await anyio.lowlevel.checkpoint()
    write(writer, b"x" * 3000)
    it.drain.drain_available()  # no turn of the loop since
    assert it.ring.end_offset == 3000
    write(writer, b"more")  # it reads on
    assert await it.take() == b"x" * 3000
    assert await it.take() == b"more"
    write(writer, b"and then the end")
    ends.close()
    it.drain.drain_available()
    assert await it.take_all() == b"and then the end"
    assert (it.drain.state, it.ring.forced) == (DrainState.ENDED, False)


async def test_a_full_ring_pauses_and_room_resumes(ends: Ends) -> None:
    reader, writer = ends.pipe()
    ends.mine(writer)
    it = Draining(reader, capacity=1000)
    write(writer, bytes(range(250)) * 8)
    it.drain.start()
    assert await it.take(1) == b"\0"
    assert (it.drain.state, it.ring.end_offset) == (DrainState.PAUSED, 1000)
    it.cursor.take(400)
    assert it.drain.state is DrainState.READING
    ends.close()
    assert await it.take_all() == (bytes(range(250)) * 8)[401:]
    assert not it.ring.forced


async def test_what_a_read_brings_waits_when_an_older_reader_took_the_room(ends: Ends) -> None:
    reader, writer = ends.pipe()
    ends.mine(writer)
    it = Draining(reader, capacity=10)
    it.drain.start()
    write(writer, b"12345678")
    assert await it.take() == b"12345678"
    # A read for the ten bytes of room is under way; two are left when somebody starts anew.
    old = it.ring.open_cursor(0, lambda: None)
    write(writer, b"abcdefgh")
    assert await it.take() == b"ab"
    assert it.drain.state is DrainState.PAUSED
    assert old.take(10) == b"12345678ab"
    assert await it.take() == b"cdefgh"
    ends.close()
    assert await it.take() == b""
    assert not it.ring.forced


async def test_an_empty_write_is_not_the_end(ends: Ends) -> None:
    reader, writer = ends.pipe()
    ends.mine(writer)
    it = Draining(reader)
    it.drain.start()
    write(writer, b"")
    write(writer, b"something")
    assert await it.take() == b"something"
    it.drain.finish()


async def test_two_megabytes_pass_a_slow_reader_byte_for_byte(ends: Ends) -> None:
    sent = random.Random(2).randbytes(2_000_000)  # noqa: S311  (any bytes that do not repeat)
    reader, writer = ends.pipe(64 * 1024)
    it, end = Draining(reader, capacity=200_000), WriteEnd(writer)
    received = bytearray()

    async def send() -> None:
        await end.write(sent)
        end.close()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        it.drain.start()
        while item := await it.take(50_000):
            received += item
            await anyio.lowlevel.checkpoint()
    assert received == sent
    assert end.written == len(sent)


async def test_a_write_waits_for_its_reader_and_a_cancellation_loses_nothing(ends: Ends) -> None:
    reader, writer = ends.pipe()
    ends.mine(reader)
    end = WriteEnd(writer)
    data = os.urandom(300_000)
    with anyio.move_on_after(0.2) as scope:
        await end.write(data)
    assert scope.cancelled_caught
    accepted = end.written
    assert 0 < accepted < len(data)

    async def rest() -> None:
        await end.write(data[accepted:])
        end.close()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(rest)
        assert await anyio.to_thread.run_sync(read_all, reader) == data
    assert end.written == len(data)


async def test_closing_ends_a_blocked_write_and_what_was_accepted_arrives(ends: Ends) -> None:
    reader, writer = ends.pipe()
    ends.mine(reader)
    end = WriteEnd(writer)
    data = os.urandom(300_000)
    closed = False

    async def blocked() -> None:
        nonlocal closed
        with pytest.raises(anyio.ClosedResourceError):
            await end.write(data)
        closed = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(blocked)
        while not end.written:
            await anyio.lowlevel.checkpoint()
        end.close()
    assert closed
    assert end.closed
    assert await anyio.to_thread.run_sync(read_all, reader) == data[: end.written]


async def test_a_second_writer_is_refused(ends: Ends) -> None:
    reader, writer = ends.pipe()
    ends.mine(reader)
    end = WriteEnd(writer)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(end.write, bytes(200_000))
        while not end.written:
            await anyio.lowlevel.checkpoint()
        with pytest.raises(anyio.BusyResourceError):
            await end.write(b"x")
        tasks.cancel_scope.cancel()
    end.close()
    assert await anyio.to_thread.run_sync(read_all, reader) == bytes(end.written)


async def test_a_write_to_nobody_is_broken(ends: Ends) -> None:
    reader, writer = ends.pipe()
    end = WriteEnd(writer)
    _winapi.CloseHandle(reader)
    with pytest.raises(anyio.BrokenResourceError):
        await end.write(b"x")
    end.close()


async def test_a_blocked_write_whose_reader_goes_is_broken(ends: Ends) -> None:
    reader, writer = ends.pipe()
    end = WriteEnd(writer)
    broken = asyncio.Event()

    async def blocked() -> None:
        with pytest.raises(anyio.BrokenResourceError):
            await end.write(bytes(200_000))
        broken.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(blocked)
        while not end.written:
            await anyio.lowlevel.checkpoint()
        _winapi.CloseHandle(reader)
    assert broken.is_set()
    end.close()


async def test_a_write_after_the_close_is_refused(ends: Ends) -> None:
    reader, writer = ends.pipe()
    ends.mine(reader)
    end = WriteEnd(writer)
    await end.write(b"before")
    end.close()
    end.close()
    with pytest.raises(anyio.ClosedResourceError):
        await end.write(b"after")
    assert read_some(reader, 100) == b"before"


def test_what_is_no_pipe_is_refused_and_stays_the_callers(ends: Ends) -> None:
    port = ends.mine(_winapi.CreateFile("NUL", _winapi.GENERIC_WRITE, 0, 0, 3, 0, 0))
    with pytest.raises(ValueError, match="not a pipe"):
        WriteEnd(port)
    with pytest.raises(ValueError, match="not a pipe"):
        Drain(port, Ring(1, Overflow.BLOCK), lambda: None)


async def test_a_pipe_that_cannot_be_watched_ends_with_an_error(ends: Ends) -> None:
    reader, writer = windows_utils.pipe(overlapped=(False, True))
    ends.mine(writer)
    it = Draining(reader)
    it.drain.start()
    await it.ended.wait()
    assert it.drain.error is not None
    assert it.ring.forced
