"""Memory for output: what is given out, what comes back, and what happens when there is no more."""

import uuid
from collections.abc import AsyncIterator

import anyio
import grpc
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.conftest import assert_calm
from tests.integration.test_output import DROP, kept
from tests.integration.wire import HOST, STDOUT, Client, at, code_of, connected, refused, sh
from tests.support.daemon import serving
from tests.support.readers import SMALL_WINDOW

Code = grpc.StatusCode

MIB = 1 << 20
SLEEP = pb.Argv(args=["sleep", "1000"])
LARGE = kept(4 * MIB, DROP)  # for each of two streams
WRITES_3_MIB = pb.Argv(args=["head", "-c", str(3 * MIB), "/dev/zero"])


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A client of a daemon with 16 MiB for output: room for two processes with large rings.

    What is on the way to it is less than a ring holds.
    """
    with serving("--ring-memory", "16") as daemon:
        async with connected(daemon.address, options=SMALL_WINDOW) as client:
            yield client
    assert_calm(daemon.log)


async def ended(client: Client, argv: pb.Argv) -> str:
    """A process that has come to its end, with its output."""
    made = await client.create(argv, spec=LARGE)
    await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    return made.name


async def test_a_process_whose_output_may_not_fit_is_refused(client: Client) -> None:
    first = await client.create(SLEEP, spec=LARGE)
    await client.create(SLEEP, spec=LARGE)
    request = service_pb.CreateProcessRequest(
        parent=HOST, spec=LARGE, process_id="third", request_id=str(uuid.uuid4())
    )
    request.spec.argv.CopyFrom(SLEEP)
    with refused(Code.RESOURCE_EXHAUSTED, "RING_MEMORY_EXHAUSTED"):
        await client.processes.CreateProcess(request)
    # Again: a refused one leaves nothing behind, its ids neither.
    with refused(Code.RESOURCE_EXHAUSTED, "RING_MEMORY_EXHAUSTED") as refusal:
        await client.processes.CreateProcess(request)
    metadata = refusal.value.info.metadata
    assert metadata["limit_bytes"] == str(16 * MIB)
    assert metadata["taken_bytes"] == str(16 * MIB)
    assert metadata["wanted_bytes"] == str(8 * MIB)
    assert "'output.ring_bytes'" in refusal.value.message
    assert "--ring-memory" in refusal.value.message
    assert await code_of(client.get(f"{HOST}/processes/third")) is Code.NOT_FOUND
    run = await client.run(SLEEP, spec=LARGE)
    with refused(Code.RESOURCE_EXHAUSTED, "RING_MEMORY_EXHAUSTED"):
        await run.read()
    await client.delete(first.name, force=True)
    assert not (await client.processes.CreateProcess(request)).replayed


async def test_a_process_that_has_ended_takes_what_its_output_takes(client: Client) -> None:
    names = [
        await ended(client, sh("echo a little")) for _ in range(20)
    ]  # 160 MiB, if it were not so
    await client.create(SLEEP, spec=LARGE)
    for name in names:
        assert (await client.read(name)).stdout == b"a little\n"


async def listed(client: Client) -> list[pb.Process]:
    request = service_pb.ListProcessesRequest(parent=HOST, page_size=1000)
    return list((await client.processes.ListProcesses(request)).processes)


async def test_output_of_ended_processes_goes_first_and_the_oldest_of_it(client: Client) -> None:
    old, young = [await ended(client, WRITES_3_MIB) for _ in range(2)]
    await client.create(SLEEP, spec=LARGE)  # 6 + 8 MiB: all fits
    assert len((await client.read(old)).stdout) == 3 * MIB
    await client.create(SLEEP, spec=kept(2 * MIB, DROP))
    output = await client.read(old)
    assert output.gaps[STDOUT] == [(0, 3 * MIB)]
    assert output.code == 0  # only its output is gone
    with refused(Code.OUT_OF_RANGE, "OUTPUT_EVICTED"):
        await client.read(old, gap_policy=pb.GAP_POLICY_FAIL)
    assert len((await client.read(young)).stdout) == 3 * MIB


async def test_output_that_somebody_reads_stays(client: Client) -> None:
    name = await ended(client, WRITES_3_MIB)
    reader = client.follow(name, at(STDOUT, 0), max_chunk_bytes=1000)
    await reader.until("chunk")
    await client.create(SLEEP, spec=LARGE)
    with refused(Code.RESOURCE_EXHAUSTED, "RING_MEMORY_EXHAUSTED"):
        await client.create(SLEEP, spec=LARGE)
    assert len((await reader.finish()).stdout) == 3 * MIB
    await client.create(SLEEP, spec=LARGE)


async def test_many_creates_that_are_refused_leave_nothing(client: Client) -> None:
    await client.create(SLEEP, spec=LARGE)
    await client.create(SLEEP, spec=LARGE)
    codes: list[Code] = []

    async def create() -> None:
        codes.append(await code_of(client.create(SLEEP, spec=LARGE)))

    async with anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(create)
    assert codes == [Code.RESOURCE_EXHAUSTED] * 200
    assert len(await listed(client)) == 2
