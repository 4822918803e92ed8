"""What every daemon has: health, reflection, request ids, systems to look at, a word about itself."""

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from hcsd.v1 import (
    compute_system_pb2,
)
from hcsd.v1 import (
    compute_system_service_pb2 as system_pb,
)
from hcsd.v1 import (
    event_service_pb2 as event_pb,
)
from hcsd.v1 import (
    host_service_pb2 as host_pb,
)
from hcsd.v1 import (
    process_pb2 as pb,
)
from hcsd.v1 import (
    process_service_pb2 as service_pb,
)
from hcsd.version import __version__
from tests.integration.wire import HOST, REQUEST_ID, Client, refused, sh
from tests.support.daemon import Daemon

Code = grpc.StatusCode
SERVING = health_pb2.HealthCheckResponse.SERVING

SERVICES = {
    service.full_name
    for module in (service_pb, system_pb, event_pb, host_pb)
    for service in module.DESCRIPTOR.services_by_name.values()
}


@pytest.mark.parametrize("service", ["", *sorted(SERVICES)])
async def test_every_service_is_healthy(client: Client, service: str) -> None:
    assert (await client.check(service)).status == SERVING
    watch = client.watch(service)
    event = await watch.read()
    assert isinstance(event, health_pb2.HealthCheckResponse)
    assert event.status == SERVING
    watch.cancel()


async def test_the_health_of_all_services_is_listed(client: Client) -> None:
    assert await client.list_health() == dict.fromkeys(["", *SERVICES], SERVING)


async def test_the_health_of_nothing_is_not_found(client: Client) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await client.check("hcsd.v1.Nonsense")
    assert error.value.code() is Code.NOT_FOUND
    assert dict(error.value.trailing_metadata()).get(REQUEST_ID)


async def test_reflection_knows_every_service_and_its_messages(client: Client) -> None:
    requests = [reflection_pb2.ServerReflectionRequest(list_services="")]
    requests += [
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=service)
        for service in sorted(SERVICES)
    ]
    requests.append(reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.such"))
    listed, *files, unknown = [response async for response in client.reflect(*requests)]
    names = {service.name for service in listed.list_services_response.service}
    assert names >= {*SERVICES, "grpc.health.v1.Health"}
    assert len(files) == len(SERVICES)
    for response in files:
        protos = [
            FileDescriptorProto.FromString(file)
            for file in response.file_descriptor_response.file_descriptor_proto
        ]
        assert "hcsd.v1" in {proto.package for proto in protos}
    assert unknown.error_response.error_code == Code.NOT_FOUND.value[0]


@pytest.mark.parametrize("version", ["v1alpha", "v1"])
async def test_reflection_finds_what_tools_ask_for_by_name(client: Client, version: str) -> None:
    symbols = {
        "hcsd.v1.ProcessService.RunProcess": "hcsd/v1/process_service.proto",
        "hcsd.v1.ProcessService": "hcsd/v1/process_service.proto",
        "hcsd.v1.RunProcessRequest": "hcsd/v1/process_service.proto",
        "hcsd.v1.Process.labels": "hcsd/v1/process.proto",
        "hcsd.v1.Process.LabelsEntry": "hcsd/v1/process.proto",
        "hcsd.v1.OutputStream": "hcsd/v1/process.proto",
        "hcsd.v1.OUTPUT_STREAM_STDOUT": "hcsd/v1/process.proto",
        "grpc.health.v1.Health.Check": "grpc_health/v1/health.proto",
        "grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo": (
            "grpc_reflection/v1alpha/reflection.proto"
        ),
        "grpc.reflection.v1.ServerReflection.ServerReflectionInfo": (
            "grpc/reflection/v1/reflection.proto"
        ),
    }
    unknown = ["hcsd.v1.ProcessService.Nonsense", "hcsd.v1", "nonsense", ""]
    requests = [
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
        for symbol in (*symbols, *unknown)
    ]
    last = reflection_pb2.ServerReflectionRequest(list_services="")
    call = client.reflect(*requests, last, version=version)
    *answers, listed = [response async for response in call]
    for (symbol, file), answer in zip(symbols.items(), answers, strict=False):
        files = answer.file_descriptor_response.file_descriptor_proto
        protos = [FileDescriptorProto.FromString(each) for each in files]
        assert protos[0].name == file, symbol
        assert {proto.name for proto in protos} >= {
            needed for proto in protos for needed in proto.dependency
        }
    for answer in answers[len(symbols) :]:
        assert answer.error_response.error_code == Code.NOT_FOUND.value[0]
    assert {service.name for service in listed.list_services_response.service} == {
        *SERVICES,
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }


async def test_every_answer_has_a_request_id_of_its_own(client: Client) -> None:
    ids = []
    for _ in range(2):
        call = client.hosts.GetHost(host_pb.GetHostRequest())
        await call
        ids.append(dict(await call.trailing_metadata()).get(REQUEST_ID))
    made = await client.create(sh("exit 0"))
    feed = client.follow(made.name)
    await feed.finish()
    ids.append(dict(await feed.call.trailing_metadata()).get(REQUEST_ID))
    run = await client.run(sh("exit 0"))
    await run.finish()
    ids.append(dict(await run.call.trailing_metadata()).get(REQUEST_ID))
    for _ in range(2):
        with refused(Code.NOT_FOUND) as refusal:
            await client.get(f"{HOST}/processes/nobody")
        ids.append(refusal.value.trailers.get(REQUEST_ID))
    with refused(Code.INVALID_ARGUMENT) as refusal:
        await client.follow("nonsense").read()
    ids.append(refusal.value.trailers.get(REQUEST_ID))
    assert all(ids)
    assert len(set(ids)) == len(ids)


async def test_the_daemon_tells_about_itself(client: Client, daemon: Daemon) -> None:
    host = await client.hosts.GetHost(host_pb.GetHostRequest())
    assert host.version == __version__
    assert (host.engine, host.guest_os) == ("embedded", "linux")
    assert host.schema_versions
    assert host.start_time.ToNanoseconds()
    assert host.restore_count == 0
    assert 0 < host.state_create_time.ToNanoseconds() <= host.start_time.ToNanoseconds()
    assert not host.HasField("restore_time")
    limits = host.limits
    assert limits.default_chunk_bytes == 64 * 1024
    assert limits.max_chunk_bytes == 1024 * 1024
    assert limits.default_ring_bytes == 1024 * 1024
    assert limits.default_drain_timeout.ToSeconds() == 5
    assert limits.max_exited_processes == 4096
    assert limits.exited_process_retention.ToSeconds() == 15 * 60
    assert limits.max_page_size == 1000
    assert limits.stall_timeout.ToSeconds() == 60
    assert limits.ring_memory_bytes > 0
    again = await client.hosts.GetHost(host_pb.GetHostRequest())
    assert again == host
    made = await client.create(sh("exit 0"))
    assert made.incarnation == host.incarnation


async def test_the_one_system_is_there_and_runs(client: Client) -> None:
    listed = await client.systems.ListComputeSystems(system_pb.ListComputeSystemsRequest())
    (system,) = listed.systems
    assert (system.name, system.system_id) == (HOST, "host")
    assert system.state == compute_system_pb2.COMPUTE_SYSTEM_STATE_RUNNING
    assert system.system_type == compute_system_pb2.COMPUTE_SYSTEM_TYPE_CONTAINER
    assert system.capabilities.signals
    assert system.capabilities.console
    assert system.capabilities.guest_os == "linux"
    got = await client.systems.GetComputeSystem(system_pb.GetComputeSystemRequest(name=HOST))
    assert got.system == system


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        (system_pb.ListComputeSystemsRequest(ids=["host"]), True),
        (system_pb.ListComputeSystemsRequest(ids=["other", "host"]), True),
        (system_pb.ListComputeSystemsRequest(ids=["other"]), False),
        (system_pb.ListComputeSystemsRequest(owners=["hcsd"]), True),
        (system_pb.ListComputeSystemsRequest(owners=["nobody"]), False),
        (system_pb.ListComputeSystemsRequest(names=["nothing"]), False),
        (
            system_pb.ListComputeSystemsRequest(
                types=[compute_system_pb2.COMPUTE_SYSTEM_TYPE_VIRTUAL_MACHINE]
            ),
            False,
        ),
        (system_pb.ListComputeSystemsRequest(page_size=1), True),
    ],
    ids=["id", "ids", "other id", "owner", "other owner", "name", "type", "page"],
)
async def test_a_list_of_systems_is_filtered(
    client: Client, request_: system_pb.ListComputeSystemsRequest, found: bool
) -> None:
    response = await client.systems.ListComputeSystems(request_)
    assert [system.system_id for system in response.systems] == (["host"] if found else [])
    assert not response.next_page_token


async def test_capabilities_do_not_promise_what_is_not_served(client: Client) -> None:
    got = await client.systems.GetComputeSystem(system_pb.GetComputeSystemRequest(name=HOST))
    capabilities = got.system.capabilities
    if not capabilities.open_by_pid:
        return
    made = await client.create(pb.Argv(args=["sleep", "1000"]))
    request = service_pb.OpenProcessRequest(parent=HOST, pid=made.pid)
    await client.processes.OpenProcess(request)
