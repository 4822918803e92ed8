"""Compute systems from their creation to their end."""

import json
import uuid
from collections.abc import AsyncIterator, Callable

import anyio
import pytest

from hcsd.abi.hresult import HR
from hcsd.hcs.errors import (
    AlreadyStoppedError,
    HcsError,
    InvalidDocumentError,
    InvalidStateError,
    NotSupportedError,
    SystemAlreadyExistsError,
    SystemNotFoundError,
)
from hcsd.hcs.host import Host
from hcsd.hcs.schema import SystemQuery
from hcsd.hcs.system import ComputeSystem, SystemEvent
from tests.support.guest import Guest
from tests.support.running import run, start
from tests.support.traits import Trait

pytestmark = pytest.mark.anyio

OWNER = "tests/contract"


def configuration(**members: object) -> str:
    """A ComputeSystem document."""
    version = {"Major": 2, "Minor": 1}
    return json.dumps({"SchemaVersion": version, "Owner": OWNER, "Container": {}} | members)


@pytest.fixture
async def created(host: Host) -> AsyncIterator[ComputeSystem]:
    """A system that has not been started, and is killed at the end."""
    system = await host.create_system(f"made {uuid.uuid4()}", configuration())
    yield system
    await killed(system)


@pytest.fixture
async def started(created: ComputeSystem) -> ComputeSystem:
    await created.start()
    return created


async def killed(system: ComputeSystem) -> None:
    """Kill a system, and wait until nothing of it is left."""
    await system.terminate()
    await system.exited.wait()
    system.close()


async def gone(host: Host, system_id: str) -> None:
    """Wait until the last handle of a system that has ended is closed, which nobody waits for."""
    with anyio.fail_after(30):
        while await host.systems(SystemQuery(ids=[system_id])):
            pass


async def test_a_system_is_created_and_started_and_runs_processes(
    created: ComputeSystem, guest: Guest
) -> None:
    assert (await created.properties()).state == "Created"
    with pytest.raises(InvalidStateError):
        await created.create_process(json.dumps(guest.exits(0)))
    await created.start()
    assert (await created.properties()).state == "Running"
    assert (await run(created, guest.prints("hello"))).out == b"hello"
    with pytest.raises(InvalidStateError):
        await created.start()


async def test_its_properties_are_those_of_its_configuration(
    host: Host, created: ComputeSystem
) -> None:
    properties = await created.properties()
    assert (properties.id, properties.owner) == (created.id, OWNER)
    assert properties.system_type == "Container"
    assert properties in await host.systems()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (lambda made: SystemQuery(owners=[OWNER]), ["made"]),
        (lambda made: SystemQuery(owners=["nobody", OWNER], types=["Container"]), ["made"]),
        (lambda made: SystemQuery(ids=[made]), ["made"]),
        (lambda made: SystemQuery(ids=[made, "host"]), ["host", "made"]),
        (lambda made: SystemQuery(ids=["host"], owners=[OWNER]), []),
        (lambda made: SystemQuery(types=["VirtualMachine"]), []),
        (lambda made: SystemQuery(names=["made"]), []),
    ],
)
async def test_a_query_lists_what_fits_it(
    host: Host, created: ComputeSystem, query: Callable[[str], SystemQuery], found: list[str]
) -> None:
    listed = await host.systems(query(created.id))
    assert sorted(system.id.split()[0] for system in listed) == found


async def test_an_id_is_used_once_until_its_system_has_gone(
    host: Host, created: ComputeSystem
) -> None:
    with pytest.raises(SystemAlreadyExistsError):
        await host.create_system(created.id, configuration())
    assert (await created.properties()).state == "Created"  # that one was left alone
    await killed(created)
    await gone(host, created.id)
    again = await host.create_system(created.id, configuration())
    await killed(again)
    await gone(host, created.id)
    with pytest.raises(SystemNotFoundError):
        await host.open_system(created.id)


@pytest.mark.parametrize("document", ["", "{", "7", '{"Nonsense":1}', '{"Container":7}'])
async def test_a_broken_configuration_is_refused(
    host: Host, created: ComputeSystem, document: str
) -> None:
    with pytest.raises(InvalidDocumentError):
        await host.create_system("broken", document)
    with pytest.raises(SystemNotFoundError):
        await host.open_system("broken")


async def test_a_killed_system_ends_its_processes_first(
    started: ComputeSystem, guest: Guest
) -> None:
    its = [await start(started, guest.sleeps()) for _ in range(3)]
    order: list[str] = []
    for it in its:
        it.process.exited.observe(lambda _: order.append("process"))
    started.exited.observe(lambda _: order.append("system"))
    assert await started.terminate()
    end = await started.exited.wait()
    assert (end.hresult, end.exit_type) == (HR.TERMINATED, "ForcedExit")
    assert json.loads(end.attribution)[0]["SystemExit"]["Detail"] == "Terminate"
    assert order == ["process"] * 3 + ["system"]
    for it in its:
        assert (await it.end()).with_system
        it.close()
    assert not await started.terminate()  # what has gone need not be killed
    assert not await started.shut_down()


async def test_a_shut_down_system_says_so(started: ComputeSystem, guest: Guest) -> None:
    it = await start(started, guest.sleeps())
    assert await started.shut_down()
    end = await started.exited.wait()
    assert (end.hresult, end.exit_type) == (0, "GracefulExit")
    assert (await it.end()).with_system
    it.close()
    with pytest.raises(AlreadyStoppedError):
        await started.create_process(json.dumps(guest.exits(0)))


async def test_an_empty_system_shuts_down_at_once(started: ComputeSystem) -> None:
    assert await started.shut_down()
    assert (await started.exited.wait()).exit_type == "GracefulExit"


async def test_whoever_has_it_open_learns_of_the_end(host: Host, started: ComputeSystem) -> None:
    second = await host.open_system(started.id)
    events: list[SystemEvent] = []
    second.observe(events.append)
    await started.terminate()
    assert await second.exited.wait() == await started.exited.wait()
    assert [event.name for event in events] == ["SystemExited"]
    assert json.loads(events[0].document or "")["ExitType"] == "ForcedExit"
    second.close()


async def test_who_opens_it_after_the_end_learns_of_that_too(
    host: Host, started: ComputeSystem
) -> None:
    await started.terminate()
    await started.exited.wait()
    late = await host.open_system(started.id)
    assert await late.confirm()
    assert late.exited.value is not None
    assert late.exited.value.exit_type == "ForcedExit"
    late.close()


async def test_closing_it_is_no_exit_and_ends_nothing(host: Host, started: ComputeSystem) -> None:
    second = await host.open_system(started.id)
    second.close()
    assert not second.exited.is_set
    assert (await started.properties()).state == "Running"


async def test_it_ends_with_its_last_handle_if_it_was_made_so(
    host: Host, created: ComputeSystem
) -> None:
    document = configuration(ShouldTerminateOnLastHandleClosed=True)
    first = await host.create_system("brief", document)
    await first.start()
    second = await host.open_system("brief")
    first.close()
    assert (await second.properties()).state == "Running"
    second.close()
    with anyio.fail_after(30):
        while "brief" in [system.id for system in await host.systems()]:
            await anyio.lowlevel.checkpoint()


async def test_it_stays_after_its_last_handle_if_it_was_not(
    host: Host, created: ComputeSystem
) -> None:
    system = await host.create_system("lasting", configuration())
    system.close()
    await killed(await host.open_system("lasting"))


async def test_a_paused_system_takes_no_processes_and_goes_on(
    started: ComputeSystem, guest: Guest
) -> None:
    it = await start(started, guest.copies_stdin(), "io")
    await started.pause()
    assert (await started.properties()).state == "Paused"
    with pytest.raises(InvalidStateError):
        await started.create_process(json.dumps(guest.exits(0)))
    with pytest.raises(InvalidStateError):
        await started.pause()
    await started.resume()
    await it.write(b"awake\n")
    assert await it.stdout.line() == "awake"
    await it.stop()


async def test_a_paused_system_can_be_killed(started: ComputeSystem, guest: Guest) -> None:
    it = await start(started, guest.sleeps())
    await started.pause()
    await started.terminate()
    await started.exited.wait()
    assert it.process.exited.is_set
    it.close()


async def test_a_container_cannot_be_saved(started: ComputeSystem) -> None:
    with pytest.raises(InvalidStateError):
        await started.save()
    await started.pause()
    with pytest.raises(NotSupportedError):
        await started.save()


async def test_documents_reach_the_provider_as_they_are(started: ComputeSystem) -> None:
    with pytest.raises(InvalidDocumentError):
        await started.pause('{"SuspensionLevel":"Deep"}')
    with pytest.raises(InvalidDocumentError):
        await started.modify("{")
    with pytest.raises(InvalidDocumentError):
        await started.raw_properties('{"PropertyTypes":["Colour"]}')
    with pytest.raises(HcsError):
        await started.shut_down('{"Type":"Hibernate"}')
    assert (await started.properties()).state == "Running"


async def test_the_service_tells_its_properties(host: Host) -> None:
    text = await host.service_properties('{"PropertyTypes":["Basic"]}')
    assert "SupportedSchemaVersions" in json.loads(text or "")["Properties"][0]


@pytest.mark.needs(Trait.STRICT)
async def test_the_service_has_no_settings(host: Host) -> None:
    with pytest.raises(NotSupportedError):
        await host.modify_service_settings("{}")


async def test_many_systems_live_side_by_side(
    host: Host, created: ComputeSystem, guest: Guest
) -> None:
    systems = [await host.create_system(f"many-{n}", configuration()) for n in range(5)]
    for system in systems:
        await system.start()
        assert (await run(system, guest.exits(3))).code == 3
    await killed(systems[0])
    for system in systems[1:]:
        assert (await system.properties()).state == "Running"
        await killed(system)
