"""Calls that block: where they are made, and what they cannot hold up."""

import asyncio
import threading

import anyio
import pytest

from hcsd.hcs.lanes import Lane
from tests.support.scripted import Operation, ScriptedProvider
from tests.support.scripting import home, process_of

pytestmark = pytest.mark.anyio


async def test_calls_that_may_block_are_made_on_threads_of_their_lane(
    blocking: ScriptedProvider,
) -> None:
    async with process_of(blocking) as process:
        await process.properties()
        await process.modify("{}")
        await process.terminate()
    lanes = {name: thread.rpartition("_")[0] for name, thread in blocking.calls}
    del lanes["HcsGetOperationResult"], lanes["HcsGetOperationResultAndProcessInfo"]
    del lanes["HcsCloseOperation"]  # these three never block, and are made by the callback thread
    assert lanes == {
        "HcsOpenComputeSystem": "hcs-kill",  # the last one, for the kill
        "HcsSetComputeSystemCallback": "hcs-control",
        "HcsCreateOperation": "hcs-kill",
        "HcsCreateProcess": "hcs-create",
        "HcsSetProcessCallback": "hcs-control",
        "HcsGetProcessProperties": "hcs-query",
        "HcsModifyProcess": "hcs-control",
        "HcsOpenProcess": "hcs-kill",
        "HcsTerminateProcess": "hcs-kill",
        "HcsCloseProcess": "hcs-control",
        "HcsCloseComputeSystem": "hcs-control",
    }


async def test_calls_that_never_block_are_made_on_the_loop(direct: ScriptedProvider) -> None:
    async with process_of(direct) as process:
        await process.properties()
    here = threading.current_thread().name
    assert {thread for name, thread in direct.calls if "Result" not in name} == {
        here,
        "hcs-callbacks",  # HcsCloseOperation
    }
    assert set(direct.called("HcsGetOperationResult")) == {"hcs-callbacks"}


async def test_the_loop_goes_on_while_a_call_is_stuck(blocking: ScriptedProvider) -> None:
    async with process_of(blocking) as process:
        hold = blocking.hold("HcsGetProcessProperties", acted=False)
        task = asyncio.ensure_future(process.properties())
        await hold.entered()
        await process.modify("{}")
        assert not task.done()
        hold.release()
        await task


@pytest.mark.parametrize("lane", [Lane.CREATE, Lane.CONTROL, Lane.QUERY])
async def test_a_lane_full_of_stuck_calls_does_not_stop_a_kill(
    blocking: ScriptedProvider, lane: Lane
) -> None:
    workers = lane.value[1]
    arrived, released = threading.Semaphore(0), threading.Event()

    def stuck(operation: Operation) -> int:
        arrived.release()
        assert released.wait(10)
        return operation.complete(info=(8, 0, 0, 0))

    async def use() -> None:
        if lane is Lane.CREATE:
            (await home(process).create_process("{}")).close()
        elif lane is Lane.CONTROL:
            await process.signal(None)
        else:
            await process.properties()

    async with process_of(blocking) as process:
        for export in ("HcsCreateProcess", "HcsSignalProcess", "HcsGetProcessProperties"):
            blocking.script[export] = stuck
        tasks = [asyncio.ensure_future(use()) for _ in range(workers + 3)]
        for _ in range(workers):
            assert await anyio.to_thread.run_sync(arrived.acquire, True, 5)
        assert not arrived.acquire(blocking=False)  # the lane is full
        assert await process.terminate()
        assert not any(task.done() for task in tasks)
        released.set()
        await asyncio.gather(*tasks)
