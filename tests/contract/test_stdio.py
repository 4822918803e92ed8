"""Bytes into and out of a process."""

import hashlib
import os

import anyio
import pytest

from hcsd.hcs.errors import AlreadyStoppedError, InvalidDocumentError
from hcsd.hcs.system import ComputeSystem
from tests.support.guest import Guest, PosixGuest
from tests.support.running import run, running
from tests.support.traits import Trait

pytestmark = pytest.mark.anyio


async def test_each_stream_has_its_own_pipe(system: ComputeSystem, guest: Guest) -> None:
    assert await run(system, guest.prints("out", "err")) == (0, b"out", b"err")


async def test_a_stream_that_was_not_asked_for_holds_nothing_up(
    system: ComputeSystem, guest: Guest
) -> None:
    assert (await run(system, guest.writes(1_000_000), "e")).code == 0


async def test_stdin_that_was_not_asked_for_is_at_its_end(
    system: ComputeSystem, guest: Guest
) -> None:
    assert await run(system, guest.copies_stdin(), "o") == (0, b"", b"")


async def test_any_byte_passes_both_ways(system: ComputeSystem, guest: Guest) -> None:
    data = bytes(range(256)) * 16
    async with running(system, guest.copies_stdin(), "io") as it:
        await it.write(data)
        await it.close_stdin()
        assert await it.result() == (0, data, b"")


async def test_more_than_the_pipes_hold_passes_while_it_is_read(
    system: ComputeSystem, guest: Guest
) -> None:
    data = os.urandom(1 << 20) * 8
    async with (
        running(system, guest.copies_stdin(), "io") as it,
        anyio.create_task_group() as tasks,
    ):

        async def feed() -> None:
            await it.write(data)
            await it.close_stdin()

        tasks.start_soon(feed)
        result = await it.result()
    assert hashlib.sha256(result.out).digest() == hashlib.sha256(data).digest()


async def test_much_on_stderr_before_the_first_byte_on_stdout_does_not_block(
    system: ComputeSystem, guest: Guest
) -> None:
    result = await run(system, guest.floods(5_000_000, "done"))
    assert (result.code, result.out, len(result.err)) == (0, b"done\n", 5_000_000)


async def test_output_arrives_while_the_process_runs(system: ComputeSystem, guest: Guest) -> None:
    async with running(system, guest.says("now"), "o") as it:
        assert await it.stdout.line() == "now"
        assert it.process.exited.value is None


async def test_closing_our_own_stdin_is_not_its_end_while_the_service_holds_a_copy(
    system: ComputeSystem, guest: Guest
) -> None:
    async with running(system, guest.copies_stdin(), "io") as it:
        await it.write(b"seen\n")
        it.close_own_stdin()
        assert await it.stdout.line() == "seen"
        await it.process.properties()  # a round trip later it still waits for more
        assert it.process.exited.value is None
        await it.process.close_stdio("StdIn")
        assert await it.result() == (0, b"", b"")


async def test_closing_the_services_copy_is_not_the_end_while_we_hold_ours(
    system: ComputeSystem, guest: Guest
) -> None:
    async with running(system, guest.copies_stdin(), "io") as it:
        await it.process.close_stdio("StdIn")
        await it.write(b"still open\n")
        assert await it.stdout.line() == "still open"
        it.close_own_stdin()
        assert await it.result() == (0, b"", b"")


async def test_closing_the_services_copy_twice_is_no_error(
    system: ComputeSystem, guest: Guest
) -> None:
    async with running(system, guest.copies_stdin(), "i") as it:
        await it.process.close_stdio("StdIn")
        await it.process.close_stdio("StdIn")
        await it.process.close_stdio("All")
        it.close_own_stdin()
        assert (await it.end()).exit_code == 0


async def test_closing_stdin_of_a_process_that_is_gone_is_no_error(
    system: ComputeSystem, guest: Guest
) -> None:
    async with running(system, guest.exits(0), "i") as it:
        await it.end()
        await it.process.close_stdio("StdIn")


async def test_other_changes_of_a_process_that_is_gone_are_errors(
    system: ComputeSystem, guest: Guest
) -> None:
    async with running(system, guest.exits(0)) as it:
        await it.end()
        with pytest.raises(AlreadyStoppedError):
            await it.process.resize_console(25, 80)


@pytest.mark.needs(Trait.STRICT)
@pytest.mark.parametrize(
    "settings",
    [
        "",
        "{}",
        '{"Operation":"Pause"}',
        '{"Operation":"CloseHandle"}',
        '{"Operation":"CloseHandle","CloseHandle":{"Handle":"Stdin"}}',
        '{"Operation":"CloseHandle","CloseHandle":{"Handle":[]}}',
        '{"Operation":"ConsoleSize","ConsoleSize":[25,80]}',
        '{"Operation":"ConsoleSize","ConsoleSize":{"Height":25}}',
        '{"Operation":"ConsoleSize","ConsoleSize":{"Height":25,"Width":65536}}',
    ],
)
async def test_a_malformed_change_is_refused(
    system: ComputeSystem, guest: Guest, settings: str
) -> None:
    async with running(system, guest.sleeps(), "i") as it:
        with pytest.raises(InvalidDocumentError):
            await it.process.modify(settings)


async def test_a_process_that_closes_its_stdin_breaks_our_write(
    system: ComputeSystem, guest: Guest
) -> None:
    async with running(system, guest.closes_stdin("closed"), "io") as it:
        assert await it.stdout.line() == "closed"
        with pytest.raises(anyio.BrokenResourceError):
            await it.write(b"x")


async def test_a_process_whose_output_nobody_reads_any_more_gets_a_broken_pipe(
    system: ComputeSystem, guest: Guest
) -> None:
    async with running(system, guest.ticks(), "o") as it:
        await it.stdout.line()
        it.stdout.close()
        end = await it.end()
    assert end.exit_code not in {None, 0}
    assert end.signal == (13 if isinstance(guest, PosixGuest) else 0)
