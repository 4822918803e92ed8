"""What HCS tells of a system, in every order and form, and what it does not tell."""

import json

import anyio
import pytest

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.hcs.errors import (
    AlreadyStoppedError,
    HcsError,
    InvalidStateError,
    SystemAlreadyExistsError,
    SystemNotFoundError,
)
from hcsd.hcs.process import ProcessEnd
from hcsd.hcs.system import SystemEnd, SystemEvent
from tests.support.scripted import EXITED, ScriptedProvider
from tests.support.scripting import host_of, settled, system_of

pytestmark = pytest.mark.anyio

SYSTEM_EXITED = HCS_EVENT_TYPE.HcsEventSystemExited
PROCESS_EXITED = HCS_EVENT_TYPE.HcsEventProcessExited
FORCED = '{"Status":-2143878905,"ExitType":"ForcedExit","Attribution":[{"SystemExit":{}}]}'


async def test_an_exit_is_read_as_hcs_tells_it(direct: ScriptedProvider) -> None:
    async with system_of(direct) as system:
        direct.fire_system(SYSTEM_EXITED, FORCED)
        end = await system.exited.wait()
        assert end == SystemEnd(HR.TERMINATED, "ForcedExit", '[{"SystemExit": {}}]')


@pytest.mark.parametrize("document", [None, "", "{", "7", "[]"])
async def test_an_exit_without_a_readable_document_is_one_all_the_same(
    direct: ScriptedProvider, document: str | None
) -> None:
    async with system_of(direct) as system:
        direct.fire_system(SYSTEM_EXITED, document)
        assert await system.exited.wait() == SystemEnd(HR.E_UNEXPECTED, "Unknown")


async def test_the_first_exit_counts(direct: ScriptedProvider) -> None:
    async with system_of(direct) as system:
        direct.fire_system(SYSTEM_EXITED, '{"Status":0,"ExitType":"GracefulExit"}')
        direct.fire_system(SYSTEM_EXITED, FORCED)
        await settled()
        assert await system.exited.wait() == SystemEnd(0, "GracefulExit")


async def test_processes_whose_ends_hcs_does_not_tell_end_with_their_system(
    direct: ScriptedProvider,
) -> None:
    async with system_of(direct) as system:
        process = await system.create_process("{}")
        direct.fire_system(SYSTEM_EXITED, FORCED)
        await settled()
        assert not system.exited.is_set  # its processes come first
        end = await process.exited.wait()
        assert end == ProcessEnd(
            None, 0, HR.SYSTEM_ALREADY_STOPPED, "its system exited", with_system=True
        )
        assert system.exited.value is not None
        process.close()


async def test_a_process_may_tell_its_end_after_its_system(direct: ScriptedProvider) -> None:
    async with system_of(direct) as system:
        process = await system.create_process("{}")
        direct.fire_system(SYSTEM_EXITED, FORCED)
        direct.fire(PROCESS_EXITED, EXITED)
        assert (await system.exited.wait()).exit_type == "ForcedExit"
        assert process.exited.value == ProcessEnd(5, with_system=True)
        process.close()


async def test_a_system_tells_its_end_after_its_processes_whoever_listened_first(
    direct: ScriptedProvider,
) -> None:
    told: list[str] = []
    async with system_of(direct) as system:
        system.exited.observe(lambda _: told.append("system"))
        process = await system.create_process("{}")
        process.exited.observe(lambda _: told.append("process"))
        direct.fire_system(SYSTEM_EXITED, FORCED)
        direct.fire(PROCESS_EXITED, EXITED)
        await system.exited.wait()
        assert told == ["process", "system"]
        process.close()


async def test_a_process_that_nobody_asks_for_any_more_holds_nothing_up(
    direct: ScriptedProvider,
) -> None:
    async with system_of(direct) as system:
        process = await system.create_process("{}")
        direct.fire_system(SYSTEM_EXITED, FORCED)
        await settled()
        process.close()
        assert system.exited.is_set


async def test_a_close_is_no_exit_and_leaves_no_timer(direct: ScriptedProvider) -> None:
    async with system_of(direct) as system:
        process = await system.create_process("{}")
        direct.fire_system(SYSTEM_EXITED, FORCED)
        await settled()
        system.close()
        process.close()
        assert not system.exited.is_set


async def test_a_system_that_is_gone_without_an_event_ends_after_a_while(
    direct: ScriptedProvider,
) -> None:
    direct.answers["HcsGetComputeSystemProperties"] = HR.SYSTEM_NOT_FOUND
    async with system_of(direct) as system:
        with pytest.raises(SystemNotFoundError):
            await system.raw_properties()
        assert (await system.exited.wait()).hresult == HR.SYSTEM_NOT_FOUND


async def test_properties_that_say_stopped_are_an_exit(direct: ScriptedProvider) -> None:
    document = json.dumps({"Id": "scripted", "State": "Stopped", "ExitType": "GracefulExit"})
    direct.script["HcsGetComputeSystemProperties"] = lambda op: op.complete(document=document)
    async with system_of(direct) as system:
        assert await system.confirm()
        assert system.exited.value == SystemEnd(0, "GracefulExit")


async def test_every_event_reaches_every_observer(direct: ScriptedProvider) -> None:
    seen: list[SystemEvent] = []
    async with system_of(direct) as system:
        system.observe(seen.append)
        direct.fire_system(HCS_EVENT_TYPE.HcsEventSystemCrashReport, "{}")
        direct.fire_system(0x7777, None)
        await settled()
        system.forget(seen.append)
        direct.fire_system(0x7777, None)
        await settled()
    assert seen == [
        SystemEvent(3, "SystemCrashReport", "{}"),
        SystemEvent(0x7777, "HCS_EVENT_TYPE_0x00007777", None),
    ]


async def test_events_after_a_close_are_ignored(direct: ScriptedProvider) -> None:
    seen: list[SystemEvent] = []
    async with system_of(direct) as system:
        system.observe(seen.append)
    direct.fire_system(SYSTEM_EXITED, FORCED)
    await settled()
    assert seen == []


@pytest.mark.parametrize("code", [HR.SYSTEM_ALREADY_STOPPED, HR.SYSTEM_NOT_FOUND])
@pytest.mark.parametrize("function", ["Terminate", "ShutDown"])
async def test_ending_what_has_gone_is_no_error(
    direct: ScriptedProvider, function: str, code: HR
) -> None:
    direct.script[f"Hcs{function}ComputeSystem"] = lambda op: op.complete(code)
    async with system_of(direct) as system:
        assert not await (system.terminate() if function == "Terminate" else system.shut_down())


async def test_a_system_that_could_not_be_ended_is_not_ending(direct: ScriptedProvider) -> None:
    direct.script["HcsTerminateComputeSystem"] = lambda op: op.complete(HR.INVALID_STATE)
    async with system_of(direct) as system:
        with pytest.raises(InvalidStateError):
            await system.terminate()
        assert not system.ending
        del direct.script["HcsTerminateComputeSystem"]
        assert await system.terminate()
        assert system.ending


async def test_a_configuration_goes_through_byte_for_byte(direct: ScriptedProvider) -> None:
    document = '{ "Owner" : "\\u00e9 ü 😀",\t"X":[1e2 ]}'
    async with host_of(direct) as host:
        system = await host.create_system("made", document)
        assert direct.configurations == [document]
        await system.start()
        system.close()
    assert len(direct.called("HcsSetComputeSystemCallback")) == 1
    names = [name for name, _ in direct.calls]
    assert names.index("HcsSetComputeSystemCallback") < names.index("HcsStartComputeSystem")


async def test_a_create_that_fails_later_leaves_nothing(blocking: ScriptedProvider) -> None:
    blocking.script["HcsCreateComputeSystem"] = lambda op: op.complete(HR.E_FAIL)
    async with host_of(blocking) as host:
        with pytest.raises(HcsError):
            await host.create_system("made", "{}")
    assert len(blocking.called("HcsTerminateComputeSystem")) == 1


async def test_a_create_that_meets_another_system_leaves_that_alone(
    direct: ScriptedProvider,
) -> None:
    direct.script["HcsCreateComputeSystem"] = lambda op: op.complete(HR.SYSTEM_ALREADY_EXISTS)
    async with host_of(direct) as host:
        with pytest.raises(SystemAlreadyExistsError):
            await host.create_system("made", "{}")
    assert direct.called("HcsTerminateComputeSystem") == []


async def test_a_create_that_nobody_waits_for_is_undone(blocking: ScriptedProvider) -> None:
    blocking.script["HcsCreateComputeSystem"] = lambda _op: 0  # it never completes
    async with host_of(blocking) as host:
        with anyio.move_on_after(0.1):
            await host.create_system("made", "{}")
        while not blocking.called("HcsCloseComputeSystem"):
            await anyio.lowlevel.checkpoint()
    assert len(blocking.called("HcsTerminateComputeSystem")) == 1
    for operation in list(blocking._operations.values()):
        operation.complete()
    await settled()


async def test_a_call_that_meets_a_stopped_system_finds_out_about_it(
    direct: ScriptedProvider,
) -> None:
    document = json.dumps({"Id": "scripted", "State": "Stopped"})
    direct.script["HcsGetComputeSystemProperties"] = lambda op: op.complete(document=document)
    direct.script["HcsPauseComputeSystem"] = lambda op: op.complete(HR.SYSTEM_ALREADY_STOPPED)
    async with system_of(direct) as system:
        with pytest.raises(AlreadyStoppedError):
            await system.pause()
        assert system.exited.is_set


async def test_a_system_that_has_gone_with_the_service_has_ended(direct: ScriptedProvider) -> None:
    async with system_of(direct) as system:
        direct.disconnect()
        await settled()
        assert system.lost
        direct.answers["HcsOpenComputeSystem"] = HR.SYSTEM_NOT_FOUND
        with pytest.raises(SystemNotFoundError):
            await system.reopen()
        assert system.exited.value == SystemEnd(HR.SERVICE_DISCONNECT, "Unknown")
        assert not await system.terminate()


@pytest.mark.parametrize("function", ["Terminate", "ShutDown"])
async def test_a_lost_system_that_is_gone_needs_no_more_ending(
    direct: ScriptedProvider, function: str
) -> None:
    async with system_of(direct) as system:
        direct.disconnect()
        await settled()
        direct.answers["HcsOpenComputeSystem"] = HR.SYSTEM_NOT_FOUND
        assert not await (system.terminate() if function == "Terminate" else system.shut_down())
        assert system.exited.is_set


async def test_an_end_that_is_refused_takes_nothing_back_that_was_asked_before(
    direct: ScriptedProvider,
) -> None:
    async with system_of(direct) as system:
        assert await system.shut_down()
        direct.script["HcsTerminateComputeSystem"] = lambda op: op.complete(HR.INVALID_STATE)
        with pytest.raises(InvalidStateError):
            await system.terminate()
        assert system.ending


async def test_a_system_that_is_opened_again_tells_its_end(direct: ScriptedProvider) -> None:
    async with system_of(direct) as system:
        direct.disconnect()
        await settled()
        await system.reopen()
        direct.fire_system(SYSTEM_EXITED, FORCED)
        assert (await system.exited.wait()).exit_type == "ForcedExit"
