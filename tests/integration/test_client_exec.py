"""`Client.exec_process`: run once and to the end, whatever happens to the connection."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd_client import Client, DaemonRestartedError, NotFoundError
from tests.support.daemon import Daemon, serving
from tests.support.proxy import Proxy, proxying


@pytest.fixture
async def proxy(daemon: Daemon, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with proxying(daemon.socket, tmp_path, idle=0.3) as proxy:
        yield proxy


async def test_a_proxy_that_cuts_what_is_silent_is_survived(proxy: Proxy, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    script = f'echo run >> "{runs}"; sleep 1.5; cat; echo err >&2; exit 3'
    async with Client(proxy.address) as client:
        done = await client.exec_process(["sh", "-c", script], stdin=b"in" * 100_000)
    assert done.process.exit.exit_code == 3
    assert (done.stdout.data, done.stderr.data) == (b"in" * 100_000, b"err\n")
    assert runs.read_text() == "run\n"


async def test_a_daemon_that_was_started_anew_does_not_run_it_a_second_time(
    tmp_path: Path,
) -> None:
    log = tmp_path / "runs"
    with serving() as old, serving() as new:
        async with proxying(old.socket, tmp_path) as proxy, Client(proxy.address) as client:
            command = ["sh", "-c", f'echo run >> "{log}"; sleep 1000']

            async def fail() -> None:
                with pytest.raises(DaemonRestartedError):
                    await client.exec_process(command, process_id="one")

            async with anyio.create_task_group() as tasks, Client(old.address) as other:
                tasks.start_soon(fail)
                while not await runs(other, "systems/host/processes/one"):
                    pass
                while not log.exists():
                    await client.get_host()
                old.kill()
                proxy.target = new.socket
    assert log.read_text() == "run\n"


async def test_a_call_that_is_given_up_leaves_no_process(daemon: Daemon) -> None:
    options = pb.ProcessOptions(
        orphan_policy=pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT, owner_grace={"nanos": 1_000_000}
    )
    name = "systems/host/processes/given-up"
    async with Client(daemon.address) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                lambda: client.exec_process(
                    ["sleep", "1000"], process_id="given-up", options=options
                )
            )
            while not await runs(client, name):
                pass
            tasks.cancel_scope.cancel()
        ended = (await client.wait_process(name)).process
    assert ended.exit.reason == pb.EXIT_REASON_OWNER_GONE


async def runs(client: Client, name: str) -> bool:
    try:
        return (await client.get_process(name)).state == pb.PROCESS_STATE_RUNNING
    except NotFoundError:
        return False
