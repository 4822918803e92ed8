"""A process with a console."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hcsd.hcs.errors import InvalidDocumentError, InvalidStateError
from hcsd.hcs.system import ComputeSystem
from tests.support.guest import Guest, Parameters, PosixGuest
from tests.support.running import Running, running
from tests.support.traits import Trait

pytestmark = pytest.mark.anyio

CONSOLE: Parameters = {"EmulateConsole": True}


class Screen:
    """A process at a console, of which it tells the size."""

    def __init__(self, it: Running, guest: Guest) -> None:
        self._it = it
        self._guest = guest
        self._told = 0

    async def size(self) -> str:
        """Ask again, unless this is the first time."""
        if self._told:
            await self._it.write(b"\r")
        self._told += 1
        (size,) = await self._it.stdout.until(rf"\[{self._told}: (\d+ \d+)\]", self._guest.plain)
        return size

    async def resize(self, rows: int, columns: int) -> None:
        await self._it.process.resize_console(rows, columns)


@asynccontextmanager
async def screen(
    system: ComputeSystem, guest: Guest, size: list[int] | None = None
) -> AsyncIterator[Screen]:
    sized: Parameters = {} if size is None else {"ConsoleSize": size}
    async with running(system, guest.tells_sizes() | CONSOLE | sized, "io") as it:
        yield Screen(it, guest)


@pytest.mark.parametrize(
    ("asked", "given"), [([40, 120], "40 120"), (None, "25 80"), ([0, 100], "25 100")]
)
async def test_a_console_has_its_size_or_the_usual_one_from_the_start(
    system: ComputeSystem, guest: Guest, asked: list[int] | None, given: str
) -> None:
    async with screen(system, guest, asked) as seen:
        assert await seen.size() == given


async def test_a_resize_is_seen_by_the_process(system: ComputeSystem, guest: Guest) -> None:
    async with screen(system, guest) as seen:
        await seen.size()
        await seen.resize(50, 132)
        assert await seen.size() == "50 132"
        await seen.resize(20, 70)
        assert await seen.size() == "20 70"


async def test_a_terminal_may_be_as_large_as_16_bits_allow(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    async with screen(system, posix) as seen:
        await seen.size()  # that of the start, or this one: it may be told before or after
        await seen.resize(1, 65535)
        assert await seen.size() == "1 65535"


async def test_a_resize_signals_the_foreground(system: ComputeSystem, posix: PosixGuest) -> None:
    script = "stty -echo; trap 'stty size' WINCH; echo ready; while :; do read line; done"
    async with running(system, posix.sh(script) | CONSOLE, "io") as it:
        assert await it.stdout.line() == "ready"
        await it.process.resize_console(33, 44)
        # A shell runs the trap when what it waits for is interrupted or over.
        await it.write(b"\n")
        assert await it.stdout.line() == "33 44"


@pytest.mark.needs(Trait.STRICT)
async def test_a_resize_without_a_console_fails(system: ComputeSystem, guest: Guest) -> None:
    async with running(system, guest.sleeps(), "io") as it:
        with pytest.raises(InvalidStateError, match="no console"):
            await it.process.resize_console(25, 80)


@pytest.mark.needs(Trait.STRICT)
@pytest.mark.parametrize(("height", "width"), [(0, 80), (25, 0), (-1, 80), (65536, 80)])
async def test_a_size_that_no_console_can_have_is_refused(
    system: ComputeSystem, guest: Guest, height: int, width: int
) -> None:
    async with running(system, guest.sleeps() | CONSOLE, "io") as it:
        with pytest.raises(InvalidDocumentError):
            await it.process.resize_console(height, width)


@pytest.mark.needs(Trait.STRICT)
async def test_a_console_size_without_a_console_is_refused(
    system: ComputeSystem, guest: Guest
) -> None:
    with pytest.raises(InvalidDocumentError, match="EmulateConsole"):
        await system.create_process(json.dumps(guest.exits(0) | {"ConsoleSize": [25, 80]}))


@pytest.mark.needs(Trait.STRICT)
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


async def test_a_console_is_what_controls_the_process(system: ComputeSystem, guest: Guest) -> None:
    async with running(system, guest.checks_console() | CONSOLE, "io") as it:
        assert (await it.result()).code == 0


async def test_the_interrupt_character_interrupts(system: ComputeSystem, guest: Guest) -> None:
    async with running(system, guest.says("ready") | CONSOLE, "io") as it:
        await it.stdout.until("ready", guest.plain)
        await it.write(b"\x03")
        assert (await it.end()).exit_code in guest.interrupted


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


async def test_two_consoles_have_nothing_in_common(system: ComputeSystem, guest: Guest) -> None:
    async with screen(system, guest, [10, 20]) as one, screen(system, guest, [30, 40]) as two:
        assert [await one.size(), await two.size()] == ["10 20", "30 40"]
        await one.resize(11, 21)
        assert [await two.size(), await one.size()] == ["30 40", "11 21"]
