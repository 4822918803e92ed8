"""Clients that pause for longer than the daemon waits for them, and then go on."""

import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from hcsd_client import Client, NotFoundError, Run
from tests.integration.conftest import assert_calm
from tests.support.daemon import Daemon, serving

MIB = 1 << 20
MUCH = 8 * MIB  # more than a ring, and all that is on its way to a client
HCSD = (sys.executable, "-m", "hcsd")
# Writes much before it reads what is sent to it meanwhile, more than a pipe holds.
ECHO_LATE = 'head -c "$1" /dev/zero; cat; exit 7'
INTERRUPTED = ["sh", "-c", 'trap "exit 5" INT; head -c "$1" /dev/zero & wait', "sh"]
PIPE = pb.STDIN_MODE_PIPE


@pytest.fixture(scope="module")
def impatient() -> Iterator[Daemon]:
    """A daemon that waits for a reader for a moment only."""
    with serving("--stall-timeout", "300ms") as daemon:
        yield daemon
    assert_calm(daemon.log)


@pytest.fixture
async def client(impatient: Daemon) -> AsyncIterator[Client]:
    async with Client(impatient.address) as client:
        yield client


async def until_stalled(client: Client, name: str) -> None:
    """Wait until the only reader of a process has been ended."""
    while (await client.get_process(name)).stdout.readers:
        pass


def random_bytes(size: int) -> bytes:
    return random.Random(size).randbytes(size)  # noqa: S311  (repeatable)


@contextlib.asynccontextmanager
async def command(
    daemon: Daemon, *arguments: str, stdin: int = subprocess.DEVNULL
) -> AsyncIterator[anyio.abc.Process]:
    """Run a client command whose output is a pipe that nobody reads yet."""
    async with await anyio.open_process(
        [*HCSD, *arguments], stdin=stdin, env=os.environ | {"HCSD_ADDRESS": daemon.address}
    ) as process:
        yield process


async def first(process: anyio.abc.Process, size: int = 4096) -> bytes:
    assert process.stdout is not None
    return await process.stdout.receive(size)


async def rest(process: anyio.abc.Process) -> bytes:
    assert process.stdout is not None
    return b"".join([data async for data in process.stdout])


async def errors(process: anyio.abc.Process) -> bytes:
    assert process.stderr is not None
    return b"".join([data async for data in process.stderr])


async def drain(run: Run) -> None:
    async for event in run:
        assert event.WhichOneof("event") == "chunk"


async def test_an_output_goes_on_after_a_pause(client: Client) -> None:
    async with client.run(["head", "-c", str(MUCH), "/dev/zero"]) as process:
        got = len(await process.stdout.receive())
        await until_stalled(client, process.name)
        got += len(await process.stdout.receive())
        await until_stalled(client, process.name)
        assert got + len(await process.stdout.read()) == MUCH
        assert (await process.wait()).exit_code == 0


async def test_a_run_goes_on_after_a_pause_in_both_directions(client: Client) -> None:
    data = random_bytes(MIB)
    argv = pb.Argv(args=["sh", "-c", ECHO_LATE, "sh", str(MUCH)])
    spec = pb.ProcessSpec(argv=argv, stdin_mode=PIPE)
    got = bytearray()
    kinds: list[str | None] = []
    async with client.run_process(spec) as run, anyio.create_task_group() as tasks:

        async def write() -> None:
            await run.write_stdin(data)
            await run.close_stdin()

        name, pauses, chunks = "", 0, 0
        async for event in run:
            kind = event.WhichOneof("event")
            if kind != "chunk":
                kinds += [kind] if kind != "stdin_accepted" else []
                if kind == "started":
                    name = event.started.process.name
                    tasks.start_soon(write)
                continue
            chunks += 1
            assert event.chunk.sequence == chunks
            assert event.chunk.offset == len(got)
            got += event.chunk.data
            if len(got) > (pauses + 1) * 2 * MIB and pauses < 3:
                pauses += 1
                await until_stalled(client, name)
    assert got == bytes(MUCH) + data
    assert pauses == 3
    assert sorted(map(str, kinds)) == ["end", "eof", "eof", "exit", "started"]
    assert kinds[-1] == "end"


async def test_a_pager_left_alone_loses_nothing(
    client: Client, impatient: Daemon, tmp_path: Path
) -> None:
    data = random_bytes(MIB)
    (tmp_path / "data").write_bytes(data)
    with (tmp_path / "data").open("rb") as file:
        arguments = ("run", "-i", "--name", "paged", "--", "sh", "-c", ECHO_LATE, "sh", str(MUCH))
        async with command(impatient, *arguments, stdin=file.fileno()) as process:
            got = await first(process)
            await until_stalled(client, "systems/host/processes/paged")
            assert got + await rest(process) == bytes(MUCH) + data
            assert await errors(process) == b""
            assert await process.wait() == 7


async def test_a_log_that_is_paged_loses_nothing(client: Client, impatient: Daemon) -> None:
    spec = pb.ProcessSpec(argv=pb.Argv(args=["head", "-c", str(MUCH), "/dev/zero"]))
    spec.output.overflow = pb.OVERFLOW_POLICY_BLOCK
    made = await client.create(spec)
    async with command(impatient, "logs", "-f", made.name) as process:
        got = await first(process)
        await until_stalled(client, made.name)
        assert len(got + await rest(process)) == MUCH
        assert await errors(process) == b""
        assert await process.wait() == 0


async def test_an_interrupt_reaches_the_process_whose_pager_pauses(
    client: Client, impatient: Daemon
) -> None:
    name = "systems/host/processes/interrupted"
    arguments = ("run", "-i", "--name", "interrupted", "--", *INTERRUPTED, str(MUCH))
    async with command(impatient, *arguments, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        got = await first(process)
        await process.stdin.send(b"x")
        while not (await client.get_process(name)).stdin.readers:
            pass
        # Until the call is over. Read fast, the process would come to its end before that.
        while (await client.get_process(name)).stdin.readers:
            got += await first(process, 512)
        process.send_signal(signal.SIGINT)
        assert (await client.wait_process(name)).process.exit.exit_code == 5  # still paused
        assert len(got + await rest(process)) == MUCH
        assert await errors(process) == b""
        assert await process.wait() == 5


async def test_a_run_that_goes_on_does_not_reach_another_process_of_the_name(
    client: Client,
) -> None:
    argv = ["head", "-c", str(MUCH), "/dev/zero"]
    async with client.run_process(argv, process_id="twice") as run:
        name = (await anext(run)).started.process.name
        await until_stalled(client, name)
        await client.delete_process(name, force=True)
        await client.create_process(argv, process_id="twice")
        await client.wait_process(name, wait_for=service_pb.WAIT_FOR_OUTPUT_COMPLETE)
        with pytest.raises(NotFoundError, match="was deleted"):
            await drain(run)
