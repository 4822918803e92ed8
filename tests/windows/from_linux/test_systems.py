"""Compute systems of the daemon of the Windows Python, over the double, from Linux."""

import json
from collections.abc import AsyncIterator

import grpc
import pytest

from hcsd.v1 import compute_system_pb2, event_pb2
from hcsd.v1 import compute_system_service_pb2 as service_pb
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as process_pb
from tests.integration.test_events import CREATED as BEGUN
from tests.integration.test_events import EXITED, STARTED, watching
from tests.integration.test_systems import CREATED, PAUSED, RUNNING, STOPPED, Systems
from tests.integration.wire import Client, refused
from tests.windows.from_linux.test_daemon import guest

Code = grpc.StatusCode


@pytest.fixture
async def systems(client: Client) -> AsyncIterator[Systems]:
    systems = Systems(client)
    yield systems
    await systems.tidy()


async def test_a_system_lives_from_its_creation_to_its_kill_and_tells_it_in_order(
    client: Client, systems: Systems
) -> None:
    made = await systems.create()
    assert (made.state, made.capabilities.guest_os) == (CREATED, "windows")
    async with watching(client, parent=made.name) as watched:
        with refused(Code.FAILED_PRECONDITION, "HCS_E_INVALID_STATE"):
            await systems.run(made.name, guest("tick"))
        assert (await systems.start(made.name)).state == RUNNING
        ticking = await systems.run(made.name, guest("tick"))
        feed = client.follow(ticking.name)
        await feed.until_out(b"tick")
        assert (await systems.pause(made.name)).state == PAUSED
        with refused(Code.FAILED_PRECONDITION, "HCS_E_INVALID_STATE"):
            await systems.run(made.name, guest("exit", "0"))
        assert (await systems.resume(made.name)).state == RUNNING
        written = len(feed.output.stdout)
        await feed.until_out(b"tick\n" * (written // 5 + 200))
        ended = await systems.run(made.name, guest("exit", "7"))
        await watched.until(ended.uid, EXITED)
        await systems.terminate(made.name)
        output = await feed.finish()
        assert output.exit is not None
        assert output.exit.reason == pb.EXIT_REASON_SYSTEM_EXITED
        while not any(event.type for event in watched.system_events):
            await watched.read()
        for process in (ticking, ended):
            assert watched.seen[process.uid][:3] == [BEGUN, STARTED, EXITED]
        assert watched.last[ended.uid].exit.exit_code == 7
    told = [event_pb2.SystemEventType.Name(event.event_type) for event in watched.system_events]
    assert [name.removeprefix("SYSTEM_EVENT_TYPE_") for name in told] == [
        *("STARTED", "PAUSED", "RESUMED", "EXITED"),
    ]
    assert watched.system_events[-1].type == "SystemExited"
    assert json.loads(watched.system_events[-1].document)["ExitType"] == "ForcedExit"
    found = await systems.wait(made.name)
    assert (found.state, found.exit.exit_type) == (
        STOPPED,
        compute_system_pb2.COMPUTE_SYSTEM_EXIT_TYPE_FORCED_EXIT,
    )
    with refused(Code.FAILED_PRECONDITION, "HCS_E_SYSTEM_ALREADY_STOPPED"):
        await systems.start(made.name)


async def test_a_system_that_is_shut_down_says_so(systems: Systems) -> None:
    made = await systems.create(start=True)
    await systems.run(made.name, guest("sleep"))
    answer = await systems.shut_down(made.name)
    assert not answer.forced
    assert answer.system.exit.exit_type == compute_system_pb2.COMPUTE_SYSTEM_EXIT_TYPE_GRACEFUL_EXIT


async def test_what_runs_in_a_system_is_listed(client: Client, systems: Systems) -> None:
    made = await systems.create(start=True)
    process = await systems.run(made.name, guest("sleep"))
    request = process_pb.GetProcessPropertiesRequest(name=process.name, include_stats=True)
    stats = (await client.processes.GetProcessProperties(request)).stats
    assert (stats.pid, stats.image_name) == (process.pid, "guest.exe")
    found = await systems.properties(made.name, "ProcessList")
    assert [(entry.pid, entry.image_name) for entry in found.process_list] == [
        (process.pid, "guest.exe")
    ]


async def test_a_system_is_there_once(systems: Systems) -> None:
    made = await systems.create(owner="somebody")
    with refused(Code.ALREADY_EXISTS, "HCS_E_SYSTEM_ALREADY_EXISTS"):
        await systems.create(made.system_id)
    request = service_pb.ListComputeSystemsRequest(owners=["somebody"])
    assert await systems.list(request) == [made.system_id]
