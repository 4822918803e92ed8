"""A daemon whose host has limits that a test can reach, and lift again.

It is in control groups of its own, and sees pseudo terminals of its own, as far as the host lets a test
make them. Its descriptors are limited from outside.
"""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

from tests.support.census import until
from tests.support.daemon import Daemon, serving

GROUPS = Path("/sys/fs/cgroup")
FORK_SUPPORT = "GRPC_ENABLE_FORK_SUPPORT"
TERMINALS = 2  # that there may be
# What cannot be had is left out; the test then finds no limit and says why it is skipped.
SCRIPT = f"""
for group in "$PIDS_GROUP" "$MAIN_GROUP"; do
    [ -z "$group" ] || echo $$ > "$group/cgroup.procs"
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,max={TERMINALS} devpts /dev/pts &&
    mount --bind /dev/pts/ptmx /dev/ptmx
exec "$@"
"""


class Bounded:
    """The daemon.

    Attributes:
        daemon: It.
        pids_group: Its group with the controller `pids`; None if none can be made.
        main_group: Its group of v2; None if none can be made.
    """

    def __init__(self, daemon: Daemon, pids_group: Path | None, main_group: Path | None) -> None:
        self.daemon = daemon
        self.pids_group = pids_group
        self.main_group = main_group

    @property
    def has_terminals(self) -> bool:
        """Whether it has pseudo terminals of its own."""
        mounts = Path(f"/proc/{self.daemon.pid}/mounts").read_text(encoding="utf-8")
        return f"max={TERMINALS}" in mounts


@contextlib.contextmanager
def bounded() -> Iterator[Bounded]:
    """Run such a daemon while the block runs."""
    with contextlib.ExitStack() as groups:
        pids = groups.enter_context(_group([GROUPS / "pids"], "pids.max"))
        main = groups.enter_context(_group([GROUPS / "unified", GROUPS], "cgroup.max.descendants"))
        environment = {
            "PIDS_GROUP": str(pids or ""),
            "MAIN_GROUP": str(main or ""),
            FORK_SUPPORT: "1",  # which the daemon itself must not follow
        }
        program = [sys.executable, "-m", "hcsd", "serve"]
        shell = ["sh", "-c", SCRIPT, "sh"]
        own_mounts = ["unshare", "--mount"] if _can_unshare() else []
        command = [*own_mounts, *shell, *program]
        passed = ("--pass-env", FORK_SUPPORT)
        with serving(*passed, environment=environment, command=command) as daemon:
            yield Bounded(daemon, pids, main)


def _can_unshare() -> bool:
    program = shutil.which("unshare")
    return program is not None and subprocess.call([program, "--mount", "true"]) == 0


@contextlib.contextmanager
def _group(places: list[Path], file: str) -> Iterator[Path | None]:
    """Make a control group in the first place where it has that file; None if there is no such place."""
    for place in places:
        group = place / f"test-{uuid.uuid4().hex}"
        with contextlib.suppress(OSError):
            group.mkdir()
        if (group / file).exists():
            break
        _is_removed(group)
    else:
        yield None
        return
    try:
        yield group
    finally:
        until(lambda: _is_removed(group), "the control group can be removed")


def _is_removed(group: Path) -> bool:
    with contextlib.suppress(OSError):  # something in it is just dying
        group.rmdir()
    return not group.exists()


@contextlib.contextmanager
def no_processes(group: Path) -> Iterator[None]:
    """Let a group have no more processes than it has."""
    limit = group / "pids.max"
    limit.write_text((group / "pids.current").read_text(encoding="ascii"), encoding="ascii")
    try:
        yield
    finally:
        limit.write_text("max", encoding="ascii")


@contextlib.contextmanager
def no_groups(group: Path) -> Iterator[None]:
    """Let a group of v2 have no more groups below it than it has."""
    stat = (group / "cgroup.stat").read_text(encoding="ascii").split()
    limit = group / "cgroup.max.descendants"
    limit.write_text(stat[stat.index("nr_descendants") + 1], encoding="ascii")
    try:
        yield
    finally:
        limit.write_text("max", encoding="ascii")


@contextlib.contextmanager
def no_descriptors(pid: int, *, at_all: bool = False) -> Iterator[None]:
    """Let a process have no more descriptors than it has.

    Args:
        pid: The process.
        at_all: Not even those that it spares for what is over soon (`keeper.spare`).
    """
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    free = min(set(range(len(used) + 1)) - used)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free if at_all else free * 2, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def no_memory(pid: int, *, spare: int) -> Iterator[None]:
    """Let a process have no more address space than it has, but for some bytes."""
    before = resource.prlimit(pid, resource.RLIMIT_AS)
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[0])
    soft = pages * resource.getpagesize() + spare
    resource.prlimit(pid, resource.RLIMIT_AS, (soft, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_AS, before)
