"""A caller that goes away, at every point: no call is abandoned, and nothing is lost or left."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import anyio
import anyio.to_thread
import pytest

from hcsd.hcs.callbacks import REGISTRY, Completion, Event
from hcsd.hcs.process import Process
from hcsd.hcs.system import ComputeSystem
from tests.support.scripted import RUNNING, Operation, ScriptedProvider
from tests.support.scripting import (
    home,
    process_of,
    served,
    settled,
    system_of,
    until_none_is_live,
)

pytestmark = pytest.mark.anyio

STDIO = (0xFFFF_0000_8000_0001, 0xFFFF_0000_8000_0002, 0xFFFF_0000_8000_0003)

Action = Callable[[Process], Awaitable[object]]


async def open_system(process: Process) -> None:
    system = home(process)
    (await ComputeSystem.open(system.operations, system._recovery, "another")).close()


async def create(process: Process) -> None:
    (await home(process).create_process("{}")).close()


async def reopen(process: Process) -> None:
    (await home(process).open_process(7)).close()


ACTIONS: list[tuple[str, Action]] = [
    ("HcsOpenComputeSystem", open_system),
    ("HcsCreateOperation", create),
    ("HcsCreateProcess", create),
    ("HcsSetProcessCallback", create),
    ("HcsOpenProcess", reopen),
    ("HcsSetProcessCallback", reopen),
    ("HcsGetProcessProperties", Process.properties),
    ("HcsOpenComputeSystem", Process.terminate),
    ("HcsOpenProcess", Process.terminate),
    ("HcsTerminateProcess", Process.terminate),
]
every_action = pytest.mark.parametrize(
    ("export", "action"), ACTIONS, ids=lambda value: getattr(value, "__name__", value)
)


def with_stdio(operation: Operation) -> int:
    return operation.complete(document=RUNNING, info=(7, *STDIO))


@every_action
@pytest.mark.parametrize("acted", [False, True], ids=["before it acts", "when it has acted"])
async def test_who_is_cancelled_in_a_call_waits_for_its_return_and_gives_everything_back(
    blocking: ScriptedProvider, export: str, action: Action, *, acted: bool
) -> None:
    async with process_of(blocking) as process:
        blocking.script["HcsCreateProcess"] = with_stdio
        hold = blocking.hold(export, acted=acted)
        task = asyncio.ensure_future(action(process))
        await hold.entered()
        for _ in range(3):  # also who insists
            task.cancel()
            await anyio.wait_all_tasks_blocked()
        assert not task.done()
        hold.release()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_who_is_cancelled_while_an_operation_is_in_flight_leaves_it_to_finish(
    scripted: ScriptedProvider,
) -> None:
    pending: list[Operation] = []
    arrived = threading.Event()

    def start(operation: Operation) -> int:
        pending.append(operation)
        arrived.set()
        return 0

    scripted.script["HcsCreateProcess"] = start
    async with system_of(scripted) as system:
        task = asyncio.ensure_future(system.create_process("{}"))
        assert await anyio.to_thread.run_sync(arrived.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert scripted.live()["operations"] == 1
        pending[0].complete(info=(7, *STDIO))
        await until_none_is_live(scripted, "operations", "stdio")


async def test_who_is_cancelled_when_the_answer_is_there_but_not_yet_taken_loses_nothing(
    direct: ScriptedProvider,
) -> None:
    pending: list[Operation] = []

    def start(operation: Operation) -> int:
        pending.append(operation)
        return 0

    direct.script["HcsCreateProcess"] = start
    loop = asyncio.get_running_loop()
    async with system_of(direct) as system:
        task = asyncio.ensure_future(system.create_process("{}"))
        await anyio.wait_all_tasks_blocked()

        # On the callback thread, right behind the completion: the loop sets the answer and
        # cancels in one turn, before the task has run.
        def cancel(_item: Event | Completion) -> None:
            loop.call_soon_threadsafe(task.cancel)

        second = REGISTRY.register(cancel)
        pending[0].complete(info=(7, *STDIO))
        REGISTRY.post(second, Completion(0))
        served()
        with pytest.raises(asyncio.CancelledError):
            await task
        REGISTRY.unregister(second)


@pytest.mark.parametrize("turns", range(12))
async def test_a_create_may_be_cancelled_after_any_turn_of_the_loop(
    scripted: ScriptedProvider, turns: int
) -> None:
    scripted.script["HcsCreateProcess"] = with_stdio
    async with system_of(scripted) as system:
        for _ in range(5):  # the threads take turns as they like
            task = asyncio.ensure_future(system.create_process("{}"))
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            task.cancel()
            try:
                (await task).close()
            except asyncio.CancelledError:
                await settled()


async def test_a_waiter_of_the_end_takes_nothing_from_the_others(direct: ScriptedProvider) -> None:
    async with process_of(direct) as process:
        one, two = (asyncio.ensure_future(process.exited.wait()) for _ in range(2))
        await anyio.wait_all_tasks_blocked()
        one.cancel()
        direct.fire(0x0001_0000, '{"Exited":true,"ExitCode":5}')
        assert (await two).exit_code == 5
        with pytest.raises(asyncio.CancelledError):
            await one
