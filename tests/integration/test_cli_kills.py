"""The commands that end processes: what they end besides, and what they tell of it."""

import os
import signal
import subprocess
from pathlib import Path

import anyio
import pytest

from hcsd.daemon.settings import Limits
from hcsd.embedded.provider import EmbeddedProvider
from tests.integration.test_growth import running_inside
from tests.integration.wire import HOST, Client, sh
from tests.support import commands
from tests.support.census import ended, is_running
from tests.support.daemon import Daemon

ENDS = [("stop",), ("kill",), ("rm", "-f")]
SCRIPT = "sleep 7771 & echo $!; sleep 7772; true"


def environment(address: str) -> dict[str, str]:
    plain = {key: value for key, value in os.environ.items() if not key.startswith("HCSD_")}
    return plain | {"HCSD_ADDRESS": address}


async def hcsd(address: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return await commands.run(arguments, environment(address))


async def start(client: Client, process_id: str, script: str) -> list[int]:
    """Start it; return its pid and those that it prints in one line."""
    made = await client.create(sh(script), process_id=process_id)
    output = await client.follow(made.name).until_out(b"\n")
    return [made.pid, *map(int, output.stdout.split())]


@pytest.mark.parametrize("command", ENDS, ids=" ".join)
async def test_a_process_ends_with_all_that_it_has_started(
    client: Client, daemon: Daemon, command: tuple[str, ...]
) -> None:
    pids = await start(client, "tree", SCRIPT)
    told = await hcsd(daemon.address, *command, "tree")
    assert (told.returncode, told.stdout) == (0, b"")
    assert not any(map(is_running, pids))
    await client.delete(f"{HOST}/processes/tree", force=True, allow_missing=True)


@pytest.mark.parametrize("command", ENDS, ids=" ".join)
async def test_what_a_process_has_left_behind_ends_too(
    client: Client, daemon: Daemon, command: tuple[str, ...]
) -> None:
    _, left = await start(client, "left", "sleep 7771 & echo $!")
    await client.wait(f"{HOST}/processes/left")
    assert (await hcsd(daemon.address, *command, "left")).returncode == 0
    assert not is_running(left)
    await client.delete(f"{HOST}/processes/left", force=True, allow_missing=True)


@pytest.mark.parametrize("command", ENDS, ids=" ".join)
async def test_the_process_alone_if_that_is_asked_for(
    client: Client, daemon: Daemon, command: tuple[str, ...]
) -> None:
    pid, left = await start(client, "alone", SCRIPT)
    told = await hcsd(daemon.address, *command, "--process-only", "alone")
    assert (told.returncode, told.stderr) == (0, b"")
    assert not is_running(pid)
    assert is_running(left)
    os.kill(left, signal.SIGKILL)
    await client.delete(f"{HOST}/processes/alone", force=True, allow_missing=True)


@pytest.mark.parametrize("command", ENDS, ids=" ".join)
async def test_a_process_that_has_started_nothing_ends_without_a_word(
    client: Client, daemon: Daemon, command: tuple[str, ...]
) -> None:
    await start(client, "plain", "echo; exec sleep 7771")
    told = await hcsd(daemon.address, *command, "plain")
    assert (told.returncode, told.stdout, told.stderr) == (0, b"", b"")
    await client.delete(f"{HOST}/processes/plain", force=True, allow_missing=True)


async def test_what_only_force_would_kill_is_not_asked_for_without(daemon: Daemon) -> None:
    told = await hcsd(daemon.address, "rm", "--process-only", "a")
    assert told.returncode == 2
    assert b"--force" in told.stderr


@pytest.mark.parametrize("command", ENDS, ids=" ".join)
async def test_where_the_engine_cannot_tell_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(EmbeddedProvider, "kills_trees", False)
    async with running_inside(tmp_path, Limits()) as (client, _):
        address = f"unix://{tmp_path / 'inside.sock'}"
        pid, left = await start(client, "web", SCRIPT)
        told = await hcsd(address, *command, "web")
        assert told.returncode == 0
        assert told.stderr.decode() == (
            "hcsd: 'web' has ended; what it had started may run on: this engine cannot tell\n"
        )
        assert not is_running(pid)
        assert is_running(left)


@pytest.mark.parametrize(
    "script",
    ["sleep 7771 & echo $! $$; while :; do echo; done", "while :; do echo; done & echo $! $$"],
    ids=["it runs", "it has exited"],
)
async def test_a_run_that_nobody_reads_any_more_ends_with_all_that_it_has_started(
    daemon: Daemon, script: str
) -> None:
    read, write = os.pipe()
    command = commands.Command(
        ["run", "--", "sh", "-c", script],
        environment(daemon.address),
        (0, write, write),
    )
    os.close(write)
    with os.fdopen(read, "rb") as file:
        pids = list(map(int, (await anyio.to_thread.run_sync(file.readline)).split()))
    with anyio.fail_after(60):
        assert await anyio.to_thread.run_sync(command.wait) == 141
        for pid in pids:
            await ended(pid)
