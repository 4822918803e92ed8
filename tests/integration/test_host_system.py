"""The system `host`, in which processes run if nobody says where, when its keeper is killed."""

import os
import signal
from pathlib import Path

import anyio
import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from hcsd.v1 import compute_system_service_pb2 as system_pb
from hcsd.v1 import process_pb2 as pb
from tests.integration.conftest import assert_calm
from tests.integration.wire import HOST, Client, connected
from tests.support.daemon import Daemon, serving

PROCESSES = "hcsd.v1.ProcessService"
SLEEP = pb.Argv(args=["sleep", "1000"])
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
Watch = grpc.aio.UnaryStreamCall[Message, health_pb2.HealthCheckResponse]
PATIENCE = 60.0  # seconds; far more than it takes


def keeper_of(daemon: Daemon) -> int:
    """The pid of the only keeper of a daemon, which is that of `host` while there is no other system."""
    tasks = Path(f"/proc/{daemon.pid}/task").iterdir()
    children = [pid for task in tasks for pid in (task / "children").read_text("ascii").split()]
    (keeper,) = (
        int(pid) for pid in children if b"/keeper/" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    return keeper


async def health(watch: Watch) -> int:
    """What a watch of the health tells next."""
    told = await watch.read()
    assert isinstance(told, health_pb2.HealthCheckResponse)
    return told.status


async def runtime_id(client: Client) -> str:
    request = system_pb.GetComputeSystemRequest(name=HOST)
    return (await client.systems.GetComputeSystem(request)).system.runtime_id


async def test_its_end_is_logged_and_the_health_of_the_service_tells_it() -> None:
    with serving() as daemon:
        async with connected(daemon.address) as client:
            made = await client.create(SLEEP)
            watch = client.watch(PROCESSES)
            assert await health(watch) == SERVING
            os.kill(keeper_of(daemon), signal.SIGKILL)
            with anyio.fail_after(PATIENCE):
                assert await health(watch) == NOT_SERVING
                ended = (await client.wait(made.name)).exit
            watch.cancel()
            assert ended.reason in {pb.EXIT_REASON_SYSTEM_EXITED, pb.EXIT_REASON_SIGNALED}
            assert (await client.check("hcsd.v1.EventService")).status == SERVING
    assert "system 'host' is gone (UnexpectedExit, 0x80370106)" in daemon.log
    assert_calm(daemon.log)


async def test_it_is_made_anew_and_takes_processes_without_a_restart() -> None:
    with serving() as daemon:
        async with connected(daemon.address) as client:
            before = await runtime_id(client)
            watch = client.watch(PROCESSES)
            os.kill(keeper_of(daemon), signal.SIGKILL)
            with anyio.fail_after(PATIENCE):
                told = [await health(watch) for _ in range(3)]
            assert told == [SERVING, NOT_SERVING, SERVING]
            watch.cancel()
            made = await client.create(pb.Argv(args=["true"]))
            assert (await client.wait(made.name)).exit.exit_code == 0
            assert await runtime_id(client) != before
    assert "system 'host' is back" in daemon.log
    assert_calm(daemon.log)


async def test_whoever_creates_while_it_is_gone_is_refused_or_served(own_client: Client) -> None:
    """Never left without an answer, and never told of a success that was none."""
    request = system_pb.TerminateComputeSystemRequest(name=HOST)
    await own_client.systems.TerminateComputeSystem(request)
    refusals = set()
    with anyio.fail_after(PATIENCE):
        for _ in range(20):
            try:
                made = await own_client.create(pb.Argv(args=["true"]))
            except grpc.aio.AioRpcError as error:
                refusals.add(error.code())
            else:
                assert (await own_client.wait(made.name)).exit.WhichOneof("outcome")
    assert refusals <= {grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND}
