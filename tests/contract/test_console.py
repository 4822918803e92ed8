"""A process with a console."""

import json

import pytest

from hcsd.hcs.errors import InvalidDocumentError, InvalidStateError
from hcsd.hcs.system import ComputeSystem
from tests.support.guest import Guest, Parameters, PosixGuest
from tests.support.running import Running, running

pytestmark = pytest.mark.anyio

CONSOLE: Parameters = {"EmulateConsole": True}


def reports_size(posix: PosixGuest) -> Parameters:
    """Print rows and columns now, and again for every line of input."""
    return posix.sh("stty -echo; stty size; while read line; do stty size; done") | CONSOLE


async def ask(it: Running) -> str:
    await it.write(b"\n")
    return await it.stdout.line()


async def test_a_console_has_the_size_it_was_created_with_from_the_start(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    parameters = reports_size(posix) | {"ConsoleSize": [40, 120]}
    async with running(system, parameters, "io") as it:
        assert await it.stdout.line() == "40 120"


async def test_a_console_without_a_size_has_the_usual_one(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    async with running(system, reports_size(posix), "io") as it:
        assert await it.stdout.line() == "25 80"


async def test_a_size_of_zero_is_the_usual_one(system: ComputeSystem, posix: PosixGuest) -> None:
    async with running(system, reports_size(posix) | {"ConsoleSize": [0, 100]}, "io") as it:
        assert await it.stdout.line() == "25 100"


async def test_a_resize_is_seen_by_the_process(system: ComputeSystem, posix: PosixGuest) -> None:
    async with running(system, reports_size(posix), "io") as it:
        await it.stdout.line()
        await it.process.resize_console(50, 132)
        assert await ask(it) == "50 132"
        await it.process.resize_console(1, 65535)
        assert await ask(it) == "1 65535"


async def test_a_resize_signals_the_foreground(system: ComputeSystem, posix: PosixGuest) -> None:
    script = "stty -echo; trap 'stty size' WINCH; echo ready; while :; do read line; done"
    async with running(system, posix.sh(script) | CONSOLE, "io") as it:
        assert await it.stdout.line() == "ready"
        await it.process.resize_console(33, 44)
        # A shell runs the trap when what it waits for is interrupted or over.
        await it.write(b"\n")
        assert await it.stdout.line() == "33 44"


async def test_a_resize_without_a_console_fails(system: ComputeSystem, guest: Guest) -> None:
    async with running(system, guest.sleeps(), "io") as it:
        with pytest.raises(InvalidStateError, match="no console"):
            await it.process.resize_console(25, 80)


@pytest.mark.parametrize(("height", "width"), [(0, 80), (25, 0), (-1, 80), (65536, 80)])
async def test_a_size_that_no_console_can_have_is_refused(
    system: ComputeSystem, guest: Guest, height: int, width: int
) -> None:
    async with running(system, guest.sleeps() | CONSOLE, "io") as it:
        with pytest.raises(InvalidDocumentError):
            await it.process.resize_console(height, width)


async def test_a_console_size_without_a_console_is_refused(
    system: ComputeSystem, guest: Guest
) -> None:
    with pytest.raises(InvalidDocumentError, match="EmulateConsole"):
        await system.create_process(json.dumps(guest.exits(0) | {"ConsoleSize": [25, 80]}))


@pytest.mark.parametrize("size", [[25], [25, 80, 1], [25, "80"], {"Height": 25, "Width": 80}])
async def test_a_console_size_is_an_array_of_two_numbers(
    system: ComputeSystem, guest: Guest, size: object
) -> None:
    document = guest.exits(0) | CONSOLE | {"ConsoleSize": size}
    with pytest.raises(InvalidDocumentError):
        await system.create_process(json.dumps(document))


async def test_a_console_merges_all_output_and_has_no_stderr_pipe(
    system: ComputeSystem, guest: Guest
) -> None:
    async with running(system, guest.prints("out", "err") | CONSOLE, "ioe") as it:
        assert it.handles[2] == 0
        assert guest.plain(await it.stdout.rest()) == b"outerr"


async def test_a_console_is_the_terminal_that_controls_the_process(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    script = "test -t 0 && test -t 1 && test -t 2 && stty size </dev/tty"
    async with running(system, posix.sh(script) | CONSOLE, "io") as it:
        assert await it.result() == (0, b"25 80\r\n", b"")


async def test_the_interrupt_character_interrupts(system: ComputeSystem, posix: PosixGuest) -> None:
    async with running(system, posix.says("ready") | CONSOLE, "io") as it:
        await it.stdout.line()
        await it.write(b"\x03")
        assert (await it.end()).signal == 2


async def test_the_end_of_file_character_ends_the_input(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    async with running(system, posix.sh("stty -echo; echo ready; cat") | CONSOLE, "io") as it:
        await it.stdout.line()
        await it.write(b"line\n\x04")
        assert await it.result() == (0, b"line\r\n", b"")


async def test_the_erase_character_takes_a_whole_character_back(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    async with running(system, posix.sh("stty -echo; echo ready; head -n 1") | CONSOLE, "io") as it:
        await it.stdout.line()
        await it.write("aé€".encode() + b"\x7f\x7fb\n")
        assert await it.result() == (0, b"ab\r\n", b"")


async def test_the_output_of_a_console_ends_with_the_process(
    system: ComputeSystem, guest: Guest
) -> None:
    async with running(system, guest.prints("last") | CONSOLE, "io") as it:
        await it.end()
        assert guest.plain(await it.stdout.rest()) == b"last"


async def test_two_consoles_have_nothing_in_common(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    async with (
        running(system, reports_size(posix) | {"ConsoleSize": [10, 20]}, "io") as one,
        running(system, reports_size(posix) | {"ConsoleSize": [30, 40]}, "io") as two,
    ):
        assert [await one.stdout.line(), await two.stdout.line()] == ["10 20", "30 40"]
        await one.process.resize_console(11, 21)
        assert [await ask(two), await ask(one)] == ["30 40", "11 21"]
