"""A stdin over a real pipe, whose writers come, go and are cut off at any turn of the loop."""

import os
from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest

from hcsd.abi.hresult import HR
from hcsd.daemon.errors import RequestError
from hcsd.daemon.stdin import Stdin
from hcsd.daemon.stdin_errors import StdinClosedError
from hcsd.hcs.errors import HcsError
from hcsd.hcs.process import Process
from hcsd.io import WriteEnd
from tests.support.scripted import ScriptedProvider
from tests.support.scripting import process_of

PIPE_BYTES = 64 * 1024
TURNS = range(10)


class Piped:
    """A stdin, and the end that its process would read."""

    def __init__(self, process: Process, provider: ScriptedProvider) -> None:
        self.reader, writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.stdin = Stdin("one", process, WriteEnd(writer))
        self.provider = provider

    def read(self) -> bytes:
        """All that is in the pipe."""
        got = bytearray()
        with suppress(BlockingIOError):
            while data := os.read(self.reader, 2 * PIPE_BYTES):
                got += data
        return bytes(got)

    def is_at_end(self) -> bool:
        try:
            return os.read(self.reader, 1) == b""
        except BlockingIOError:
            return False

    def close_reader(self) -> None:
        if self.reader != -1:
            os.close(self.reader)
        self.reader = -1


@pytest.fixture
async def piped(direct: ScriptedProvider) -> AsyncIterator[Piped]:
    async with process_of(direct) as process:
        piped = Piped(process, direct)
        yield piped
        piped.stdin.abandon("the test is over")
        piped.close_reader()


async def turns(count: int) -> None:
    for _ in range(count):
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("size", [1, 3 * PIPE_BYTES], ids=["fits", "blocks"])
@pytest.mark.parametrize("count", TURNS)
async def test_a_writer_that_leaves_at_any_turn_is_counted_exactly(
    piped: Piped, count: int, size: int
) -> None:
    data = os.urandom(size)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:

            async def write() -> None:
                with piped.stdin.writer() as writer:
                    await writer.write(0, data)

            tasks.start_soon(write)
            await turns(count)
            scope.cancel()
    assert piped.stdin.writers == 0
    assert not piped.stdin.closed
    committed = piped.stdin.committed
    assert piped.read() == data[:committed]
    with piped.stdin.writer() as writer:  # nothing holds up the next one
        assert await writer.write(committed, b"next") == 4
    assert piped.read() == b"next"


@pytest.mark.parametrize("count", TURNS)
async def test_a_writer_that_is_taken_over_at_any_turn_is_counted_exactly(
    piped: Piped, count: int
) -> None:
    old, new = b"1" * (3 * PIPE_BYTES), b"2" * 100
    kept: list[int] = []

    async def write() -> None:
        with pytest.raises(RequestError) as caught, piped.stdin.writer() as writer:
            await writer.write(0, old)
        assert caught.value.reason == "STDIN_TAKEN_OVER"
        kept.append(int(caught.value.metadata["committed_offset"]))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        await turns(count)
        if not piped.stdin.writers:  # it has not begun
            await turns(1)
        with piped.stdin.writer(take_over=True) as writer:
            assert await writer.write(0, b"") == 0
            start = writer.committed
            got = piped.read()
            assert await writer.write(start, new) == len(new)
            assert piped.stdin.writers == 1
    assert kept == [start]
    assert got == old[:start]
    assert piped.read() == new


async def test_who_takes_over_from_who_takes_over_comes_last(piped: Piped) -> None:
    ends: list[str] = []

    async def write(digit: bytes) -> None:
        with (
            pytest.raises(RequestError) as caught,
            piped.stdin.writer(take_over=True) as writer,
        ):
            await writer.write(piped.stdin.committed, digit * (3 * PIPE_BYTES))
        ends.append(caught.value.reason)

    async with anyio.create_task_group() as tasks:
        for digit in (b"1", b"2", b"3"):
            tasks.start_soon(write, digit)
        await anyio.wait_all_tasks_blocked()
        assert ends == ["STDIN_TAKEN_OVER"] * 2
        assert piped.stdin.writers == 1
        piped.stdin.abandon("it is over")
    assert ends[2] == "STDIN_CLOSED"
    assert piped.stdin.writers == 0


async def test_closing_cuts_a_blocked_writer_off(piped: Piped) -> None:
    data = bytes(3 * PIPE_BYTES)
    async with anyio.create_task_group() as tasks:

        async def write() -> None:
            with pytest.raises(StdinClosedError) as caught, piped.stdin.writer() as writer:
                await writer.write(0, data)
            assert caught.value.metadata["committed_offset"] == str(PIPE_BYTES)

        tasks.start_soon(write)
        await anyio.wait_all_tasks_blocked()
        await piped.stdin.close()
    assert piped.read() == data[:PIPE_BYTES]
    assert piped.is_at_end()
    assert len(piped.provider.called("HcsModifyProcess")) == 1


async def test_who_closes_is_not_cut_off_by_that(piped: Piped) -> None:
    with piped.stdin.writer() as writer:
        await writer.write(0, b"all")
        writer.let_go()
        await piped.stdin.close()
        await turns(3)
    assert piped.read() == b"all"
    assert piped.is_at_end()


async def test_a_close_that_hcs_has_failed_is_tried_again(piped: Piped) -> None:
    script = piped.provider.script
    script["HcsModifyProcess"] = lambda operation: operation.complete(HR.E_UNEXPECTED)
    with pytest.raises(HcsError):
        await piped.stdin.close()
    assert piped.stdin.closed
    assert piped.is_at_end()  # of ours; the copy of HCS is what is left
    del script["HcsModifyProcess"]
    for _ in range(2):
        await piped.stdin.close()
    assert len(piped.provider.called("HcsModifyProcess")) == 2


async def test_a_write_to_nobody_closes_stdin(piped: Piped) -> None:
    piped.close_reader()
    with pytest.raises(StdinClosedError, match="closed it"), piped.stdin.writer() as writer:
        await writer.write(0, b"x")
    assert piped.stdin.closed


async def test_closing_completes_though_who_asked_for_it_is_gone(
    blocking: ScriptedProvider,
) -> None:
    """Else ours would be closed and the copy of HCS not: the process would wait for its end."""
    async with process_of(blocking) as process:
        piped = Piped(process, blocking)
        hold = blocking.hold("HcsModifyProcess", acted=False)
        async with anyio.create_task_group() as callers:
            callers.start_soon(piped.stdin.close)
            await hold.entered()
            callers.cancel_scope.cancel()
            hold.release()
        assert piped.stdin.closed
        assert piped.is_at_end()
        assert len(blocking.called("HcsModifyProcess")) == 1
        piped.close_reader()
