"""Readers that stop: who waits for whom, for how long, and what the others notice of it."""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import grpc
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.conftest import assert_calm
from tests.integration.test_output import BLOCK, DROP, PIPE, kept, random_file
from tests.integration.wire import (
    STDERR,
    STDOUT,
    Client,
    Feed,
    Output,
    at,
    connected,
    refused,
    sh,
    tail,
)
from tests.support.daemon import Daemon, serving

Code = grpc.StatusCode

MIB = 1 << 20
# More than gRPC takes ahead of a client that does not read.
MUCH = 40 * MIB
STALL_TIMEOUT = 1.5  # seconds; a busy machine may keep a reader waiting for much of one


@pytest.fixture(scope="module")
def impatient() -> Iterator[Daemon]:
    """A daemon that waits for a reader for less than a second."""
    with serving("--stall-timeout", f"{STALL_TIMEOUT}s") as daemon:
        yield daemon
    assert_calm(daemon.log)


@pytest.fixture
async def client(impatient: Daemon) -> AsyncIterator[Client]:
    async with connected(impatient.address) as client:
        yield client
        await client.tidy()


@contextlib.asynccontextmanager
async def stalled(daemon: Daemon, name: str) -> AsyncIterator[Feed]:
    """A reader that has begun and takes nothing, on a connection of its own."""
    async with connected(daemon.address) as other:
        reader = other.follow(name)
        await reader.until("started")
        yield reader
        reader.call.cancel()


async def take(feed: Feed, digest: "hashlib._Hash") -> Output:
    """Read to the end without keeping the bytes."""
    while not feed.output.ended:
        await feed.read()
        piece = feed.output.data.get(STDOUT, bytearray())
        digest.update(piece)
        piece.clear()
    return feed.output


async def digests(client: Client, name: str, readers: int) -> list[str]:
    """Read by so many readers at once."""
    found: list[str] = []

    async def read() -> None:
        digest = hashlib.sha256()
        await take(client.follow(name), digest)
        found.append(digest.hexdigest())

    async with anyio.create_task_group() as tasks:
        for _ in range(readers):
            tasks.start_soon(read)
    return found


async def test_a_process_that_blocks_goes_on_without_a_reader_that_stalls(
    client: Client, impatient: Daemon, tmp_path: Path
) -> None:
    expected = random_file(tmp_path / "random", MUCH)
    script = sh('read line; cat "$1"', str(tmp_path / "random"))
    spec = kept(MIB, BLOCK)
    spec.MergeFrom(PIPE)
    run = await client.run(script, spec=spec)
    await run.until("started")
    name = run.output.process.name
    async with stalled(impatient, name) as reader:
        async with anyio.create_task_group() as tasks:
            found: list[str] = []

            async def read() -> None:
                found.extend(await digests(client, name, 4))

            tasks.start_soon(read)
            while (await client.get(name)).stdout.readers < 6:
                pass
            await run.close_stdin()
            digest = hashlib.sha256()
            await take(run, digest)
        assert [*found, digest.hexdigest()] == [expected] * 5
        assert run.output.code == 0
        with refused(Code.ABORTED, "SUBSCRIBER_STALLED") as refusal:
            await reader.finish()
        metadata = refusal.value.info.metadata
        assert metadata["process"] == name
        assert metadata["stream"] == "stdout"
        # It has got all that was on its way to it, and knows where to go on.
        assert int(metadata["offset"]) == len(reader.output.stdout)
        assert "offset" in refusal.value.message
        content = (tmp_path / "random").read_bytes()
        assert content.startswith(reader.output.stdout)
        assert (await client.get(name)).stdout.readers == 0


async def test_the_only_reader_that_stalls_comes_back_and_has_lost_nothing(
    client: Client, impatient: Daemon, tmp_path: Path
) -> None:
    expected = random_file(tmp_path / "random", MUCH)
    made = await client.create(
        pb.Argv(args=["cat", str(tmp_path / "random")]), spec=kept(MIB, BLOCK)
    )
    digest = hashlib.sha256()
    async with stalled(impatient, made.name) as reader:
        with anyio.fail_after(30):
            while (await client.get(made.name)).stdout.readers:
                pass
        assert (await client.get(made.name)).state == pb.PROCESS_STATE_RUNNING
        with refused(Code.ABORTED, "SUBSCRIBER_STALLED"):
            await reader.finish()
        digest.update(reader.output.stdout)
        resumed = client.follow(made.name, at(STDOUT, len(reader.output.stdout)))
    output = await take(resumed, digest)
    assert digest.hexdigest() == expected
    assert output.code == 0


async def test_a_reader_that_stalls_and_leaves_is_forgotten(
    client: Client, impatient: Daemon
) -> None:
    made = await client.create(pb.Argv(args=["yes"]), spec=kept(MIB, BLOCK))
    for _ in range(2):
        async with stalled(impatient, made.name):
            with anyio.fail_after(30):
                while (await client.get(made.name)).stdout.readers:
                    pass
    reader = client.follow(made.name, tail(STDOUT, 1000))
    await reader.until("chunk")
    assert (await client.get(made.name)).stdout.readers == 1


async def test_a_run_that_stalls_ends_like_any_reader(
    client: Client, impatient: Daemon, tmp_path: Path
) -> None:
    expected = random_file(tmp_path / "random", MUCH)
    async with connected(impatient.address) as other:
        run = await other.run(
            pb.Argv(args=["cat", str(tmp_path / "random")]), spec=kept(MIB, BLOCK)
        )
        await run.until("started")
        name = run.output.process.name
        client.made.append(name)
        with anyio.fail_after(30):
            while (await client.get(name)).stdout.readers:
                pass
        with refused(Code.ABORTED, "SUBSCRIBER_STALLED"):
            await run.finish()
    digest = hashlib.sha256(run.output.stdout)
    await take(client.follow(name, at(STDOUT, len(run.output.stdout))), digest)
    assert digest.hexdigest() == expected


async def test_a_process_that_drops_and_its_readers_do_not_notice_one_that_stalls(
    client: Client, impatient: Daemon
) -> None:
    spec = kept(MIB, DROP)
    spec.MergeFrom(PIPE)
    made = await client.create(sh('read line; head -c "$1" /dev/zero', str(MUCH)), spec=spec)
    async with stalled(impatient, made.name) as reader:
        followers = [client.follow(made.name) for _ in range(4)]
        for follower in followers:
            await follower.until("started")
        await client.processes.ModifyProcess(
            service_pb.ModifyProcessRequest(
                name=made.name,
                close_handles=service_pb.CloseHandles(handles=[service_pb.STDIO_HANDLE_STDIN]),
            )
        )
        await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
        for follower in followers:
            assert _accounted(await follower.finish()) == MUCH
        await anyio.sleep(2 * STALL_TIMEOUT)  # it stands for longer than would end it elsewhere
        assert _accounted(await reader.finish()) == MUCH
        assert reader.output.gaps[STDOUT]


def _accounted(output: Output) -> int:
    return len(output.stdout) + sum(to - begin for begin, to in output.gaps[STDOUT])


async def test_a_reader_that_waits_for_a_silent_process_is_not_stalled(client: Client) -> None:
    run = await client.run(sh("read line; echo late"), spec=PIPE)
    await run.until("started")
    name = run.output.process.name
    reader = client.follow(name)
    await reader.until("started")
    await anyio.sleep(2 * STALL_TIMEOUT)
    await run.close_stdin()
    assert (await reader.finish()).stdout == b"late\n"
    assert (await run.finish()).stdout == b"late\n"


async def test_a_reader_may_stand_on_one_stream_while_the_process_writes_the_other(
    client: Client,
) -> None:
    """Who does not read stdout at all is no reader of it, and holds nobody up there."""
    made = await client.create(sh("head -c 5000000 /dev/zero; echo end >&2"), spec=kept(MIB, BLOCK))
    reader = client.follow(made.name, at(STDERR, 0))
    await reader.until("started")
    output = await client.read(made.name, at(STDOUT, 0))
    assert len(output.stdout) == 5_000_000
    assert (await reader.finish()).stderr == b"end\n"
