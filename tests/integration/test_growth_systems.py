"""A daemon that makes and ends compute systems all day stays as small as it was."""

import os
from pathlib import Path
from typing import NamedTuple

import anyio
import grpc
import pytest

from hcsd.v1 import compute_system_service_pb2 as service_pb
from tests.integration.conftest import assert_calm
from tests.integration.test_growth import _children
from tests.integration.test_systems import STOPPED, Systems, document
from tests.integration.wire import Client, connected, sh
from tests.support.census import until
from tests.support.daemon import Daemon, serving

AT_ONCE = 10
PROCESSES = 5
SECONDS = 60.0
AT_LEAST = 200
WARM_UP = 200  # until an allocator has what it needs
MEMORY = 8 << 20  # arbitrary; it is seen to go up and down by half of that
# It leaves somebody behind in a session of its own.
ESCAPE = sh("(setsid sleep 1000 &); sleep 1000")


class Size(NamedTuple):
    """What a daemon holds of the operating system."""

    descriptors: int
    threads: int
    children: int

    @classmethod
    def of(cls, daemon: Daemon) -> "Size":
        return cls(
            len(os.listdir(f"/proc/{daemon.pid}/fd")),
            len(os.listdir(f"/proc/{daemon.pid}/task")),
            len(_children(daemon.pid)),  # zombies count
        )


def resident(daemon: Daemon) -> int:
    """Bytes of its own that a daemon has in memory."""
    lines = Path(f"/proc/{daemon.pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon:"))


def groups() -> set[str]:
    """The ids of the systems that have control groups."""
    found = Path("/sys/fs/cgroup").rglob("hcsd-*")
    return {path.name.removeprefix("hcsd-") for path in found}


class Lives:
    """Systems from their creation to their end, some at once.

    Attributes:
        count: How many have ended.
        ids: The runtime ids of all.
    """

    def __init__(self, client: Client) -> None:
        self.count = 0
        self.ids: set[str] = set()
        self._client = client
        self._systems = Systems(client)
        self._container: dict[str, object] = {"Processor": {"Count": 1}}

    async def begin(self) -> None:
        """Find out whether the host lets the daemon limit systems."""
        try:
            await self.one()
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
            self._container = {}

    async def one(self) -> None:
        request = service_pb.CreateComputeSystemRequest(
            configuration_json=document(Container=self._container), start=True
        )
        made = (await self._client.systems.CreateComputeSystem(request)).system
        self.ids.add(made.runtime_id)
        for _ in range(PROCESSES):
            await self._systems.run(made.name, ESCAPE)
        if self.count % 2:
            await self._systems.terminate(made.name)
        else:
            await self._systems.shut_down(made.name, 0)
        assert (await self._systems.wait(made.name)).state == STOPPED
        self.count += 1

    async def some(self, count: int, seconds: float = 0.0) -> None:
        """So many, and more until so much time has gone by."""
        enough, end = self.count + count, anyio.current_time() + seconds

        async def worker() -> None:
            while self.count < enough or anyio.current_time() < end:
                await self.one()

        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(worker)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_systems_made_and_ended_for_a_minute_leave_nothing() -> None:
    # What the daemon remembers is soon as much as it ever will be.
    with serving("--max-exited", "32", "--event-ring", "64") as daemon:
        async with connected(daemon.address) as client:
            lives = Lives(client)
            await lives.begin()
            await lives.some(WARM_UP)
            before, memory = Size.of(daemon), resident(daemon)
            await lives.some(AT_LEAST, SECONDS)
            until(lambda: Size.of(daemon) == before, f"as small as {before}, but {Size.of(daemon)}")
            grown = resident(daemon) - memory
            assert grown < MEMORY, f"{memory} bytes, and {grown} more"
            assert not groups() & lives.ids
        assert_calm(daemon.log)
