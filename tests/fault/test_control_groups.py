"""Control groups: what is in them dies, stops and is counted as a whole, and nothing is left of them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from hcsd.abi.hresult import HR
from hcsd.control_groups import ControlGroups
from hcsd.embedded.child_settings import ChildSettings
from hcsd.embedded.hierarchies import find_hierarchies
from hcsd.embedded.keeper.groups import Group
from hcsd.embedded.leftovers import clean_up
from hcsd.embedded.provider import EmbeddedProvider
from hcsd.hcs.errors import HcsError
from hcsd.hcs.host import Host
from tests.support.census import MARK, is_running, until
from tests.support.cgroups import USABLE, groups_of, is_stopped
from tests.support.guest import PosixGuest
from tests.support.running import running, start

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not USABLE, reason="this host lets the test make no control groups"),
]

SH = PosixGuest().sh
READS = Path("/proc/self/io")
EVERY_GROUP = 200  # more reads than a kill needs, and less than one of each group
# Each process forks and ends at once; half of them in sessions of their own, without an environment.
CHAINS = """
import os, sys
for number in range(20):
    if os.fork() == 0:
        if number % 2:
            os.setsid()
        print(os.getpid(), flush=True)
        while True:
            if os.fork():
                os._exit(0)
"""


@pytest.fixture(params=USABLE)
def groups(request: pytest.FixtureRequest) -> ControlGroups:
    found: ControlGroups = request.param
    if found not in USABLE:
        pytest.skip("this host lets the test make no such groups")
    return found


def reads_of(pid: int) -> int:
    """How often a process has read."""
    (line,) = [
        line
        for line in Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
        if line.startswith("syscr: ")
    ]
    return int(line.removeprefix("syscr: "))


def document(**container: object) -> str:
    return json.dumps({"SchemaVersion": {"Major": 2, "Minor": 1}, "Container": container})


async def test_a_process_has_a_group_until_nothing_lives_in_it(
    host: Host, embedded: EmbeddedProvider
) -> None:
    system = await host.open_system("host")
    keeper = embedded._systems["host"].keeper_pid
    async with running(system, SH("setsid sleep 1000 & echo $!; wait"), "o") as it:
        left = int(await it.stdout.line())
        (group,) = [found for found in groups_of(it.pid) if found.parent.name.startswith("hcsd-")]
        assert groups_of(left) == groups_of(it.pid)
        assert group.parent not in groups_of(keeper)
        async with running(system, SH("echo"), "o") as other:
            await other.stdout.line()
            await other.end()
        await it.process.terminate()
        await it.end()
        assert group.exists()
        assert [entry.name for entry in group.parent.iterdir() if entry.is_dir()] == [group.name]
        os.kill(left, signal.SIGKILL)
        until(lambda: not group.exists(), "the last one in the group has ended")
    system.close()


async def test_a_chain_of_forks_dies_with_its_tree(host: Host, embedded: EmbeddedProvider) -> None:
    system = await host.open_system("host")
    spared = await start(system, SH("exec sleep 1000"))
    async with running(system, {"CommandArgs": [sys.executable, "-c", CHAINS]}, "o") as it:
        for _ in range(20):
            await it.stdout.line()
        group = groups_of(spared.pid)[0].parent
        await it.process.terminate(tree=True)
        assert Group(str(group)).pids() == [spared.pid]
    await spared.process.terminate()
    await spared.end()
    spared.close()
    until(lambda: not [entry for entry in group.iterdir() if entry.is_dir()], "groups are removed")
    system.close()


async def test_a_tree_dies_in_a_paused_system(host: Host) -> None:
    system = await host.create_system("paused", document())
    await system.start()
    async with running(system, SH("sleep 1000 & echo $!; wait"), "o") as it:
        child = int(await it.stdout.line())
        await system.pause()
        await it.process.terminate(tree=True)
        assert not is_running(child)
        await it.end()
    await system.terminate()
    await system.exited.wait()
    system.close()


async def test_what_has_left_its_group_dies_with_its_tree(
    host: Host, embedded: EmbeddedProvider
) -> None:
    system = await host.open_system("host")
    async with running(system, SH("sleep 1000 & echo $!; wait"), "o") as it:
        child = int(await it.stdout.line())
        (group,) = [found for found in groups_of(it.pid) if found.parent.name.startswith("hcsd-")]
        outside = group.parent.parent / "cgroup.procs"
        outside.write_text(str(child), encoding="ascii")
        assert group not in groups_of(child)
        await it.process.terminate(tree=True)
        assert not is_running(child)
    system.close()


@pytest.mark.skipif(not READS.exists(), reason="this kernel does not count reads")
@pytest.mark.parametrize("groups", [ControlGroups.V2], indirect=True)  # v1 has to look repeatedly
async def test_a_kill_does_not_look_at_every_other_tree_although_there_are_strays(
    host: Host, embedded: EmbeddedProvider
) -> None:
    system = await host.open_system("host")
    keeper = embedded._systems["host"].keeper_pid
    async with contextlib.AsyncExitStack() as many:
        stray = await many.enter_async_context(running(system, SH("setsid sleep 1000 &")))
        await stray.process.exited.wait()
        others = [
            await many.enter_async_context(running(system, SH("exec sleep 1000")))
            for _ in range(EVERY_GROUP)
        ]
        begun = reads_of(keeper)
        await others[0].process.terminate(tree=True)
        await others[0].process.exited.wait()
        assert reads_of(keeper) - begun < EVERY_GROUP
        for one in (*others, stray):
            await one.process.terminate(tree=True)
    system.close()


async def test_a_process_that_has_left_its_group_is_paused_and_dies_with_its_tree(
    host: Host, embedded: EmbeddedProvider
) -> None:
    system = await host.open_system("host")
    async with running(system, SH("echo ready; exec sleep 1000"), "o") as it:
        await it.stdout.line()
        (group,) = [found for found in groups_of(it.pid) if found.parent.name.startswith("hcsd-")]
        (group.parent.parent / "cgroup.procs").write_text(str(it.pid), encoding="ascii")
        await system.pause()
        assert is_stopped(it.pid)
        await system.resume()
        until(lambda: not is_stopped(it.pid), "it goes on")
        await it.process.terminate(tree=True)
        assert not is_running(it.pid)
    system.close()


async def test_a_group_that_a_member_has_made_is_in_nobodys_way(host: Host) -> None:
    system = await host.create_system("squatted", document())
    await system.start()
    async with running(system, SH("exec sleep 1000")) as it:
        (group,) = [found for found in groups_of(it.pid) if found.parent.name.startswith("hcsd-")]
        for number in range(2, 6):
            (group.parent / str(number)).mkdir()
        async with running(system, SH("exec sleep 1000")) as other:
            assert groups_of(other.pid) != groups_of(it.pid)
            await other.process.terminate(tree=True)
            await other.end()
    await system.terminate()
    await system.exited.wait()
    assert not group.parent.exists()
    system.close()


async def test_groups_that_members_have_made_go_too(host: Host) -> None:
    system = await host.open_system("host")
    async with running(system, SH("sleep 1000 & echo $!; wait"), "o") as it:
        child = int(await it.stdout.line())
        (group,) = [found for found in groups_of(it.pid) if found.parent.name.startswith("hcsd-")]
        below = group / "theirs"
        below.mkdir()
        (below / "cgroup.procs").write_text(str(child), encoding="ascii")
        await it.process.terminate(tree=True)
        assert not is_running(child)
        until(lambda: not group.exists(), "the group is removed")
    system.close()


async def test_a_fork_bomb_ends_at_the_limit_of_tasks(groups: ControlGroups, census: None) -> None:
    hierarchies = find_hierarchies(ControlGroups.AUTO if groups is ControlGroups.V2 else groups)
    if "pids" not in hierarchies.controllers:
        pytest.skip(f"this host does not let the test limit tasks: {hierarchies.lacking['pids']}")
    embedded = EmbeddedProvider(ChildSettings((MARK,), hierarchies=hierarchies, max_tasks=40))
    system = await Host(embedded).open_system("host")
    bomb = (
        "import os, time\nwhile True:\n  try: os.fork()\n  except OSError: print(1, flush=True)\n"
    )
    async with running(system, {"CommandArgs": [sys.executable, "-c", bomb]}, "o") as it:
        await it.stdout.line()
        with pytest.raises(HcsError) as caught:
            await system.create_process(json.dumps(SH("exit 0")))
        assert caught.value.hresult == HR.ERROR_NO_SYSTEM_RESOURCES
        await it.process.terminate(tree=True)
    async with running(system, SH("exit 7")) as it:
        assert (await it.end()).exit_code == 7
    system.close()
    await anyio.to_thread.run_sync(embedded.close)


# --- what others have left ---

OWNER = """
import json, os, sys, anyio
from hcsd.control_groups import ControlGroups
from hcsd.hcs.host import Host
from tests.support.engines import embedded_provider
from tests.support.guest import PosixGuest
from tests.support.running import start

async def main():
    embedded = embedded_provider(groups=ControlGroups(sys.argv[1]))
    system = await Host(embedded).open_system("host")
    it = await start(system, PosixGuest().sh("env -i setsid sleep 1000 & echo $!; exec >&-; wait"), "o")
    print(embedded._systems["host"].keeper_pid, it.pid, await it.stdout.line(), flush=True)
    await anyio.sleep_forever()

anyio.run(main)
"""


async def test_what_a_daemon_leaves_that_dies_with_its_keepers_is_cleaned_up(
    groups: ControlGroups, host: Host
) -> None:
    system = await host.open_system("host")
    living = await start(system, SH("exec sleep 1000"))
    owner = subprocess.Popen(  # noqa: ASYNC220  (it only starts)
        [sys.executable, "-c", OWNER, groups.value], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    keeper, *left = map(int, (await anyio.to_thread.run_sync(owner.stdout.readline)).split())
    found = [group for group in groups_of(left[0]) if group.parent.name.startswith("hcsd-")]
    assert found
    assert all(map(is_running, left))
    for pid in (owner.pid, keeper):
        os.kill(pid, signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    until(lambda: not is_running(keeper), "the keeper is dead")
    await anyio.to_thread.run_sync(clean_up)
    # Another daemon that starts just now may be at it.
    until(lambda: not any(map(is_running, left)), "what was left is dead", 20)
    until(lambda: not any(group.parent.exists() for group in found), "its groups are gone", 20)
    assert is_running(living.pid)  # its keeper lives
    await living.process.terminate()
    await living.end()
    living.close()
    system.close()


async def test_what_a_killed_keeper_leaves_is_no_leftover_while_its_daemon_lives(
    host: Host, embedded: EmbeddedProvider
) -> None:
    system = await host.open_system("host")
    it = await start(system, SH("exec sleep 1000"))
    keeper, busy = embedded._systems["host"].keeper_pid, threading.Event()

    def be_busy() -> None:
        busy.wait()

    embedded._worker.post(be_busy)  # so that it does not come to clean up
    try:
        os.kill(keeper, signal.SIGKILL)
        until(lambda: not is_running(keeper), "the keeper is dead")
        await anyio.to_thread.run_sync(clean_up)
        assert is_running(it.pid)
    finally:
        busy.set()
    assert (await it.end()).exit_code == 137
    it.close()
    system.close()


# --- where groups can be made ---

DELEGATED = """
import json, os, sys
from pathlib import Path
from hcsd.control_groups import ControlGroups
from hcsd.embedded import hierarchies

hierarchies.CONTROLLERS = ("hugetlb",)
found = [hierarchies.find_hierarchies(ControlGroups.V2) for _ in range(2)]
own = Path("/proc/self/cgroup").read_text().split("0::")[1].split()[0]
print(json.dumps([[it.holder.directory, sorted(it.controllers)] for it in found] + [own]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can delegate a group")
def test_a_daemon_whose_group_is_delegated_passes_controllers_on() -> None:
    """With a controller that v2 has on this host: others need a host without v1."""
    holder = find_hierarchies(ControlGroups.V2).holder
    root = Path(holder.directory) if holder else Path("/nowhere")
    if "hugetlb" not in (root / "cgroup.controllers").read_text(encoding="ascii").split():
        pytest.skip("the hierarchy of v2 has no controller to try this with")
    passed_on = root / "cgroup.subtree_control"
    had = "hugetlb" in passed_on.read_text(encoding="ascii").split()
    group = root / f"test-{os.getpid()}"
    group.mkdir()
    try:
        passed_on.write_text("+hugetlb", encoding="ascii")
        os.setxattr(group, "trusted.delegate", b"1")

        def enter() -> None:
            (group / "cgroup.procs").write_text("0", encoding="ascii")

        done = subprocess.run(
            [sys.executable, "-c", DELEGATED],
            preexec_fn=enter,
            stdout=subprocess.PIPE,
            check=True,
            timeout=60,
        )
        found = json.loads(done.stdout)
        assert found == [[str(group), ["hugetlb"]]] * 2 + [f"/{group.name}/hcsd-daemon"]
    finally:
        for directory in (group / "hcsd-daemon", group):
            with contextlib.suppress(FileNotFoundError):
                directory.rmdir()
        if not had:
            with contextlib.suppress(OSError):
                passed_on.write_text("-hugetlb", encoding="ascii")
