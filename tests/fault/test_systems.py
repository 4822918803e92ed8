"""Systems of the embedded engine: what runs in them stops, goes on, counts and ends as a whole."""

import asyncio
import json
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from hcsd.abi.extensions import EVENT_OUT_OF_MEMORY
from hcsd.abi.hresult import HR
from hcsd.control_groups import ControlGroups
from hcsd.embedded.configuration import Limits
from hcsd.embedded.faults import Fault
from hcsd.embedded.groups import Groups
from hcsd.embedded.hierarchies import find_hierarchies
from hcsd.embedded.provider import EmbeddedProvider
from hcsd.hcs.errors import HcsError, InvalidStateError, NotSupportedError
from hcsd.hcs.host import Host
from hcsd.hcs.system import ComputeSystem, SystemEvent
from tests.support.census import ended_within, is_running, state_of, until
from tests.support.cgroups import EVERY, groups_of, is_stopped
from tests.support.escapes import ESCAPES, TRACEABLE
from tests.support.guest import Parameters, PosixGuest
from tests.support.running import Running, running, start

pytestmark = pytest.mark.anyio

SH = PosixGuest().sh
TICK = 1e7 / os.sysconf("SC_CLK_TCK")
in_every_way = pytest.mark.parametrize("groups", EVERY)
every_escape = pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)


def configuration(**container: object) -> str:
    return json.dumps({"SchemaVersion": {"Major": 2, "Minor": 1}, "Container": container})


@pytest.fixture
async def system(host: Host) -> AsyncIterator[ComputeSystem]:
    made = await host.create_system("made", configuration())
    await made.start()
    yield made
    await made.terminate()
    await made.exited.wait()
    made.close()


def ticks(pid: int) -> int:
    """Processor time of a process, by the kernel."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, stat[11:13]))


def kilobytes(pid: int, name: str) -> int:
    """A figure of the memory of a process, by the kernel."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


async def statistics(system: ComputeSystem) -> dict[str, dict[str, int]]:
    text = await system.raw_properties('{"PropertyTypes":["Statistics"]}')
    found: dict[str, dict[str, int]] = json.loads(text or "")["Statistics"]
    return found


async def members(system: ComputeSystem) -> dict[int, dict[str, object]]:
    text = await system.raw_properties('{"PropertyTypes":["ProcessList"]}')
    return {entry["ProcessId"]: entry for entry in json.loads(text or "")["ProcessList"]}


async def busy_for(pid: int, count: int) -> None:
    """Wait until a process has used some processor time."""
    enough = ticks(pid) + count
    while ticks(pid) < enough:
        await anyio.lowlevel.checkpoint()


# --- pause ---


@in_every_way
@every_escape
async def test_a_pause_stops_whoever_descends_from_a_process(
    system: ComputeSystem, escape: Parameters
) -> None:
    async with running(system, escape, "o") as it:
        escaped = int(await it.stdout.line())
        await system.pause()
        assert is_stopped(escaped)
        await system.resume()
        if escape is not ESCAPES["what is stopped"]:
            until(lambda: not is_stopped(escaped), "it goes on")
        await it.process.terminate(tree=True)


@in_every_way
async def test_a_paused_system_uses_no_processor_time(system: ComputeSystem) -> None:
    async with running(system, SH("while :; do :; done")) as it:
        await busy_for(it.pid, 3)
        await system.pause()
        before, used = ticks(it.pid), await statistics(system)
        assert is_stopped(it.pid)
        async with running_outside() as outside:  # as much time as somebody else gets
            await busy_for(outside, 10)
        assert ticks(it.pid) == before
        assert (await statistics(system))["Processor"] == used["Processor"]
        await system.resume()
        await busy_for(it.pid, 1)


class running_outside:  # noqa: N801  (used as a function is)
    """A busy process that belongs to no system."""

    async def __aenter__(self) -> int:
        self._process = await asyncio.create_subprocess_exec("sh", "-c", "while :; do :; done")
        return self._process.pid

    async def __aexit__(self, *_: object) -> None:
        self._process.kill()
        await self._process.wait()


def all_stopped_or_gone(pids: list[int]) -> None:
    until(
        lambda: all(is_stopped(pid) or not is_running(pid) for pid in pids), "all stopped or gone"
    )


@in_every_way
async def test_no_fork_gets_away_from_a_pause(system: ComputeSystem) -> None:
    """Several processes that do nothing but fork, into sessions of their own, too."""
    forker = SH("echo ready; while :; do (setsid sh -c ':' &); sh -c ':'; done")
    its = [await start(system, forker, "o") for _ in range(4)]
    for it in its:
        await it.stdout.line()
    for _ in range(10):
        await system.pause()
        found = await members(system)
        # What the kernel held comes out of it to stop, or was on its way out and is gone.
        await anyio.to_thread.run_sync(all_stopped_or_gone, list(found))
        assert (await members(system)).keys() <= found.keys()
        await system.resume()
    for it in its:
        await it.process.terminate(tree=True)
        await it.stop()


@in_every_way
async def test_who_had_stopped_by_itself_is_not_continued(system: ComputeSystem) -> None:
    async with running(
        system, SH("echo ready; kill -STOP $$; echo on; exec sleep 1000"), "o"
    ) as it:
        assert await it.stdout.line() == "ready"
        while state_of(it.pid) != "T":
            await anyio.lowlevel.checkpoint()
        await system.pause()
        await system.resume()
        assert state_of(it.pid) == "T"
        await system.pause()
        await it.process.signal('{"Signal":18}')  # counts when the system goes on
        assert is_stopped(it.pid)
        await system.resume()
        assert await it.stdout.line() == "on"


@in_every_way
async def test_a_process_dies_in_a_paused_system(system: ComputeSystem) -> None:
    async with running(system, SH("exec sleep 1000")) as it:
        await system.pause()
        await it.process.terminate()
        assert (await it.end()).exit_code == 137
        await system.resume()


# --- the end ---


async def test_who_does_not_shut_down_in_time_is_killed(
    embedded: EmbeddedProvider, system: ComputeSystem
) -> None:
    embedded._systems["made"].shutdown_grace = 0.1
    polite = await start(system, SH("trap 'exit 7' TERM; echo ready; sleep 1000 & wait"), "o")
    stubborn = await start(system, SH("trap '' TERM; echo ready; sleep 1000; sleep 1000"), "o")
    for it in (polite, stubborn):
        assert await it.stdout.line() == "ready"
    await system.shut_down()
    assert (await system.exited.wait()).exit_type == "ForcedExit"
    assert (await polite.end()).exit_code == 7
    assert (await stubborn.end()).signal == 9
    for it in (polite, stubborn):
        it.close()


async def test_a_kill_cuts_a_shutdown_short(system: ComputeSystem) -> None:
    it = await start(system, SH("trap '' TERM; echo ready; sleep 1000; sleep 1000"), "o")
    assert await it.stdout.line() == "ready"
    await system.shut_down()
    assert not await system.shut_down()  # it is about to end
    assert await system.terminate()
    assert (await system.exited.wait()).exit_type == "ForcedExit"
    it.close()


@pytest.mark.parametrize("escape", TRACEABLE.values(), ids=TRACEABLE)
async def test_a_killed_keeper_takes_whoever_carries_its_mark_with_it(
    embedded: EmbeddedProvider, system: ComputeSystem, escape: Parameters
) -> None:
    it = await start(system, escape, "o")
    escaped = int(await it.stdout.line())
    os.kill(embedded._systems["made"].keeper_pid, 9)
    end = await system.exited.wait()
    assert (end.hresult, end.exit_type) == (HR.UNEXPECTED_EXIT, "UnexpectedExit")
    assert await anyio.to_thread.run_sync(ended_within, [escaped, it.pid], 2.0)
    it.close()


# --- figures ---


async def test_figures_exist_while_it_runs(host: Host) -> None:
    made = await host.create_system("idle", configuration())
    with pytest.raises(InvalidStateError):
        await statistics(made)
    await made.start()
    assert await members(made) == {}
    await made.terminate()
    await made.exited.wait()
    made.close()


async def test_the_process_list_has_everybody_with_the_figures_of_the_kernel(
    system: ComputeSystem,
) -> None:
    before = time.time()
    async with running(system, SH("sleep 1000 & echo $!; while :; do :; done"), "o") as it:
        child = int(await it.stdout.line())
        await busy_for(it.pid, 20)
        await system.pause()
        found = await members(system)
        assert found.keys() == {it.pid, child}
        assert found[child]["ImageName"] == "sleep"
        assert found[it.pid]["UserTime100ns"] == pytest.approx(ticks(it.pid) * TICK, rel=0.05)
        listed = {entry.process_id: entry.created for entry in await system.process_list()}
        assert before - 0.1 <= (listed[it.pid] or 0) <= time.time()
        resident = kilobytes(it.pid, "VmRSS")
        entry = found[it.pid]
        private, shared = (
            int(str(entry[f"MemoryWorkingSet{kind}Bytes"])) for kind in ("Private", "Shared")
        )
        assert private + shared == pytest.approx(resident << 10, rel=0.05)
        await system.resume()
        await it.process.terminate(tree=True)


async def test_user_and_kernel_time_are_told_apart(system: ComputeSystem) -> None:
    async with running(system, SH("while :; do :; done")) as it:
        await busy_for(it.pid, 20)
        await system.pause()
        processor = (await statistics(system))["Processor"]
        assert processor["RuntimeUser100ns"] > 4 * processor["RuntimeKernel100ns"]
        await system.resume()
    async with running(system, {"CommandArgs": ["dd", "if=/dev/zero", "of=/dev/null"]}) as it:
        await busy_for(it.pid, 20)
        kernel = (await statistics(system))["Processor"]["RuntimeKernel100ns"]
        assert kernel > processor["RuntimeKernel100ns"] + 5 * TICK


async def test_the_statistics_of_a_busy_process_agree_with_the_kernel(
    system: ComputeSystem,
) -> None:
    async with running(system, SH("while :; do :; done")) as it:
        await busy_for(it.pid, 40)
        await system.pause()
        found = await statistics(system)
        used = ticks(it.pid) * TICK
        assert found["Processor"]["TotalRuntime100ns"] == pytest.approx(used, rel=0.05)
        anonymous = kilobytes(it.pid, "RssAnon")
        private = found["Memory"]["MemoryUsagePrivateWorkingSetBytes"]
        assert private == pytest.approx(anonymous << 10, rel=0.05)
        await system.resume()


async def test_what_has_ended_still_counts(system: ComputeSystem) -> None:
    async with running(system, SH("while :; do :; done")) as it:
        await busy_for(it.pid, 20)
        await system.pause()
        used = (await statistics(system))["Processor"]["TotalRuntime100ns"]
        await system.resume()
    left = (await statistics(system))["Processor"]["TotalRuntime100ns"]
    assert left >= used
    assert (await statistics(system))["Memory"]["MemoryUsageCommitBytes"] == 0
    assert (await statistics(system))["Memory"]["MemoryUsageCommitPeakBytes"] > 0


# --- limits ---


def group_of(it: Running, file: str) -> Path:
    """The control group of the system of a process that has a file."""
    groups = [group for found in groups_of(it.pid) for group in (found, found.parent)]
    (found,) = [it for it in groups if it.name.startswith("hcsd-") and (it / file).exists()]
    return found


@pytest.mark.parametrize(
    ("container", "controller", "files", "value"),
    [
        ({"Memory": {"SizeInMB": 64}}, "memory", ("memory.limit_in_bytes", "memory.max"), 64 << 20),
        ({"Processor": {"Count": 1}}, "cpu", ("cpu.cfs_quota_us", "cpu.max"), 100_000),
        ({"Processor": {"Weight": 5000}}, "cpu", ("cpu.shares", "cpu.weight"), None),
    ],
    ids=["memory", "count", "weight"],
)
async def test_a_limit_is_set_where_the_host_lets_us_and_goes_with_the_system(
    host: Host,
    container: dict[str, object],
    controller: str,
    files: tuple[str, str],
    value: int | None,
) -> None:
    try:
        made = await host.create_system("limited", configuration(**container))
    except NotSupportedError as error:
        pytest.skip(str(error))
    await made.start()
    it = await start(made, SH("sleep 1000 & echo $!; wait"), "o")
    await it.stdout.line()
    where = find_hierarchies().controllers[controller]
    file = files[where.version - 1]
    group = group_of(it, file)
    found = int((group / file).read_text(encoding="ascii").split()[0])
    assert found == value if value is not None else found in {1024, 100}
    await made.terminate()
    await made.exited.wait()
    assert not group.exists()
    it.close()
    made.close()


def test_a_limit_that_the_host_does_not_let_us_set_is_refused() -> None:
    with pytest.raises(Fault) as caught:
        Groups("none", Limits(memory=1 << 20), find_hierarchies(ControlGroups.OFF))
    assert caught.value.hresult == HR.ERROR_NOT_SUPPORTED
    assert "does not let the daemon limit memory" in str(caught.value)


@pytest.mark.parametrize(
    "document",
    [
        configuration(Storage={"Layers": [{"Id": "x"}]}),
        configuration(MappedDirectories=[{"HostPath": "/"}]),
        configuration(Networking={"Namespace": str(uuid.UUID(int=1))}),
        configuration().replace('"Container"', '"VirtualMachine":{"Chipset":{}},"Container"'),
        configuration().replace('"Minor": 1', '"Minor": 9'),
    ],
    ids=["storage", "directory", "network", "machine", "schema"],
)
async def test_what_cannot_be_honoured_is_refused(host: Host, document: str) -> None:
    with pytest.raises(HcsError) as caught:
        await host.create_system("refused", document)
    assert caught.value.hresult == HR.ERROR_NOT_SUPPORTED
    assert "embedded engine" in str(caught.value)


# --- out of memory ---


HUNGRY = """
import os, sys
if len(sys.argv) > 1:  # in a child, that somebody else reaps
    child = os.fork()
    if child:
        print(os.waitpid(child, 0)[1], flush=True)
        input()
held = [bytearray(os.urandom(1 << 20)) for _ in range(400)]
"""


@pytest.fixture
async def narrow(host: Host) -> AsyncIterator[ComputeSystem]:
    """A system that has 64 MiB of memory."""
    try:
        made = await host.create_system("narrow", configuration(Memory={"SizeInMB": 64}))
    except NotSupportedError as error:
        pytest.skip(str(error))
    await made.start()
    yield made
    await made.terminate()
    await made.exited.wait()
    made.close()


async def test_a_process_that_is_killed_for_want_of_memory_says_so(
    host: Host, narrow: ComputeSystem
) -> None:
    other = await host.open_system("narrow")
    told: list[int] = []
    both = anyio.Event()

    def note(event: SystemEvent) -> None:
        told.append(event.value)
        if len(told) > 1:
            both.set()

    for handle in (narrow, other):
        handle.observe(note)
    bystander = await start(narrow, SH("exec sleep 1000"))
    async with running(narrow, {"CommandArgs": [sys.executable, "-c", HUNGRY]}) as it:
        end = await it.process.exited.wait()
        assert (end.exit_code, end.signal, end.out_of_memory) == (137, 9, True)
    with anyio.fail_after(30):
        await both.wait()
    assert set(told) == {EVENT_OUT_OF_MEMORY}
    assert not narrow.exited.is_set
    assert is_running(bystander.pid)
    await bystander.stop()
    other.close()


async def test_a_process_that_is_killed_by_somebody_else_does_not_blame_memory(
    narrow: ComputeSystem,
) -> None:
    async with running(narrow, SH("exec sleep 1000")) as it:
        os.kill(it.pid, 9)
        end = await it.process.exited.wait()
        assert (end.signal, end.out_of_memory) == (9, False)


async def test_a_system_tells_of_a_descendant_that_was_killed_for_want_of_memory(
    narrow: ComputeSystem,
) -> None:
    told = anyio.Event()
    narrow.observe(lambda event: told.set() if event.value == EVENT_OUT_OF_MEMORY else None)
    hungry: Parameters = {"CommandArgs": [sys.executable, "-c", HUNGRY, "child"]}
    async with running(narrow, hungry, "io") as it:
        assert await it.stdout.line() == "9"
        with anyio.fail_after(30):
            await told.wait()
        assert not it.process.exited.is_set


async def test_a_system_shows_the_limits_that_hold_it(host: Host) -> None:
    try:
        made = await host.create_system("limited", configuration(Memory={"SizeInMB": 64}))
    except NotSupportedError as error:
        pytest.skip(str(error))
    limits = (await made.properties()).limits
    assert limits is not None
    assert (limits.memory_bytes, limits.processor_millis) == (64 << 20, 0)
    await made.terminate()
    await made.exited.wait()
    made.close()


async def test_the_system_that_is_always_there_shows_its_limits_in_a_list(host: Host) -> None:
    (listed,) = await host.systems()
    assert listed.limits is not None
    assert listed.limits.memory_bytes == 0
