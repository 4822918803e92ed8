"""A daemon that works all day is as small in the evening as it was in the morning."""

import contextlib
import gc
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import anyio
import grpc
import pytest

from hcsd.daemon.process import Process
from hcsd.daemon.settings import Limits
from hcsd.embedded.provider import EmbeddedProvider
from hcsd.hcs.callbacks import REGISTRY
from hcsd.hcs.host import Host
from hcsd.listen.unix_socket import UnixListener
from hcsd.rpc.server import Server
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.wire import HOST, STDOUT, Client, connected, refused, sh
from tests.support.census import eventually, until
from tests.support.daemon import Daemon
from tests.support.engines import embedded_provider

PIPE = pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE)
TRUE = pb.Argv(args=["true"])


class Size(NamedTuple):
    """What a daemon holds of the operating system, in its own process and in the keeper's."""

    descriptors: int
    threads: int
    children: int
    keeper_descriptors: int
    grandchildren: int

    @classmethod
    def of(cls, daemon: Daemon) -> "Size":
        (keeper,) = children = _children(daemon.pid)
        return cls(
            len(os.listdir(f"/proc/{daemon.pid}/fd")),
            len(os.listdir(f"/proc/{daemon.pid}/task")),
            len(children),
            len(os.listdir(f"/proc/{keeper}/fd")),
            len(_children(keeper)),  # zombies count
        )


def _children(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text(encoding="ascii").split()
    ]


def pipes_of_keeper(daemon: Daemon) -> int:
    (keeper,) = _children(daemon.pid)
    count = 0
    for fd in Path(f"/proc/{keeper}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(fd).startswith("pipe:")
    return count


async def once(client: Client) -> None:
    """One process with everything: stdin, both outputs, a console now and then."""
    run = await client.run(sh("cat; echo err >&2; exit 3"), spec=PIPE)
    await run.stdin(b"data")
    await run.close_stdin()
    output = await run.finish()
    assert (output.stdout, output.stderr, output.code) == (b"data", b"err\n", 3)
    await client.delete(output.process.name)


async def in_a_row(client: Client, count: int) -> None:
    for _ in range(count):
        output = await (await client.run(TRUE)).finish()
        assert output.code == 0
        await client.delete(output.process.name)


async def many(client: Client, count: int, at_once: int) -> None:
    left = count

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await once(client)

    async with anyio.create_task_group() as tasks:
        for _ in range(at_once):
            tasks.start_soon(worker)


@contextlib.asynccontextmanager
async def same_size(daemon: Daemon, client: Client) -> AsyncIterator[None]:
    """What the block does leaves the daemon as it was."""
    idle = pipes_of_keeper(daemon)
    await many(client, 10, 5)  # what is made once and kept: threads of pools, the connection
    # It lets go of the pipes of a process a moment after that was deleted.
    until(lambda: pipes_of_keeper(daemon) <= idle, "the keeper holds no pipes any more")
    before = Size.of(daemon)
    yield
    until(lambda: Size.of(daemon) == before, f"as small as {before}, but {Size.of(daemon)}")


async def test_an_idle_daemon_has_one_child_and_few_threads(own_daemon: Daemon) -> None:
    size = Size.of(own_daemon)
    assert (size.children, size.grandchildren) == (1, 0)
    assert size.threads < 20


async def test_processes_one_after_another_leave_nothing(
    own_daemon: Daemon, own_client: Client
) -> None:
    async with same_size(own_daemon, own_client):
        await in_a_row(own_client, 100)


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_thousand_processes_one_after_another_leave_nothing(
    own_daemon: Daemon, own_client: Client
) -> None:
    async with same_size(own_daemon, own_client):
        await in_a_row(own_client, 1000)


@pytest.mark.slow
async def test_two_hundred_processes_at_once_leave_nothing_and_cost_no_threads(
    own_daemon: Daemon, own_client: Client
) -> None:
    async with same_size(own_daemon, own_client):
        threads = Size.of(own_daemon).threads
        runs = [await own_client.run(sh("cat"), spec=PIPE) for _ in range(200)]
        for run in runs:
            await run.until("started")
        assert Size.of(own_daemon).grandchildren == 200
        assert Size.of(own_daemon).threads == threads
        for run in runs:
            await run.close_stdin()
            await own_client.delete((await run.finish()).process.name)


async def test_mistakes_and_departures_leave_nothing(
    own_daemon: Daemon, own_client: Client
) -> None:
    client = own_client
    async with same_size(own_daemon, own_client):
        for _ in range(10):
            with refused(grpc.StatusCode.NOT_FOUND):
                await client.create(pb.Argv(args=["no-such-program"]), spec=PIPE)
            with refused(grpc.StatusCode.INVALID_ARGUMENT):
                await client.create(TRUE, spec=pb.ProcessSpec(working_directory="/nowhere"))
            with refused(grpc.StatusCode.INVALID_ARGUMENT):
                await client.processes.CreateProcess(
                    service_pb.CreateProcessRequest(parent=HOST, parameters_json="{")
                )
            console = pb.ProcessSpec(console=pb.Console(columns=80, rows=25))
            run = await client.run(pb.Argv(args=["sleep", "1000"]), spec=console)
            await run.until("started")
            run.call.cancel()
            await client.delete(run.output.process.name, force=True)
            made = await client.create(sh("sleep 1000 & exit 0"))
            await client.wait(made.name)
            await client.delete(made.name)
            killer = await client.create(sh(f"kill -KILL -{made.pid}"))
            await client.wait(killer.name)
            await client.delete(killer.name)


# --- the same from inside, where the engine counts what it has given out ---


class Inside(NamedTuple):
    """A daemon in this process."""

    client: Client
    provider: EmbeddedProvider


@contextlib.asynccontextmanager
async def running_inside(directory: Path, limits: Limits) -> AsyncIterator[Inside]:
    """Run a daemon in this process; at the end the engine must have everything back."""
    provider = embedded_provider()
    listener = UnixListener(directory / "inside.sock")
    service = Server(Host(provider), [listener], None, limits)
    ready = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(service.run, lambda _addresses: ready.set())
        await ready.wait()
        async with connected(listener.address) as client:
            yield Inside(client, provider)
        service.stop()
    await eventually(lambda: not any(provider.live().values()), "the engine has everything back")


def served() -> int:
    """How many processes the service remembers, by whatever way."""
    gc.collect()
    return sum(isinstance(item, Process) for item in gc.get_objects())


async def test_the_engine_gets_every_handle_and_string_back(tmp_path: Path) -> None:
    registered = len(REGISTRY)
    async with running_inside(tmp_path, Limits()) as (client, provider):
        await once(client)
        before = provider.live()
        await many(client, 50, 10)
        for _ in range(10):
            with refused(grpc.StatusCode.NOT_FOUND):
                await client.create(pb.Argv(args=["no-such-program"]))
        await eventually(lambda: provider.live() == before, "no more than before is live")
        run = await client.run(pb.Argv(args=["sleep", "1000"]))
        await run.until("started")
        assert provider.live()["processes"] == before["processes"] + 1
    await eventually(lambda: len(REGISTRY) == registered, "no handler is left")


async def test_nothing_remembers_a_deleted_process(tmp_path: Path) -> None:
    async with running_inside(tmp_path, Limits()) as (client, _):
        await many(client, 20, 5)
        request = service_pb.CreateProcessRequest(
            parent=HOST,
            spec=pb.ProcessSpec(argv=TRUE),
            request_id="6a3a0b5c-2b44-4a5b-9a05-0d5ea0c0a002",
        )
        made = (await client.processes.CreateProcess(request)).process
        await client.wait(made.name)
        await client.delete(made.name)
        assert served() == 0


async def test_exited_processes_are_kept_up_to_a_number_oldest_first_out(tmp_path: Path) -> None:
    async with running_inside(tmp_path, Limits(max_exited=4)) as (client, _):
        alive = await client.create(pb.Argv(args=["sleep", "1000"]))
        names = [alive.name]

        async def create(count: int) -> None:
            for _ in range(count):
                made = await client.create(TRUE)
                await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
                names.append(made.name)

        async def listed() -> list[str]:
            request = service_pb.ListProcessesRequest(parent=HOST)
            response = await client.processes.ListProcesses(request)
            return [process.name for process in response.processes]

        await create(3)
        for _ in range(10):  # those that were deleted do not count
            await once(client)
        assert await listed() == names
        await create(3)
        assert await listed() == [alive.name, *names[-4:]]


async def test_an_exited_process_that_somebody_reads_is_not_forgotten_for_others(
    tmp_path: Path,
) -> None:
    async with running_inside(tmp_path, Limits(max_exited=1)) as (client, _):
        large = pb.ProcessSpec(output=pb.OutputOptions(ring_bytes=8_000_000))
        argv = pb.Argv(args=["head", "-c", "8000000", "/dev/zero"])
        read = await client.create(argv, spec=large)
        reader = client.follow(read.name, max_chunk_bytes=10_000)
        await reader.until("started")
        await client.wait(read.name)
        for _ in range(3):
            await once(client)
            made = await client.create(TRUE)
            await client.wait(made.name)
        assert len((await reader.finish()).stdout) == 8_000_000
        made = await client.create(TRUE)
        await client.wait(made.name)
        with refused(grpc.StatusCode.NOT_FOUND):
            await client.get(read.name)


async def test_an_engine_that_knows_no_descendants_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EmbeddedProvider, "kills_trees", False)
    async with running_inside(tmp_path, Limits()) as (client, _):
        made = await client.create(pb.Argv(args=["sleep", "1000"]))
        with refused(grpc.StatusCode.UNIMPLEMENTED, "TREE_NOT_SUPPORTED"):
            await client.terminate(made.name, scope=service_pb.TERMINATE_SCOPE_TREE)
        assert (await client.get(made.name)).state == pb.PROCESS_STATE_RUNNING
        assert (await client.terminate(made.name)).exit.exit_code == 137


async def test_a_descendant_that_never_stops_writing_is_given_up_even_if_its_reader_is_slow(
    tmp_path: Path,
) -> None:
    async with running_inside(tmp_path, Limits(max_drain_time=0.5)) as (client, _):
        spec = pb.ProcessSpec(
            output=pb.OutputOptions(ring_bytes=100_000), stdin_mode=pb.STDIN_MODE_PIPE
        )
        run = await client.run(sh("echo own; yes & read _; exit 0"), spec=spec)
        while len(run.output.data.get(STDOUT, b"")) < 3_000_000:
            await run.read()
        await run.close_stdin()
        name = run.output.process.name
        process = await client.wait(name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)  # it reads no more
        assert not process.exit.output_complete
        output = await run.finish()
        assert output.stdout.startswith(b"own\ny\n")
        assert output.eofs[STDOUT].forced


async def test_exited_processes_are_kept_for_a_time(tmp_path: Path) -> None:
    async with running_inside(tmp_path, Limits(exited_retention=0.3)) as (client, _):
        blocked = pb.ProcessSpec(
            output=pb.OutputOptions(ring_bytes=1000, overflow=pb.OVERFLOW_POLICY_BLOCK)
        )
        made = [
            await client.create(TRUE),
            # Its output does not end: what it has left behind goes on writing.
            await client.create(sh("yes & exit 0"), spec=blocked),
        ]
        alive = await client.create(pb.Argv(args=["sleep", "1000"]))
        for process in made:
            await client.wait(process.name)
        with anyio.fail_after(30):
            while True:
                request = service_pb.ListProcessesRequest(parent=HOST)
                listed = (await client.processes.ListProcesses(request)).processes
                if [process.name for process in listed] == [alive.name]:
                    break
