"""What a daemon finds of an earlier one, case by case; each can be run alone."""

import functools
import hashlib
import os
import signal
import time
import uuid

import anyio
import pytest

from hcsd.v1 import compute_system_pb2 as system_pb
from hcsd.v1 import event_pb2
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from hcsd_client import DEVNULL, Client
from tests.restore.loads import BLOCK, DOCUMENT, STDOUT
from tests.restore.pattern import BLOCK_BYTES, Pattern
from tests.restore.steps import (
    FOREVER,
    RUNNING,
    blocking,
    kill,
    names,
    open_fifo,
    reborn,
    seconds,
    start,
    text,
)
from tests.support.census import ended, is_running, state_of, until
from tests.support.chaos import PATIENT
from tests.support.restarts import Place

pytestmark = pytest.mark.needs_restore

MIB = 1 << 20
EXITED = pb.PROCESS_STATE_EXITED
KILLS = pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT


# --- what goes on ---


def all_idle(here: Place) -> bool:
    """No keeper has anything to do: the end of a child wakes it in the moment in which that ends."""
    return all(state_of(pid) == "S" for pid in here.keepers())


async def test_a_process_that_exits_without_a_daemon_is_told_with_its_time_and_code(
    here: Place, client: Client
) -> None:
    await start(here)
    fifo = here.directory / "fifo"
    os.mkfifo(fifo)
    script = 'echo one; read go <"$1"; echo two; exit 9'
    remote = await client.create(["sh", "-c", script, "sh", str(fifo)], pin=True)
    started = event_pb2.PROCESS_EVENT_TYPE_STARTED
    revision, of_incarnation = 0, ""
    async with client.watch_events(after_revision=0) as watch:
        async for item in watch:
            revision, of_incarnation = item.event.revision, item.event.incarnation
            if item.event.process.type == started:
                break
    await kill(here)
    await open_fifo(fifo)
    await ended(remote.pid)
    await blocking(lambda: until(lambda: all_idle(here), "the keeper has noted the exit"))
    over = time.time()
    await start(here)
    told = []
    watch = client.watch_events(after_revision=revision, incarnation=of_incarnation)
    async with watch:
        async for item in watch:
            if item.HasField("event"):
                told.append(item.event)
            if len(told) == 2:
                break
    kinds = {event_pb2.ProcessEventType.Name(event.process.type)[19:] for event in told}
    assert kinds == {"EXITED", "OUTPUT_COMPLETE"}
    assert [event.revision for event in told] == [revision + 1, revision + 2]
    exited = await remote.wait()
    assert exited.exit_code == 9
    assert exited.exit_time.ToNanoseconds() / 1e9 <= over
    assert await remote.stdout.read() == b"one\ntwo\n"


async def test_a_signal_without_a_daemon_is_told(here: Place, client: Client) -> None:
    await start(here)
    remote = await client.create(FOREVER, pin=True)
    await kill(here)
    os.kill(remote.pid, signal.SIGUSR1)
    await ended(remote.pid)
    await start(here)
    exited = await remote.wait()
    assert (exited.signal, exited.reason) == (signal.SIGUSR1, pb.EXIT_REASON_SIGNALED)


async def test_a_run_gets_20_mb_through_two_kills(here: Place, client: Client) -> None:
    await start(here)
    pattern, blocks = Pattern(1), 80
    (here.directory / "block").write_bytes(pattern.block)
    script = 'i=0; while [ $i -lt $2 ]; do cat "$1"; i=$((i+1)); done; exit 5'
    spec = pb.ProcessSpec(
        argv=pb.Argv(args=["sh", "-c", script, "sh", f"{here.directory}/block", str(blocks)]),
        output=pb.OutputOptions(overflow=BLOCK),
    )
    offset, code, kills = 0, -1, [5 * MIB, 12 * MIB]
    async with client.run_process(spec, request_id=str(uuid.uuid4())) as run:
        async for event in run:
            kind = event.WhichOneof("event")
            assert kind != "gap", event
            if kind == "chunk":
                assert event.chunk.offset == offset
                assert pattern.fault(offset, event.chunk.data) is None
                offset += len(event.chunk.data)
                if kills and offset > kills[0]:
                    kills.pop(0)
                    await reborn(here)
            elif kind == "exit":
                code = event.exit.exit_code
    assert (offset, code, kills) == (blocks * BLOCK_BYTES, 5, [])


async def test_stdin_goes_on_where_the_pipe_has_it(here: Place, client: Client) -> None:
    await start(here)
    fifo, file = here.directory / "fifo", here.directory / "file"
    os.mkfifo(fifo)
    script = 'read go <"$1"; cat >"$2"; exit 3'
    remote = await client.create(
        ["sh", "-c", script, "sh", str(fifo), str(file)], stdin=True, pin=True
    )
    data = os.urandom(MIB)
    answer = await client.write_input(remote.name, data, timeout=0.2)  # the pipe is full
    assert answer.timed_out
    assert 0 < answer.committed_offset < len(data)
    await reborn(here)
    assert (await remote.get()).stdin.end_offset == answer.committed_offset
    await open_fifo(fifo)
    again = await client.write_input(remote.name, data, close_stdin=True)  # all of it, from 0
    assert (again.committed_offset, again.skipped_bytes) == (len(data), answer.committed_offset)
    assert (await remote.wait()).exit_code == 3
    assert file.read_bytes() == data


async def test_a_write_that_waits_goes_on_over_a_kill(here: Place, client: Client) -> None:
    await start(here)
    fifo = here.directory / "fifo"
    os.mkfifo(fifo)
    script = 'read go <"$1"; sha256sum; exit 3'
    remote = await client.create(["sh", "-c", script, "sh", str(fifo)], stdin=True, pin=True)
    async with anyio.create_task_group() as tasks:

        async def write() -> None:
            await remote.stdin.write(b"x" * (4 * MIB))
            await remote.stdin.close()

        tasks.start_soon(write)
        while not (await remote.get()).stdin.end_offset:  # noqa: ASYNC110
            await anyio.sleep(0.01)  # the daemon does not tell
        await reborn(here)
        await open_fifo(fifo)
    assert (await remote.wait()).exit_code == 3
    told = (await remote.stdout.read()).decode().split()[0]
    assert told == hashlib.sha256(b"x" * (4 * MIB)).hexdigest()


async def test_a_console_goes_on(here: Place, client: Client) -> None:
    await start(here)
    script = "stty -echo; echo ready; read a; echo got $a; stty size; exit 4"
    remote = await client.create(["sh", "-c", script], stdin=True, console=(80, 24), pin=True)
    output = b""
    async for data in remote.stdout:
        output += data
        if b"ready" in output:
            break
    await reborn(here)
    await remote.resize(100, 30)
    await remote.stdin.write(b"this\n")
    assert (await remote.wait()).exit_code == 4
    told = await remote.output(STDOUT).read()
    assert told.split() == [b"ready", b"got", b"this", b"30", b"100"]


async def test_an_opened_process_stays_known(here: Place, client: Client) -> None:
    await start(here)
    remote = await client.create(["sh", "-c", "sleep 1000 & echo $!; wait"])
    pid = int(await anext(remote.stdout.__aiter__()))
    opened = await client.open_process(pid)
    await reborn(here)
    shown = await client.get_process(opened.name)
    assert (shown.uid, shown.pid, shown.state) == (opened.uid, pid, RUNNING)
    os.kill(pid, signal.SIGKILL)
    answer = await client.wait_process(opened.name)
    assert answer.process.state == EXITED


async def test_systems_stay_in_their_states(here: Place, client: Client) -> None:
    await start(here)
    for name in ("created", "running", "paused", "ended"):
        await client.create_system(DOCUMENT, system_id=name, start=name != "created")
    await client.pause_system("paused")
    await client.terminate_system("ended")
    await client.wait_system("ended")
    states = {system.name: system.state async for system in client.list_systems()}
    remote = await client.create(FOREVER, parent="running")
    await reborn(here)
    assert {system.name: system.state async for system in client.list_systems()} == states
    assert (await client.get_system("created")).state == system_pb.COMPUTE_SYSTEM_STATE_CREATED
    assert (await remote.get()).state == RUNNING
    await client.terminate_system("ended")  # which is answered, though nothing is left to do
    await client.start_system("created")
    await client.resume_system("paused")
    for name in ("created", "running", "paused"):
        await client.terminate_system(name)
    await ended(remote.pid)
    await blocking(lambda: until(lambda: len(here.keepers()) <= 1, "only that of the host is left"))


# --- times ---


async def test_a_run_timeout_passes_without_a_daemon(here: Place, client: Client) -> None:
    await start(here)
    remote = await client.create(FOREVER, timeout=0.5, pin=True)
    late = await client.create(FOREVER, timeout=1000.0)
    await kill(here)
    await anyio.sleep(0.5)  # the time itself is what this is about
    await start(here)
    assert (await remote.wait()).reason == pb.EXIT_REASON_RUN_TIMEOUT
    assert (await late.get()).state == RUNNING


@pytest.mark.slow  # for 10 s after its start a daemon waits for clients to come back
async def test_a_retention_passes_without_a_daemon(here: Place, client: Client) -> None:
    short = ("--exited-retention", "500ms")
    await start(here, *short)
    remote = await client.create(["echo", "hello"])
    await remote.wait()
    pinned = await client.create(["echo", "hello"], pin=True)
    await pinned.wait()
    await kill(here)
    await anyio.sleep(0.5)  # the time itself is what this is about
    await start(here, *short)
    while await names(client) != [pinned.name]:  # noqa: ASYNC110
        await anyio.sleep(0.01)  # it is forgotten soon; the test's bound ends a hang
    assert await pinned.stdout.read() == b"hello\n"
    assert {name.split("/")[1] for name in here.files("streams")} <= {pinned.created.uid}


@pytest.mark.slow  # for 10 s after its start a daemon waits for clients to come back
async def test_an_owner_that_does_not_come_back_has_its_grace(here: Place, client: Client) -> None:
    await start(here)
    options = pb.ProcessOptions(orphan_policy=KILLS, owner_grace=seconds(0.3), pin=True)
    async with (
        Client(here.address, retry=PATIENT) as owner,
        owner.run_process(FOREVER, options=options) as run,
    ):
        process = (await anext(run)).started.process
        await kill(here)
    assert is_running(process.pid)
    await start(here)
    with anyio.fail_after(30):
        answer = await client.wait_process(process.name)
    assert answer.process.exit.reason == pb.EXIT_REASON_OWNER_GONE


async def test_an_owner_that_comes_back_keeps_its_process(here: Place, client: Client) -> None:
    await start(here)
    async with client.run(["sh", "-c", "read a; exit 6"], stdin=True) as remote:
        await reborn(here)
        await remote.stdin.write(b"\n")
        assert (await remote.wait()).exit_code == 6


# --- requests ---


async def test_a_command_that_was_run_gives_its_result_again(here: Place, client: Client) -> None:
    await start(here)
    run = functools.partial(
        client.exec_process,
        ["sh", "-c", 'echo $$ >>"$1"; cat; echo err >&2; exit 8', "sh", f"{here.directory}/note"],
        stdin=b"hello",
        request_id=str(uuid.uuid4()),
    )
    first = await run()
    await reborn(here)
    again = await run()
    assert again.replayed
    assert (again.process.uid, again.process.exit) == (first.process.uid, first.process.exit)
    assert (again.stdout, again.stderr) == (first.stdout, first.stderr)
    assert (again.stdout.data, again.process.exit.exit_code) == (b"hello", 8)
    assert len(text(here.directory / "note").splitlines()) == 1


async def test_a_command_that_is_run_goes_on_over_a_kill(here: Place, client: Client) -> None:
    await start(here)
    fifo, note = here.directory / "fifo", here.directory / "note"
    os.mkfifo(fifo)
    script = 'echo $$ >>"$2"; read go <"$1"; cat; exit 8'
    async with anyio.create_task_group() as tasks:
        answers = []

        async def run() -> None:
            command = ["sh", "-c", script, "sh", str(fifo), str(note)]
            answers.append(await client.exec_process(command, stdin=b"hello"))

        tasks.start_soon(run)
        await blocking(lambda: until(note.exists, "it has begun"))
        await reborn(here)
        await open_fifo(fifo)
    assert (answers[0].stdout.data, answers[0].process.exit.exit_code) == (b"hello", 8)
    assert len(text(note).splitlines()) == 1


async def test_a_create_with_a_request_id_is_known_after_a_kill(
    here: Place, client: Client
) -> None:
    await start(here)
    create = functools.partial(client.create_process, FOREVER, request_id=str(uuid.uuid4()))
    first = await create()
    await reborn(here)
    again = await create()
    assert again.replayed
    assert (again.process.uid, again.process.pid) == (first.process.uid, first.process.pid)
    assert len(await names(client)) == 1


@pytest.mark.parametrize("given_up", ["by_the_daemon", "by_a_client"])
async def test_who_writes_to_output_that_was_given_up_finds_the_pipe_broken(
    here: Place, client: Client, given_up: str
) -> None:
    """No keeper has a copy of the pipe any more, although the process has ended."""
    await start(here)
    fifo, told = here.directory / "fifo", here.directory / "told"
    os.mkfifo(fifo)
    left = 'trap "" PIPE; read go <"$1"; while echo lost 2>&-; do :; done; echo broken >"$2"'
    script = f"({left}) 2>&- & exit 3"
    by_daemon = given_up == "by_the_daemon"
    remote = await client.create(
        ["sh", "-c", script, "sh", str(fifo), str(told)],
        drain_timeout=0.05 if by_daemon else 60,
        stderr=DEVNULL,
    )
    await remote.wait()
    if by_daemon:
        await remote.stdout.read()  # up to the end, which is forced
    else:
        stdout = [service_pb.STDIO_HANDLE_STDOUT]
        await client.modify_process(remote.name, close_handles=stdout)
    await open_fifo(fifo)
    await blocking(lambda: until(lambda: told.exists() and text(told) == "broken", "it is told"))
