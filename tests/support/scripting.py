"""What tests with a scripted provider have in common: opening things, and waiting for threads."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread

from hcsd.hcs.callbacks import REGISTRY, Completion, Event
from hcsd.hcs.host import Host
from hcsd.hcs.process import Process
from hcsd.hcs.system import ComputeSystem
from hcsd.hcs.timings import DEFAULT_TIMINGS, Timings
from tests.support.census import eventually
from tests.support.scripted import ScriptedProvider


@asynccontextmanager
async def host_of(
    provider: ScriptedProvider, timings: Timings = DEFAULT_TIMINGS
) -> AsyncIterator[Host]:
    """An engine, and at the end nothing that still goes on in its threads."""
    host = Host(provider, timings)
    try:
        yield host
    finally:
        host.operations.close()
        host._lanes.close()
        assert await anyio.to_thread.run_sync(host._lanes.join, 10)
        await settled()
        host.close()


@asynccontextmanager
async def system_of(
    provider: ScriptedProvider, timings: Timings = DEFAULT_TIMINGS
) -> AsyncIterator[ComputeSystem]:
    """An open system of such an engine."""
    async with host_of(provider, timings) as host:
        system = await host.open_system("scripted")
        try:
            yield system
        finally:
            system.close()


@asynccontextmanager
async def process_of(
    provider: ScriptedProvider, timings: Timings = DEFAULT_TIMINGS
) -> AsyncIterator[Process]:
    """A running process."""
    async with system_of(provider, timings) as system:
        process = await system.create_process("{}")
        try:
            yield process
        finally:
            process.close()


@asynccontextmanager
async def supervised(
    provider: ScriptedProvider, timings: Timings = DEFAULT_TIMINGS
) -> AsyncIterator[Process]:
    """A running process of an engine that looks after its processes."""
    async with host_of(provider, timings) as host, anyio.create_task_group() as tasks:
        tasks.start_soon(host.supervise)
        system = await host.open_system("scripted")
        process = await system.create_process("{}")
        try:
            yield process
        finally:
            process.close()
            system.close()
            tasks.cancel_scope.cancel()


def home(process: Process) -> ComputeSystem:
    """The system of a process, with all that can be done to it."""
    assert isinstance(process.system, ComputeSystem)
    return process.system


def served() -> None:
    """Hold the loop until every callback that has come so far was served."""
    done = threading.Event()

    def note(_item: Event | Completion) -> None:
        done.set()

    handler = REGISTRY.register(note)
    REGISTRY.post(handler, Completion(0))
    assert done.wait(30)
    REGISTRY.unregister(handler)


async def settled() -> None:
    """Wait until every callback that has come so far was served, and its outcome is on the loop.

    Handles may still be open: a provider whose calls may block has them closed in lanes.
    """
    loop = asyncio.get_running_loop()
    done = anyio.Event()

    def pass_on(_item: Event | Completion) -> None:
        loop.call_soon_threadsafe(done.set)

    handler = REGISTRY.register(pass_on)
    REGISTRY.post(handler, Completion(0))
    await done.wait()
    REGISTRY.unregister(handler)


async def until_none_is_live(provider: ScriptedProvider, *kinds: str) -> None:
    """Wait until the provider has everything of these kinds back."""
    await eventually(
        lambda: not any(provider.live()[kind] for kind in kinds), f"none of {kinds} is live"
    )
