"""Starts that go wrong: in the end there is a process that somebody has, or none."""

import anyio
import pytest

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.hcs.errors import HcsError, OperationTimeoutError
from hcsd.hcs.process import ProcessEnd
from hcsd.hcs.timings import Timings
from tests.support.scripted import EXITED, Operation, ScriptedProvider, created
from tests.support.scripting import process_of, settled, system_of, until_none_is_live

pytestmark = pytest.mark.anyio

STDIO = (0xFFFF_0000_8000_0001, 0xFFFF_0000_8000_0002, 0xFFFF_0000_8000_0003)


def fails(operation: Operation) -> int:
    """What the service answers for some creates, whether a process runs or not."""
    return operation.complete(HR.E_INVALIDARG)


async def failure_of_a_create(provider: ScriptedProvider) -> HcsError:
    async with system_of(provider) as system:
        with pytest.raises(HcsError) as caught:
            await system.create_process("{}")
    return caught.value


async def test_a_process_that_runs_although_its_create_failed_is_taken(
    scripted: ScriptedProvider,
) -> None:
    scripted.script["HcsCreateProcess"] = fails
    scripted.script["HcsGetProcessInfo"] = lambda op: op.complete(info=(7, *STDIO))
    async with process_of(scripted) as process:
        assert process.pid == 7
        scripted.fire(HCS_EVENT_TYPE.HcsEventProcessExited, EXITED)
        assert await process.exited.wait() == ProcessEnd(5)
        assert process.stdio.take() == STDIO
    for handle in STDIO:
        scripted.close_handle(handle)
    assert not scripted.called("HcsTerminateProcess")


@pytest.mark.parametrize(
    "code",
    [HR.PROCESS_ALREADY_STOPPED, HR.ERROR_NOT_FOUND, HR.PROCESS_INFO_NOT_AVAILABLE, HR.E_FAIL],
)
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "in the end"])
@pytest.mark.parametrize("kill", [HR.S_OK, HR.PROCESS_ALREADY_STOPPED, HR.E_FAIL])
async def test_a_process_that_cannot_be_taken_is_killed_and_the_first_error_told(
    scripted: ScriptedProvider, code: int, kill: int, *, at_once: bool
) -> None:
    scripted.script["HcsCreateProcess"] = fails
    scripted.script["HcsGetProcessInfo"] = lambda op: code if at_once else op.complete(code)
    scripted.script["HcsTerminateProcess"] = lambda op: op.complete(kill)
    error = await failure_of_a_create(scripted)
    assert (error.hresult, error.function) == (HR.E_INVALIDARG, "HcsCreateProcess")
    assert len(scripted.called("HcsTerminateProcess")) == 1


async def test_information_without_a_pid_is_no_process(scripted: ScriptedProvider) -> None:
    scripted.script["HcsCreateProcess"] = fails
    scripted.script["HcsGetProcessInfo"] = lambda op: op.complete(info=(0, *STDIO))
    assert (await failure_of_a_create(scripted)).hresult == HR.E_INVALIDARG


async def test_a_recovery_that_gets_no_answer_ends(
    scripted: ScriptedProvider,
) -> None:
    pending: list[Operation] = []

    def never(operation: Operation) -> int:
        pending.append(operation)
        return 0

    scripted.script |= {"HcsCreateProcess": fails, "HcsGetProcessInfo": never}
    scripted.script["HcsTerminateProcess"] = never
    timings = Timings(create_recovery_timeout=0.05)
    async with system_of(scripted, timings) as system:
        with pytest.raises(HcsError) as caught:
            await system.create_process("{}")
        for operation in pending:
            operation.complete(info=(7, *STDIO))
        await settled()
    assert caught.value.hresult == HR.E_INVALIDARG
    assert [operation.function for operation in pending] == [
        "HcsGetProcessInfo",
        "HcsTerminateProcess",
    ]


async def test_nothing_is_asked_where_no_handle_was_given(scripted: ScriptedProvider) -> None:
    def start(operation: Operation) -> int:
        operation.gives_handle = False
        return fails(operation)

    for script in (start, lambda _: HR.INVALID_STATE):
        scripted.script["HcsCreateProcess"] = script
        await failure_of_a_create(scripted)
    assert not scripted.called("HcsGetProcessInfo")
    assert not scripted.called("HcsTerminateProcess")


async def test_a_create_that_succeeds_is_not_asked_again(scripted: ScriptedProvider) -> None:
    async with process_of(scripted):
        pass
    assert not scripted.called("HcsGetProcessInfo")


async def test_a_process_that_starts_when_nobody_waits_any_more_is_killed(
    scripted: ScriptedProvider,
) -> None:
    pending: list[Operation] = []

    def start(operation: Operation) -> int:
        pending.append(operation)
        return 0

    scripted.script["HcsCreateProcess"] = start
    async with system_of(scripted, Timings(operation_timeout=0.05)) as system:
        with pytest.raises(OperationTimeoutError):
            await system.create_process("{}")
        pending[0].complete(info=(7, *STDIO))
        await until_none_is_live(scripted, "stdio")
    assert len(scripted.called("HcsTerminateProcess")) == 2  # when it was late, and when it came


async def test_a_process_whose_events_cannot_be_had_is_killed(scripted: ScriptedProvider) -> None:
    scripted.answers["HcsSetProcessCallback"] = HR.E_FAIL
    scripted.script["HcsCreateProcess"] = lambda op: op.complete(info=(7, *STDIO))
    async with system_of(scripted) as system:
        with pytest.raises(HcsError):
            await system.create_process("{}")
    assert scripted.opened_pids == [7]
    assert len(scripted.called("HcsTerminateProcess")) == 1


@pytest.mark.parametrize("export", ["HcsOpenComputeSystem", "HcsOpenProcess", "HcsCreateOperation"])
async def test_an_orphan_that_cannot_be_reached_leaves_no_handle(
    scripted: ScriptedProvider, export: str
) -> None:
    def start(operation: Operation) -> int:
        scripted.answers[export] = HR.E_FAIL
        return created(operation)

    scripted.script["HcsCreateProcess"] = start
    scripted.answers["HcsSetProcessCallback"] = HR.E_FAIL
    async with system_of(scripted) as system:
        with anyio.fail_after(30), pytest.raises(HcsError):
            await system.create_process("{}")
    assert not scripted.called("HcsTerminateProcess")
