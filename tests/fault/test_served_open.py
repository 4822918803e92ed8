"""Whose a pid is, when the daemon has not heard of an exit yet."""

import anyio
import pytest

from hcsd.abi.hresult import HR, Kind
from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.daemon.daemon import Daemon
from hcsd.daemon.errors import RequestError
from hcsd.daemon.events import Event, ProcessEvent, ProcessEventKind
from hcsd.daemon.process import Process
from hcsd.daemon.process_life import Life
from hcsd.daemon.process_view import Origin
from hcsd.hcs.errors import ServiceDisconnectedError
from hcsd.hcs.process_life import ProcessTrigger
from hcsd.hcs.supervisor import give_up
from hcsd.hcs.timings import Timings
from tests.fault.test_served_lost import REQUEST, come_back, lists, lose, served_by
from tests.support.scripted import EXITED, RUNNING, Operation, ScriptedProvider

pytestmark = pytest.mark.anyio


async def open_it(daemon: Daemon) -> Process:
    return await daemon.processes.open("scripted", 7, "")


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
    with anyio.fail_after(30):
        while len(rest) > left:
            await anyio.lowlevel.checkpoint()


async def test_a_process_that_hcs_says_runs_is_the_one_that_is_known(
    scripted: ScriptedProvider,
) -> None:
    says(scripted, RUNNING)
    async with served_by(scripted) as (daemon, process):
        assert await open_it(daemon) is process
        assert not scripted.called("HcsOpenProcess")


async def test_a_process_whose_exit_went_unheard_is_not_taken_for_its_pid_s_next_one(
    scripted: ScriptedProvider,
) -> None:
    rest = says(scripted, RUNNING, EXITED, RUNNING)
    async with served_by(scripted) as (daemon, process):
        await confirmed(rest, 2)
        opened = await open_it(daemon)
        assert opened is not process
        assert opened.identity.origin is Origin.OPENED
        assert process.exit is not None
        assert process.exit.code == 5
        assert opened.running


async def test_a_process_of_which_hcs_knows_nothing_any_more_has_ended(
    scripted: ScriptedProvider,
) -> None:
    rest = says(scripted, RUNNING, HR.PROCESS_ALREADY_STOPPED, RUNNING)
    async with served_by(scripted, Timings(exit_event_grace=0.01)) as (daemon, process):
        await confirmed(rest, 2)
        opened = await open_it(daemon)
        assert opened is not process
        assert process.exit is not None
        assert process.exit.unknown is not None


async def test_a_lost_process_is_looked_for_before_its_pid_is_believed(
    scripted: ScriptedProvider,
) -> None:
    says(scripted, RUNNING)
    async with served_by(scripted) as (daemon, process):
        await lose(scripted, process)
        with pytest.raises((ServiceDisconnectedError, RequestError)) as caught:
            await open_it(daemon)
        assert not scripted.called("HcsOpenProcess")
        assert process.running, caught.value
        come_back(scripted)
        lists(scripted, 7)
        assert await open_it(daemon) is process
        assert process.life is Life.RUNNING


@pytest.mark.parametrize("code", [HR.ERROR_NOT_FOUND, HR.PROCESS_ALREADY_STOPPED])
async def test_whatever_hcs_says_of_a_pid_that_is_nobody_s_it_is_not_found(
    scripted: ScriptedProvider, code: HR
) -> None:
    async with served_by(scripted) as (daemon, process):
        scripted.fire(HCS_EVENT_TYPE.HcsEventProcessExited, EXITED)
        await process.exited.wait()
        scripted.answers["HcsOpenProcess"] = code
        with pytest.raises(RequestError) as caught:
            await open_it(daemon)
        assert caught.value.kind is Kind.NOT_FOUND
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

    async with served_by(scripted) as (daemon, first):
        scripted.fire(HCS_EVENT_TYPE.HcsEventProcessExited, EXITED)
        await first.exited.wait()
        scripted.script["HcsCreateProcess"] = hold
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: daemon.processes.create(REQUEST))
            while not held:
                await anyio.lowlevel.checkpoint()
            opened: list[Process] = []

            async def open_and_keep() -> None:
                opened.append(await open_it(daemon))

            tasks.start_soon(open_and_keep)
            while not scripted.called("HcsOpenProcess"):
                await anyio.lowlevel.checkpoint()
            await anyio.wait_all_tasks_blocked()
            assert not opened
            held[0].complete(info=(7, 0, 0, 0))
        assert opened[0].identity.origin is Origin.CREATED
        assert len([process for process in daemon.processes if process.running]) == 1


async def test_a_stopping_daemon_leaves_alone_what_it_has_not_started(
    scripted: ScriptedProvider,
) -> None:
    async with served_by(scripted) as (daemon, process):
        scripted.fire(HCS_EVENT_TYPE.HcsEventProcessExited, EXITED)
        await process.exited.wait()
        assert (await open_it(daemon)).running
    assert not scripted.called("HcsTerminateProcess")


async def test_a_process_that_was_given_up_while_it_was_opened_has_an_unknown_end(
    scripted: ScriptedProvider,
) -> None:
    """Whoever opens a pid waits for a create that is under way; HCS may be gone for good by then."""
    says(scripted, RUNNING)
    held: list[Operation] = []

    def hold(operation: Operation) -> int:
        held.append(operation)
        return 0

    async with served_by(scripted) as (daemon, first):
        scripted.fire(HCS_EVENT_TYPE.HcsEventProcessExited, EXITED)
        await first.exited.wait()
        scripted.script["HcsCreateProcess"] = hold
        opened: list[Process] = []

        async def open_other() -> None:
            opened.append(await daemon.processes.open("scripted", 8, ""))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(daemon.processes.create, REQUEST)
            while not held:
                await anyio.lowlevel.checkpoint()
            tasks.start_soon(open_other)
            system = await daemon.systems.open("scripted")
            while not system.engine.processes:
                await anyio.lowlevel.checkpoint()
            await anyio.wait_all_tasks_blocked()
            (other,) = system.engine.processes
            other.transition(ProcessTrigger.DISCONNECTED)
            give_up(other)
            held[0].complete(info=(7, 0, 0, 0))
        (process,) = opened
        assert process.life is Life.ABANDONED
        assert process.exited.is_set
        assert process.exit is not None
        assert process.exit.unknown is not None


async def test_a_process_that_has_no_pipes_is_told_to_have_started_with_its_output_closed(
    scripted: ScriptedProvider,
) -> None:
    async with served_by(scripted) as (daemon, _):
        with daemon.events.watch(None, 0) as watcher:
            await watcher.next()
            event = await watcher.next()
        assert isinstance(event, Event)
        assert isinstance(event.what, ProcessEvent)
        assert event.what.kind is ProcessEventKind.STARTED
        assert event.what.process.stdout.closed
        assert event.what.process.stderr.closed
