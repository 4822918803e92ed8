"""What the tests here do again and again, out of the event loop where it blocks."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import anyio.to_thread
from google.protobuf import duration_pb2

from hcsd.v1 import process_pb2 as pb
from hcsd_client import Client
from tests.support.chaos import listed, persist
from tests.support.daemon import Daemon
from tests.support.restarts import Place

T = TypeVar("T")

FOREVER = ["sleep", "1000"]
RUNNING = pb.PROCESS_STATE_RUNNING


async def blocking(call: Callable[[], T]) -> T:
    return await anyio.to_thread.run_sync(call)


async def start(here: Place, *options: str, window: str = "60s", on_stop: str = "") -> Daemon:
    return await blocking(functools.partial(here.start, *options, window=window, on_stop=on_stop))


async def kill(here: Place) -> None:
    await blocking(here.kill)


async def reborn(here: Place, *options: str) -> Daemon:
    """Kill the daemon, and start another one."""
    await kill(here)
    return await start(here, *options)


async def incarnation(client: Client) -> str:
    return (await persist(client.get_host)).incarnation


def seconds(value: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(int(value * 1e9))
    return duration


async def names(client: Client) -> list[str]:
    return [process.name for process in await listed(client)]


def text(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()


async def open_fifo(path: Path) -> None:
    """Let go a process that waits to read from a fifo."""

    def open_it() -> None:
        path.write_text("go\n", encoding="ascii")

    await blocking(open_it)
