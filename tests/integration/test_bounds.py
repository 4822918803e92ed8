"""What clients make large is bounded: what is kept of a request, pages, snapshots, messages."""

import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import grpc
import pytest

from hcsd.daemon.process import Process
from hcsd.daemon.settings import Limits
from hcsd.v1 import compute_system_service_pb2 as system_pb
from hcsd.v1 import event_service_pb2 as event_pb
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.conftest import assert_calm
from tests.integration.test_growth import running_inside
from tests.integration.test_systems import document
from tests.integration.wire import HOST, Client, connected, refused
from tests.support.daemon import Daemon, serving

Code = grpc.StatusCode

MIB = 1 << 20
RECORD_MEMORY = 8 * MIB
TRUE = pb.Argv(args=["true"])
SLEEP = pb.Argv(args=["sleep", "1000"])
# Of which four fit the memory for records, and three a page. The kernel takes 128 KiB for each text.
LARGE = pb.ProcessSpec(
    env=[pb.EnvironmentVariable(name=f"V{n}", value="x" * 100_000) for n in range(9)]
)
FIT = 4


@pytest.fixture(scope="module")
def small() -> Iterator[Daemon]:
    """A daemon with little memory for records."""
    with serving("--record-memory", str(RECORD_MEMORY // MIB)) as daemon:
        yield daemon
    assert_calm(daemon.log)


@pytest.fixture
async def client(small: Daemon) -> AsyncIterator[Client]:
    """A client with gRPC's default limit for messages, 4 MiB."""
    async with connected(small.address) as client:
        yield client
        await client.tidy()


async def pages(client: Client) -> list[list[str]]:
    """All processes, by page."""
    found = []
    request = service_pb.ListProcessesRequest(parent=HOST, page_size=1000)
    while True:
        response = await client.processes.ListProcesses(request)
        found.append([process.name for process in response.processes])
        if not response.next_page_token:
            return found
        request.page_token = response.next_page_token


def resident(pid: int) -> int:
    """Bytes of memory that a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * 4096


@pytest.mark.parametrize(
    ("labels", "limit"),
    [
        ({str(n): "" for n in range(65)}, "max_labels"),
        ({"k" * 129: ""}, "max_label_key_bytes"),
        ({"k": "é" * 2049}, "max_label_value_bytes"),
        ({str(n): "v" * 4000 for n in range(5)}, "max_labels_bytes"),
    ],
    ids=["number", "key", "value", "all"],
)
async def test_labels_that_are_too_large_are_refused_by_the_limit(
    client: Client, labels: dict[str, str], limit: str
) -> None:
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await client.create(TRUE, labels=labels)
    assert refusal.value.fields == ["labels"]
    assert f"'{limit}'" in refusal.value.message
    shown = (await client.get_host()).limits
    assert str(getattr(shown, limit)) in refusal.value.message


async def test_a_request_that_is_too_large_is_refused_by_the_limit(client: Client) -> None:
    spec = pb.ProcessSpec(env=[*LARGE.env, *LARGE.env])
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await client.create(TRUE, spec=spec)
    assert "'max_create_bytes'" in refusal.value.message
    request = system_pb.CreateComputeSystemRequest(configuration_json=document("o" * MIB))
    with refused(Code.INVALID_ARGUMENT, "INVALID_REQUEST") as refusal:
        await client.systems.CreateComputeSystem(request)
    assert refusal.value.fields == ["configuration_json"]


async def test_those_that_run_share_the_memory_and_pages_and_snapshots_stay_readable(
    client: Client,
) -> None:
    names = [(await client.create(SLEEP, spec=LARGE)).name for _ in range(FIT)]
    with refused(Code.RESOURCE_EXHAUSTED, "RECORD_MEMORY_EXHAUSTED") as refusal:
        await client.create(SLEEP, spec=LARGE)
    assert refusal.value.info.metadata["limit_bytes"] == str(RECORD_MEMORY)
    assert "--record-memory" in refusal.value.message
    found = await pages(client)
    assert len(found) > 1
    assert [name for page in found for name in page] == names
    watch = client.events.WatchEvents(event_pb.WatchEventsRequest(send_snapshot=True))
    told: list[str] = []
    async for message in watch:
        told += [process.name for process in message.snapshot.processes]
        if message.snapshot.complete:
            break
    watch.cancel()
    assert told == names
    await client.delete(names[0], force=True)
    await client.create(SLEEP, spec=LARGE)


@pytest.mark.slow
async def test_those_that_have_ended_are_forgotten_when_memory_is_short(
    small: Daemon, client: Client
) -> None:
    names = []
    before = resident(small.pid)
    for _ in range(100):
        made = await client.create(TRUE, spec=LARGE)
        await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
        names.append(made.name)
    assert [name for page in await pages(client) for name in page] == names[-FIT:]
    # Together they have 90 MB, which a message and a value of the daemon each hold.
    assert resident(small.pid) - before < 90 * MIB


async def test_systems_share_the_memory_for_records_too(client: Client) -> None:
    made: list[str] = []
    request = system_pb.CreateComputeSystemRequest(configuration_json=document("o" * 900_000))

    async def create() -> None:
        made.append((await client.systems.CreateComputeSystem(request)).system.name)

    with refused(Code.RESOURCE_EXHAUSTED, "RECORD_MEMORY_EXHAUSTED"):
        for _ in range(10):
            await create()
    listed = await client.systems.ListComputeSystems(system_pb.ListComputeSystemsRequest())
    assert len(listed.systems) == len(made) + 1  # with the host; what was refused is gone
    for name in made:
        end = system_pb.TerminateComputeSystemRequest(name=name)
        await client.systems.TerminateComputeSystem(end)
    # Those that have ended are forgotten for one that is new.
    again = (await client.systems.CreateComputeSystem(request)).system.name
    await client.systems.TerminateComputeSystem(system_pb.TerminateComputeSystemRequest(name=again))


async def test_what_is_forgotten_is_freed_at_once(tmp_path: Path) -> None:
    """Python looks for cycles after so many objects, whatever their size."""
    async with running_inside(tmp_path, Limits()) as (client, _):
        gc.collect()
        gc.disable()
        try:
            made = await client.create(TRUE)
            await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
            freed = anyio.Event()
            for item in gc.get_objects():
                if isinstance(item, Process):
                    weakref.finalize(item, freed.set)
            del item
            await client.delete(made.name)
            with anyio.fail_after(30):
                await freed.wait()
        finally:
            gc.enable()
