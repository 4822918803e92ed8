"""Trees that try to get away from being killed: by speed, by leaving everything behind, by a tracer."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from hcsd.control_groups import ControlGroups
from hcsd.embedded.keeper.frames import Message
from hcsd.embedded.keeper.procfs import TICK, descendants, look_at
from hcsd.embedded.provider import EmbeddedProvider
from hcsd.hcs.errors import HcsError
from hcsd.hcs.host import Host
from hcsd.hcs.system import ComputeSystem
from tests.support.census import ended, ended_within, is_running, state_of, until
from tests.support.cgroups import EVERY, USABLE, is_stopped
from tests.support.chains import MULTITUDE, build_chain
from tests.support.engines import embedded_provider
from tests.support.escapes import HUSH, python
from tests.support.guest import PosixGuest
from tests.support.running import Running, running, start

pytestmark = pytest.mark.anyio

GUEST = PosixGuest()
LEAVE = '(env -i setsid sh -c "$1" &); exec sleep 1000'  # leaves an orphan that nothing is known of
TRACE = """
import ctypes, sys, time
libc = ctypes.CDLL(None, use_errno=True)
print(libc.ptrace(int(sys.argv[1]), int(sys.argv[2]), 0, 0), flush=True)
time.sleep(1000)
"""
ATTACH, SEIZE = 16, 0x4206
# Its first thread ends. The other one prints the pid, and waits.
HEADLESS = """
import ctypes, os, threading, time
def work():
    while open("/proc/self/stat").read().rpartition(")")[2].split()[0] != "Z": time.sleep(0.001)
    print(os.getpid(), flush=True)
    time.sleep(1000)
threading.Thread(target=work, daemon=True).start()
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.fixture(params=EVERY)
def groups(request: pytest.FixtureRequest) -> ControlGroups:
    found: ControlGroups = request.param
    return found


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return build_chain(tmp_path_factory.mktemp("chain"))


@contextmanager
def traced(pid: int, request: int) -> Iterator[None]:
    """Somebody outside traces a process, and never waits for it."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", TRACE, str(request), str(pid)], stdout=subprocess.PIPE
    ) as tracer:
        try:
            assert tracer.stdout is not None
            if tracer.stdout.readline().strip() != b"0":
                pytest.skip("this host lets nobody be traced")
            yield
        finally:
            tracer.kill()


async def kill_with_nobody_left(it: Running, groups: ControlGroups) -> None:
    """Kill a tree in which everybody holds stdout; the end of it shows that nobody is left.

    Without control groups a busy machine may be too slow for it; then the kill says so, and is repeated.
    """
    with anyio.fail_after(20):
        while True:
            try:
                await it.process.terminate(tree=True)
                break
            except HcsError as error:
                if groups is not ControlGroups.OFF or "not all of the tree" not in str(error):
                    raise
        assert await it.stdout.rest() == b""
    await it.end()
    it.close()


async def request(embedded: EmbeddedProvider, message: Message) -> Message:
    """Ask the keeper of `host`."""
    client = embedded._systems["host"]._started().keeper
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Message] = loop.create_future()

    def answered(message: Message) -> None:
        loop.call_soon_threadsafe(answer.set_result, message)

    embedded._worker.post(lambda: client.request(message, [], answered))
    return await answer


@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("stays", [["stay"], []], ids=["root stays", "root ends"])
@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize("kind", ["plain", "sessions"])
async def test_a_chain_of_forks_is_caught(
    host: Host,
    groups: ControlGroups,
    chain: list[str],
    *,
    count: int,
    kind: str,
    stays: list[str],
    times: int,
) -> None:
    system = await host.open_system("host")
    for _ in range(times):
        arguments = [*chain, str(count), kind, "10", *stays]
        it = await start(system, {"CommandArgs": arguments}, "o")
        assert await it.stdout.line() == "off"
        if not stays:
            assert ended_within([it.pid], 30)
        await kill_with_nobody_left(it, groups)
    system.close()


async def test_chains_that_have_left_all_behind_are_caught_if_they_can_be_of_nobody_else(
    host: Host, groups: ControlGroups, chain: list[str]
) -> None:
    system = await host.open_system("host")
    for _ in range(3):
        script = GUEST.sh('env -i setsid "$@"; exec sleep 1000', *chain, "20", "sessions", "10")
        it = await start(system, script, "o")
        assert await it.stdout.line() == "off"
        await kill_with_nobody_left(it, groups)
    system.close()


async def test_a_multitude_that_replaces_itself_is_caught(
    host: Host, groups: ControlGroups
) -> None:
    system = await host.open_system("host")
    it = await start(system, python(MULTITUDE), "o")
    assert await it.stdout.line() == "off"
    await kill_with_nobody_left(it, groups)
    system.close()


@pytest.mark.parametrize(
    "count", [20, pytest.param(480, marks=[pytest.mark.slow, pytest.mark.timeout(300)])]
)
async def test_a_script_never_comes_to_what_follows_its_child(
    host: Host, tmp_path: Path, count: int
) -> None:
    system = await host.open_system("host")
    said = tmp_path / "next"
    for _ in range(count):
        script = GUEST.sh('sh -c "echo; sleep 1000; :"; echo next >>"$1"', str(said))
        async with running(system, script, "o") as it:
            await it.stdout.line()
            await it.process.terminate(tree=True)
            assert await it.stdout.rest() == b""
    assert not said.exists()
    system.close()


async def test_how_many_were_killed_is_told(embedded: EmbeddedProvider, host: Host) -> None:
    system = await host.open_system("host")
    script = GUEST.sh("sleep 1000 & (sleep 1000 &) ; setsid sleep 1000 & echo; wait")
    async with running(system, script, "o") as it:
        await it.stdout.line()
        keeper = embedded._systems["host"].keeper_pid
        until(lambda: len(descendants(keeper)) == 4, "all that the script starts, and nobody else")
        mark = embedded._systems["host"]._started()._processes[it.pid].mark
        message: Message = {"pid": it.pid, "tree": mark}
        answer = await request(embedded, message)
        assert answer["killed"] == 3
        await it.end()
        assert (await request(embedded, message))["killed"] == 0
    system.close()


@pytest.mark.parametrize("way", [ATTACH, SEIZE], ids=["stopped by it", "running"])
async def test_what_somebody_outside_traces_dies_with_its_tree(host: Host, way: int) -> None:
    system = await host.open_system("host")
    async with running(system, GUEST.sh("sleep 1000 & echo $!; wait"), "o") as it:
        child = int(await it.stdout.line())
        with traced(child, way):
            await it.process.terminate(tree=True)
            assert not is_running(it.pid)
            assert not is_running(child)
    system.close()


async def test_a_process_whose_first_thread_has_ended_dies_with_its_tree(host: Host) -> None:
    system = await host.open_system("host")
    script = GUEST.sh('"$@" & wait', sys.executable, "-I", "-S", "-c", HEADLESS)
    async with running(system, script, "o") as it:
        child = int(await it.stdout.line())
        assert state_of(child) == "Z"
        await it.process.terminate(tree=True)
        await ended(child)
        assert await it.stdout.rest() == b""
    system.close()


async def leaver(system: ComputeSystem) -> tuple[Running, int]:
    """A process, and an orphan of it of which nothing is known."""
    it = await start(system, GUEST.sh(LEAVE, HUSH), "o")
    return it, int(await it.stdout.line())


async def test_an_orphan_that_can_be_of_nobody_else_dies_with_its_tree(host: Host) -> None:
    system = await host.open_system("host")
    async with running(system, GUEST.exits(0)) as before:  # and it has left nothing behind
        await before.end()
    it, orphan = await leaver(system)
    # The kernel tells the time of a start in ticks. What starts in the same one may be its parent.
    entry = look_at(orphan)
    assert entry is not None
    until(lambda: time.clock_gettime(time.CLOCK_BOOTTIME) * TICK > entry.started + 1, "a tick")
    async with running(system, GUEST.says("later"), "o") as later:
        await later.stdout.line()
        await it.process.terminate(tree=True)
        assert not is_running(orphan)
        assert is_running(later.pid)
    await it.end()
    it.close()
    system.close()


@pytest.mark.parametrize("groups", USABLE)
async def test_an_orphan_belongs_to_the_one_whose_group_it_is_in(
    host: Host, groups: ControlGroups
) -> None:
    system = await host.open_system("host")
    first, spared = await leaver(system)
    it, orphan = await leaver(system)
    await it.process.terminate(tree=True)
    assert not is_running(orphan)
    assert is_running(spared)
    await first.process.terminate(tree=True)
    assert not is_running(spared)
    for one in (first, it):
        await one.end()
        one.close()
    system.close()


@pytest.mark.parametrize("groups", [ControlGroups.OFF])
@pytest.mark.parametrize("other", ["lives", "has ended"])
async def test_an_orphan_that_can_be_of_two_lives_and_is_told(host: Host, other: str) -> None:
    system = await host.open_system("host")
    first, orphan_of_first = await leaver(system)
    it, orphan = await leaver(system)
    if other == "has ended":
        await first.process.terminate()
        await first.end()
    with pytest.raises(HcsError, match=rf"1 process: {orphan}\b|2 processes: .*\b{orphan}\b"):
        await it.process.terminate(tree=True)
    assert not is_running(it.pid)
    assert is_running(orphan)
    assert is_running(first.pid) == (other == "lives")
    for one in (first, it):
        await one.stop()
    assert is_running(orphan_of_first)
    system.close()  # the orphans end with the system


async def test_no_chain_gets_away_from_a_pause(
    embedded: EmbeddedProvider, host: Host, groups: ControlGroups, chain: list[str]
) -> None:
    system = await host.open_system("host")
    keeper = embedded._systems["host"].keeper_pid
    it = await start(system, {"CommandArgs": [*chain, "4", "sessions", "10", "stay"]}, "o")
    await it.stdout.line()
    for _ in range(3):
        await system.pause()
        members = descendants(keeper)
        assert len(members) >= 5
        assert all(map(is_stopped, members))
        assert all(map(is_stopped, descendants(keeper)))
        assert descendants(keeper) == members
        await system.resume()
    await kill_with_nobody_left(it, groups)
    system.close()


@pytest.mark.parametrize("way", [ATTACH, SEIZE], ids=["stopped by it", "running"])
async def test_the_end_of_a_system_does_not_wait_for_a_tracer_for_ever(
    census: None, way: int
) -> None:
    provider = embedded_provider()
    system = await Host(provider).open_system("host")
    it = await start(system, GUEST.says("there"), "o")
    await it.stdout.line()
    bystander = await start(system, GUEST.sleeps())
    with traced(it.pid, way):
        with anyio.fail_after(30):
            await anyio.to_thread.run_sync(provider.close)
        assert not is_running(it.pid)
        assert not is_running(bystander.pid)
        assert (await bystander.end()).exit_code == 137
        await it.end()
    for one in (it, bystander):
        one.close()
    system.close()


async def test_chains_end_with_their_system(census: None, chain: list[str]) -> None:
    provider = embedded_provider()
    system = await Host(provider).open_system("host")
    script = GUEST.sh('env -i setsid "$@"; exec sleep 1000', *chain, "20", "sessions", "20")
    it = await start(system, script, "o")
    await it.stdout.line()
    with anyio.fail_after(30):
        await anyio.to_thread.run_sync(provider.close)
        assert await it.stdout.rest() == b""
    await it.end()
    it.close()
    system.close()
