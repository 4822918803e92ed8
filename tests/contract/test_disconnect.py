"""The service goes away under a running process, and is back at once."""

from collections.abc import Awaitable, Callable

import anyio.to_thread
import pytest

from hcsd.hcs.errors import ServiceDisconnectedError
from hcsd.hcs.process import ProcessState
from hcsd.hcs.system import ComputeSystem
from tests.support.engines import CountingProvider, Engine
from tests.support.guest import Guest
from tests.support.running import Running, run, running
from tests.support.scripting import settled

pytestmark = pytest.mark.anyio

Disconnect = Callable[[Running], Awaitable[None]]


@pytest.fixture
def disconnect(provider: CountingProvider, engine: Engine) -> Disconnect:
    """Take the service away, and wait until a process has been told."""
    take_away: Callable[[], None] | None = getattr(provider, "disconnect", None)
    if take_away is None:
        pytest.skip(f"nothing can take the service of {engine.name} away")

    async def disconnect(it: Running) -> None:
        await anyio.to_thread.run_sync(take_away)
        await settled()
        assert it.process.state is ProcessState.LOST

    return disconnect


async def test_a_lost_process_runs_on_with_its_pipes_and_others_can_be_started(
    system: ComputeSystem, guest: Guest, disconnect: Disconnect
) -> None:
    async with running(system, guest.copies_stdin(), "io") as it:
        await disconnect(it)
        await it.write(b"alive\n")
        assert await it.stdout.line() == "alive"
        await system.reopen()
        assert (await run(system, guest.exits(3))).code == 3
        again = await system.open_process(it.pid)
        assert await again.terminate()
        assert (await again.exited.wait()).exit_code is not None
        again.close()
        assert await it.stdout.rest() == b""
        it.process.give_up()


async def test_a_lost_process_that_lives_is_never_said_to_be_gone(
    system: ComputeSystem, guest: Guest, disconnect: Disconnect
) -> None:
    async with running(system, guest.copies_stdin(), "io") as it:
        await disconnect(it)
        try:
            assert await it.process.terminate()
        except ServiceDisconnectedError:  # the guest does not tell whose the pid is
            it.process.give_up()
            assert it.process.state is ProcessState.LOST
            again = await system.open_process(it.pid)
            assert await again.terminate()
            again.close()
        else:
            assert (await it.end()).exit_code is not None
        assert await it.stdout.rest() == b""
