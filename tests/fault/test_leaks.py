"""Many processes and many systems, one after another and at once: nothing of them is left."""

import json

import anyio
import pytest

from hcsd.control_groups import ControlGroups
from hcsd.embedded.provider import EmbeddedProvider
from hcsd.hcs.callbacks import REGISTRY
from hcsd.hcs.host import Host
from hcsd.hcs.system import ComputeSystem
from tests.support.census import Census, children, descriptors_of, until
from tests.support.cgroups import EVERY, below, groups_left, name_of_group
from tests.support.guest import PosixGuest
from tests.support.running import run, start

pytestmark = pytest.mark.anyio

GUEST = PosixGuest()
DOCUMENT = json.dumps({"SchemaVersion": {"Major": 2, "Minor": 1}, "Container": {}})
AT_ONCE = 10
ESCAPE = GUEST.sh("(setsid sh -c 'echo; exec sleep 1000' &); exec sleep 1000")


@pytest.fixture
def anyio_backend() -> str:
    """Without debug mode, which keeps a traceback for every callback."""
    return "asyncio"


@pytest.fixture(params=EVERY)
def groups(request: pytest.FixtureRequest) -> ControlGroups:
    found: ControlGroups = request.param
    return found


def holdings(embedded: EmbeddedProvider) -> tuple[object, ...]:
    """What an engine and this process have, keepers and zombies included."""
    until(lambda: not embedded.live()["processes"], "every process is closed")
    return Census.take(), len(REGISTRY), children(), embedded.live()


async def _one_process(system: ComputeSystem) -> None:
    assert await run(system, GUEST.prints("out")) == (0, b"out", b"")


@pytest.mark.parametrize(
    "count", [100, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
async def test_nothing_is_left_of_many_processes(
    embedded: EmbeddedProvider, host: Host, count: int
) -> None:
    system = await host.open_system("host")
    name, keeper = name_of_group(embedded, "host"), embedded._systems["host"].keeper_pid

    async def processes(count: int) -> None:
        for _ in range(0, count, AT_ONCE):
            async with anyio.create_task_group() as tasks:
                for _ in range(AT_ONCE):
                    tasks.start_soon(_one_process, system)

    await processes(AT_ONCE)  # what is made once and kept
    before, descriptors = holdings(embedded), descriptors_of(keeper)
    await processes(count)
    until(lambda: holdings(embedded) == before, f"no more is held than {before}")
    until(lambda: descriptors_of(keeper) == descriptors, "the keeper has no more descriptors")
    until(lambda: children(keeper) == [], "the keeper reaps all of them")
    until(lambda: not below(groups_left({name})), "all groups of processes are removed")
    system.close()


async def _one_system(host: Host, embedded: EmbeddedProvider, number: int) -> str:
    made = await host.create_system(f"many-{number}", DOCUMENT)
    await made.start()
    name = name_of_group(embedded, made.id)
    its = [await start(made, ESCAPE, "o") for _ in range(5)]
    for it in its:
        await it.stdout.line()
    await (made.terminate() if number % 2 else made.shut_down())
    await made.exited.wait()
    for it in its:
        assert it.process.exited.is_set
        it.close()
    made.close()
    return name


@pytest.mark.parametrize(
    "count", [10, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
async def test_nothing_is_left_of_many_systems(
    embedded: EmbeddedProvider, host: Host, count: int
) -> None:
    names: set[str] = set()

    async def systems(first: int, end: int) -> None:
        async def one(number: int) -> None:
            names.add(await _one_system(host, embedded, number))

        for begin in range(first, end, AT_ONCE):
            async with anyio.create_task_group() as tasks:
                for number in range(begin, min(begin + AT_ONCE, end)):
                    tasks.start_soon(one, number)

    await systems(0, 1)
    before = holdings(embedded)
    await systems(1, 1 + count)
    until(lambda: holdings(embedded) == before, f"as little as {before}")
    assert len(names) == 1 + count
    assert not groups_left(names)
    assert [system.id for system in await host.systems()] == ["host"]
