"""Daemons that die at a certain place, and keepers that die without a daemon."""

import os
import signal
from pathlib import Path

import anyio
import pytest

from hcsd.failpoints import NAMES
from hcsd_client import Client
from tests.restore.loads import BLOCK
from tests.restore.steps import RUNNING, blocking, incarnation, kill, names, start, text
from tests.support.census import ended, is_running, until
from tests.support.restarts import Place, becomes_ready

pytestmark = pytest.mark.needs_restore


async def use(client: Client, note: Path) -> None:
    """Run a process with stdin, output and an exit code, which must run once."""
    data = os.urandom(300_000)
    remote = await client.create(
        ["sh", "-c", 'echo $$ >>"$1"; cat; exit 7', "sh", str(note)],
        stdin=True,
        overflow=BLOCK,
        pin=True,
    )
    done = await remote.communicate(data)
    assert done.stdout == data, "the output is not what was written"
    assert done.exit.exit_code == 7
    assert len(text(note).splitlines()) == 1, "it ran more than once"
    shown = await remote.get()
    assert (shown.uid, shown.stdin.end_offset) == (remote.created.uid, len(data))
    await remote.delete()
    assert remote.name not in await names(client)


@pytest.mark.parametrize("name", sorted(NAMES - {"restore", "restore.process"}))
async def test_a_daemon_that_dies_at_a_failpoint_loses_nothing(
    here: Place, client: Client, name: str
) -> None:
    await start(here)
    before = await incarnation(client)  # which the client needs before it can repeat a create
    await kill(here)
    daemon = await blocking(lambda: here.launch(failpoints=f"{name}=1"))
    async with anyio.create_task_group() as tasks:

        async def use_it() -> None:
            await use(client, here.directory / "note")
            assert not is_running(daemon.pid), f"the daemon never came to {name}"

        tasks.start_soon(use_it)
        await ended(daemon.pid)
        await start(here)
    await blocking(lambda: until(lambda: f"failpoint {name}" in daemon.log, f"it died at {name}"))
    assert await incarnation(client) == before
    await blocking(here.stop)
    await blocking(here.assert_nothing_runs)


@pytest.mark.parametrize("name", ["restore", "restore.process"])
async def test_a_daemon_that_dies_as_it_restores_loses_nothing(
    here: Place, client: Client, name: str
) -> None:
    await start(here)
    remotes = [await client.create(["cat"], stdin=True, overflow=BLOCK) for _ in range(2)]
    for remote in remotes:
        await remote.stdin.write(b"before ")
    await kill(here)
    daemon = await blocking(lambda: here.launch(failpoints=f"{name}=1"))
    assert not await blocking(lambda: becomes_ready(daemon)), f"the daemon never came to {name}"
    await start(here)
    for remote in remotes:
        assert (await remote.get()).pid == remote.pid
        assert (await remote.communicate(b"after")).stdout == b"before after"


async def test_a_keeper_that_dies_without_a_daemon_ends_its_processes(
    here: Place, client: Client
) -> None:
    await start(here)
    before = await incarnation(client)
    remote = await client.create(["sh", "-c", "echo output; sleep 1000"], pin=True)
    await kill(here)
    for pid in here.keepers():
        os.kill(pid, signal.SIGKILL)
    await start(here)
    assert await incarnation(client) == before
    with anyio.fail_after(30):
        await remote.wait()
    assert (await remote.get()).state != RUNNING
    await ended(remote.pid)
    await client.exec(["true"], check=True)
    await remote.delete()
    assert [name for name in here.files("streams") if remote.created.uid in name] == []


async def test_when_the_window_is_over_nothing_runs_and_the_next_daemon_removes_the_files(
    here: Place, client: Client
) -> None:
    await start(here, window="300ms")
    remote = await client.create(["sh", "-c", "echo output; sleep 1000"], pin=True)
    await kill(here)
    await blocking(here.assert_nothing_runs)  # no daemon is there to end them
    await start(here, window="300ms")
    with anyio.fail_after(30):
        await remote.wait()
    assert (await remote.get()).state != RUNNING
    await client.exec(["true"], check=True)
    await remote.delete()
    assert [name for name in here.files("streams") if remote.created.uid in name] == []
