"""The end of a daemon, asked for or not: who was connected is told, and nothing is left behind."""

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import grpc
import pytest
from google.protobuf.message import Message as ProtoMessage
from grpc_health.v1.health_pb2 import HealthCheckResponse as Response

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.conftest import assert_calm
from tests.integration.wire import Client, code_of, connected, refused, sh
from tests.support.census import MARK, ended_within, is_running, marked, until
from tests.support.daemon import FORGETFUL, HCSD, PATIENCE, Daemon, serving

Code = grpc.StatusCode

FOREVER = pb.Argv(args=["sleep", "1000"])
# Ignores all it can, has a child in a session of its own, and one that nobody waits for.
STUBBORN = sh("""
    trap '' TERM INT HUP QUIT
    setsid sleep 1000 &
    (setsid sh -c 'sleep 1000 & echo ready; exec sleep 1000' &)
    while :; do sleep 1000; done
""")


@pytest.fixture
def mark() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def marked_daemon(mark: str) -> Iterator[Daemon]:
    """A daemon whose whole offspring carries the mark in its environment."""
    with serving(environment={MARK: mark}) as daemon:
        yield daemon
    assert_calm(daemon.log)


async def _drained(call: grpc.aio.UnaryStreamCall[ProtoMessage, Response]) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def wait_for_end(daemon: Daemon) -> int:
    return await anyio.to_thread.run_sync(daemon.wait)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stopped_daemon_ends_every_call_and_every_process(
    marked_daemon: Daemon, mark: str, number: signal.Signals
) -> None:
    daemon = marked_daemon
    async with connected(daemon.address) as client:
        run = await client.run(STUBBORN)
        await run.until_out(b"ready\n")
        name = run.output.process.name
        reader = client.follow(name)
        await reader.until("started")
        writer = await client.attach(service_pb.RunAttach(name=name))
        await writer.until("started")
        waiter = client.processes.WaitProcess(service_pb.WaitProcessRequest(name=name))
        watcher = client.watch()
        await watcher.read()
        await client.get(name)
        until(lambda: len(marked(mark)) >= 6, "all have started what they run")
        daemon.signal(number)
        for feed in (run, reader, writer):
            with refused(Code.UNAVAILABLE, "DAEMON_STOPPING"):
                await feed.finish()
        with refused(Code.UNAVAILABLE, "DAEMON_STOPPING"):
            await waiter
        assert await code_of(_drained(watcher)) is Code.UNAVAILABLE
        assert await wait_for_end(daemon) == 0
    assert marked(mark) == []
    assert not daemon.socket.exists()
    left = {path.name for path in daemon.directory.iterdir()}
    assert left == {"hcsd.sock.lock", "hcsd.state"}
    assert list((daemon.directory / "hcsd.state").iterdir()) == []


async def test_a_daemon_stops_in_the_middle_of_everything(marked_daemon: Daemon, mark: str) -> None:
    """Creates, outputs and inputs under way at the signal."""
    outcomes: list[Code] = []

    async def one(client: Client, number: int) -> None:
        spec = pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE)
        run = await client.run(sh("head -c 200000 /dev/zero; cat"), spec=spec)
        try:
            while True:
                with contextlib.suppress(asyncio.InvalidStateError):  # the call has ended
                    await run.stdin(bytes(1000 * number))
                    await run.close_stdin()
                await run.finish()
                run = await client.run(sh("head -c 200000 /dev/zero; cat"), spec=spec)
        except grpc.aio.AioRpcError as error:
            refused_by_grpc = error.code() is Code.CANCELLED and run.output.started is None
            # What the client's own gRPC makes of a write to a call that the daemon has just ended.
            failed_to_write = error.details() == "Internal error from Core"
            if not (refused_by_grpc or failed_to_write):
                outcomes.append(error.code())

    async with connected(marked_daemon.address) as client:
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(one, client, number)
            await (await client.run(sh("sleep 0.3"))).finish()
            marked_daemon.signal(signal.SIGTERM)
        assert set(outcomes) == {Code.UNAVAILABLE}, outcomes
        assert await wait_for_end(marked_daemon) == 0
    assert marked(mark) == []


async def test_calls_to_a_stopping_daemon_are_refused(own_daemon: Daemon) -> None:
    async with connected(own_daemon.address) as client:
        await client.create(STUBBORN)
        own_daemon.signal(signal.SIGTERM)
        while (code := await code_of(client.create(FOREVER))) is Code.OK:
            pass
        # gRPC itself cancels the call that it has taken and not yet handed on.
        assert code in {Code.UNAVAILABLE, Code.CANCELLED}
        assert await wait_for_end(own_daemon) == 0


async def test_a_second_signal_does_no_harm(own_daemon: Daemon) -> None:
    async with connected(own_daemon.address) as client:
        for _ in range(20):
            await client.create(STUBBORN)
        own_daemon.signal(signal.SIGTERM)
        own_daemon.signal(signal.SIGINT)
        own_daemon.signal(signal.SIGTERM)
        assert await wait_for_end(own_daemon) == 0
    assert not own_daemon.socket.exists()


async def test_signals_up_to_the_very_end_do_no_harm(own_daemon: Daemon) -> None:
    async with connected(own_daemon.address) as client:
        await client.create(STUBBORN)
        own_daemon.signal(signal.SIGTERM)
        numbers = itertools.cycle([signal.SIGINT, signal.SIGTERM])
        while not await anyio.to_thread.run_sync(ended_within, [own_daemon.pid], 0.0):
            own_daemon.signal(next(numbers))
        assert await wait_for_end(own_daemon) == 0


def test_a_signal_during_the_start_ends_it_in_order(tmp_path: Path) -> None:
    """It has made its token, which is long before it is ready."""
    token = tmp_path / "token"
    command = [*HCSD, "--listen", "127.0.0.1:0", "--token-file", str(token)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as starting:
        until(token.exists, "it has made its token", PATIENCE)
        starting.send_signal(signal.SIGTERM)
        _, log = starting.communicate(timeout=PATIENCE)
    assert starting.returncode == 0, log
    assert "received SIGTERM" in log


async def test_a_killed_daemon_that_keeps_nothing_takes_its_processes_with_it(
    mark: str, tmp_path: Path
) -> None:
    path = tmp_path / "kept.sock"
    listen = ("--listen", f"unix://{path}")
    with serving(*listen, *FORGETFUL, environment={MARK: mark}) as daemon:
        async with connected(daemon.address) as client:
            run = await client.run(STUBBORN)
            await run.until_out(b"ready\n")
            assert is_running(run.output.process.pid)
            until(lambda: len(marked(mark)) >= 7, "all have started what they run")
            left = [pid for pid in marked(mark) if pid != daemon.pid]
            killed = time.monotonic()
            daemon.signal(signal.SIGKILL)
            assert await anyio.to_thread.run_sync(ended_within, left, PATIENCE)
            assert time.monotonic() - killed < 10.0  # they do not wait for anything
            assert await wait_for_end(daemon) == -signal.SIGKILL
    assert marked(mark) == []
    assert path.is_socket()  # nobody was there to remove it
    with serving(*listen) as again:
        async with connected(f"unix://{path}") as client:
            assert (await (await client.run(sh("echo back"))).finish()).stdout == b"back\n"
        assert f"unix://{path}" in again.addresses
    assert not path.exists()


async def test_a_daemon_whose_keeper_dies_goes_on_and_ends_in_order(own_daemon: Daemon) -> None:
    async with connected(own_daemon.address) as client:
        run = await client.run(FOREVER)
        await run.until("started")
        (keeper,) = children(own_daemon.pid)
        os.kill(keeper, signal.SIGKILL)
        output = await run.finish()
        assert output.exit is not None
        assert output.exit.signal == signal.SIGKILL
        while (code := await code_of(client.create(FOREVER))) is Code.FAILED_PRECONDITION:
            pass  # the system is on its way back
        assert code is Code.OK
        assert keeper not in children(own_daemon.pid)
        own_daemon.signal(signal.SIGTERM)
        assert await wait_for_end(own_daemon) == 0


async def test_processes_that_end_with_their_system_say_so(own_daemon: Daemon) -> None:
    async with connected(own_daemon.address) as client:
        made = await client.create(FOREVER)
        (keeper,) = children(own_daemon.pid)
        os.kill(keeper, signal.SIGKILL)
        end = (await client.wait(made.name)).exit
        assert end.reason == pb.EXIT_REASON_SYSTEM_EXITED


async def test_nothing_outlives_a_keeper_that_was_killed(marked_daemon: Daemon, mark: str) -> None:
    async with connected(marked_daemon.address) as client:
        run = await client.run(STUBBORN)
        await run.until_out(b"ready\n")
        left = [pid for pid in marked(mark) if pid != marked_daemon.pid]
        (keeper,) = children(marked_daemon.pid)
        os.kill(keeper, signal.SIGKILL)
        try:
            assert await anyio.to_thread.run_sync(ended_within, left, 2.0)
        finally:
            for pid in marked(mark):
                if pid != marked_daemon.pid:
                    os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """The children of a process, zombies included."""
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text(encoding="ascii").split()
    ]


async def test_a_daemon_has_no_child_but_the_keeper_and_the_keeper_has_the_rest(
    own_daemon: Daemon,
) -> None:
    async with connected(own_daemon.address) as client:
        made = await client.create(FOREVER)
        (keeper,) = children(own_daemon.pid)
        assert children(keeper) == [made.pid]
        await client.terminate(made.name)
        assert children(keeper) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
async def test_a_stopped_daemon_that_keeps_leaves_processes_to_the_next_one(
    number: signal.Signals,
) -> None:
    with serving("--on-stop", "keep") as first:
        first.may_be_outlived = True
        async with connected(first.address) as client:
            made = await client.create(sh("sleep 1000"))
        first.signal(number)
        assert await wait_for_end(first) == 0
        assert is_running(made.pid)
        with serving(again=first) as second:
            async with connected(second.address) as client:
                found = await client.get(made.name)
                assert (found.uid, found.pid, found.state) == (made.uid, made.pid, made.state)
                assert found.incarnation == made.incarnation
                assert is_running(made.pid)
        assert not is_running(made.pid)
