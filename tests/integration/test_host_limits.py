"""At every limit of the host: what needs more is refused by the limit's name, and all else goes on."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anyio
import anyio.to_thread
import grpc
import pytest

from hcsd.v1 import compute_system_service_pb2 as system_pb
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.conftest import assert_calm
from tests.integration.wire import HOST, Client, connected, refused, sh
from tests.support.bounded import (
    FORK_SUPPORT,
    TERMINALS,
    Bounded,
    bounded,
    no_descriptors,
    no_groups,
    no_memory,
    no_processes,
)
from tests.support.census import descriptors_of, is_running, until
from tests.support.daemon import FORGETFUL, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

Code = grpc.StatusCode
MIB = 1 << 20
CONTAINER = '{"Owner": "tests", "SchemaVersion": {"Major": 2, "Minor": 1}, "Container": {}}'
PIPE = pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE)
CONSOLE = pb.ProcessSpec(console=pb.Console(columns=70, rows=20))
# It tells the pid of a process that it has started, then echoes.
PARENT = sh("sleep 1000 & echo $!; exec cat")


class Scene:
    """The daemon, and what runs in it before it comes to a limit.

    Attributes:
        host: The daemon with its limits.
        client: A client of it.
        parent: A process that echoes what it reads.
        child: Pid of what that has started.
        keeper: Pid of the keeper.
    """

    def __init__(self, host: Bounded, client: Client, parent: str, pid: int, child: int) -> None:
        self.host = host
        self.client = client
        self.parent = parent
        self.child = child
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        self.keeper = int(next(line for line in status if line.startswith("PPid:")).split()[1])


@pytest.fixture(scope="module")
def host() -> Iterator[Bounded]:
    with bounded() as host:
        yield host
    assert_calm(host.daemon.log)


class Connected(NamedTuple):
    """A client of the daemon.

    Attributes:
        client: It.
        descriptors: How many the daemon has while the client has nothing in it.
    """

    client: Client
    descriptors: int


@pytest.fixture(scope="module")
async def guest(host: Bounded) -> AsyncIterator[Connected]:
    """One for all tests: the daemon may close the connection of one who has gone at any time later."""
    async with connected(host.daemon.address) as client:
        await client.get_host()
        yield Connected(client, descriptors_of(host.daemon.pid))


@pytest.fixture
async def scene(host: Bounded, guest: Connected) -> AsyncIterator[Scene]:
    client, idle = guest
    # Else one that is counted as used might be free a moment later.
    until(lambda: descriptors_of(host.daemon.pid) <= idle, "the daemon has let go of all")
    parent = await client.create(PARENT, spec=PIPE)
    output = await client.follow(parent.name).until_out(b"\n")
    yield Scene(host, client, parent.name, parent.pid, int(output.stdout))
    await client.tidy()


async def run(scene: Scene, spec: pb.ProcessSpec) -> None:
    process = await scene.client.create(sh("exit 0"), spec=spec)
    await scene.client.wait(process.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)


async def create(scene: Scene) -> None:
    await run(scene, PIPE)


async def create_with_console(scene: Scene) -> None:
    await run(scene, CONSOLE)


async def create_system(scene: Scene) -> None:
    stub = scene.client.systems
    request = system_pb.CreateComputeSystemRequest(configuration_json=CONTAINER, start=True)
    system = (await stub.CreateComputeSystem(request)).system
    await stub.TerminateComputeSystem(system_pb.TerminateComputeSystemRequest(name=system.name))


async def open_child(scene: Scene) -> None:
    request = service_pb.OpenProcessRequest(parent=HOST, pid=scene.child)
    process = (await scene.client.processes.OpenProcess(request)).process
    assert process.state == pb.PROCESS_STATE_RUNNING
    await scene.client.processes.DeleteProcess(
        service_pb.DeleteProcessRequest(name=process.name, force=True)
    )


async def list_processes(scene: Scene) -> None:
    request = system_pb.GetComputeSystemPropertiesRequest(name=HOST, property_types=["ProcessList"])
    await scene.client.systems.GetComputeSystemProperties(request)


@contextlib.asynccontextmanager
async def at_processes(scene: Scene) -> AsyncIterator[None]:
    if scene.host.pids_group is None:
        pytest.skip("this host lets the test limit no processes")
    with no_processes(scene.host.pids_group):
        yield


@contextlib.asynccontextmanager
async def at_daemon_descriptors(scene: Scene) -> AsyncIterator[None]:
    with no_descriptors(scene.host.daemon.pid):
        yield


@contextlib.asynccontextmanager
async def without_daemon_descriptors(scene: Scene) -> AsyncIterator[None]:
    with no_descriptors(scene.host.daemon.pid, at_all=True):
        yield


@contextlib.asynccontextmanager
async def at_keeper_descriptors(scene: Scene) -> AsyncIterator[None]:
    with no_descriptors(scene.keeper):
        yield


def terminals_of(pid: int) -> list[str]:
    """Return the masters of pseudo terminals that a process holds."""
    links = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(fd))
    return [link for link in links if link.endswith("ptmx")]


@contextlib.asynccontextmanager
async def at_terminals(scene: Scene) -> AsyncIterator[None]:
    if not scene.host.has_terminals:
        pytest.skip("this host lets the test have no pseudo terminals of its own")
    names = [
        (await scene.client.create(sh("sleep 1000"), spec=CONSOLE)).name for _ in range(TERMINALS)
    ]
    yield
    for name in names:
        await scene.client.terminate(name)
        await scene.client.wait(name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    # It holds them for the next daemon until it hears that they were read to the end.
    until(lambda: not terminals_of(scene.keeper), "the keeper has let go of the terminals")


@contextlib.asynccontextmanager
async def at_control_groups(scene: Scene) -> AsyncIterator[None]:
    if scene.host.main_group is None:
        pytest.skip("this host lets the test limit no control groups")
    with no_groups(scene.host.main_group):
        yield


class Case(NamedTuple):
    """A limit, and a call that needs more.

    Attributes:
        name: Of the limit, as the error has it.
        reach: Brings the daemon to the limit, and lifts it.
        call: What needs more than there is.
    """

    name: str
    reach: Callable[[Scene], contextlib.AbstractAsyncContextManager[None]]
    call: Callable[[Scene], Awaitable[None]]


CASES = (
    Case("processes", at_processes, create),
    Case("processes", at_processes, create_system),
    Case("daemon_descriptors", at_daemon_descriptors, create),
    Case("daemon_descriptors", at_daemon_descriptors, create_system),
    Case("daemon_descriptors", at_daemon_descriptors, open_child),
    Case("daemon_descriptors", without_daemon_descriptors, create),
    Case("daemon_descriptors", without_daemon_descriptors, create_system),
    Case("daemon_descriptors", without_daemon_descriptors, open_child),
    Case("daemon_descriptors", without_daemon_descriptors, list_processes),
    Case("keeper_descriptors", at_keeper_descriptors, create),
    Case("keeper_descriptors", at_keeper_descriptors, open_child),
    Case("terminals", at_terminals, create_with_console),
    Case("control_groups", at_control_groups, create),
    Case("control_groups", at_control_groups, create_system),
)


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.reach.__name__}-{case.call.__name__}"
)
async def test_a_limit_of_the_host_refuses_one_more_and_nothing_else(
    scene: Scene, case: Case
) -> None:
    client = scene.client
    async with case.reach(scene):
        with refused(Code.RESOURCE_EXHAUSTED) as refusal:
            await case.call(scene)
        assert refusal.value.info.metadata["limit"] == case.name
        await client.get_host()
        request = service_pb.WriteInputRequest(name=scene.parent, data=b"echo\n")
        await client.processes.WriteInput(request)
        await client.follow(scene.parent).until_out(b"echo\n")
        kept = await client.get(scene.parent)
        assert kept.state == pb.PROCESS_STATE_RUNNING
    await case.call(scene)
    async with case.reach(scene):
        await client.terminate(scene.parent, scope=service_pb.TERMINATE_SCOPE_TREE)
        assert (await client.wait(scene.parent)).state == pb.PROCESS_STATE_EXITED
    assert not is_running(scene.child)


async def test_at_the_limit_of_descriptors_somebody_new_can_still_end_something(
    scene: Scene,
) -> None:
    async with at_daemon_descriptors(scene), connected(scene.host.daemon.address) as other:
        await other.terminate(scene.parent, scope=service_pb.TERMINATE_SCOPE_TREE)
        assert (await other.wait(scene.parent)).state == pb.PROCESS_STATE_EXITED


async def test_how_the_daemon_loads_grpc_is_nothing_that_processes_inherit(scene: Scene) -> None:
    shown = await scene.client.create(sh(f'echo "${FORK_SUPPORT}"'))
    assert (await scene.client.read(shown.name)).stdout == b"1\n"


async def test_without_memory_output_waits_and_all_else_goes_on() -> None:
    size = 64 * MIB
    spec = pb.ProcessSpec(output=pb.OutputOptions(ring_bytes=size))
    with serving(*FORGETFUL) as daemon:  # another one has output in files
        async with connected(daemon.address) as client:
            parent = await client.create(PARENT, spec=PIPE)
            await client.follow(parent.name).until_out(b"\n")
            with no_memory(daemon.pid, spare=8 * MIB):
                writer = await client.create(sh(f"head -c {size} /dev/zero"), spec=spec)
                await anyio.to_thread.run_sync(
                    until, lambda: "memory is refused" in daemon.log, "memory is refused"
                )
                await client.get_host()
                await client.terminate(parent.name, scope=service_pb.TERMINATE_SCOPE_TREE)
                assert (await client.wait(parent.name)).state == pb.PROCESS_STATE_EXITED
                assert (await client.get(writer.name)).state == pb.PROCESS_STATE_RUNNING
            ended = await client.wait(writer.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
            assert ended.stdout.end_offset == size
    assert_calm(daemon.log)
