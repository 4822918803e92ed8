"""The service goes away and comes back: what is lost, found again, or given up."""

import itertools
import json
import threading
import time
from datetime import UTC, datetime

import anyio
import anyio.to_thread
import pytest

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.hcs.errors import (
    HandleClosedError,
    HcsError,
    ServiceDisconnectedError,
    SystemNotFoundError,
)
from hcsd.hcs.process import Process, ProcessEnd, ProcessState
from hcsd.hcs.supervisor import give_up
from hcsd.hcs.timings import Timings
from tests.support.scripted import EXITED, RUNNING, Operation, ScriptedProvider
from tests.support.scripting import home, host_of, process_of, settled, supervised

pytestmark = pytest.mark.anyio

EXIT = HCS_EVENT_TYPE.HcsEventProcessExited
# The time for which the engine looks for what it lost is over soon.
IMPATIENT = Timings(reconnect_delays=(0.0, 0.01, 0.01))
# Processes are asked after often.
FREQUENT = Timings(recheck_time=0.02, recheck_spacing=0.01)
LOST, FOUND, ENDED = ProcessState.LOST, ProcessState.RUNNING, ProcessState.EXITED


def lists(provider: ScriptedProvider, *entries: tuple[int, float]) -> None:
    """Let the system list processes, by pid and by how long ago they were created."""
    details = [
        {
            "ProcessId": pid,
            "CreateTimestamp": datetime.fromtimestamp(time.time() - age, UTC).isoformat(),
        }
        for pid, age in entries
    ]
    answers(provider, {"Id": "scripted", "State": "Running", "ProcessList": details})


def answers(provider: ScriptedProvider, properties: object) -> None:
    text = json.dumps(properties)
    provider.script["HcsGetComputeSystemProperties"] = lambda op: op.complete(document=text)


async def lose(provider: ScriptedProvider, process: Process) -> None:
    provider.disconnect()
    await settled()
    assert process.state is LOST


async def disconnect(provider: ScriptedProvider) -> None:
    """As `lose`, where the engine begins at once to look for what it has lost."""
    provider.disconnect()
    await settled()


async def found(process: Process, generation: int = 1) -> None:
    """Wait until the process was found after so many disconnects."""
    with anyio.fail_after(30):
        while process.state is not FOUND or process.generation < generation:
            await anyio.lowlevel.checkpoint()


async def test_a_disconnect_is_no_end_and_every_call_tells_of_it(
    scripted: ScriptedProvider,
) -> None:
    async with process_of(scripted) as process:
        other = await home(process).create_process("{}")
        await lose(scripted, process)
        assert other.state is LOST
        assert not process.exited.is_set
        for call in (process.signal(None), process.modify("{}"), process.properties()):
            with pytest.raises(ServiceDisconnectedError, match="process 7 of system 'scripted'"):
                await call
        with pytest.raises(HandleClosedError):
            await home(process).create_process("{}")
        other.close()


async def test_handles_are_dropped_at_once(direct: ScriptedProvider) -> None:
    async with process_of(direct) as process:
        await lose(direct, process)
        live = direct.live()
        assert (live["systems"], live["processes"]) == (0, 0)


async def test_one_event_tells_of_all_that_the_system_has(scripted: ScriptedProvider) -> None:
    async with process_of(scripted) as process:
        other = await home(process).create_process("{}")
        scripted.fire(HCS_EVENT_TYPE.HcsEventServiceDisconnect)  # only to the other
        await settled()
        assert (process.state, other.state) == (LOST, LOST)
        other.close()


async def test_a_process_that_is_still_there_is_found_again(scripted: ScriptedProvider) -> None:
    lists(scripted, (4, 1000), (7, 0))
    async with supervised(scripted) as process:
        await disconnect(scripted)
        await found(process)
        assert scripted.opened_pids == [7]
        await process.modify("{}")
        scripted.script["HcsGetProcessProperties"] = lambda op: op.complete(document=RUNNING)
        assert await process.terminate()
        scripted.fire(EXIT, EXITED)
        assert await process.exited.wait() == ProcessEnd(5)
        assert process.state is ENDED
        (await home(process).create_process("{}")).close()


async def test_an_opened_process_is_found_again(scripted: ScriptedProvider) -> None:
    async with supervised(scripted) as process:
        opened = await home(process).open_process(9)
        lists(scripted, (7, 0), (9, 1000))
        await disconnect(scripted)
        await found(opened)
        opened.close()


async def test_it_may_be_lost_and_found_many_times(scripted: ScriptedProvider) -> None:
    lists(scripted, (7, 0))
    async with supervised(scripted) as process:
        for generation in range(1, 4):
            await disconnect(scripted)
            await found(process, generation)
        scripted.fire(EXIT, EXITED)
        assert await process.exited.wait() == ProcessEnd(5)


async def test_an_event_of_a_handle_from_before_does_no_harm(scripted: ScriptedProvider) -> None:
    lists(scripted, (7, 0))
    async with supervised(scripted) as process:
        await disconnect(scripted)
        await found(process)
        await settled()
        del scripted.events[1:]
        scripted.fire(HCS_EVENT_TYPE.HcsEventServiceDisconnect)
        scripted.fire(EXIT, EXITED)
        await settled()
        assert process.state is FOUND


async def test_an_exit_while_the_service_was_away_has_no_code(scripted: ScriptedProvider) -> None:
    lists(scripted, (4, 1000))
    async with supervised(scripted) as process:
        await disconnect(scripted)
        end = await process.exited.wait()
        assert (end.exit_code, end.hresult) == (None, HR.SERVICE_DISCONNECT)
        assert process.state is ENDED
        assert not await process.terminate()


async def test_an_exit_of_which_the_service_still_knows_has_its_code(
    scripted: ScriptedProvider,
) -> None:
    lists(scripted, (7, 0))
    scripted.script["HcsGetProcessProperties"] = lambda op: op.complete(document=EXITED)
    async with supervised(scripted) as process:
        await disconnect(scripted)
        assert await process.exited.wait() == ProcessEnd(5)


async def test_processes_end_with_a_system_that_does_not_come_back(
    scripted: ScriptedProvider,
) -> None:
    async with supervised(scripted) as process:
        scripted.answers["HcsOpenComputeSystem"] = HR.SYSTEM_NOT_FOUND
        await disconnect(scripted)
        assert (await process.exited.wait()).exit_code is None
        assert process.state is ENDED
        assert not await process.terminate()
        with pytest.raises(SystemNotFoundError):
            await home(process).reopen()


@pytest.mark.parametrize(
    "properties",
    [
        {"ProcessList": [{"ProcessId": 7, "CreateTimestamp": "2100-01-01T00:00:00.0000000Z"}]},
        {"ProcessList": [{"ProcessId": 7, "CreateTimestamp": "2020-01-01T00:00:00.0000000Z"}]},
        {"ProcessList": [{"ProcessId": 7, "CreateTimestamp": "2020-01-01T00:00:00"}]},
        {"ProcessList": [{"ProcessId": 7, "CreateTimestamp": "yesterday"}]},
        {"ProcessList": [{"ProcessId": 7}]},
        {"ProcessList": [7]},
        {},
    ],
    ids=["younger", "older", "no zone", "no time", "no member", "no entry", "no list"],
)
async def test_a_pid_that_may_be_anothers_is_left_alone(
    scripted: ScriptedProvider, properties: object
) -> None:
    answers(scripted, properties)
    async with supervised(scripted, IMPATIENT) as process:
        await disconnect(scripted)
        end = await process.exited.wait()
        assert (end.exit_code, process.state) == (None, LOST)
        with pytest.raises(ServiceDisconnectedError, match="may be another process's"):
            await process.terminate()
    assert scripted.opened_pids == []


async def test_what_stays_away_is_given_up_and_can_still_be_killed_later(
    scripted: ScriptedProvider,
) -> None:
    async with supervised(scripted, IMPATIENT) as process:
        scripted.answers["HcsOpenComputeSystem"] = HR.RPC_S_SERVER_UNAVAILABLE
        await disconnect(scripted)
        end = await process.exited.wait()
        assert (end.exit_code, end.hresult, process.state) == (None, HR.SERVICE_DISCONNECT, LOST)
        with pytest.raises(ServiceDisconnectedError):
            await process.terminate()
        del scripted.answers["HcsOpenComputeSystem"]
        lists(scripted, (7, 0))
        assert await process.terminate()
        assert (process.exited.value, process.state) == (end, LOST)
    assert len(scripted.called("HcsTerminateProcess")) == 1


async def test_a_kill_does_not_wait_for_the_search(scripted: ScriptedProvider) -> None:
    lists(scripted, (7, 0))
    async with process_of(scripted) as process:  # nobody searches here
        await lose(scripted, process)
        assert await process.terminate()
        assert process.state is FOUND
        scripted.fire(EXIT, EXITED)
        assert await process.exited.wait() == ProcessEnd(5)
    assert len(scripted.called("HcsTerminateProcess")) == 1


async def test_two_who_search_at_once_leave_no_handle_behind(scripted: ScriptedProvider) -> None:
    lists(scripted, (7, 0))
    async with process_of(scripted) as process:
        await lose(scripted, process)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(process.terminate)
        assert process.state is FOUND


async def test_a_process_that_was_closed_meanwhile_is_not_opened_for_good(
    blocking: ScriptedProvider,
) -> None:
    lists(blocking, (7, 0))
    async with process_of(blocking) as process:
        await lose(blocking, process)
        hold = blocking.hold("HcsOpenProcess", acted=True)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(process.system.reconnect, [process])
            await hold.entered()
            process.close()
            hold.release()


async def test_a_process_whose_events_cannot_be_had_again_stays_lost(
    scripted: ScriptedProvider,
) -> None:
    lists(scripted, (7, 0))
    async with process_of(scripted) as process:
        await lose(scripted, process)
        scripted.answers["HcsSetProcessCallback"] = HR.E_FAIL
        with pytest.raises(HcsError):
            await process.terminate()
        assert process.state is LOST


async def test_a_process_that_ends_as_it_is_found_has_ended(scripted: ScriptedProvider) -> None:
    lists(scripted, (7, 0))
    async with process_of(scripted) as process:
        await lose(scripted, process)
        scripted.answers["HcsOpenProcess"] = HR.PROCESS_ALREADY_STOPPED
        assert not await process.terminate()
        assert process.state is ENDED


@pytest.mark.parametrize("code", [HR.INVALID_JSON, HR.ERROR_INVALID_DATA, HR.ERROR_NOT_SUPPORTED])
async def test_a_system_that_has_no_list_cannot_tell_whose_a_pid_is(
    scripted: ScriptedProvider, code: int
) -> None:
    scripted.script["HcsGetComputeSystemProperties"] = lambda op: op.complete(code)
    async with process_of(scripted) as process:
        await lose(scripted, process)
        with pytest.raises(ServiceDisconnectedError, match="may be another process's"):
            await process.terminate()
        assert process.state is LOST


async def test_one_that_cannot_be_told_apart_does_not_keep_others_from_being_found(
    scripted: ScriptedProvider,
) -> None:
    async with process_of(scripted) as process:
        opened = await home(process).open_process(9)
        lists(scripted, (7, -1000), (9, 1000))
        await lose(scripted, process)
        with pytest.raises(ServiceDisconnectedError):
            await process.system.reconnect([process, opened])
        assert (process.state, opened.state) == (LOST, FOUND)
        opened.close()


async def test_what_is_lost_takes_nothing_with_it_that_came_later(
    scripted: ScriptedProvider,
) -> None:
    async with process_of(scripted) as process:
        await lose(scripted, process)
        give_up(process)
        await home(process).reopen()
        later = await home(process).create_process("{}")
        for _ in range(2):
            with pytest.raises(ServiceDisconnectedError):
                await process.properties()
        process.system.lose(process.generation)  # as an event that was under way would
        assert later.state is FOUND
        assert not home(process).lost
        later.close()


@pytest.mark.parametrize("answer", [HR.RPC_S_SERVER_UNAVAILABLE, None], ids=["called", "told"])
async def test_a_process_that_is_lost_as_it_starts_is_found_again(
    blocking: ScriptedProvider, answer: int | None
) -> None:
    lists(blocking, (7, 0), (8, 0))
    async with supervised(blocking) as process:
        register = blocking.HcsSetProcessCallback
        pids = itertools.count(8)

        def start(operation: Operation) -> int:
            return operation.complete(info=(next(pids), 0, 0, 0))

        def disconnected(*args: object) -> int:
            blocking.replaced.clear()
            blocking.disconnect()
            if answer is None:
                register(*args)  # type: ignore[arg-type]  # passed through
            return answer or 0

        blocking.script["HcsCreateProcess"] = start
        blocking.replaced["HcsSetProcessCallback"] = disconnected
        other = await home(process).create_process("{}")
        await found(process)
        await found(other)
        assert sorted(blocking.opened_pids) == [7, 8]
        other.close()


@pytest.mark.parametrize("code", [HR.RPC_S_SERVER_UNAVAILABLE, HR.RPC_X_SS_IN_NULL_CONTEXT])
async def test_a_disconnect_that_left_no_event_is_found_by_asking(
    scripted: ScriptedProvider, code: int
) -> None:
    async with process_of(scripted) as process:
        scripted.script |= {
            "HcsGetProcessProperties": lambda _: code,
            "HcsSignalProcess": lambda _: code,
        }
        with pytest.raises(ServiceDisconnectedError):
            await process.signal(None)
        assert process.state is LOST


async def test_a_call_that_fails_once_loses_nothing(scripted: ScriptedProvider) -> None:
    scripted.script["HcsSignalProcess"] = lambda _: HR.RPC_S_CALL_FAILED
    async with process_of(scripted) as process:
        with pytest.raises(ServiceDisconnectedError):
            await process.signal(None)
        assert process.state is FOUND


async def test_systems_can_be_opened_after_a_disconnect(scripted: ScriptedProvider) -> None:
    async with host_of(scripted) as host:
        system = await host.open_system("scripted")
        process = await system.create_process("{}")
        await lose(scripted, process)
        process.close()
        other = await host.open_system("another")
        (await other.create_process("{}")).close()
        other.close()
        await system.reopen()
        (await system.create_process("{}")).close()
        system.close()
        system.drop()
        with pytest.raises(HandleClosedError, match="system 'scripted' was closed"):
            await system.reopen()


async def test_an_exit_whose_event_got_lost_ends_every_wait(blocking: ScriptedProvider) -> None:
    pending: list[Operation] = []

    def exits(operation: Operation) -> int:
        pending.append(operation)
        return operation.complete(document=EXITED if len(pending) > 3 else RUNNING)

    blocking.script["HcsGetProcessProperties"] = exits
    async with supervised(blocking, FREQUENT) as process:
        assert await process.exited.wait() == ProcessEnd(5)
    assert len(pending) == 4  # an exit that is known is not asked for again


async def test_each_silent_process_gets_its_turn_and_one_is_asked_at_a_time(
    blocking: ScriptedProvider,
) -> None:
    pending: list[Operation] = []
    arrived = threading.Semaphore(0)

    def ask(operation: Operation) -> int:
        pending.append(operation)
        arrived.release()
        return 0

    blocking.script["HcsGetProcessProperties"] = ask
    async with supervised(blocking, FREQUENT) as process:
        processes = [process, *[await home(process).create_process("{}") for _ in range(4)]]
        for count in range(1, 6):
            assert await anyio.to_thread.run_sync(arrived.acquire, True, 30)
            assert len(pending) == count  # the one before had to be answered first
            pending[-1].complete(document=EXITED)
        for one in processes:
            assert await one.exited.wait() == ProcessEnd(5)
            one.close()


async def test_events_of_an_engine_in_our_process_are_relied_upon(
    direct: ScriptedProvider, blocking: ScriptedProvider
) -> None:
    asked = threading.Semaphore(0)

    def ask(operation: Operation) -> int:
        asked.release()
        return operation.complete(document=RUNNING)

    direct.script["HcsGetProcessProperties"] = ask
    blocking.script["HcsGetProcessProperties"] = ask
    async with supervised(direct, FREQUENT), supervised(blocking, FREQUENT):
        for _ in range(5):
            assert await anyio.to_thread.run_sync(asked.acquire, True, 30)
    assert not direct.called("HcsGetProcessProperties")
