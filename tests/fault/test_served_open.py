"""Whose a pid is, when the daemon has not heard of an exit yet."""

import anyio
import pytest

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.hcs.errors import ServiceDisconnectedError
from hcsd.hcs.timings import Timings
from hcsd.service.errors import RequestError
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.fault.test_served_lost import REQUEST, come_back, lists, lose, served_by
from tests.support.scripted import EXITED, RUNNING, Operation, ScriptedProvider

pytestmark = pytest.mark.anyio

OPEN = service_pb.OpenProcessRequest(parent="systems/scripted", pid=7)


def says(provider: ScriptedProvider, *documents: str | HR) -> list[str | HR]:
    """Answer questions about processes with these, one after the other; the last one stays.

    Returns:
        The answers that are left.
    """
    rest = list(documents)

    def answer(operation: Operation) -> int:
        said = rest.pop(0) if len(rest) > 1 else rest[0]
        if isinstance(said, HR):
            return operation.complete(said)
        return operation.complete(document=said)

    provider.script["HcsGetProcessProperties"] = answer
    return rest


async def confirmed(rest: list[str | HR], left: int) -> None:
    """Wait for the question that follows a create; so that later answers are to later ones."""
    with anyio.fail_after(5):
        while len(rest) > left:
            await anyio.lowlevel.checkpoint()


async def test_a_process_that_hcs_says_runs_is_the_one_that_is_known(
    scripted: ScriptedProvider,
) -> None:
    says(scripted, RUNNING)
    async with served_by(scripted) as (registry, process, _):
        assert await registry.open(OPEN) is process
        assert not scripted.called("HcsOpenProcess")


async def test_a_process_whose_exit_went_unheard_is_not_taken_for_its_pid_s_next_one(
    scripted: ScriptedProvider,
) -> None:
    rest = says(scripted, RUNNING, EXITED, RUNNING)
    async with served_by(scripted) as (registry, process, _):
        await confirmed(rest, 2)
        opened = await registry.open(OPEN)
        assert opened is not process
        assert opened.message().origin == pb.PROCESS_ORIGIN_OPENED
        assert process.message().exit.exit_code == 5
        assert opened.running


async def test_a_process_of_which_hcs_knows_nothing_any_more_has_ended(
    scripted: ScriptedProvider,
) -> None:
    rest = says(scripted, RUNNING, HR.PROCESS_ALREADY_STOPPED, RUNNING)
    async with served_by(scripted, Timings(exit_event_grace=0.01)) as (registry, process, _):
        await confirmed(rest, 2)
        opened = await registry.open(OPEN)
        assert opened is not process
        assert process.message().exit.WhichOneof("outcome") == "unknown"


async def test_a_lost_process_is_looked_for_before_its_pid_is_believed(
    scripted: ScriptedProvider,
) -> None:
    says(scripted, RUNNING)
    async with served_by(scripted) as (registry, process, _):
        await lose(scripted, process)
        with pytest.raises((ServiceDisconnectedError, RequestError)) as caught:
            await registry.open(OPEN)
        assert not scripted.called("HcsOpenProcess")
        assert process.running, caught.value
        come_back(scripted)
        lists(scripted, 7)
        assert await registry.open(OPEN) is process
        assert process.message().state == pb.PROCESS_STATE_RUNNING


@pytest.mark.parametrize("code", [HR.ERROR_NOT_FOUND, HR.PROCESS_ALREADY_STOPPED])
async def test_whatever_hcs_says_of_a_pid_that_is_nobody_s_it_is_not_found(
    scripted: ScriptedProvider, code: HR
) -> None:
    async with served_by(scripted) as (registry, process, _):
        scripted.fire(HCS_EVENT_TYPE.HcsEventProcessExited, EXITED)
        await process.exited.wait()
        scripted.answers["HcsOpenProcess"] = code
        with pytest.raises(RequestError) as caught:
            await registry.open(OPEN)
        assert caught.value.code.name == "NOT_FOUND"
        assert caught.value.reason == "PID_NOT_FOUND"


async def test_a_process_that_is_being_created_is_opened_as_itself(
    scripted: ScriptedProvider,
) -> None:
    """Its pid is known to others before HCS has told it to us."""
    says(scripted, RUNNING)
    held: list[Operation] = []

    def hold(operation: Operation) -> int:
        held.append(operation)
        return 0

    async with served_by(scripted) as (registry, first, _):
        scripted.fire(HCS_EVENT_TYPE.HcsEventProcessExited, EXITED)
        await first.exited.wait()
        scripted.script["HcsCreateProcess"] = hold
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: registry.create(REQUEST, owned=False))
            while not held:
                await anyio.lowlevel.checkpoint()
            opened: list[pb.Process] = []

            async def open_it() -> None:
                opened.append((await registry.open(OPEN)).message())

            tasks.start_soon(open_it)
            while not scripted.called("HcsOpenProcess"):
                await anyio.lowlevel.checkpoint()
            await anyio.wait_all_tasks_blocked()
            assert not opened
            held[0].complete(info=(7, 0, 0, 0))
        assert opened[0].origin == pb.PROCESS_ORIGIN_CREATED
        assert len([process for process in registry if process.running]) == 1


async def test_a_stopping_daemon_leaves_alone_what_it_has_not_started(
    scripted: ScriptedProvider,
) -> None:
    async with served_by(scripted) as (registry, process, _):
        scripted.fire(HCS_EVENT_TYPE.HcsEventProcessExited, EXITED)
        await process.exited.wait()
        assert (await registry.open(OPEN)).running
    assert not scripted.called("HcsTerminateProcess")
