"""The keeper of the embedded engine: what it keeps ends with it, and with whoever owns it."""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from hcsd.abi.hresult import HR
from hcsd.embedded.keeper.frames import Message
from hcsd.embedded.provider import EmbeddedProvider
from hcsd.embedded.timings import Timings
from hcsd.hcs.errors import AlreadyStoppedError, ElementNotFoundError, HcsError
from hcsd.hcs.host import Host
from hcsd.hcs.process import ProcessEnd
from tests.support.census import ended, ended_within, is_running, state_of, until
from tests.support.engines import PATIENT, embedded_provider
from tests.support.escapes import ESCAPES
from tests.support.guest import Parameters, PosixGuest
from tests.support.running import run, running, start

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
every_escape = pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)


@pytest.fixture
def timings() -> Timings:
    return PATIENT


@pytest.fixture
def keeper(embedded: EmbeddedProvider) -> int:
    return embedded._systems["host"].keeper_pid


@pytest.fixture
def guest() -> PosixGuest:
    return PosixGuest()


async def test_when_the_keeper_is_killed_its_processes_die_and_their_ends_are_told(
    host: Host, keeper: int, guest: PosixGuest
) -> None:
    system = await host.open_system("host")
    its = [await start(system, guest.says("ready"), "o") for _ in range(3)]
    for it in its:
        await it.stdout.line()
    os.kill(keeper, signal.SIGKILL)
    assert [await it.end() for it in its] == [ProcessEnd(137, signal=9, with_system=True)] * 3
    for it in its:
        await ended(it.pid)
        it.close()
    system.close()


async def test_when_the_keeper_is_killed_the_system_has_stopped_and_says_so(
    host: Host, keeper: int, guest: PosixGuest
) -> None:
    system = await host.open_system("host")
    it = await start(system, guest.sleeps())
    os.kill(keeper, signal.SIGKILL)
    await it.end()
    with pytest.raises(AlreadyStoppedError) as caught:
        await system.create_process(json.dumps(guest.exits(0)))
    assert caught.value.hresult == HR.SYSTEM_ALREADY_STOPPED
    with pytest.raises(AlreadyStoppedError):
        await it.process.signal(None)
    with pytest.raises(ElementNotFoundError):
        await system.open_process(it.pid)
    assert not await it.process.terminate()
    assert (await system.properties()).state == "Stopped"
    await ended(it.pid)
    it.close()
    system.close()


async def test_what_the_keeper_was_asked_for_when_it_was_killed_fails_cleanly(
    host: Host, keeper: int, guest: PosixGuest
) -> None:
    system = await host.open_system("host")
    it = await start(system, guest.sleeps())
    os.kill(keeper, signal.SIGSTOP)
    failures: list[HcsError] = []

    async def ask(document: str | None) -> None:
        try:
            if document is None:
                await it.process.signal('{"Signal":10}')
            else:
                await system.create_process(document)
        except AlreadyStoppedError as error:
            failures.append(error)

    documents = [json.dumps(guest.exits(0) | {"CreateStdOutPipe": True}), None]
    async with anyio.create_task_group() as tasks:
        for document in documents * 3:
            tasks.start_soon(ask, document)
        await anyio.wait_all_tasks_blocked()
        os.kill(keeper, signal.SIGKILL)
    assert len(failures) == 6
    await ended(it.pid)
    it.close()
    system.close()


async def test_an_end_that_the_keeper_could_not_tell_any_more_is_never_made_up(
    host: Host, keeper: int, guest: PosixGuest
) -> None:
    system = await host.open_system("host")
    it = await start(system, guest.copies_stdin(), "i")
    os.kill(keeper, signal.SIGSTOP)
    await it.close_stdin()
    await ended(it.pid)  # with 0, which nobody has collected
    os.kill(keeper, signal.SIGKILL)
    end = await it.end()
    assert end.exit_code is None
    assert end.hresult != 0
    it.close()
    system.close()


@every_escape
async def test_nothing_of_a_system_outlives_its_provider(census: None, escape: Parameters) -> None:
    provider = embedded_provider()
    system = await Host(provider).open_system("host")
    it = await start(system, escape, "o")
    escaped = int(await it.stdout.line())
    assert is_running(escaped)
    await anyio.to_thread.run_sync(provider.close)
    assert not is_running(escaped)
    assert not is_running(it.pid)
    await it.end()  # also this was told, before the provider had closed
    it.close()
    system.close()


async def test_what_forks_and_leaves_again_and_again_ends_with_its_system(
    census: None, guest: PosixGuest
) -> None:
    provider = embedded_provider()
    system = await Host(provider).open_system("host")
    # It ends by itself too, or a keeper that fails here would leave it to the machine for ever.
    hop = (
        "import os, time\nprint(flush=True)\nend = time.monotonic() + 20\n"
        "while time.monotonic() < end:\n  if os.fork(): os._exit(0)\n  os.setsid()"
    )
    it = await start(system, {"CommandArgs": [sys.executable, "-I", "-S", "-c", hop]}, "o")
    await it.stdout.line()
    await anyio.to_thread.run_sync(provider.close)
    assert (await it.end()).exit_code is not None
    assert await it.stdout.rest() == b""  # whoever had it open is gone
    it.close()
    system.close()


@every_escape
async def test_the_end_of_a_process_is_told_whatever_it_leaves_behind(
    host: Host, escape: Parameters
) -> None:
    system = await host.open_system("host")
    async with running(system, escape, "o") as it:
        escaped = int(await it.stdout.line())
        await it.process.terminate()
        assert (await it.end()).exit_code in {0, 137}
        assert escaped == it.pid or is_running(escaped)  # a process is no system
    system.close()


async def test_an_orphan_that_ends_leaves_no_zombie(host: Host, guest: PosixGuest) -> None:
    system = await host.open_system("host")
    async with running(system, guest.sh("(sh -c 'echo $$' &)"), "o") as it:
        orphan = int(await it.stdout.line())
        await it.end()
        until(lambda: state_of(orphan) == "", "the keeper collects the orphan")
    system.close()


async def test_the_exit_of_a_descendant_is_nobodys_exit(host: Host, guest: PosixGuest) -> None:
    system = await host.open_system("host")
    async with running(system, guest.sh("(exit 3) & wait $!; echo waited; cat"), "io") as it:
        assert await it.stdout.line() == "waited"
        assert not await it.process.confirm()
    system.close()


@pytest.mark.parametrize("way", ["SIGKILL", "exit"])
def test_nothing_of_a_system_outlives_the_process_that_owns_it(census: None, way: str) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-m", "tests.support.escapes"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with owner:
        assert owner.stdin is not None
        assert owner.stdout is not None
        pids = json.loads(owner.stdout.readline())
        assert len(pids) == 1 + 2 * len(ESCAPES)
        assert is_running(pids[0])
        if way == "SIGKILL":
            owner.kill()
        else:
            owner.stdin.close()
        assert ended_within(pids, 10.0)
    assert not any(map(is_running, pids))


async def test_a_request_that_the_keeper_cannot_digest_does_not_end_the_system(
    embedded: EmbeddedProvider, host: Host, guest: PosixGuest
) -> None:
    system = await host.open_system("host")
    client = embedded._systems["host"]._started().keeper
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Message] = loop.create_future()

    def answered(message: Message) -> None:
        loop.call_soon_threadsafe(answer.set_result, message)

    async with running(system, guest.says("there"), "o") as bystander:
        await bystander.stdout.line()
        embedded._worker.post(lambda: client.request({"argv": 7}, [], answered))
        assert "error" in await answer
        assert not await bystander.process.confirm()
        assert (await run(system, guest.exits(3))).code == 3
    system.close()


async def test_without_descriptors_a_create_fails_and_the_next_one_works(
    host: Host, guest: PosixGuest
) -> None:
    system = await host.open_system("host")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    document = json.dumps(
        guest.exits(0)
        | {"CreateStdInPipe": True, "CreateStdOutPipe": True, "CreateStdErrPipe": True}
    )
    used = len(os.listdir("/proc/self/fd"))
    for spare in range(8):
        # `used` counts the listing's own: with spare = 0 one more can be opened.
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + spare, before[1]))
        try:
            (await system.create_process(document)).close()
        except HcsError as error:
            failure = error
            assert failure.hresult == HR.ERROR_NO_SYSTEM_RESOURCES
            assert failure.limit == "daemon_descriptors"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert (await run(system, guest.exits(3))).code == 3
    system.close()
