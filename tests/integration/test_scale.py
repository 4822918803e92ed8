"""Many processes at once, each with a reader: what they cost, and what is left of it afterwards."""

import contextlib
import os
import resource
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.conftest import assert_calm
from tests.integration.test_growth import Size, same_size
from tests.integration.wire import STDOUT, Client, Feed, connected, sh
from tests.support.daemon import HCSD, Daemon, serving

FEW = 256
# A daemon that was started with few descriptors, as most are.
LIMITED = ("sh", "-c", f'ulimit -S -n {FEW} && exec "$@"', "sh", *HCSD)
# A line now and one each second, without a process for each second's sleep.
TICK = 'exec 3<>"$0"; while :; do echo tick; read -t 1 -u 3; done'


@contextlib.asynccontextmanager
async def limited() -> AsyncIterator[tuple[Daemon, Client]]:
    with serving(command=LIMITED) as daemon:
        async with connected(daemon.address) as client:
            yield daemon, client
    assert_calm(daemon.log)


async def follow_many(client: Client, argv: pb.Argv, count: int) -> list[Feed]:
    """Start so many processes, and a reader for each."""
    feeds: list[Feed] = []

    async def one() -> None:
        feed = client.follow((await client.create(argv)).name)
        await feed.until_out(b"\n")
        feeds.append(feed)

    left = count
    async with anyio.create_task_group() as tasks:

        async def worker() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                await one()

        for _ in range(20):
            tasks.start_soon(worker)
    return feeds


async def end_all(client: Client, feeds: list[Feed]) -> None:
    for feed in feeds:
        await client.delete(feed.output.process.name, force=True)


@pytest.mark.slow
async def test_a_daemon_may_have_more_descriptors_than_it_was_started_with() -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2 * FEW:
        pytest.skip("this machine allows few descriptors to anybody")
    async with limited() as (daemon, client), same_size(daemon, client):
        # Two for each process: more than the daemon was started with.
        feeds = await follow_many(client, sh("ulimit -S -n; exec sleep 1000"), FEW - 50)
        assert len(os.listdir(f"/proc/{daemon.pid}/fd")) > FEW
        assert {feed.output.stdout for feed in feeds} == {b"1024\n"}
        await end_all(client, feeds)


async def test_calls_that_come_faster_than_they_are_taken_wait_for_their_turn(
    own_daemon: Daemon, own_client: Client
) -> None:
    name = (await own_client.create(sh("exit 0"))).name
    own_daemon.signal(signal.SIGSTOP)
    async with anyio.create_task_group() as tasks:
        for _ in range(2000):
            tasks.start_soon(own_client.get, name)
        await anyio.wait_all_tasks_blocked()  # all are on their way
        own_daemon.signal(signal.SIGCONT)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_thousand_processes_with_readers_cost_no_thread_and_leave_nothing(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "never")
    argv = pb.Argv(args=["bash", "-c", TICK, str(tmp_path / "never")])
    async with limited() as (daemon, client), same_size(daemon, client):
        feeds = await follow_many(client, argv, 10)
        threads = Size.of(daemon).threads
        feeds += await follow_many(client, argv, 990)
        async with anyio.create_task_group() as tasks:
            for feed in feeds:
                tasks.start_soon(feed.until_out, b"tick\n" * 3)
        assert Size.of(daemon).threads == threads
        request = service_pb.ListProcessesRequest(
            parent="systems/host", page_size=1000, states=[pb.PROCESS_STATE_RUNNING]
        )
        listed = (await client.processes.ListProcesses(request)).processes
        assert len(listed) == 1000
        assert all(process.stdout.readers == 1 for process in listed)
        assert all(feed.output.data[STDOUT].startswith(b"tick\n") for feed in feeds)
        await end_all(client, feeds)
