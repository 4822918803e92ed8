"""How HCS says that something is gone: what is believed at once, and what is asked about first."""

import json

import anyio
import pytest

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.hcs.errors import (
    GONE,
    AlreadyStoppedError,
    HcsError,
    InvalidStateError,
    NotSupportedError,
    SystemNotFoundError,
)
from hcsd.hcs.library import error_for
from hcsd.hcs.process import Process, ProcessEnd, ProcessState
from hcsd.hcs.system_life import SystemLife
from hcsd.hcs.timings import Timings
from tests.fault.test_lost import answers, disconnect, found, lists
from tests.support.scripted import EXITED, RUNNING, Operation, Script, ScriptedProvider
from tests.support.scripting import home, process_of, settled, supervised, system_of

pytestmark = pytest.mark.anyio

MAY_BE = [HR.INVALID_STATE, HR.ERROR_INVALID_STATE, HR.SYSTEM_NOT_FOUND]
ALL = [*MAY_BE, HR.PROCESS_ALREADY_STOPPED, HR.SYSTEM_ALREADY_STOPPED, HR.ERROR_NOT_FOUND]
HASTY = Timings(exit_event_grace=0.01)


@pytest.fixture
def scripted(direct: ScriptedProvider) -> ScriptedProvider:
    """Where calls are made changes nothing here."""
    return direct


def answering(code: int = 0, document: str | None = None) -> Script:
    return lambda operation: operation.complete(code, document)


async def call(process: Process, export: str) -> None:
    await (process.signal(None) if "Signal" in export else process.modify("{}"))


@pytest.mark.parametrize("code", [*ALL, 0xC037_0105, 0xC037_010E, 0xC037_0110])
def test_the_list_has_each_dress(code: int) -> None:
    assert isinstance(error_for(code, "HcsSignalProcess"), GONE)


def test_a_missing_export_is_nobodys_end() -> None:
    error = error_for(HR.ERROR_PROC_NOT_FOUND, "HcsShutDownComputeSystem")
    assert isinstance(error, NotSupportedError)
    assert not isinstance(error, GONE)


@pytest.mark.parametrize("code", MAY_BE)
@pytest.mark.parametrize("export", ["HcsSignalProcess", "HcsModifyProcess"])
async def test_a_call_that_may_have_met_nobody_finds_the_exit_that_left_no_event(
    scripted: ScriptedProvider, export: str, code: int
) -> None:
    scripted.script["HcsGetProcessProperties"] = answering(document=EXITED)
    scripted.script[export] = answering(code)
    async with process_of(scripted) as process:
        with pytest.raises(
            AlreadyStoppedError, match="process 7 of system 'scripted': the process"
        ):
            await call(process, export)
        assert process.exited.value == ProcessEnd(5)


@pytest.mark.parametrize("code", MAY_BE)
@pytest.mark.parametrize("export", ["HcsSignalProcess", "HcsModifyProcess"])
async def test_a_call_that_fails_so_although_the_process_runs_keeps_its_error(
    scripted: ScriptedProvider, export: str, code: int
) -> None:
    scripted.script["HcsGetProcessProperties"] = answering(document=RUNNING)
    scripted.script[export] = answering(code)
    async with process_of(scripted) as process:
        with pytest.raises((InvalidStateError, SystemNotFoundError)):
            await call(process, export)
        assert process.state is ProcessState.RUNNING
        if "Modify" in export:
            with pytest.raises((InvalidStateError, SystemNotFoundError)):
                await process.close_stdio("StdIn")


@pytest.mark.parametrize("code", MAY_BE)
async def test_one_that_is_gone_without_a_trace_ends_when_its_event_does_not_come(
    scripted: ScriptedProvider, code: int
) -> None:
    scripted.script["HcsGetProcessProperties"] = answering(code)
    scripted.script["HcsSignalProcess"] = answering(code)
    answers(scripted, {"State": "Running"})
    async with process_of(scripted, HASTY) as process:
        with pytest.raises(AlreadyStoppedError):
            await process.signal(None)
        with anyio.fail_after(30):
            end = await process.exited.wait()
        assert (end.exit_code, process.state) == (None, ProcessState.EXITED)
        assert not await process.still_runs()
        await process.close_stdio("StdIn")


@pytest.mark.parametrize("code", MAY_BE)
async def test_its_event_still_tells_the_code(scripted: ScriptedProvider, code: int) -> None:
    scripted.script["HcsGetProcessProperties"] = answering(code)
    answers(scripted, {"State": "Running"})
    async with process_of(scripted, Timings(exit_event_grace=1000)) as process:
        assert not await process.confirm()
        scripted.fire(HCS_EVENT_TYPE.HcsEventProcessExited, EXITED)
        assert await process.exited.wait() == ProcessEnd(5)


@pytest.mark.parametrize("code", [HR.INVALID_STATE, HR.ERROR_INVALID_STATE])
@pytest.mark.parametrize(
    "properties", [{"State": "Paused"}, {"State": "SavedAsTemplate"}, None], ids=str
)
async def test_a_process_of_a_paused_system_has_not_ended(
    scripted: ScriptedProvider, code: int, properties: object
) -> None:
    scripted.script["HcsGetProcessProperties"] = answering(code)
    scripted.script["HcsSignalProcess"] = answering(code)
    if properties is not None:
        answers(scripted, properties)
    async with process_of(scripted, HASTY) as process:
        with pytest.raises(InvalidStateError, match="cannot signal process 7"):
            await process.signal(None)
        assert await process.still_runs()
        assert process.state is ProcessState.RUNNING
        assert home(process).life is SystemLife.OPEN


@pytest.mark.parametrize("code", ALL)
async def test_a_kill_of_what_is_gone_has_nothing_to_kill(
    scripted: ScriptedProvider, code: int
) -> None:
    scripted.script["HcsGetProcessProperties"] = answering(code)
    scripted.script["HcsTerminateProcess"] = answering(code)
    answers(scripted, {"State": "Running"})
    async with process_of(scripted, HASTY) as process:
        assert not await process.terminate()
        assert (await process.exited.wait()).exit_code is None


@pytest.mark.parametrize("code", MAY_BE)
async def test_an_exit_before_its_events_could_be_had_is_no_failed_start(
    scripted: ScriptedProvider, code: int
) -> None:
    scripted.answers["HcsSetProcessCallback"] = code
    scripted.script["HcsGetProcessProperties"] = answering(document=EXITED)
    async with process_of(scripted) as process:
        assert await process.confirm()
        assert process.exited.value == ProcessEnd(5)


# --- systems ---


@pytest.mark.parametrize("code", ALL)
async def test_a_system_that_says_so_of_itself_ends(scripted: ScriptedProvider, code: int) -> None:
    scripted.script["HcsGetComputeSystemProperties"] = answering(code)
    async with system_of(scripted, HASTY) as system:
        assert not await system.confirm()
        with anyio.fail_after(30):
            await system.exited.wait()


@pytest.mark.parametrize("code", [HR.INVALID_STATE, HR.ERROR_INVALID_STATE])
async def test_a_paused_system_is_not_taken_for_one_that_has_ended(
    scripted: ScriptedProvider, code: int
) -> None:
    for verb in ("ShutDown", "Terminate", "Modify"):
        scripted.script[f"Hcs{verb}ComputeSystem"] = answering(code)
    answers(scripted, {"State": "Paused"})
    async with system_of(scripted, HASTY) as system:
        for call in (system.shut_down(), system.terminate(), system.modify("{}")):
            with pytest.raises(InvalidStateError):
                await call
        assert system.life is SystemLife.OPEN


@pytest.mark.parametrize("code", ALL)
async def test_an_end_that_meets_nobody_has_done_its_part(
    scripted: ScriptedProvider, code: int
) -> None:
    scripted.script["HcsTerminateComputeSystem"] = answering(code)
    scripted.script["HcsGetComputeSystemProperties"] = answering(code)
    async with system_of(scripted, HASTY) as system:
        assert not await system.terminate()
        with anyio.fail_after(30):
            await system.exited.wait()


@pytest.mark.parametrize(
    "code",
    [HR.INVALID_STATE, HR.ERROR_INVALID_STATE, HR.E_ACCESSDENIED, HR.ERROR_INVALID_HANDLE],
)
async def test_statistics_fail_as_the_system_is(scripted: ScriptedProvider, code: int) -> None:
    state = "Created"

    def query(operation: Operation) -> int:
        if operation.provider.queries[-1]:
            return operation.complete(code)
        return operation.complete(document=json.dumps({"State": state}))

    scripted.script["HcsGetComputeSystemProperties"] = query
    async with system_of(scripted, HASTY) as system:
        with pytest.raises(HcsError) as caught:
            await system.raw_properties('{"PropertyTypes":["Statistics"]}')
        assert not isinstance(caught.value, AlreadyStoppedError)
        assert system.life is SystemLife.OPEN
        state = "Stopped"
        with pytest.raises(AlreadyStoppedError):
            await system.raw_properties('{"PropertyTypes":["Statistics"]}')


@pytest.mark.parametrize("code", [HR.CONNECTION_CLOSED, 0xC037_010A])
async def test_a_guest_that_is_down_before_it_answers_has_accepted_the_shutdown(
    scripted: ScriptedProvider, code: int
) -> None:
    scripted.script["HcsShutDownComputeSystem"] = answering(code)
    async with system_of(scripted) as system:
        assert await system.shut_down()
        assert system.life is SystemLife.ENDING
        scripted.fire_system(HCS_EVENT_TYPE.HcsEventSystemExited, '{"Status":0}')
        await system.exited.wait()


async def test_a_lost_connection_is_no_kill(scripted: ScriptedProvider) -> None:
    scripted.script["HcsTerminateComputeSystem"] = answering(HR.CONNECTION_CLOSED)
    async with system_of(scripted) as system:
        with pytest.raises(HcsError):
            await system.terminate()
        assert system.life is SystemLife.OPEN


@pytest.mark.parametrize("code", [HR.SYSTEM_ALREADY_STOPPED, HR.ERROR_NOT_FOUND])
async def test_a_system_that_is_gone_when_it_is_opened_again_has_ended(
    scripted: ScriptedProvider, code: int
) -> None:
    async with supervised(scripted) as process:
        scripted.answers["HcsOpenComputeSystem"] = code
        await disconnect(scripted)
        with anyio.fail_after(30):
            assert (await process.exited.wait()).exit_code is None
        assert process.state is ProcessState.EXITED


# --- after every reopen each process is probed once ---


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_each_process_is_asked_once_after_every_reopen(
    scripted: ScriptedProvider, times: int
) -> None:
    """An exit while the bridge was down leaves no event, though the process can be opened again."""
    lists(scripted, (7, 0), (9, 1000))
    async with supervised(scripted) as process:
        other = await home(process).open_process(9)
        scripted.script["HcsGetProcessProperties"] = answering(document=RUNNING)
        for generation in range(1, times + 1):
            before = len(scripted.called("HcsGetProcessProperties"))
            await disconnect(scripted)
            await found(process, generation)
            await found(other, generation)
            with anyio.fail_after(30):
                while len(scripted.called("HcsGetProcessProperties")) < before + 2:
                    await anyio.lowlevel.checkpoint()
            await settled()
        scripted.script["HcsGetProcessProperties"] = answering(document=EXITED)
        await disconnect(scripted)
        with anyio.fail_after(30):
            assert await process.exited.wait() == ProcessEnd(5)
            assert await other.exited.wait() == ProcessEnd(5)
        other.close()


@pytest.mark.parametrize("code", ALL)
async def test_one_that_ended_while_the_service_was_away_is_not_waited_for(
    scripted: ScriptedProvider, code: int
) -> None:
    lists(scripted, (7, 0))
    scripted.script["HcsGetProcessProperties"] = answering(code)
    async with supervised(scripted, HASTY) as process:
        await disconnect(scripted)
        with anyio.fail_after(30):
            assert (await process.exited.wait()).exit_code is None


async def test_a_system_is_asked_once_after_every_reopen(scripted: ScriptedProvider) -> None:
    """Its exit, too, leaves no event when it comes while the bridge is down."""
    async with supervised(scripted) as process:
        system = home(process)
        lists(scripted, (7, 0))
        await disconnect(scripted)
        await found(process)
        assert scripted.queries.count(None) == 1
        answers(scripted, {"State": "Stopped", "ExitType": "ForcedExit"})
        await disconnect(scripted)
        with anyio.fail_after(30):
            await system.exited.wait()
            await process.exited.wait()
