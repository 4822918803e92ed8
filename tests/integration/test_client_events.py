"""Watches of events over a restart of the daemon, and over gaps that nothing can close."""

import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from hcsd.v1.event_pb2 import PROCESS_EVENT_TYPE_EXITED
from hcsd.v1.event_service_pb2 import WatchEventsResponse
from hcsd_client import Client, DaemonRestartedError, FailedPreconditionError, blocking
from tests.support.daemon import FORGETFUL, Daemon, serving
from tests.support.proxy import Proxy, proxying

SUPERVISE = Path(__file__).parents[2] / "clients" / "python" / "examples" / "supervise.py"
RING = 64  # as few events as a daemon may keep
END = {"killed": Daemon.kill, "stopped": Daemon.stop}


class Restarts:
    """A daemon behind a proxy, and another one that takes its place.

    Attributes:
        proxy: What clients connect to.
        second: The other one, which the proxy leads to after `restart`.
    """

    def __init__(self, first: Daemon, second: Daemon, proxy: Proxy) -> None:
        self.second = second
        self.proxy = proxy
        self._first = first

    async def restart(self, end: Callable[[Daemon], None] = Daemon.kill) -> None:
        self.proxy.target = self.second.socket
        await anyio.to_thread.run_sync(end, self._first)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path fits into the address of a socket."""
    with tempfile.TemporaryDirectory(prefix="hcsd-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def daemons() -> Iterator[tuple[Daemon, Daemon]]:
    with ExitStack() as stack:
        options = ("--event-ring", str(RING), *FORGETFUL)
        first, second = (stack.enter_context(serving(*options)) for _ in "12")
        yield first, second


@pytest.fixture
async def restarts(daemons: tuple[Daemon, Daemon], folder: Path) -> AsyncIterator[Restarts]:
    first, second = daemons
    async with proxying(first.socket, folder) as proxy:
        yield Restarts(first, second, proxy)


async def until_exit(
    events: AsyncIterator[WatchEventsResponse], uid: str
) -> list[WatchEventsResponse]:
    """Read up to the exit of a process."""
    read: list[WatchEventsResponse] = []
    async for message in events:
        read.append(message)
        event = message.event.process
        if event.process.uid == uid and event.type == PROCESS_EVENT_TYPE_EXITED:
            break
    return read


@pytest.mark.parametrize("end", END)
async def test_a_watch_with_a_snapshot_goes_on_with_the_next_daemon(
    restarts: Restarts, end: str
) -> None:
    async with (
        Client(restarts.proxy.address) as client,
        client.watch_events(send_snapshot=True) as events,
    ):
        before = (await anext(events)).snapshot
        lost = await client.create(["sleep", "1000"])
        while (await anext(events)).event.process.process.uid != lost.created.uid:
            pass
        await restarts.restart(END[end])
        while not (message := await anext(events)).HasField("snapshot"):
            pass
        after = message.snapshot
        assert after.complete
        assert after.incarnation != before.incarnation
        assert lost.name not in {process.name for process in after.processes}
        made = await client.create(["true"])
        told = await until_exit(events, made.created.uid)
        assert {message.event.incarnation for message in told} == {after.incarnation}


@pytest.mark.parametrize("end", END)
async def test_a_watch_without_a_snapshot_says_that_the_daemon_was_restarted(
    restarts: Restarts, end: str
) -> None:
    async with Client(restarts.proxy.address) as client, client.watch_events() as events:
        await anext(events)
        await restarts.restart(END[end])
        with pytest.raises(DaemonRestartedError, match=r"restarted.*'send_snapshot'") as caught:
            await anext(events)
        assert isinstance(caught.value, FailedPreconditionError)
        with pytest.raises(DaemonRestartedError):  # it is over
            await anext(events)


async def test_a_place_of_an_earlier_run_of_the_daemon_is_told_as_that(daemon: Daemon) -> None:
    async with Client(daemon.address) as client:
        with pytest.raises(DaemonRestartedError, match="restarted"):
            await anext(client.watch_events(after_revision=1, incarnation="another"))


async def test_a_watch_whose_events_are_no_longer_kept_begins_anew_with_its_snapshot(
    daemons: tuple[Daemon, Daemon], restarts: Restarts, folder: Path
) -> None:
    async with (
        Client(restarts.proxy.address) as client,
        Client(daemons[0].address) as direct,
        client.watch_events(send_snapshot=True) as events,
    ):
        before = (await anext(events)).snapshot
        restarts.proxy.target = folder / "nothing"
        restarts.proxy.cut()
        made = [await direct.create(["true"]) for _ in range(RING // 3)]
        for process in made:
            await process.wait()
        restarts.proxy.target = daemons[0].socket
        after = (await anext(events)).snapshot
        assert after.incarnation == before.incarnation
        assert after.revision > before.revision + RING
        assert made[-1].name in {process.name for process in after.processes}


def test_the_blocking_face_does_the_same(daemons: tuple[Daemon, Daemon]) -> None:
    """Over a socket that the second daemon takes over, since a proxy would need an event loop."""
    first, second = daemons
    with (
        blocking.Client(first.address) as client,
        client.watch_events(send_snapshot=True) as events,
        client.watch_events() as plain,
    ):
        before = next(iter(events)).snapshot
        next(iter(plain))
        first.kill()
        second.socket.replace(first.socket)
        try:
            after = next(iter(events)).snapshot
            assert after.incarnation != before.incarnation
            with pytest.raises(DaemonRestartedError):
                next(iter(plain))
        finally:
            first.socket.replace(second.socket)


async def test_the_supervisor_of_the_examples_outlives_the_daemon(
    restarts: Restarts, folder: Path
) -> None:
    gate = folder / "gate"
    os.mkfifo(gate)
    command = [sys.executable, str(SUPERVISE), "cat", str(gate)]
    environment = os.environ | {"HCSD_ADDRESS": restarts.proxy.address}
    async with await anyio.open_process(command, env=environment, stderr=None) as process:
        assert process.stdout is not None
        told = b""
        while told.count(b"started") < 1:
            told += await process.stdout.receive()
        await restarts.restart()
        while told.count(b"started") < 2:
            told += await process.stdout.receive()
        await anyio.to_thread.run_sync(gate.write_bytes, b"")  # then the worker ends
        async for rest in process.stdout:
            told += rest
        assert (await process.wait(), told) == (0, b"started\nstarted\nended with 0\n")
