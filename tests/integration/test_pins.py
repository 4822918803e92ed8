"""Pinned processes: what they outlive, what ends them, and what they take meanwhile."""

from collections.abc import AsyncIterator

import anyio
import grpc
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.conftest import assert_calm
from tests.integration.wire import Client, code_of, connected, refused, sh
from tests.support.daemon import serving

Code = grpc.StatusCode
MIB = 1 << 20
PINNED = pb.ProcessOptions(pin=True)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A client of a daemon that keeps one exited process, for a moment, and 8 MiB of output."""
    options = ("--max-exited", "1", "--exited-retention", "0.2s", "--max-processes", "3")
    with serving(*options, "--ring-memory", "8") as daemon:
        async with connected(daemon.address) as client:
            yield client
    assert_calm(daemon.log)


WRITES = sh("head -c 1000000 /dev/zero; exit 3")


async def pinned(client: Client) -> str:
    """Run a process to its end that stays."""
    made = await client.create(WRITES, options=PINNED)
    await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    return made.name


async def forgotten(client: Client, name: str) -> None:
    with anyio.fail_after(30):
        while await code_of(client.get(name)) is Code.OK:
            await anyio.lowlevel.checkpoint()


async def test_a_pinned_process_stays_with_its_output_until_it_is_deleted(client: Client) -> None:
    names = [await pinned(client) for _ in range(4)]  # more than may run
    await forgotten(client, (await client.create(WRITES)).name)
    for name in names:
        found = await client.get(name)
        assert (found.exit.exit_code, found.options.pin) == (3, True)
        assert len((await client.read(name)).stdout) == 1_000_000
        await client.delete(name)
        with refused(Code.NOT_FOUND, "PROCESS_NOT_FOUND"):
            await client.get(name)


async def test_creates_are_refused_when_pinned_output_takes_all_memory(client: Client) -> None:
    names = []
    with refused(Code.RESOURCE_EXHAUSTED, "RING_MEMORY_EXHAUSTED"):
        for _ in range(20):
            names.append(await pinned(client))  # noqa: PERF401  (those before the refusal count)
    assert len(names) > 1
    for name in names:
        assert len((await client.read(name)).stdout) == 1_000_000
    await client.delete(names[0])
    await client.create(WRITES)
