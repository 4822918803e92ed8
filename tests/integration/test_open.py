"""Adopting processes that run already, by their pids: what can be done with them, and whose a pid is."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import grpc
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.test_events import CREATED, DELETED, EXITED, STARTED, watching
from tests.integration.wire import HOST, Client, at, refused, sh
from tests.support.census import until

Code = grpc.StatusCode
NEXT_PID = Path("/proc/sys/kernel/ns_last_pid")


async def open_pid(client: Client, pid: int, process_id: str = "") -> pb.Process:
    request = service_pb.OpenProcessRequest(parent=HOST, pid=pid, process_id=process_id)
    process = (await client.processes.OpenProcess(request)).process
    client.made.append(process.name)
    return process


class Offspring:
    """A process that was started here, and a descendant of it that was not.

    Attributes:
        parent: The one that was started.
        pid: Of the other.
    """

    def __init__(self, parent: pb.Process, pid: int) -> None:
        self.parent = parent
        self.pid = pid


@contextlib.asynccontextmanager
async def offspring(client: Client, script: str) -> AsyncIterator[Offspring]:
    """Run a script that prints the pid of what it has started."""
    parent = await client.create(sh(script))
    output = await client.follow(parent.name).until_out(b"\n")
    yield Offspring(parent, int(output.stdout))
    await client.terminate(parent.name, scope=service_pb.TERMINATE_SCOPE_TREE)


@pytest.fixture
async def child(client: Client) -> AsyncIterator[Offspring]:
    """A child whose parent waits for it."""
    async with offspring(client, "sleep 1000 & echo $!; wait") as found:
        yield found


@pytest.fixture
async def orphan(client: Client) -> AsyncIterator[Offspring]:
    """A child whose parent has ended."""
    async with offspring(client, "sleep 1000 >/dev/null 2>&1 & echo $!") as found:
        await client.wait(found.parent.name)
        yield found


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def test_an_adopted_process_is_a_process_without_streams(
    client: Client, child: Offspring
) -> None:
    opened = await open_pid(client, child.pid, "adopted")
    assert opened.name == f"{HOST}/processes/adopted"
    assert opened.origin == pb.PROCESS_ORIGIN_OPENED
    assert opened.state == pb.PROCESS_STATE_RUNNING
    assert opened.pid == child.pid
    assert opened.HasField("create_time")
    assert not opened.HasField("start_time")
    assert not opened.HasField("spec")
    assert opened.stdin.closed
    assert opened.stdout.closed
    assert opened.stderr.closed
    listed = await client.processes.ListProcesses(service_pb.ListProcessesRequest(parent=HOST))
    assert opened.uid in {process.uid for process in listed.processes}


async def test_an_adopted_process_tells_its_properties(client: Client, child: Offspring) -> None:
    opened = await open_pid(client, child.pid)
    query = service_pb.GetProcessPropertiesRequest(name=opened.name)
    answer = await client.processes.GetProcessProperties(query)
    assert answer.status.pid == child.pid
    assert not answer.status.exited


async def test_the_exit_of_an_orphan_is_known_with_its_code(
    client: Client, orphan: Offspring
) -> None:
    opened = await open_pid(client, orphan.pid)
    answer = await client.signal(opened.name, pb.ProcessSignal(signal_name="TERM"))
    assert answer.delivery == pb.SIGNAL_DELIVERY_DELIVERED
    ended = await client.wait(opened.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    assert ended.state == pb.PROCESS_STATE_EXITED
    assert ended.exit.exit_code == 128 + signal.SIGTERM
    assert ended.exit.signal == signal.SIGTERM


async def test_the_exit_of_another_s_child_is_known_without_a_code(
    client: Client, child: Offspring
) -> None:
    """Its parent alone is told the code."""
    opened = await open_pid(client, child.pid)
    await client.terminate(opened.name)
    ended = await client.wait(opened.name)
    assert ended.state == pb.PROCESS_STATE_EXITED
    assert ended.exit.reason == pb.EXIT_REASON_TERMINATED
    assert ended.exit.WhichOneof("outcome") == "unknown"
    assert not _is_alive(child.pid)
    # Its parent, which waits for it, goes on and ends by itself.
    assert (await client.wait(child.parent.name)).exit.exit_code == 0


async def test_an_exit_that_nobody_asked_for_is_known(client: Client, child: Offspring) -> None:
    opened = await open_pid(client, child.pid)
    os.kill(child.pid, signal.SIGKILL)
    assert (await client.wait(opened.name)).state == pb.PROCESS_STATE_EXITED


async def test_what_needs_the_stdio_of_an_adopted_process_is_refused(
    client: Client, child: Offspring
) -> None:
    name = (await open_pid(client, child.pid)).name
    with refused(Code.FAILED_PRECONDITION, "STDIO_NOT_OWNED") as refusal:
        await client.read(name)
    assert refusal.value.info.metadata["process"] == name
    with refused(Code.FAILED_PRECONDITION, "STDIO_NOT_OWNED"):
        await client.read(name, at(pb.OUTPUT_STREAM_STDOUT, 0), follow=False)
    with refused(Code.FAILED_PRECONDITION, "STDIO_NOT_OWNED"):
        await (await client.attach(service_pb.RunAttach(name=name))).read()
    with refused(Code.FAILED_PRECONDITION, "STDIO_NOT_OWNED"):
        await client.processes.WriteInput(service_pb.WriteInputRequest(name=name, data=b"x"))
    size = service_pb.ModifyProcessRequest(name=name, console_size=pb.Console(columns=80, rows=25))
    with refused(Code.FAILED_PRECONDITION):
        await client.processes.ModifyProcess(size)


async def test_the_descendants_of_an_adopted_process_are_not_killed_with_it(
    client: Client, child: Offspring
) -> None:
    opened = await open_pid(client, child.pid)
    with refused(Code.UNIMPLEMENTED):
        await client.terminate(opened.name, scope=service_pb.TERMINATE_SCOPE_TREE)
    assert _is_alive(child.pid)


async def test_the_parent_s_tree_takes_an_adopted_process_along(
    client: Client, child: Offspring
) -> None:
    opened = await open_pid(client, child.pid)
    await client.terminate(child.parent.name, scope=service_pb.TERMINATE_SCOPE_TREE)
    assert (await client.wait(opened.name)).state == pb.PROCESS_STATE_EXITED


# --- one process, one entry ---


async def test_a_pid_that_is_opened_twice_is_the_same_process(
    client: Client, child: Offspring
) -> None:
    first = await open_pid(client, child.pid)
    again = [first]

    async def once_more() -> None:
        again.append(await open_pid(client, child.pid))

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(once_more)
    assert {process.uid for process in again} == {first.uid}
    assert (await open_pid(client, child.pid, first.name.rpartition("/")[2])).uid == first.uid
    with refused(Code.ALREADY_EXISTS, "PROCESS_ALREADY_OPEN") as refusal:
        await open_pid(client, child.pid, "by-another-name")
    assert refusal.value.info.metadata["process"] == first.name


async def test_opens_at_once_give_one_process(client: Client, child: Offspring) -> None:
    opened: list[pb.Process] = []

    async def open_it() -> None:
        opened.append(await open_pid(client, child.pid))

    async with watching(client) as watched, anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(open_it)
        while len(opened) < 20:
            await anyio.lowlevel.checkpoint()
        await watched.until(opened[0].uid, STARTED)
        assert watched.seen == {opened[0].uid: [CREATED, STARTED]}
    assert {process.uid for process in opened} == {opened[0].uid}


async def test_a_process_that_was_created_here_is_opened_as_itself(client: Client) -> None:
    made = await client.create(pb.Argv(args=["sleep", "1000"]))
    opened = await open_pid(client, made.pid)
    assert opened.uid == made.uid
    assert opened.origin == pb.PROCESS_ORIGIN_CREATED


async def test_a_name_that_is_taken_is_refused(client: Client, child: Offspring) -> None:
    name = child.parent.name.rpartition("/")[2]
    with refused(Code.ALREADY_EXISTS, "PROCESS_ALREADY_EXISTS"):
        await open_pid(client, child.pid, name)


async def test_an_adopted_process_is_forgotten_and_not_killed(
    client: Client, child: Offspring
) -> None:
    opened = await open_pid(client, child.pid)
    with refused(Code.FAILED_PRECONDITION, "PROCESS_RUNNING"):
        await client.delete(opened.name)
    refusals: list[Code] = []

    async def wait(wait_for: service_pb.WaitFor) -> None:
        with refused(Code.NOT_FOUND, "PROCESS_NOT_FOUND") as refusal:
            await client.wait(opened.name, wait_for)
        refusals.append(refusal.value.code)

    async with watching(client) as watched:
        async with anyio.create_task_group() as tasks:
            for kind in (service_pb.WAIT_FOR_EXIT, service_pb.WAIT_FOR_OUTPUT_COMPLETE):
                tasks.start_soon(wait, kind)
            await client.settle()
            await client.delete(opened.name, force=True)
        await watched.until(opened.uid, DELETED)
    assert watched.seen[opened.uid] == [DELETED]
    assert watched.last[opened.uid].state == pb.PROCESS_STATE_RUNNING
    assert len(refusals) == 2
    assert _is_alive(child.pid)
    anew = await open_pid(client, child.pid)
    assert anew.uid != opened.uid
    await client.terminate(anew.name)
    assert (await client.wait(anew.name)).state == pb.PROCESS_STATE_EXITED


async def test_an_adopted_process_has_events(client: Client, child: Offspring) -> None:
    async with watching(client) as watched:
        opened = await open_pid(client, child.pid)
        await client.terminate(opened.name)
        await watched.until(opened.uid, EXITED)
    assert watched.seen[opened.uid] == [CREATED, STARTED, EXITED]


# --- whose a pid is ---


async def test_the_pid_of_a_stranger_is_refused(client: Client, child: Offspring) -> None:
    async with await anyio.open_process(["sleep", "1000"]) as stranger:
        for pid in (stranger.pid, os.getpid(), 1, 2**32 - 1):
            with refused(Code.NOT_FOUND, "PID_NOT_FOUND") as refusal:
                await open_pid(client, pid)
            assert refusal.value.info.metadata["pid"] == str(pid)
            assert str(pid) in refusal.value.message
        assert stranger.returncode is None
        stranger.kill()


async def test_the_daemon_and_its_keeper_are_no_processes_of_a_system(
    client: Client, child: Offspring
) -> None:
    parent = _parent_of(child.parent.pid)
    for pid in (parent, _parent_of(parent)):
        with refused(Code.NOT_FOUND, "PID_NOT_FOUND"):
            await open_pid(client, pid)


def _parent_of(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return int(stat.rpartition(")")[2].split()[1])


async def test_requests_that_make_no_sense_are_refused(client: Client) -> None:
    for request, fields in (
        (service_pb.OpenProcessRequest(parent=HOST), ["pid"]),
        (service_pb.OpenProcessRequest(parent="systems/-", pid=1), ["parent"]),
        (service_pb.OpenProcessRequest(parent=HOST, pid=1, process_id="/"), ["process_id"]),
    ):
        with refused(Code.INVALID_ARGUMENT) as refusal:
            await client.processes.OpenProcess(request)
        assert refusal.value.fields == fields
    with refused(Code.NOT_FOUND, "HCS_E_SYSTEM_NOT_FOUND"):
        await client.processes.OpenProcess(
            service_pb.OpenProcessRequest(parent="systems/none", pid=1)
        )


async def test_the_pid_of_a_process_that_has_ended_is_free(
    client: Client, child: Offspring
) -> None:
    opened = await open_pid(client, child.pid)
    await client.terminate(opened.name)
    await client.wait(opened.name)
    await client.wait(child.parent.name)  # which has taken its code
    with refused(Code.NOT_FOUND, "PID_NOT_FOUND"):
        await open_pid(client, child.pid)


@pytest.mark.skipif(
    not os.access(NEXT_PID, os.W_OK), reason="whoever may not choose the next pid cannot reuse one"
)
async def test_a_pid_that_is_used_again_is_another_process(
    client: Client, child: Offspring
) -> None:
    first = await open_pid(client, child.pid)
    os.kill(child.pid, signal.SIGKILL)
    await client.wait(child.parent.name)  # so the pid is free
    until(lambda: not Path(f"/proc/{child.pid}").exists(), "the pid is free")
    reused = await _reuse(client, child.pid)
    second = await open_pid(client, child.pid)
    assert second.uid != first.uid
    assert second.uid == reused.uid
    earlier = await client.get(first.name)
    assert earlier.state == pb.PROCESS_STATE_EXITED
    await client.terminate(first.name)
    assert (await client.get(second.name)).state == pb.PROCESS_STATE_RUNNING


async def _reuse(client: Client, pid: int) -> pb.Process:
    """Start a process under a pid that is free. Others start some, too, so it takes some tries."""
    for _ in range(200):
        await anyio.Path(NEXT_PID).write_text(str(pid - 1), encoding="ascii")
        made = await client.create(pb.Argv(args=["sleep", "1000"]))
        if made.pid == pid:
            return made
        await client.delete(made.name, force=True)
    pytest.skip(f"pid {pid} was not to be had")
