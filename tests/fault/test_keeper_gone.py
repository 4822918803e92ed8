"""Keepers that are stopped, hang, or are killed: nothing waits for them, and nothing of them stays."""

import functools
import json
import logging
import os
import signal
import time

import anyio
import anyio.to_thread
import pytest

from hcsd.abi.hresult import HR
from hcsd.embedded.provider import EmbeddedProvider
from hcsd.embedded.timings import Timings
from hcsd.hcs.errors import AlreadyStoppedError, HcsError
from hcsd.hcs.host import Host
from hcsd.hcs.process import ProcessEnd
from hcsd.hcs.system import ComputeSystem
from tests.support.census import ended, is_running, state_of, until
from tests.support.engines import HASTY, PATIENT, embedded_provider
from tests.support.guest import PosixGuest
from tests.support.running import run, running, start
from tests.support.tracer import tracing

pytestmark = pytest.mark.anyio

DOCUMENT = '{"SchemaVersion":{"Major":2,"Minor":1},"Container":{}}'


@pytest.fixture(params=[HASTY], ids=["hasty"])
def timings(request: pytest.FixtureRequest) -> Timings:
    chosen: Timings = request.param
    return chosen


patient = pytest.mark.parametrize("timings", [PATIENT], ids=["patient"], indirect=True)


@pytest.fixture
def keeper(embedded: EmbeddedProvider) -> int:
    return embedded._systems["host"].keeper_pid


@pytest.fixture
def guest() -> PosixGuest:
    return PosixGuest()


async def create(host: Host) -> ComputeSystem:
    """Another system than `host`."""
    system = await host.create_system("other", DOCUMENT)
    await system.start()
    return system


async def host_again(host: Host, before: str) -> ComputeSystem:
    """The system `host`, once it is another one than before."""
    while True:
        system = await host.open_system("host")
        properties = await system.properties()
        if properties.runtime_id != before:
            assert properties.state == "Running"
            return system
        system.close()
        await anyio.sleep(0.01)


async def test_a_keeper_that_its_process_has_stopped_is_continued(
    host: Host, guest: PosixGuest, caplog: pytest.LogCaptureFixture
) -> None:
    system = await host.open_system("host")
    async with running(system, guest.sleeps()) as bystander:
        assert (await run(system, guest.sh("kill -STOP $PPID; exit 4"))).code == 4
        assert (await run(system, guest.exits(3))).code == 3
        await bystander.process.terminate()
        end = await bystander.end()
        assert (end.exit_code, end.signal) == (137, 9)
    assert "was stopped by a signal; it was continued" in caplog.text
    system.close()


@patient
async def test_what_waits_for_a_stopped_keeper_holds_up_no_other_system(
    host: Host, keeper: int, guest: PosixGuest
) -> None:
    """More than the socket takes, with descriptors, so that it fills in the middle of a frame."""
    system, other = await host.open_system("host"), await create(host)
    results: list[bytes] = []
    os.kill(keeper, signal.SIGSTOP)

    async def one(number: int) -> None:
        parameters = guest.sh('printf %s "$1"; : "$2"', str(number), "x" * 50_000)
        results.append((await run(system, parameters)).out)

    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(one, number)
        await anyio.wait_all_tasks_blocked()
        assert (await run(other, guest.prints("there"))).out == b"there"
        assert results == []
        os.kill(keeper, signal.SIGCONT)
    assert sorted(map(int, results)) == list(range(50))
    await other.terminate()
    await other.exited.wait()
    other.close()
    system.close()


@patient
async def test_a_keeper_that_takes_nothing_is_asked_for_only_so_much(
    host: Host, keeper: int
) -> None:
    system = await host.open_system("host")
    codes: list[int] = []
    os.kill(keeper, signal.SIGSTOP)

    async def one() -> None:
        try:
            (await system.create_process(json.dumps({"CommandArgs": ["true", "x" * (8 << 20)]})))
        except HcsError as error:
            codes.append(error.hresult)

    async with anyio.create_task_group() as tasks:
        for _ in range(12):
            tasks.start_soon(one)
        await anyio.to_thread.run_sync(until, lambda: len(codes) >= 2, "two were refused", 30.0)
        assert set(codes) == {HR.ERROR_NO_SYSTEM_RESOURCES}
        os.kill(keeper, signal.SIGKILL)
    assert set(codes) == {HR.ERROR_NO_SYSTEM_RESOURCES, HR.SYSTEM_ALREADY_STOPPED}
    assert len(codes) == 12
    system.close()


@pytest.mark.parametrize("asked", ["a signal", "a start", "nothing"])
async def test_a_keeper_that_does_not_answer_is_killed_with_its_system(
    host: Host, keeper: int, guest: PosixGuest, asked: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One that is traced does not count as stopped, and after its death nobody can reap it."""
    system = await host.open_system("host")
    it = await start(system, guest.says("ready"), "o")
    await it.stdout.line()
    with tracing(keeper):
        if asked == "a signal":
            with pytest.raises(AlreadyStoppedError):
                await it.process.signal('{"Signal":10}')
        if asked == "a start":
            with pytest.raises(AlreadyStoppedError):
                await system.create_process(json.dumps(guest.exits(0)))
        assert await it.end() == ProcessEnd(137, signal=9, with_system=True)
        assert "does not answer; it is killed" in caplog.text
        again = await host_again(host, (await system.properties()).runtime_id)
        assert (await run(again, guest.exits(3))).code == 3
    await anyio.to_thread.run_sync(until, lambda: state_of(keeper) == "", "the keeper is reaped")
    again.close()
    it.close()
    system.close()


async def test_a_busy_keeper_is_not_one_that_hangs(
    host: Host, keeper: int, guest: PosixGuest
) -> None:
    system = await host.open_system("host")
    async with running(system, guest.sleeps()) as bystander:
        deadline = time.monotonic() + 2 * HASTY.silence
        while time.monotonic() < deadline:
            assert (await run(system, guest.exits(3))).code == 3
            await bystander.process.signal('{"Signal":18}')
        assert not await bystander.process.confirm()
    assert is_running(keeper)
    system.close()


async def test_the_system_host_comes_back(
    host: Host, keeper: int, guest: PosixGuest, caplog: pytest.LogCaptureFixture
) -> None:
    system = await host.open_system("host")
    before = (await system.properties()).runtime_id
    it = await start(system, guest.sleeps())
    os.kill(keeper, signal.SIGKILL)
    await system.exited.wait()
    again = await host_again(host, before)
    assert (await run(again, guest.exits(3))).code == 3
    with pytest.raises(AlreadyStoppedError):
        await system.create_process(json.dumps(guest.exits(0)))
    (listed,) = await host.systems()
    assert listed.id == "host"
    assert "system 'host' has stopped; a new one takes its place" in caplog.text
    await it.end()
    it.close()
    again.close()
    system.close()


async def test_the_system_host_comes_back_each_time(
    embedded: EmbeddedProvider, host: Host, guest: PosixGuest
) -> None:
    for _ in range(4):
        system = await host.open_system("host")
        before = (await system.properties()).runtime_id
        os.kill(embedded._systems["host"].keeper_pid, signal.SIGKILL)
        await system.exited.wait()
        system.close()
        (await host_again(host, before)).close()
    system = await host.open_system("host")
    assert (await run(system, guest.exits(3))).code == 3
    system.close()


async def test_a_descendant_without_environment_ends_with_a_killed_keeper(
    host: Host, keeper: int, guest: PosixGuest
) -> None:
    system = await host.open_system("host")
    it = await start(system, guest.sh("env -i sleep 1000 & echo $!; wait"), "o")
    descendant = int(await it.stdout.line())
    os.kill(keeper, signal.SIGKILL)
    assert await it.end() == ProcessEnd(137, signal=9, with_system=True)
    await ended(descendant)
    it.close()
    system.close()


@pytest.mark.parametrize("way", ["stopped", "traced"])
async def test_an_engine_closes_although_its_keeper_does_not_move(
    census: None, guest: PosixGuest, way: str
) -> None:
    provider = embedded_provider(timings=HASTY)
    client = provider._systems["host"]._started().keeper
    keeper = client.keeper_pid
    system = await Host(provider).open_system("host")
    it = await start(system, guest.says("ready"), "o")
    await it.stdout.line()
    if way == "stopped":
        os.kill(keeper, signal.SIGSTOP)
        await anyio.to_thread.run_sync(provider.close)
    else:
        with tracing(keeper):
            await anyio.to_thread.run_sync(provider.close)
        until(client.reap, "the keeper is reaped, which nobody could before")
    assert not is_running(it.pid)
    assert (await it.end()).exit_code == 137
    it.close()
    system.close()


async def test_an_engine_that_is_to_hurry_closes_in_a_moment(
    census: None, guest: PosixGuest, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    provider = embedded_provider(timings=Timings(end=1000, hurry=0.1, reap=0.3))
    client = provider._systems["host"]._started().keeper
    keeper = client.keeper_pid
    system = await Host(provider).open_system("host")
    it = await start(system, guest.says("ready"), "o")
    await it.stdout.line()
    with tracing(keeper):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, functools.partial(provider.close))
            await anyio.wait_all_tasks_blocked()
            provider.hurry()
    until(client.reap, "the keeper is reaped")
    assert (await it.end()).exit_code == 137
    it.close()
    system.close()
