"""Whose the state directory is, and what a stop of the daemon does with it."""

import os
import signal
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from hcsd_client import Client
from tests.restore.loads import BLOCK
from tests.restore.steps import (
    FOREVER,
    RUNNING,
    blocking,
    incarnation,
    kill,
    names,
    reborn,
    start,
    text,
)
from tests.support.census import is_running, until
from tests.support.daemon import Daemon
from tests.support.restarts import HCSD, Place, becomes_ready

pytestmark = pytest.mark.needs_restore

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# --- whose state it is ---


def ends_refused(daemon: Daemon) -> str:
    """Wait until a daemon has refused to start; return what it says, on one line."""
    assert not becomes_ready(daemon), "it was not refused"
    daemon.may_be_outlived = False  # it started nothing, so its log has an end
    code = daemon.wait()
    assert code > 0, f"{code}: {daemon.log}"
    assert "Traceback" not in daemon.log
    return " ".join(daemon.log.split())


async def test_a_second_daemon_on_one_state_is_refused_in_words(
    here: Place, client: Client
) -> None:
    first = await start(here)
    second = here.launch(address=f"unix://{here.directory}/other.sock")
    said = await blocking(lambda: ends_refused(second))
    assert str(here.state) in said
    assert str(first.pid) in said
    await client.exec(["true"], check=True)  # the first one goes on


async def test_a_state_of_another_boot_is_emptied(here: Place, client: Client) -> None:
    await start(here)
    before = await incarnation(client)
    await client.create(["echo", "hello"], pin=True)
    await client.create(FOREVER)
    await kill(here)
    for pid in here.living():  # the host goes down
        os.kill(pid, signal.SIGKILL)
    await blocking(here.assert_nothing_runs)
    (here.state / "boot").write_text(str(uuid.uuid4()), encoding="ascii")
    await start(here)
    async with Client(here.address) as other:
        assert await incarnation(other) != before
        assert await names(other) == []
    assert here.files("streams") == []
    assert text(here.state / "boot") == text(BOOT_ID)


def a_file(here: Place) -> Path:
    path = here.directory / "file"
    path.write_text("mine", encoding="ascii")
    return path


def no_place(_: Place) -> Path:
    return Path("/proc/hcsd-state")  # where nobody can make a folder


def open_to_all(here: Place) -> Path:
    path = here.directory / "open"
    path.mkdir()
    path.chmod(0o777)
    return path


@pytest.mark.parametrize("make", [a_file, no_place, open_to_all])
async def test_what_is_no_state_directory_is_refused_in_words(
    here: Place, make: Callable[[Place], Path]
) -> None:
    path = make(here)
    daemon = here.launch(state=path)
    assert str(path) in await blocking(lambda: ends_refused(daemon))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
async def test_a_read_only_state_directory_is_refused_in_words(here: Place) -> None:
    path = here.directory / "read-only"
    path.mkdir(mode=0o700)
    mount = f'mount -t tmpfs -o ro,mode=0700 none {path} && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", mount, "sh", *HCSD]
    daemon = here.launch(state=path, command=command)
    said = await blocking(lambda: ends_refused(daemon))
    assert str(path) in said
    assert "read-only" in said.lower().replace(str(path), "")


async def test_a_damaged_journal_costs_what_it_held_and_not_the_start(here: Place) -> None:
    await start(here)
    async with Client(here.address) as client:
        before = await incarnation(client)
        await client.create(FOREVER)
    await kill(here)
    for path in here.state.glob("journal.db*"):
        path.write_bytes(os.urandom(10_000))
    daemon = await start(here)
    async with Client(here.address) as client:
        assert await incarnation(client) != before
        await client.exec(["true"], check=True)
    assert "damaged" in daemon.log
    await blocking(here.stop)
    await blocking(here.assert_nothing_runs)


# --- what a stop does ---


async def test_after_a_stop_that_keeps_another_daemon_goes_on(here: Place, client: Client) -> None:
    await start(here, on_stop="keep")
    before = await incarnation(client)
    remote = await client.create(["cat"], stdin=True, overflow=BLOCK)
    await remote.stdin.write(b"before ")
    await blocking(here.stop)
    assert is_running(remote.pid)
    await start(here)
    assert await incarnation(client) == before
    shown = await remote.get()
    assert (shown.state, shown.pid) == (RUNNING, remote.pid)
    done = await remote.communicate(b"after")
    assert (done.stdout, done.exit.exit_code) == (b"before after", 0)


async def test_a_stop_that_ends_leaves_nothing_and_the_next_daemon_begins_anew(here: Place) -> None:
    await start(here, on_stop="end")
    async with Client(here.address) as client:
        before = await incarnation(client)
        await client.create(["sh", "-c", "echo output; sleep 1000"])
        await client.exec(["true"])
    await blocking(here.stop)
    await blocking(here.assert_nothing_runs)
    assert [name for name in here.files() if name != "lock"] == []
    await start(here)
    async with Client(here.address) as client:
        assert await incarnation(client) != before
        assert await names(client) == []


async def test_a_daemon_that_is_killed_and_then_stopped_leaves_nothing(
    here: Place, client: Client
) -> None:
    await start(here)
    await client.create(["sh", "-c", "echo output; sleep 1000"])
    await reborn(here)
    await blocking(here.stop)
    await blocking(here.assert_nothing_runs)
    assert [name for name in here.files() if name != "lock"] == []


async def test_without_a_window_a_kill_ends_all(here: Place) -> None:
    await start(here, window="0")
    async with Client(here.address) as client:
        await client.create(["sh", "-c", "echo output; sleep 1000"])
    assert here.files() == []
    await kill(here)
    await blocking(here.assert_nothing_runs)


async def test_a_newer_daemon_waits_for_one_that_stops_and_takes_over(
    here: Place, client: Client
) -> None:
    old = await start(here, on_stop="keep")
    before = await incarnation(client)
    remote = await client.create(["cat"], stdin=True, overflow=BLOCK)
    await remote.stdin.write(b"before ")
    old.signal(signal.SIGTERM)

    def is_stopping() -> bool:
        said = (here.state / "lock").read_text(encoding="ascii", errors="replace")
        return "stopping" in said or not is_running(old.pid)

    await blocking(lambda: until(is_stopping, "the first daemon says that it stops"))
    old.signal(signal.SIGSTOP)  # in the middle, if it still is
    new = here.launch()
    old.signal(signal.SIGCONT)
    assert await blocking(old.wait) == 0
    await blocking(new.await_ready)
    assert await incarnation(client) == before
    done = await remote.communicate(b"after")
    assert done.stdout == b"before after"
