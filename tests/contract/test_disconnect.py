"""The service goes away under a running process, and is back at once."""

from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

import anyio.to_thread
import pytest

from hcsd.hcs.host import Host
from hcsd.hcs.process import ProcessEnd, ProcessState
from hcsd.hcs.system import ComputeSystem
from tests.support.engines import CountingProvider
from tests.support.guest import Guest
from tests.support.running import run, running
from tests.support.scripting import settled

pytestmark = pytest.mark.anyio

Disconnect = Callable[[], Awaitable[None]]


@runtime_checkable
class Fickle(Protocol):
    """A provider whose service can be taken away."""

    def disconnect(self) -> None: ...


@pytest.fixture
def disconnect(provider: CountingProvider) -> Disconnect:
    """Take the service away, and wait until everybody has been told."""
    assert isinstance(provider, Fickle)
    take_away = provider.disconnect

    async def disconnect() -> None:
        await anyio.to_thread.run_sync(take_away)
        await settled()

    return disconnect


async def test_a_lost_process_runs_on_with_its_pipes_and_others_can_be_started(
    system: ComputeSystem, guest: Guest, disconnect: Disconnect
) -> None:
    async with running(system, guest.copies_stdin(), "io") as it:
        await disconnect()
        assert it.process.state is ProcessState.LOST
        await it.write(b"alive\n")
        assert await it.stdout.line() == "alive"
        await system.reopen()
        assert (await run(system, guest.exits(3))).code == 3
        assert it.process.state is ProcessState.LOST


async def test_a_kill_finds_a_lost_process(
    system: ComputeSystem, guest: Guest, disconnect: Disconnect
) -> None:
    async with running(system, guest.copies_stdin(), "io") as it:
        await disconnect()
        assert it.process.state is ProcessState.LOST
        assert await it.process.terminate()
        assert (await it.end()).exit_code is not None
        assert await it.stdout.rest() == b""


async def test_a_lost_process_that_has_ended_is_not_mistaken_for_another(
    system: ComputeSystem, guest: Guest, disconnect: Disconnect
) -> None:
    async with running(system, guest.copies_stdin(), "io") as it:
        await disconnect()
        assert it.process.state is ProcessState.LOST
        it.close_own_stdin()
        await system.reopen()
        again = await system.open_process(it.pid)
        assert await again.terminate()
        await again.exited.wait()
        again.close()
        assert not await it.process.terminate()
        assert (await it.end()).exit_code is None


async def test_a_lost_process_is_found_again_with_its_exit(
    host: Host, system: ComputeSystem, guest: Guest, disconnect: Disconnect
) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(host.supervise)
        async with running(system, guest.copies_stdin(), "io") as it:
            await disconnect()
            while it.process.state is not ProcessState.RUNNING or not it.process.generation:
                await anyio.lowlevel.checkpoint()
            await it.write(b"last words")
            await it.close_stdin()
            assert await it.stdout.rest() == b"last words"
            assert await it.end() == ProcessEnd(0)
        tasks.cancel_scope.cancel()
