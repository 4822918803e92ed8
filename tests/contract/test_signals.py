"""Signals, and the kill that always gets through."""

import json
import signal

import pytest

from hcsd.hcs.errors import AlreadyStoppedError, InvalidDocumentError
from hcsd.hcs.process import ProcessEnd
from hcsd.hcs.system import ComputeSystem
from tests.support.guest import Guest, PosixGuest
from tests.support.running import Running, running
from tests.support.traits import Trait

pytestmark = pytest.mark.anyio


async def send(it: Running, value: object) -> None:
    await it.process.signal(json.dumps({"Signal": value}))


@pytest.mark.parametrize(
    ("name", "number"),
    [("CtrlC", 2), ("CtrlBreak", 3), ("CtrlClose", 1), ("CtrlLogOff", 1), ("CtrlShutdown", 15)],
)
async def test_a_control_event_is_the_signal_that_comes_closest(
    system: ComputeSystem, posix: PosixGuest, name: str, number: int
) -> None:
    async with running(system, posix.sleeps()) as it:
        await send(it, name)
        assert await it.end() == ProcessEnd(128 + number, signal=number)


@pytest.mark.parametrize("name", ["CtrlC", "CtrlBreak", "CtrlClose", "CtrlLogOff", "CtrlShutdown"])
async def test_a_control_event_by_its_name_ends_a_process_of_any_guest(
    system: ComputeSystem, guest: Guest, name: str
) -> None:
    async with running(system, guest.sleeps()) as it:
        await send(it, name)
        assert (await it.end()).exit_code not in {None, 0}


@pytest.mark.parametrize("number", [1, 2, 10, 15, 34, 64])
async def test_a_signal_goes_by_its_number(
    system: ComputeSystem, posix: PosixGuest, number: int
) -> None:
    async with running(system, posix.sleeps()) as it:
        await send(it, number)
        assert (await it.end()).signal == number


@pytest.mark.parametrize("options", [None, "{}", '{"Signal":0}'])
async def test_without_a_signal_it_is_a_kill(
    system: ComputeSystem, posix: PosixGuest, options: str | None
) -> None:
    async with running(system, posix.sleeps()) as it:
        await it.process.signal(options)
        assert (await it.end()).signal == 9


@pytest.mark.needs(Trait.STRICT)
@pytest.mark.parametrize(
    "options",
    [
        '{"Signal":"SIGTERM"}',
        '{"Signal":"ctrlc"}',
        '{"Signal":65}',
        '{"Signal":-1}',
        '{"Signal":true}',
        '{"Signal":9.0}',
        '{"Signal":[9]}',
        '{"Sig":9}',
        "[]",
        "{",
    ],
)
async def test_a_signal_that_does_not_exist_is_refused_and_nothing_is_sent(
    system: ComputeSystem, guest: Guest, options: str
) -> None:
    async with running(system, guest.sleeps()) as it:
        with pytest.raises(InvalidDocumentError):
            await it.process.signal(options)
        await it.process.confirm()
        assert it.process.exited.value is None


async def test_a_control_event_reaches_the_whole_group_and_a_number_the_process_alone(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    script = (
        "trap 'echo parent' TERM; (trap 'echo child; exit 0' TERM; echo ready; while :; do"
        " sleep 0.01; done) & while ! wait; do :; done"
    )
    async with running(system, posix.sh(script), "o") as it:
        assert await it.stdout.line() == "ready"
        await send(it, int(signal.SIGTERM))
        assert await it.stdout.line() == "parent"
        await send(it, "CtrlShutdown")
        assert {await it.stdout.line(), await it.stdout.line()} == {"parent", "child"}


async def test_a_process_that_handles_an_interrupt_ends_as_it_likes(
    system: ComputeSystem, guest: Guest
) -> None:
    async with running(system, guest.catches("ready", 5), "o") as it:
        assert await it.stdout.line() == "ready"
        await send(it, "CtrlC")
        assert await it.stdout.line() == "caught"
        assert await it.end() == ProcessEnd(5, signal=0)


async def test_a_signal_to_a_process_that_has_exited_says_so(
    system: ComputeSystem, guest: Guest
) -> None:
    async with running(system, guest.exits(0)) as it:
        await it.end()
        with pytest.raises(AlreadyStoppedError):
            await it.process.signal(None)


async def test_a_terminate_kills(system: ComputeSystem, guest: Guest) -> None:
    async with running(system, guest.endures("ready"), "o") as it:
        await it.stdout.line()
        await send(it, "CtrlC")
        assert await it.process.terminate()
        end = await it.end()
    assert end.exit_code not in {None, 0}
    assert end.signal == (9 if isinstance(guest, PosixGuest) else 0)


async def test_a_second_terminate_is_no_error(system: ComputeSystem, guest: Guest) -> None:
    async with running(system, guest.sleeps()) as it:
        assert await it.process.terminate()
        await it.process.terminate()  # it may be dying or gone; either is fine
        await it.end()
        assert not await it.process.terminate()


async def test_a_terminate_works_on_handles_of_its_own(system: ComputeSystem, guest: Guest) -> None:
    """HCS serialises the signals on one handle: a stuck one must not hold the kill up."""
    async with running(system, guest.sleeps()) as it:
        other = await system.open_process(it.pid)
        other.close()
        system.close()
        assert await other.terminate()
        await it.end()
