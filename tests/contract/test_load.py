"""Many processes: nothing grows, nothing is left. The census of the provider does the counting."""

import json

import anyio
import pytest

from hcsd.hcs.callbacks import REGISTRY
from hcsd.hcs.process import ProcessEnd
from hcsd.hcs.system import ComputeSystem
from tests.support.census import Census, children, until
from tests.support.engines import CountingProvider, Engine
from tests.support.guest import Guest
from tests.support.running import Running, run, running, start
from tests.support.traits import Trait

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Without debug mode, which keeps a traceback for every callback."""
    return "asyncio"


@pytest.mark.needs(Trait.COUNTS)
async def test_short_processes_one_after_another_leave_nothing_while_the_engine_runs(
    system: ComputeSystem, provider: CountingProvider, guest: Guest, engine: Engine
) -> None:
    registered = len(REGISTRY)

    async def batch(count: int) -> tuple[Census, int, list[int], dict[str, int]]:
        for number in range(count):
            result = await run(system, guest.prints(str(number)))
            assert result == (0, str(number).encode(), b"")
        # A handle is closed on a thread of its own kind where calls may block.
        until(lambda: not provider.live()["processes"], "every process is closed")
        return Census.take(), len(REGISTRY), children(), provider.live()

    before = await batch(10)
    assert await batch(engine.many) == before
    assert before[1] == registered
    assert {name: count for name, count in before[3].items() if count} == {"systems": 1}


async def test_many_processes_at_once_each_get_their_own_answer(
    system: ComputeSystem, guest: Guest, engine: Engine
) -> None:
    ends: dict[int, ProcessEnd] = {}

    async def one(number: int) -> None:
        async with running(system, guest.exits(number % 256)) as it:
            ends[number] = await it.end()

    async with anyio.create_task_group() as tasks:
        for number in range(engine.many):
            tasks.start_soon(one, number)
    assert ends == {number: ProcessEnd(number % 256) for number in range(engine.many)}


async def test_threads_do_not_grow_with_living_processes(
    system: ComputeSystem, guest: Guest
) -> None:
    living: list[Running] = [await start(system, guest.copies_stdin(), "io")]
    try:
        threads = Census.take().threads
        living += [await start(system, guest.copies_stdin(), "io") for _ in range(50)]
        until(lambda: Census.take().threads <= threads, f"no more threads than {threads}")
        for it in living:
            await it.write(b"one of many\n")
        assert {await it.stdout.line() for it in living} == {"one of many"}
    finally:
        for it in living:
            await it.stop()


async def test_processes_are_killed_all_at_once(system: ComputeSystem, guest: Guest) -> None:
    document = json.dumps(guest.sleeps())
    processes = [await system.create_process(document) for _ in range(50)]
    async with anyio.create_task_group() as tasks:
        for process in processes:
            tasks.start_soon(process.terminate)
    for process in processes:
        await process.exited.wait()
        process.close()
