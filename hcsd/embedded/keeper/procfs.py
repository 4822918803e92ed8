"""What Linux tells of processes, in /proc and by pidfd.

A pid may be another process's by the time it is used. So a process is known by its pid together
with the time when it started, and whoever opens a pidfd looks once more before using it.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from typing import NamedTuple

from hcsd.embedded.keeper.spare import FULL, require_room

ON_LINUX = sys.platform == "linux"  # noqa: TID251  (the kernel offers more there)
LOOKS = 10  # at the ancestors of a process; one that dies meanwhile leaves a hole (arbitrary)
MOMENT = 0.001  # seconds between two looks at a process that is changing its program
MOMENTS = 100  # as long as it may take on a busy host (arbitrary)

TICK = os.sysconf("SC_CLK_TCK")  # clock ticks in a second
# Not every kernel is built with this file.
TELLS_CHILDREN = ON_LINUX and os.path.exists(f"/proc/self/task/{os.getpid()}/children")

Identity = tuple[int, int]  # a pid and when its process started, in clock ticks


class Entry(NamedTuple):
    """What the kernel tells of a process.

    Attributes:
        state: State letter of its first thread.
        parent: Pid of its parent.
        session: Its session.
        started: When it started, in clock ticks.
        changing: Whether it is changing its program, and so has no environment for a moment.
        threads: How many threads it has.
    """

    state: bytes
    parent: int
    session: int
    started: int
    changing: bool
    threads: int

    @property
    def dead(self) -> bool:
        """Whether it is a zombie. One whose first thread alone has ended is none."""
        return self.state in b"ZX" and self.threads <= 1


def look_at(pid: int) -> Entry | None:
    """Look at a process; None if there is none, or a zombie."""
    entry = look_at_any(pid)
    return None if entry is None or entry.dead else entry


def look_at_any(pid: int) -> Entry | None:
    """Look at a process, which may be a zombie; None if there is none."""
    stat = _stat(str(pid))
    if stat is None:
        return None
    # Memory, but no environment in it. A kernel thread has neither.
    changing = stat[20] != b"0" and stat[48] == b"0"
    return Entry(
        stat[0], int(stat[1]), int(stat[3]), int(stat[19]), changing, threads=int(stat[17])
    )


def states_of(pid: int, entry: Entry) -> set[bytes]:
    """Return the state letters of the living threads of a process, as far as it has any."""
    if entry.threads <= 1:
        return {entry.state}
    stats = [_stat(f"{pid}/task/{task}") for task in _tasks(pid)]
    return {stat[0] for stat in stats if stat is not None} - {b"Z", b"X"}


def name_of(pid: int) -> str:
    """Return the name that the kernel has for a process, also for a zombie; "" if there is none."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return file.read().decode(errors="replace").rstrip("\n")
    except OSError:
        return ""


def is_still(member: Identity) -> bool:
    """Tell whether a process is alive, and not another one with its pid."""
    pid, started = member
    now = look_at(pid)
    return now is not None and now.started == started


def all_pids() -> list[int]:
    """Return the pids of all processes of the host, dead ones included."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children_of(pid: int) -> list[int]:
    """Return the pids of all children of a process, dead ones included."""
    if not TELLS_CHILDREN:
        return _children_by_parent(pid)
    found: list[int] = []
    for task in _tasks(pid):
        found += _children_of_thread(pid, task)
    return found


def children_of_this_thread() -> list[int]:
    """Return the pids of all children of the only thread of this process, the youngest last."""
    me = os.getpid()
    return _children_of_thread(me, str(me)) if TELLS_CHILDREN else _children_by_parent(me)


def descendants(root: int) -> list[int]:
    """Return the pids of every living descendant of a process."""
    children: dict[int, list[int]] = {}
    for pid in all_pids():
        if (entry := look_at(pid)) is not None:
            children.setdefault(entry.parent, []).append(pid)
    found: list[int] = []
    todo = [root]
    while todo:
        todo = [child for parent in todo for child in children.get(parent, [])]
        found += todo
    return found


def environment_of(pid: int) -> list[bytes]:
    """Return the variables that a process started with; none if it cannot be looked at.

    A process has no environment while it changes its program; this waits until it has. So an empty
    environment is believed only when it is read twice, and the program was settled in between.
    """
    settled = False
    for _ in range(MOMENTS):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                variables = file.read()
        except OSError:  # it has ended, or belongs to somebody else
            break
        entry = look_at(pid)
        if variables or settled or entry is None:
            return variables.split(b"\0")
        settled = not entry.changing
        if not settled:
            time.sleep(MOMENT)
    return []


def control_groups_of(pid: int) -> list[tuple[bytes, bytes]]:
    """Return the control groups that a process is in; none if it has ended.

    Returns:
        Of each the controllers, with commas between them and none for v2, and its path.
    """
    try:
        with open(f"/proc/{pid}/cgroup", "rb") as file:
            lines = [line.split(b":", 2) for line in file.read().split(b"\n")[:-1]]
    except OSError:
        return []
    return [(controllers, path) for _, controllers, path in lines]


def open_descendant(pid: int, ancestor: int) -> int | None:
    """Return a pidfd of a living process if it descends from another one, else None.

    Ownership: the caller closes it.

    Raises:
        OSError: There is no room for a pidfd.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except OverflowError:
        return None
    except OSError as error:
        if error.errno in FULL:
            raise
        return None
    with contextlib.ExitStack() as refused:
        refused.callback(os.close, descriptor)
        require_room([descriptor])
        # Alive after the look as it was before: no other process has had the pid meanwhile.
        if not _descends(pid, ancestor) or has_ended(descriptor):
            return None
        refused.pop_all()
    return descriptor


def has_ended(descriptor: int) -> bool:
    """Tell whether the process of a pidfd has ended."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _descends(pid: int, ancestor: int) -> bool:
    for _ in range(LOOKS):
        above = pid
        while (entry := look_at(above)) is not None:
            above = entry.parent
            if above == ancestor:
                return True
        if above == 0:  # the parent of the first of all processes
            return False
    return False


def _stat(path: str) -> list[bytes] | None:
    """Return the fields after the name, which may have spaces; None if there is no such thing."""
    try:
        with open(f"/proc/{path}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return None
    return stat[stat.rindex(b")") + 2 :].split()


def _tasks(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:  # it has ended
        return []


def _children_of_thread(pid: int, task: str) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
            return [int(child) for child in file.read().split()]
    except OSError:  # it has ended
        return []


def _children_by_parent(pid: int) -> list[int]:
    entries = {child: look_at_any(child) for child in all_pids()}
    return [child for child, entry in entries.items() if entry and entry.parent == pid]
