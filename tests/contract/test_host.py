"""The service itself."""

import json

import anyio
import anyio.to_thread
import pytest

from hcsd.hcs.errors import HandleClosedError, ServiceDisconnectedError
from hcsd.hcs.host import Host
from hcsd.hcs.system import ComputeSystem
from tests.support.census import until
from tests.support.engines import CountingProvider, Engine
from tests.support.guest import Guest

pytestmark = pytest.mark.anyio


async def test_the_running_system_is_listed_with_its_properties(
    host: Host, system: ComputeSystem, engine: Engine
) -> None:
    listed = {entry.id: entry for entry in await host.systems()}
    entry = listed[engine.system_id]
    assert entry.state == "Running"
    assert entry == await system.properties()


async def test_the_schema_versions_are_told(host: Host) -> None:
    # HCS tells the highest minor version of each major one.
    assert any(major == 2 and minor >= 1 for major, minor in await host.schema_versions())


async def test_a_system_can_be_open_more_than_once(host: Host, system: ComputeSystem) -> None:
    second = await host.open_system(system.id)
    second.close()
    second.close()  # idempotent
    assert (await system.properties()).id == system.id


async def test_a_closed_handle_is_refused_here_and_not_in_the_provider(
    host: Host, system: ComputeSystem, guest: Guest
) -> None:
    second = await host.open_system(system.id)
    second.close()
    with pytest.raises(HandleClosedError):
        await second.properties()
    with pytest.raises(HandleClosedError):
        await second.create_process("{}")


async def test_a_close_waits_for_what_still_uses_the_handle(
    host: Host, provider: CountingProvider, engine: Engine
) -> None:
    second = await host.open_system(engine.system_id)
    answers: list[str] = []

    async def ask() -> None:
        answers.append((await second.properties()).id)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.lowlevel.checkpoint()
        second.close()
    assert answers == [engine.system_id]
    # The close goes its own way where calls may block.
    until(lambda: not provider.live().get("systems"), "the system is closed")


async def test_a_provider_that_was_closed_answers_at_once(
    engine: Engine, census: None, guest: Guest
) -> None:
    provider = engine.open()
    before = provider.live()
    host = Host(provider)
    system = await host.open_system(engine.system_id)
    await anyio.to_thread.run_sync(host.close)
    with anyio.fail_after(30):
        with pytest.raises(ServiceDisconnectedError):
            await system.properties()
        with pytest.raises(ServiceDisconnectedError):
            await system.create_process(json.dumps(guest.exits(0)))
    system.close()
    assert provider.live() == before


async def test_a_provider_may_be_closed_twice(engine: Engine, census: None) -> None:
    provider = engine.open()
    provider.close()
    provider.close()
