"""Compute systems from the outside: their life, their end, and what is refused."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import grpc
import pytest
from google.rpc import error_details_pb2

from hcsd.v1 import compute_system_pb2 as pb
from hcsd.v1 import compute_system_service_pb2 as service_pb
from hcsd.v1 import host_service_pb2 as host_pb
from hcsd.v1 import process_pb2
from hcsd.v1 import process_service_pb2 as process_service_pb
from tests.integration.conftest import assert_calm
from tests.integration.wire import HOST, Client, connected, refused, seconds, sh
from tests.support.census import MARK, marked
from tests.support.daemon import serving

Code = grpc.StatusCode

CREATED = pb.COMPUTE_SYSTEM_STATE_CREATED
RUNNING = pb.COMPUTE_SYSTEM_STATE_RUNNING
PAUSED = pb.COMPUTE_SYSTEM_STATE_PAUSED
STOPPED = pb.COMPUTE_SYSTEM_STATE_STOPPED

ANY = pb.COMPUTE_SYSTEM_TYPE_UNSPECIFIED

SLEEP = process_pb2.Argv(args=["sleep", "1000"])
NOWHERE = "systems/no-such-system"
# Each ignores what it is asked to do, and lives in a session of its own.
STUBBORN = sh(
    "trap '' TERM INT HUP; setsid sh -c 'trap \"\" TERM; echo ready; while :; do sleep 1; done'"
)


def document(owner: str = "tests", **members: object) -> str:
    """A ComputeSystem document."""
    return json.dumps(
        {"Owner": owner, "SchemaVersion": {"Major": 2, "Minor": 1}, "Container": {}, **members}
    )


class Systems:
    """The calls about systems, in short; ends at the end what it has created."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.stub = client.systems
        self._made: list[str] = []

    async def create(
        self,
        system_id: str = "",
        *,
        start: bool = False,
        owner: str = "tests",
        request_id: str = "",
    ) -> pb.ComputeSystem:
        request = service_pb.CreateComputeSystemRequest(
            system_id=system_id or f"test-{uuid.uuid4().hex[:8]}",
            configuration_json=document(owner),
            start=start,
            request_id=request_id,
        )
        system = (await self.stub.CreateComputeSystem(request)).system
        self._made.append(system.name)
        return system

    async def get(self, name: str) -> pb.ComputeSystem:
        return (
            await self.stub.GetComputeSystem(service_pb.GetComputeSystemRequest(name=name))
        ).system

    async def start(self, name: str) -> pb.ComputeSystem:
        request = service_pb.StartComputeSystemRequest(name=name)
        return (await self.stub.StartComputeSystem(request)).system

    async def pause(self, name: str) -> pb.ComputeSystem:
        request = service_pb.PauseComputeSystemRequest(name=name)
        return (await self.stub.PauseComputeSystem(request)).system

    async def resume(self, name: str) -> pb.ComputeSystem:
        request = service_pb.ResumeComputeSystemRequest(name=name)
        return (await self.stub.ResumeComputeSystem(request)).system

    async def shut_down(
        self, name: str, timeout: float | None = None, *, force: bool = False
    ) -> service_pb.ShutDownComputeSystemResponse:
        request = service_pb.ShutDownComputeSystemRequest(
            name=name, timeout=None if timeout is None else seconds(timeout), force=force
        )
        return await self.stub.ShutDownComputeSystem(request)

    async def terminate(self, name: str) -> pb.ComputeSystem:
        request = service_pb.TerminateComputeSystemRequest(name=name)
        return (await self.stub.TerminateComputeSystem(request)).system

    async def wait(self, name: str) -> pb.ComputeSystem:
        answer = await self.stub.WaitComputeSystem(service_pb.WaitComputeSystemRequest(name=name))
        assert not answer.timed_out
        return answer.system

    async def list(self, request: service_pb.ListComputeSystemsRequest) -> list[str]:
        return [
            system.system_id for system in (await self.stub.ListComputeSystems(request)).systems
        ]

    async def properties(
        self, name: str, *types: str, query: str = ""
    ) -> service_pb.GetComputeSystemPropertiesResponse:
        request = service_pb.GetComputeSystemPropertiesRequest(
            name=name, property_types=types, property_query_json=query
        )
        return await self.stub.GetComputeSystemProperties(request)

    async def run(self, system: str, argv: process_pb2.Argv) -> process_pb2.Process:
        request = process_service_pb.CreateProcessRequest(
            parent=system, spec=process_pb2.ProcessSpec(argv=argv)
        )
        return (await self.client.processes.CreateProcess(request)).process

    async def tidy(self) -> None:
        for name in self._made:
            await self.terminate(name)
            await self.wait(name)


@pytest.fixture
async def systems(client: Client) -> AsyncIterator[Systems]:
    systems = Systems(client)
    yield systems
    await systems.tidy()


# --- life ---


async def test_a_system_lives_from_its_creation_to_its_end(systems: Systems) -> None:
    made = await systems.create("life", owner="somebody")
    assert made.name == "systems/life"
    assert made.system_id == "life"
    assert made.owner == "somebody"
    assert made.system_type == pb.COMPUTE_SYSTEM_TYPE_CONTAINER
    assert made.state == CREATED
    assert made.HasField("create_time")
    assert uuid.UUID(made.runtime_id)
    assert made.capabilities.guest_os == "linux"
    assert made.capabilities.signals
    assert made.capabilities.pause
    assert made.capabilities.tree_terminate
    assert (await systems.start(made.name)).state == RUNNING
    assert (await systems.pause(made.name)).state == PAUSED
    assert (await systems.get(made.name)).state == PAUSED
    assert (await systems.resume(made.name)).state == RUNNING
    answer = await systems.shut_down(made.name)
    assert not answer.forced
    assert not answer.timed_out
    ended = answer.system
    assert ended.state == STOPPED
    assert ended.exit.status == 0
    assert ended.exit.exit_type == pb.COMPUTE_SYSTEM_EXIT_TYPE_GRACEFUL_EXIT
    assert json.loads(ended.exit.attribution_json)
    assert ended.exit.HasField("exit_time")
    assert ended.runtime_id == made.runtime_id
    assert await systems.get(made.name) == ended
    assert await systems.wait(made.name) == ended
    assert "life" not in await systems.list(service_pb.ListComputeSystemsRequest())


async def test_a_system_can_be_created_and_started_at_once(systems: Systems) -> None:
    request = service_pb.CreateComputeSystemRequest(configuration_json=document(), start=True)
    made = (await systems.stub.CreateComputeSystem(request)).system
    assert made.state == RUNNING
    assert len(made.system_id) == 26
    process = await systems.run(made.name, sh("exit 7"))
    assert process.name.startswith(f"{made.name}/processes/")
    assert (await systems.client.wait(process.name)).exit.exit_code == 7
    await systems.terminate(made.name)


async def test_ids_of_any_characters_are_names(systems: Systems) -> None:
    made = await systems.create("ä b/c%", start=True)
    assert made.name == "systems/%C3%A4%20b%2Fc%25"
    assert made.system_id == "ä b/c%"
    assert (await systems.get(made.name)).system_id == made.system_id
    process = await systems.run(made.name, sh("exit 3"))
    assert (await systems.client.wait(process.name)).exit.exit_code == 3


async def test_the_id_of_a_system_that_has_ended_can_be_used_again(systems: Systems) -> None:
    first = await systems.create("again")
    await systems.terminate(first.name)
    await systems.wait(first.name)
    second = await systems.create("again")
    assert second.runtime_id != first.runtime_id
    assert (await systems.get("systems/again")).state == CREATED
    assert not second.HasField("exit")


async def test_a_system_that_others_made_is_served_as_our_own(own_client: Client) -> None:
    systems = Systems(own_client)  # the engine has made the host
    host = await systems.get(HOST)
    assert host.state == RUNNING
    assert not host.HasField("create_time")
    run = await own_client.run(SLEEP)
    await run.until("started")
    waiting = asyncio.ensure_future(systems.wait(HOST))  # another one takes its place soon
    await asyncio.sleep(0)
    await systems.terminate(HOST)
    exit_ = (await run.finish()).exit
    assert exit_ is not None
    assert exit_.reason == process_pb2.EXIT_REASON_SYSTEM_EXITED
    ended = await waiting
    assert ended.exit.exit_type == pb.COMPUTE_SYSTEM_EXIT_TYPE_FORCED_EXIT


# --- the same request twice ---


async def test_fifty_creates_with_one_request_id_make_one_system(systems: Systems) -> None:
    request = service_pb.CreateComputeSystemRequest(
        configuration_json=document("fifty"), request_id=str(uuid.uuid4())
    )
    answers = await asyncio.gather(*(systems.stub.CreateComputeSystem(request) for _ in range(50)))
    (name,) = {answer.system.name for answer in answers}
    assert [answer.replayed for answer in answers].count(False) == 1
    found = await systems.list(service_pb.ListComputeSystemsRequest(owners=["fifty"]))
    assert [f"systems/{system_id}" for system_id in found] == [name]
    await systems.terminate(name)


async def test_a_request_id_is_for_one_request(systems: Systems) -> None:
    request_id = str(uuid.uuid4())
    made = await systems.create("one-request", request_id=request_id)
    with refused(Code.ALREADY_EXISTS, "REQUEST_ID_REUSED"):
        await systems.create("one-request", owner="another", request_id=request_id)
    assert (await systems.get(made.name)).owner == "tests"


async def test_a_create_that_failed_can_be_repeated(systems: Systems) -> None:
    taken = await systems.create("taken")
    request_id = str(uuid.uuid4())
    with refused(Code.ALREADY_EXISTS, "HCS_E_SYSTEM_ALREADY_EXISTS") as refusal:
        await systems.create("taken", request_id=request_id)
    assert refusal.value.info.metadata["system"] == "systems/taken"
    assert refusal.value.info.metadata["hresult"] == "0x8037010F"
    await systems.terminate(taken.name)
    await systems.wait(taken.name)
    await systems.create("taken", request_id=request_id)


async def test_a_create_whose_caller_has_gone_completes(systems: Systems) -> None:
    request = service_pb.CreateComputeSystemRequest(
        system_id="left-alone",
        configuration_json=document(),
        request_id=str(uuid.uuid4()),
        start=True,
    )
    call = systems.stub.CreateComputeSystem(request)
    await anyio.lowlevel.checkpoint()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    answer = await systems.stub.CreateComputeSystem(request)
    assert answer.system.state == RUNNING
    await systems.terminate(answer.system.name)


# --- the end ---


async def test_the_end_of_a_system_ends_all_that_waits_for_its_processes(systems: Systems) -> None:
    client = systems.client
    made = await systems.create(start=True)
    processes = [await systems.run(made.name, STUBBORN) for _ in range(3)]
    readers = [client.follow(process.name) for process in processes]
    for reader in readers:
        await reader.until_out(b"ready\n")
    waits = [asyncio.create_task(client.wait(process.name)) for process in processes]
    ends = [asyncio.create_task(systems.wait(made.name)) for _ in range(3)]
    await systems.terminate(made.name)
    for end in ends:
        assert (await end).exit.exit_type == pb.COMPUTE_SYSTEM_EXIT_TYPE_FORCED_EXIT
    for process in processes:  # before the end of their system
        assert (await client.get(process.name)).state == process_pb2.PROCESS_STATE_EXITED
    for wait in waits:
        assert (await wait).exit.reason == process_pb2.EXIT_REASON_SYSTEM_EXITED
    for reader in readers:
        exit_ = (await reader.finish()).exit
        assert exit_ is not None
        assert exit_.reason == process_pb2.EXIT_REASON_SYSTEM_EXITED


async def test_what_cannot_be_asked_to_end_is_killed_with_force(systems: Systems) -> None:
    made = await systems.create(start=True)
    process = await systems.run(made.name, STUBBORN)
    await systems.client.follow(process.name).until_out(b"ready\n")
    asked = await systems.shut_down(made.name, 0.1)
    assert asked.timed_out
    assert not asked.forced
    assert asked.system.state != STOPPED
    forced = await systems.shut_down(made.name, 0.1, force=True)
    assert forced.forced
    assert forced.system.state == STOPPED
    exit_ = (await systems.client.wait(process.name)).exit
    assert exit_.reason == process_pb2.EXIT_REASON_SYSTEM_EXITED


async def test_no_time_and_force_is_a_kill(systems: Systems) -> None:
    made = await systems.create(start=True)
    answer = await systems.shut_down(made.name, 0, force=True)
    assert answer.forced
    assert answer.system.exit.exit_type == pb.COMPUTE_SYSTEM_EXIT_TYPE_FORCED_EXIT


async def test_a_system_that_was_never_started_cannot_be_shut_down_but_killed(
    systems: Systems,
) -> None:
    made = await systems.create()
    with refused(Code.FAILED_PRECONDITION, "HCS_E_INVALID_STATE") as refusal:
        await systems.shut_down(made.name)
    assert refusal.value.info.metadata["system"] == made.name
    assert refusal.value.info.metadata["function"] == "HcsShutDownComputeSystem"
    answer = await systems.shut_down(made.name, force=True)
    assert answer.forced
    assert answer.system.state == STOPPED


async def test_a_shutdown_goes_on_without_its_caller(systems: Systems) -> None:
    made = await systems.create(start=True)
    process = await systems.run(made.name, STUBBORN)
    await systems.client.follow(process.name).until_out(b"ready\n")
    call = systems.stub.ShutDownComputeSystem(
        service_pb.ShutDownComputeSystemRequest(name=made.name, timeout=seconds(0.3), force=True)
    )
    await systems.properties(made.name)  # sent after it
    call.cancel()
    ended = await systems.wait(made.name)
    assert ended.exit.exit_type == pb.COMPUTE_SYSTEM_EXIT_TYPE_FORCED_EXIT


async def test_ending_what_has_ended_is_no_error(systems: Systems) -> None:
    made = await systems.create(start=True)
    await asyncio.gather(*(systems.terminate(made.name) for _ in range(20)))
    await systems.wait(made.name)
    assert (await systems.terminate(made.name)).state == STOPPED
    answer = await systems.shut_down(made.name)
    assert answer.system.state == STOPPED
    assert not answer.forced
    assert not answer.timed_out


async def test_a_wait_ends_when_its_time_is_over(systems: Systems) -> None:
    made = await systems.create(start=True)
    request = service_pb.WaitComputeSystemRequest(name=made.name, timeout=seconds(0.05))
    answer = await systems.stub.WaitComputeSystem(request)
    assert answer.timed_out
    assert answer.system.state == RUNNING
    request.timeout.FromSeconds(0)
    assert (await systems.stub.WaitComputeSystem(request)).timed_out
    await systems.terminate(made.name)
    await systems.wait(made.name)
    answer = await systems.stub.WaitComputeSystem(request)
    assert not answer.timed_out
    assert answer.system.state == STOPPED


async def test_nothing_can_be_done_to_a_system_that_has_ended(systems: Systems) -> None:
    made = await systems.create(start=True)
    await systems.terminate(made.name)
    await systems.wait(made.name)
    for call in (
        systems.start(made.name),
        systems.pause(made.name),
        systems.resume(made.name),
        systems.properties(made.name),
        systems.run(made.name, SLEEP),
    ):
        with refused(Code.FAILED_PRECONDITION, "HCS_E_SYSTEM_ALREADY_STOPPED"):
            await call


# --- lists ---


async def test_systems_are_listed_by_what_they_are(systems: Systems) -> None:
    for system_id, owner in (("f-1", "blue"), ("f-2", "red"), ("f-3", "blue")):
        await systems.create(system_id, owner=owner)
    listed = systems.list
    request = service_pb.ListComputeSystemsRequest
    assert await listed(request(owners=["blue"])) == ["f-1", "f-3"]
    assert await listed(request(owners=["blue", "red"])) == ["f-1", "f-2", "f-3"]
    assert await listed(request(ids=["f-2", "f-3", "f-9"], owners=["blue"])) == ["f-3"]
    assert await listed(request(names=["f-1"])) == []
    container, machine = pb.COMPUTE_SYSTEM_TYPE_CONTAINER, pb.COMPUTE_SYSTEM_TYPE_VIRTUAL_MACHINE
    assert await listed(request(ids=["f-1"], types=[container])) == ["f-1"]
    assert await listed(request(ids=["f-1"], types=[machine])) == []


async def test_pages_follow_the_ids_whatever_comes_and_goes(systems: Systems) -> None:
    for number in (1, 3, 5, 7):
        await systems.create(f"p-{number}", owner="pages")
    request = service_pb.ListComputeSystemsRequest(owners=["pages"], page_size=2)
    first = await systems.stub.ListComputeSystems(request)
    assert [system.system_id for system in first.systems] == ["p-1", "p-3"]
    await systems.create("p-2", owner="pages")
    await systems.terminate("systems/p-5")
    await systems.wait("systems/p-5")
    request.page_token = first.next_page_token
    second = await systems.stub.ListComputeSystems(request)
    assert [system.system_id for system in second.systems] == ["p-7"]
    assert not second.next_page_token
    request.page_token += "x"
    with refused(Code.INVALID_ARGUMENT) as refusal:
        await systems.stub.ListComputeSystems(request)
    assert refusal.value.fields == ["page_token"]


# --- figures and documents ---


async def test_figures_come_raw_and_typed(systems: Systems) -> None:
    made = await systems.create(start=True)
    busy = await systems.run(
        made.name, sh("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done; sleep 1000")
    )
    await systems.client.follow(busy.name).until_out(b"done\n")
    answer = await systems.properties(made.name, "Statistics", "ProcessList")
    raw = json.loads(answer.properties_json)
    processor = raw["Statistics"]["Processor"]
    typed = answer.statistics.processor
    assert typed.total_runtime.ToNanoseconds() == processor["TotalRuntime100ns"] * 100 > 0
    assert typed.user_runtime.ToNanoseconds() == processor["RuntimeUser100ns"] * 100
    memory = raw["Statistics"]["Memory"]
    assert answer.statistics.memory.usage_commit_bytes == memory["MemoryUsageCommitBytes"] > 0
    assert answer.statistics.uptime.ToNanoseconds() > 0
    assert answer.statistics.start_time.ToNanoseconds() >= made.create_time.ToNanoseconds()
    pids = {process.pid: process for process in answer.process_list}
    assert set(pids) == {entry["ProcessId"] for entry in raw["ProcessList"]} >= {busy.pid}
    assert pids[busy.pid].image_name == "sh"
    assert pids[busy.pid].user_time.ToNanoseconds() > 0
    assert pids[busy.pid].memory_working_set_private_bytes > 0
    assert pids[busy.pid].HasField("create_time")


async def test_a_query_is_passed_on_as_a_document(systems: Systems) -> None:
    made = await systems.create(start=True)
    plain = await systems.properties(made.name)
    assert json.loads(plain.properties_json)["State"] == "Running"
    assert not plain.HasField("statistics")
    assert not plain.process_list
    asked = await systems.properties(made.name, query=' { "PropertyTypes" : ["ProcessList"] } ')
    assert "ProcessList" in json.loads(asked.properties_json)
    with refused(Code.INVALID_ARGUMENT, "HCS_E_INVALID_JSON") as refusal:
        await systems.properties(made.name, query="[")
    assert refusal.value.hcs.function == "HcsGetComputeSystemProperties"


async def test_a_system_that_does_not_run_has_no_figures(systems: Systems) -> None:
    made = await systems.create()
    with refused(Code.FAILED_PRECONDITION, "HCS_E_INVALID_STATE"):
        await systems.properties(made.name, "Statistics")


async def test_what_hcs_says_of_itself_is_passed_on(client: Client) -> None:
    request = host_pb.GetServicePropertiesRequest(property_query_json='{"PropertyTypes":["Basic"]}')
    answer = await client.hosts.GetServiceProperties(request)
    (basic,) = json.loads(answer.properties_json)["Properties"]
    assert basic["SupportedSchemaVersions"]
    request.property_query_json = "nonsense"
    with refused(Code.INVALID_ARGUMENT, "HCS_E_INVALID_JSON"):
        await client.hosts.GetServiceProperties(request)
    with refused(Code.UNIMPLEMENTED):
        await client.hosts.ModifyServiceSettings(
            host_pb.ModifyServiceSettingsRequest(settings_json="{}")
        )


# --- what is refused ---


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("GetComputeSystem", service_pb.GetComputeSystemRequest(name=NOWHERE)),
        ("StartComputeSystem", service_pb.StartComputeSystemRequest(name=NOWHERE)),
        ("ShutDownComputeSystem", service_pb.ShutDownComputeSystemRequest(name=NOWHERE)),
        ("TerminateComputeSystem", service_pb.TerminateComputeSystemRequest(name=NOWHERE)),
        ("PauseComputeSystem", service_pb.PauseComputeSystemRequest(name=NOWHERE)),
        ("ResumeComputeSystem", service_pb.ResumeComputeSystemRequest(name=NOWHERE)),
        ("SaveComputeSystem", service_pb.SaveComputeSystemRequest(name=NOWHERE)),
        (
            "ModifyComputeSystem",
            service_pb.ModifyComputeSystemRequest(name=NOWHERE, settings_json="{}"),
        ),
        ("GetComputeSystemProperties", service_pb.GetComputeSystemPropertiesRequest(name=NOWHERE)),
        ("WaitComputeSystem", service_pb.WaitComputeSystemRequest(name=NOWHERE)),
    ],
)
async def test_a_system_that_nobody_knows_is_not_found(
    client: Client, method: str, request_: object
) -> None:
    with refused(Code.NOT_FOUND, "HCS_E_SYSTEM_NOT_FOUND") as refusal:
        await getattr(client.systems, method)(request_)
    assert refusal.value.info.metadata["system"] == NOWHERE
    assert refusal.value.info.metadata["hresult"] == "0x8037010E"
    resource = refusal.value.detail(error_details_pb2.ResourceInfo)
    assert resource.resource_type == "hcsd.v1.ComputeSystem"
    assert resource.resource_name == NOWHERE


@pytest.mark.parametrize(
    ("method", "request_", "fields"),
    [
        ("CreateComputeSystem", service_pb.CreateComputeSystemRequest(), ["configuration_json"]),
        (
            "CreateComputeSystem",
            service_pb.CreateComputeSystemRequest(
                system_id="-", configuration_json="\0", request_id="x"
            ),
            ["system_id", "configuration_json", "request_id"],
        ),
        ("GetComputeSystem", service_pb.GetComputeSystemRequest(name="systems/-"), ["name"]),
        ("StartComputeSystem", service_pb.StartComputeSystemRequest(name="host"), ["name"]),
        (
            "ShutDownComputeSystem",
            service_pb.ShutDownComputeSystemRequest(
                name=HOST, timeout=seconds(-1), options_json="\0"
            ),
            ["timeout", "options_json"],
        ),
        (
            "GetComputeSystemProperties",
            service_pb.GetComputeSystemPropertiesRequest(
                name=HOST, property_types=["Statistics"], property_query_json="{}"
            ),
            ["property_query_json"],
        ),
        (
            "ModifyComputeSystem",
            service_pb.ModifyComputeSystemRequest(name=HOST),
            ["settings_json"],
        ),
        ("ListComputeSystems", service_pb.ListComputeSystemsRequest(types=[ANY]), ["types"]),
        ("WaitComputeSystem", service_pb.WaitComputeSystemRequest(), ["name"]),
    ],
)
async def test_a_request_that_breaks_rules_is_told_all_of_them(
    client: Client, method: str, request_: object, fields: list[str]
) -> None:
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await getattr(client.systems, method)(request_)
    assert refusal.value.fields == fields


async def test_a_document_that_is_none_makes_no_system(systems: Systems) -> None:
    for text in ("{", "[]", '{"Owner":"x"}', document(Containers={})):
        request = service_pb.CreateComputeSystemRequest(system_id="none", configuration_json=text)
        with refused(Code.INVALID_ARGUMENT):
            await systems.stub.CreateComputeSystem(request)
        with refused(Code.NOT_FOUND):
            await systems.get("systems/none")


async def test_what_the_engine_cannot_do_is_unimplemented(systems: Systems) -> None:
    made = await systems.create(start=True)
    await systems.pause(made.name)
    with refused(Code.UNIMPLEMENTED):
        await systems.stub.SaveComputeSystem(service_pb.SaveComputeSystemRequest(name=made.name))


# --- limits ---


async def test_more_than_there_may_be_is_refused_by_the_name_of_the_limit() -> None:
    limits = ("--max-systems", "2", "--max-processes", "2", "--max-streams-per-client", "2")
    with serving(*limits) as daemon:
        async with connected(daemon.address) as client:
            systems = Systems(client)
            in_force = (await client.get_host()).limits
            assert in_force.max_systems == in_force.max_processes == 2
            assert in_force.max_streams_per_client == 2

            first = await systems.create()
            await systems.create()
            with refused(Code.RESOURCE_EXHAUSTED, "TOO_MANY_SYSTEMS") as refusal:
                await systems.create()
            assert refusal.value.info.metadata == {"limit": "max_systems", "value": "2"}
            assert "'--max-systems'" in refusal.value.message
            await systems.terminate(first.name)
            await systems.wait(first.name)
            await systems.create()

            names = [(await client.create(SLEEP)).name for _ in range(2)]
            with refused(Code.RESOURCE_EXHAUSTED, "TOO_MANY_PROCESSES"):
                await client.create(SLEEP)

            feeds = [client.follow(name) for name in names]
            for feed in feeds:
                await feed.until("started")
            with refused(Code.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS_PER_CLIENT"):
                await client.follow(names[0]).until("started")
            await client.terminate(names[0])
            await feeds[0].finish()
            await client.follow(names[0]).finish()
            await client.create(SLEEP)
        assert_calm(daemon.log)


async def test_a_request_of_more_bytes_than_may_be_is_refused() -> None:
    with serving("--max-message", "1") as daemon:
        async with connected(daemon.address) as client:
            request = service_pb.CreateComputeSystemRequest(configuration_json=" " * (2 << 20))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await client.systems.CreateComputeSystem(request)
            assert caught.value.code() is Code.RESOURCE_EXHAUSTED
            assert "1048576" in (caught.value.details() or "")


async def test_the_record_of_a_system_is_kept_for_a_while() -> None:
    with serving("--exited-retention", "300ms") as daemon:
        async with connected(daemon.address) as client:
            systems = Systems(client)
            made = await systems.create(start=True)
            await systems.terminate(made.name)
            assert (await systems.wait(made.name)).state == STOPPED
            with anyio.fail_after(30), refused(Code.NOT_FOUND, "HCS_E_SYSTEM_NOT_FOUND"):
                while True:
                    await systems.get(made.name)


async def test_nothing_of_a_system_outlives_the_daemon() -> None:
    mark = uuid.uuid4().hex
    with serving(environment={MARK: mark}) as daemon:
        async with connected(daemon.address) as client:
            systems = Systems(client)
            for _ in range(3):
                made = await systems.create(start=True)
                process = await systems.run(made.name, STUBBORN)
                await client.follow(process.name).until_out(b"ready\n")
            await systems.create()
            assert len(marked(mark)) > 6
    assert marked(mark) == []
    assert_calm(daemon.log)


async def test_memory_that_nothing_can_start_with_is_refused_by_the_field(client: Client) -> None:
    configuration = document(Container={"Memory": {"SizeInMB": 1}})
    request = service_pb.CreateComputeSystemRequest(
        system_id="tiny", configuration_json=configuration, start=True
    )
    with refused(Code.INVALID_ARGUMENT, "E_INVALIDARG") as refusal:
        await client.systems.CreateComputeSystem(request)
    assert "Container.Memory.SizeInMB is 1" in refusal.value.message
    assert "the least is 4" in refusal.value.message
    with refused(Code.NOT_FOUND):
        await client.systems.GetComputeSystem(
            service_pb.GetComputeSystemRequest(name="systems/tiny")
        )


async def test_the_system_that_is_always_there_shows_that_nothing_limits_it(client: Client) -> None:
    request = service_pb.GetComputeSystemRequest(name=HOST)
    system = (await client.systems.GetComputeSystem(request)).system
    assert system.HasField("limits")
    assert system.limits.memory_bytes == 0
