"""Handles of systems that others have made: open while something of them is in use."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, cast

import anyio
import pytest

from hcsd.config import Limits
from hcsd.embedded.provider import EmbeddedProvider
from hcsd.hcs.host import Host
from hcsd.hcs.supervisor import give_up
from hcsd.hcs.system import ComputeSystem
from hcsd.service import systems
from hcsd.service.compute_system_service import ComputeSystemService
from hcsd.service.event_service import EventService
from hcsd.service.registry import Registry
from hcsd.v1 import compute_system_service_pb2 as system_pb
from hcsd.v1 import event_service_pb2 as event_pb
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as process_pb
from tests.fault.test_served_lost import lose, served_by
from tests.support.scripted import ScriptedProvider

if TYPE_CHECKING:
    from hcsd.service.interceptor import Context

pytestmark = pytest.mark.anyio

CONTEXT = cast("Context", None)
NAME = "systems/theirs"
Use = Callable[[Registry], AbstractAsyncContextManager[None]]


def configuration(**members: object) -> str:
    return json.dumps({"SchemaVersion": {"Major": 2, "Minor": 1}, "Container": {}, **members})


@pytest.fixture
def embedded(census: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedProvider]:
    monkeypatch.setattr(systems, "IDLE_TIME", 0.01)
    provider = EmbeddedProvider()
    yield provider
    provider.close()
    assert not any(provider.live().values()), provider.live()


@pytest.fixture
async def registry(embedded: EmbeddedProvider) -> AsyncIterator[Registry]:
    """A daemon without its listeners."""
    async with anyio.create_task_group() as tasks:
        registry = Registry(Host(embedded), Limits(shutdown_grace=5.0), "incarnation", tasks)
        yield registry
        await registry.close()
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def made_by_others(
    registry: Registry, system_id: str, **members: object
) -> AsyncIterator[ComputeSystem]:
    """A system of another client of HCS, who has it open while the block runs."""
    system = await registry.host.create_system(system_id, configuration(**members))
    await system.start()
    try:
        yield system
    finally:
        if not system.closed:
            await system.terminate()
            await system.exited.wait()
            system.close()


async def get(registry: Registry, system_id: str) -> None:
    request = system_pb.GetComputeSystemRequest(name=f"systems/{system_id}")
    await ComputeSystemService(registry).GetComputeSystem(request, CONTEXT)


async def until_open(embedded: EmbeddedProvider, count: int) -> None:
    """Wait until so many handles of systems are open, ours and those of others."""
    with anyio.fail_after(5):
        while embedded.live()["systems"] != count:
            await anyio.lowlevel.checkpoint()


async def idle_time(registry: Registry, embedded: EmbeddedProvider) -> None:
    """Wait until a system that nobody uses has been closed, which was opened just now."""
    before = embedded.live()["systems"]
    await get(registry, "host")
    await until_open(embedded, before)


async def test_a_system_is_closed_when_nobody_uses_it_and_opened_for_who_does(
    registry: Registry, embedded: EmbeddedProvider
) -> None:
    async with made_by_others(registry, "theirs") as theirs:
        for _ in range(2):
            await get(registry, "theirs")
            assert embedded.live()["systems"] == 2
            await until_open(embedded, 1)
        assert (await theirs.properties()).state == "Running"


@asynccontextmanager
async def process_in_it(registry: Registry) -> AsyncIterator[None]:
    spec = pb.ProcessSpec(argv=pb.Argv(args=["sleep", "1000"]))
    create = process_pb.CreateProcessRequest(parent=NAME, spec=spec)
    process, _ = await registry.create(create, owned=False)
    yield
    await registry.terminate(process, pb.EXIT_REASON_TERMINATED)
    await process.exited.wait()


@asynccontextmanager
async def call_about_it(registry: Registry) -> AsyncIterator[None]:
    service = ComputeSystemService(registry)

    async def wait() -> None:
        await service.WaitComputeSystem(system_pb.WaitComputeSystemRequest(name=NAME), CONTEXT)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        yield
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def watcher_of_it(registry: Registry) -> AsyncIterator[None]:
    request = event_pb.WatchEventsRequest(parent=NAME)
    async with aclosing(EventService(registry).WatchEvents(request, CONTEXT)) as events:  # type: ignore[type-var]
        assert (await anext(events)).HasField("bookmark")
        yield


@asynccontextmanager
async def watcher_that_came_back(registry: Registry) -> AsyncIterator[None]:
    request = event_pb.WatchEventsRequest(parent=NAME, after_revision=0, incarnation="incarnation")
    async with aclosing(EventService(registry).WatchEvents(request, CONTEXT)) as events:  # type: ignore[type-var]
        assert (await anext(events)).HasField("bookmark")
        yield


@pytest.mark.parametrize(
    "use", [process_in_it, call_about_it, watcher_of_it, watcher_that_came_back]
)
async def test_it_stays_open_while_it_is_used(
    registry: Registry,
    embedded: EmbeddedProvider,
    use: Use,
) -> None:
    async with made_by_others(registry, "theirs"):
        async with use(registry):
            await until_open(embedded, 2)
            await idle_time(registry, embedded)
            assert embedded.live()["systems"] == 2
        await until_open(embedded, 1)


async def test_one_that_the_daemon_made_stays_open_until_its_end(
    registry: Registry, embedded: EmbeddedProvider
) -> None:
    request = system_pb.CreateComputeSystemRequest(
        system_id="ours", configuration_json=configuration(), start=True
    )
    await ComputeSystemService(registry).CreateComputeSystem(request, CONTEXT)
    await idle_time(registry, embedded)
    assert embedded.live()["systems"] == 1
    terminate = system_pb.TerminateComputeSystemRequest(name="systems/ours")
    await ComputeSystemService(registry).TerminateComputeSystem(terminate, CONTEXT)
    await until_open(embedded, 0)


async def test_one_that_ends_with_its_last_handle_ends_soon_after_its_owner(
    registry: Registry, embedded: EmbeddedProvider
) -> None:
    async with made_by_others(registry, "theirs", ShouldTerminateOnLastHandleClosed=True) as theirs:
        await get(registry, "theirs")
        await until_open(embedded, 1)
        assert (await theirs.properties()).state == "Running"  # a look ends nobody
        async with watcher_of_it(registry):
            theirs.close()  # as a crash of the owner does
            await idle_time(registry, embedded)
            assert "theirs" in [system.id for system in await registry.host.systems()]
        with anyio.fail_after(5):
            while "theirs" in [system.id for system in await registry.host.systems()]:
                await anyio.lowlevel.checkpoint()


async def test_a_process_that_was_given_up_can_still_be_killed_in_its_system(
    scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systems, "IDLE_TIME", 0.01)
    async with served_by(scripted) as (registry, process, _):
        await lose(scripted, process)
        assert process.engine is not None
        give_up(process.engine)
        assert process.exited.is_set
        (served,) = registry.systems
        assert served.uses == 1
        registry.delete(process)
        with anyio.fail_after(5):
            while list(registry.systems):
                await anyio.lowlevel.checkpoint()
