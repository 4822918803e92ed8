"""A start that hangs: its program is leased, so the exec waits. Nothing else waits with it."""

import contextlib
import errno
import fcntl
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from hcsd.abi.hresult import HR
from hcsd.embedded.keeper.procfs import descendants
from hcsd.embedded.provider import EmbeddedProvider
from hcsd.hcs.errors import HcsError, OperationTimeoutError
from hcsd.hcs.host import Host
from hcsd.hcs.system import ComputeSystem
from tests.support.census import children, is_running, until
from tests.support.engines import embedded_provider
from tests.support.guest import PosixGuest
from tests.support.running import run, running

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="only Linux has leases"),
]

GUEST = PosixGuest()


@contextlib.asynccontextmanager
async def stuck(
    system: ComputeSystem, program: str, count: int = 1
) -> AsyncIterator[list[HcsError]]:
    """Have starts under way that hang; give the errors that they end with."""
    errors: list[HcsError] = []

    async def start() -> None:
        try:
            await system.create_process(json.dumps({"CommandArgs": [program]}))
        except HcsError as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(start)
        await anyio.wait_all_tasks_blocked()
        yield errors


def keeper_of(provider: EmbeddedProvider) -> int:
    return provider._systems["host"].keeper_pid


def starting(provider: EmbeddedProvider) -> list[int]:
    """The children of the keeper that have no program yet: they have its own command line."""
    keeper = keeper_of(provider)
    own = Path(f"/proc/{keeper}/cmdline").read_bytes()
    found: list[int] = []
    for pid in descendants(keeper):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes() == own:
                found.append(pid)
    return found


@pytest.fixture
def brief(census: None) -> Iterator[EmbeddedProvider]:
    """A provider whose starts may take half a second."""
    provider = embedded_provider(0.5)
    yield provider
    provider.close()


@pytest.fixture
def patient(census: None) -> Iterator[EmbeddedProvider]:
    provider = embedded_provider()
    yield provider
    provider.close()


async def test_a_start_that_hangs_fails_when_its_time_is_over(
    brief: EmbeddedProvider, leased: str
) -> None:
    system = await Host(brief).open_system("host")
    with pytest.raises(OperationTimeoutError) as caught:
        await system.create_process(json.dumps({"CommandArgs": [leased]}))
    error = caught.value
    assert f"executable '{leased}': it could not be loaded in time" in str(error)
    assert (error.hresult, error.stage, error.errno) == (
        HR.ERROR_TIMEOUT, "executable", errno.ETIMEDOUT
    )  # fmt: skip
    until(lambda: not descendants(keeper_of(brief)), "nothing is left of it")
    assert (await run(system, GUEST.exits(7))).code == 7
    system.close()


async def test_a_start_that_hangs_holds_up_no_start_no_kill_and_no_exit(
    patient: EmbeddedProvider, leased: str
) -> None:
    system = await Host(patient).open_system("host")
    async with running(system, GUEST.sleeps()) as bystander:
        async with stuck(system, leased, 400) as errors:
            until(lambda: len(starting(patient)) == 400, "all of them hang")
            with anyio.fail_after(30):
                assert (await run(system, GUEST.exits(7))).code == 7
                await bystander.process.terminate()
                assert (await bystander.end()).exit_code == 137
            assert errors == []
            await anyio.to_thread.run_sync(patient.close)
        assert {error.hresult for error in errors} == {HR.SYSTEM_ALREADY_STOPPED}
    system.close()


async def test_the_end_of_the_engine_waits_for_no_start(
    patient: EmbeddedProvider, leased: str
) -> None:
    system = await Host(patient).open_system("host")
    async with stuck(system, leased):
        until(lambda: bool(starting(patient)), "it hangs")
        (pid,) = starting(patient)
        with anyio.fail_after(30):
            await anyio.to_thread.run_sync(patient.close)
        assert not is_running(pid)
    system.close()


async def test_nothing_of_a_start_outlives_a_keeper_that_was_killed(
    patient: EmbeddedProvider, leased: str
) -> None:
    system = await Host(patient).open_system("host")
    async with stuck(system, leased):
        until(lambda: bool(starting(patient)), "it hangs")
        (pid,) = starting(patient)
        os.kill(keeper_of(patient), signal.SIGKILL)
        until(lambda: not is_running(pid), "it was killed")
    system.close()


async def test_a_start_that_is_stopped_by_a_pause_has_its_time_after_it(
    brief: EmbeddedProvider, leased: str
) -> None:
    system = await Host(brief).open_system("host")
    async with stuck(system, leased) as errors:
        until(lambda: bool(starting(brief)), "it hangs")
        await system.pause()
        await anyio.sleep(1)  # twice its time
        assert errors == []
        await system.resume()
        until(lambda: not starting(brief), "its time is over")
    assert [error.hresult for error in errors] == [HR.ERROR_TIMEOUT]
    system.close()


async def test_many_starts_leave_no_descriptor_and_no_zombie(
    patient: EmbeddedProvider, leased: str
) -> None:
    system = await Host(patient).open_system("host")
    keeper = Path(f"/proc/{keeper_of(patient)}/fd")
    await run(system, GUEST.exits(0))
    before = len(os.listdir(keeper))
    for _ in range(30):
        await run(system, GUEST.exits(0))
        with pytest.raises(HcsError):
            await system.create_process(json.dumps({"CommandArgs": [GUEST.missing_program]}))
    until(lambda: not descendants(keeper_of(patient)), "the keeper reaps all of them")
    assert len(os.listdir(keeper)) == before
    assert keeper_of(patient) in children()
    system.close()
