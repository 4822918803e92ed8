"""Handles of systems that others have made: open while something of them is in use."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, cast

import anyio
import pytest

from hcsd.daemon.daemon import Daemon
from hcsd.daemon.process_view import ExitReason
from hcsd.daemon.settings import Limits
from hcsd.daemon.system_life import Life
from hcsd.embedded.provider import EmbeddedProvider
from hcsd.hcs.host import Host
from hcsd.hcs.supervisor import give_up
from hcsd.hcs.system import ComputeSystem
from hcsd.rpc.compute_system_service import ComputeSystemService
from hcsd.rpc.convert import process_request_from
from hcsd.rpc.event_service import EventService
from hcsd.v1 import compute_system_service_pb2 as system_pb
from hcsd.v1 import event_service_pb2 as event_pb
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as process_pb
from tests.fault.test_served_lost import lose, served_by
from tests.support.census import eventually
from tests.support.scripted import ScriptedProvider

if TYPE_CHECKING:
    from hcsd.rpc.calls import Context

pytestmark = pytest.mark.anyio

CONTEXT = cast("Context", None)
NAME = "systems/theirs"
Use = Callable[[Daemon], AbstractAsyncContextManager[None]]


def configuration(**members: object) -> str:
    return json.dumps({"SchemaVersion": {"Major": 2, "Minor": 1}, "Container": {}, **members})


@pytest.fixture
async def daemon(embedded: EmbeddedProvider) -> AsyncIterator[Daemon]:
    """A daemon without its listeners."""
    async with anyio.create_task_group() as tasks:
        limits = Limits(shutdown_grace=5.0, idle_system_time=0.01)
        daemon = Daemon(Host(embedded), limits, tasks)
        yield daemon
        await daemon.close()
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def made_by_others(
    daemon: Daemon, system_id: str, **members: object
) -> AsyncIterator[ComputeSystem]:
    """A system of another client of HCS, who has it open while the block runs."""
    system = await daemon.host.create_system(system_id, configuration(**members))
    await system.start()
    try:
        yield system
    finally:
        if not system.closed:
            await system.terminate()
            await system.exited.wait()
            system.close()


async def get(daemon: Daemon, system_id: str) -> None:
    request = system_pb.GetComputeSystemRequest(name=f"systems/{system_id}")
    await ComputeSystemService(daemon).GetComputeSystem(request, CONTEXT)


async def until_open(embedded: EmbeddedProvider, count: int) -> None:
    """Wait until so many handles of systems are open, ours and those of others."""
    await eventually(lambda: embedded.live()["systems"] == count, f"{count} handles are open")


async def idle_time(daemon: Daemon, embedded: EmbeddedProvider) -> None:
    """Wait until a system that nobody uses has been closed, which was opened just now."""
    before = embedded.live()["systems"]
    await get(daemon, "host")
    await until_open(embedded, before)


async def test_a_system_is_closed_when_nobody_uses_it_and_opened_for_who_does(
    daemon: Daemon, embedded: EmbeddedProvider
) -> None:
    async with made_by_others(daemon, "theirs") as theirs:
        for _ in range(2):
            await get(daemon, "theirs")
            assert embedded.live()["systems"] == 2
            await until_open(embedded, 1)
        assert (await theirs.properties()).state == "Running"


@asynccontextmanager
async def process_in_it(daemon: Daemon) -> AsyncIterator[None]:
    spec = pb.ProcessSpec(argv=pb.Argv(args=["sleep", "1000"]))
    create = process_pb.CreateProcessRequest(parent=NAME, spec=spec)
    process, _ = await daemon.processes.create(process_request_from(create, owned=False))
    yield
    await process.kill(ExitReason.TERMINATED)
    await process.exited.wait()


@asynccontextmanager
async def call_about_it(daemon: Daemon) -> AsyncIterator[None]:
    service = ComputeSystemService(daemon)

    async def wait() -> None:
        await service.WaitComputeSystem(system_pb.WaitComputeSystemRequest(name=NAME), CONTEXT)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        yield
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def watcher_of_it(daemon: Daemon) -> AsyncIterator[None]:
    request = event_pb.WatchEventsRequest(parent=NAME)
    async with aclosing(EventService(daemon).WatchEvents(request, CONTEXT)) as events:  # type: ignore[type-var]
        assert (await anext(events)).HasField("bookmark")
        yield


@asynccontextmanager
async def watcher_that_came_back(daemon: Daemon) -> AsyncIterator[None]:
    request = event_pb.WatchEventsRequest(
        parent=NAME, after_revision=0, incarnation=daemon.incarnation
    )
    async with aclosing(EventService(daemon).WatchEvents(request, CONTEXT)) as events:  # type: ignore[type-var]
        assert (await anext(events)).HasField("bookmark")
        yield


@pytest.mark.parametrize(
    "use", [process_in_it, call_about_it, watcher_of_it, watcher_that_came_back]
)
async def test_it_stays_open_while_it_is_used(
    daemon: Daemon,
    embedded: EmbeddedProvider,
    use: Use,
) -> None:
    async with made_by_others(daemon, "theirs"):
        async with use(daemon):
            await until_open(embedded, 2)
            await idle_time(daemon, embedded)
            assert embedded.live()["systems"] == 2
        await until_open(embedded, 1)


async def test_one_that_the_daemon_made_stays_open_until_its_end(
    daemon: Daemon, embedded: EmbeddedProvider
) -> None:
    request = system_pb.CreateComputeSystemRequest(
        system_id="ours", configuration_json=configuration(), start=True
    )
    await ComputeSystemService(daemon).CreateComputeSystem(request, CONTEXT)
    await idle_time(daemon, embedded)
    assert embedded.live()["systems"] == 1
    terminate = system_pb.TerminateComputeSystemRequest(name="systems/ours")
    await ComputeSystemService(daemon).TerminateComputeSystem(terminate, CONTEXT)
    await until_open(embedded, 0)


async def test_one_that_ends_with_its_last_handle_ends_soon_after_its_owner(
    daemon: Daemon, embedded: EmbeddedProvider
) -> None:
    async with made_by_others(daemon, "theirs", ShouldTerminateOnLastHandleClosed=True) as theirs:
        await get(daemon, "theirs")
        await until_open(embedded, 1)
        assert (await theirs.properties()).state == "Running"  # a look ends nobody
        async with watcher_of_it(daemon):
            theirs.close()  # as a crash of the owner does
            await idle_time(daemon, embedded)
            assert "theirs" in [system.id for system in await daemon.host.systems()]
        with anyio.fail_after(30):
            while "theirs" in [system.id for system in await daemon.host.systems()]:
                await anyio.lowlevel.checkpoint()


async def test_a_process_that_was_given_up_can_still_be_killed_in_its_system(
    scripted: ScriptedProvider,
) -> None:
    async with served_by(scripted, idle_system_time=0.01) as (daemon, process):
        await lose(scripted, process)
        assert process.engine is not None
        give_up(process.engine)
        assert process.exited.is_set
        (system,) = daemon.systems
        assert system.life is Life.IN_USE
        process.close()
        with anyio.fail_after(30):
            while list(daemon.systems):
                await anyio.lowlevel.checkpoint()
