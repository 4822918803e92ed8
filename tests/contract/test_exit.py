"""How a process ends, and how its end is told."""

import json
import signal
import time

import anyio
import pytest

from hcsd.hcs.host import Host
from hcsd.hcs.process import Process, ProcessEnd
from hcsd.hcs.schema import ProcessStatus
from hcsd.hcs.system import ComputeSystem
from tests.support.census import ended
from tests.support.guest import Guest, PosixGuest
from tests.support.running import running

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("code", [0, 1, 42, 255])
async def test_the_exit_code_is_the_programs(
    system: ComputeSystem, guest: Guest, code: int
) -> None:
    async with running(system, guest.exits(code)) as it:
        assert await it.end() == ProcessEnd(code)


async def test_death_by_a_signal_is_128_plus_its_number_and_names_it(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    async with running(system, posix.sh("kill -9 $$")) as it:
        assert await it.end() == ProcessEnd(137, signal=9)


async def test_the_end_has_its_time(system: ComputeSystem, posix: PosixGuest) -> None:
    before = time.time_ns()
    async with running(system, posix.sh("exit 5")) as it:
        assert before <= (await it.end()).time <= time.time_ns()


async def test_an_exit_code_above_128_is_no_signal(system: ComputeSystem, guest: Guest) -> None:
    async with running(system, guest.exits(137)) as it:
        assert await it.end() == ProcessEnd(137, signal=0)


async def test_an_exit_before_the_events_were_asked_for_is_found_by_asking_once(
    system: ComputeSystem, guest: Guest
) -> None:
    process = await system.create_process(json.dumps(guest.exits(3)))
    await ended(process.pid)  # whoever wins the race, the event or the question
    await process.confirm()
    assert await process.exited.wait() == ProcessEnd(3)
    process.close()


async def test_the_end_can_be_asked_for_by_many_and_again(
    system: ComputeSystem, guest: Guest
) -> None:
    async with running(system, guest.copies_stdin(), "i") as it:
        ends: list[ProcessEnd] = []

        async def wait() -> None:
            ends.append(await it.end())

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert ends == []
            await it.close_stdin()
        assert ends == [ProcessEnd(0)] * 5
        assert await it.end() == ProcessEnd(0)


async def test_every_open_handle_gets_the_exit_event(system: ComputeSystem, guest: Guest) -> None:
    async with running(system, guest.copies_stdin(), "i") as it:
        others = [await system.open_process(it.pid) for _ in range(3)]
        await it.close_stdin()
        # No `confirm`: this is about the events.
        assert [await other.exited.wait() for other in others] == [ProcessEnd(0)] * 3
        for other in others:
            other.close()


async def test_a_handle_opened_through_another_system_handle_gets_the_event(
    host: Host, system: ComputeSystem, guest: Guest
) -> None:
    async with running(system, guest.copies_stdin(), "i") as it:
        second = await host.open_system(system.id)
        other = await second.open_process(it.pid)
        second.close()
        await it.close_stdin()
        assert await other.exited.wait() == ProcessEnd(0)
        other.close()


async def test_closing_the_handle_neither_ends_the_process_nor_counts_as_its_exit(
    system: ComputeSystem, guest: Guest
) -> None:
    async with running(system, guest.copies_stdin(), "io") as it:
        other = await Process.open(system, it.pid)
        other.close()
        other.close()  # idempotent
        await it.write(b"alive\n")
        assert await it.stdout.line() == "alive"
        assert other.exited.value is None


async def test_a_process_of_which_every_handle_was_closed_runs_on_and_can_be_opened(
    system: ComputeSystem, guest: Guest
) -> None:
    process = await system.create_process(json.dumps(guest.sleeps()))
    process.close()
    again = await system.open_process(process.pid)
    assert not ProcessStatus.parse(await again.properties()).exited
    assert await again.terminate()
    assert (await again.exited.wait()).exit_code is not None
    again.close()


async def test_properties_tell_running_then_how_it_ended(
    system: ComputeSystem, guest: Guest
) -> None:
    async with running(system, guest.copies_stdin(), "i") as it:
        status = ProcessStatus.parse(await it.process.properties())
        assert status == ProcessStatus(it.pid, exited=False, exit_code=None, last_wait_result=0)
        await it.close_stdin()
        await it.end()
        status = ProcessStatus.parse(await it.process.properties())
        assert status == ProcessStatus(
            it.pid, exited=True, exit_code=0, last_wait_result=0, exit_time=status.exit_time
        )


async def test_properties_name_the_signal(system: ComputeSystem, posix: PosixGuest) -> None:
    async with running(system, posix.sleeps()) as it:
        await it.process.signal(json.dumps({"Signal": int(signal.SIGUSR1)}))
        await it.end()
        status = ProcessStatus.parse(await it.process.properties())
        assert (status.exit_code, status.signal) == (128 + signal.SIGUSR1, signal.SIGUSR1)


async def test_a_stopped_process_has_not_exited(system: ComputeSystem, posix: PosixGuest) -> None:
    async with running(system, posix.says("ready"), "o") as it:
        await it.stdout.line()
        await it.process.signal(json.dumps({"Signal": int(signal.SIGSTOP)}))
        await it.process.confirm()
        assert it.process.exited.value is None
        assert await it.process.terminate()
        assert await it.end() == ProcessEnd(137, signal=9)


async def test_output_of_a_process_that_has_exited_is_still_there(
    system: ComputeSystem, guest: Guest
) -> None:
    async with running(system, guest.prints("all of it", "and this"), "oe") as it:
        await it.end()
        assert await it.result() == (0, b"all of it", b"and this")


async def test_a_process_may_leave_its_output_to_a_descendant(
    system: ComputeSystem, guest: Guest
) -> None:
    async with running(system, guest.leaves("early", "late"), "io") as it:
        assert await it.end() == ProcessEnd(0)
        assert await it.stdout.line() == "early"
        await it.write(b"\n")
        assert await it.stdout.rest() == b"late\n"
