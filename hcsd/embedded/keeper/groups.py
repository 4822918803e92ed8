"""Control groups, in which the kernel itself knows what belongs together (Linux).

A system has a *main group*, and each process that was started in it has a *tree group* below that.
Whatever a process starts is in its tree group, whoever its parents are, until something that may do so
moves it away. So the kernel can freeze and kill all of it, and nothing gets away by forking.

    cgroup v2             <the daemon's own group>/hcsd-…/N    cgroup.freeze, cgroup.kill
    the freezer of v1     the same, in the hierarchy of the freezer

A kill freezes first. Else a process would see its child die, and could go on before it is killed itself.

    frozen ──kill()──▶ dying ──is_empty()──▶ remove()

In v2 what is frozen dies at once. In v1 it dies as it thaws. Groups that members have made below theirs
belong to them.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

from hcsd.embedded.keeper.procfs import is_still, look_at
from hcsd.embedded.keeper.spare import FULL

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.embedded.keeper.procfs import Identity

PROCS = "cgroup.procs"
LOOK_AGAIN = 2  # milliseconds until the next look at a group that tells nothing
FREEZE_PATIENCE = 0.5  # seconds; what the kernel holds meanwhile does not run on
DEATH_PATIENCE = 2.0  # seconds
BATCH = 100  # of descriptors at a time
V1, V2 = 1, 2
NO_EVENTS = -1


class Places(NamedTuple):
    """The groups of a system, as its keeper is told them.

    Attributes:
        version: Of the control groups of `main`.
        main: The main group.
        lock: A descriptor of `main`, which holds a lock on it as long as the keeper lives.
        entered: Groups of single controllers of v1 that each process enters when it starts.
        kept_in: Such groups that the keeper is in, so that its processes need not enter them.
        events: File in which the kernel counts what it has killed for want of memory; "" without a
            limit.
    """

    version: int
    main: str
    lock: int
    entered: list[str]
    kept_in: list[str]
    events: str


class Group:
    """A group that is there, with all below it; this one is of v2.

    Args:
        directory: Its directory.

    Attributes:
        directory: As given.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def open_events(self) -> int:
        """Return a descriptor to poll for POLLPRI, with `take_events`; -1 if it tells nothing.

        Ownership: the caller's.
        """
        try:
            return os.open(self._path("cgroup.events"), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # the group is gone
            return NO_EVENTS

    def freeze(self) -> None:
        """Let nothing in it run any more, once `is_frozen`.

        Raises:
            OSError: The group is gone.
        """
        write(self._path("cgroup.freeze"), "1")

    def thaw(self) -> None:
        """Let all in it go on.

        Raises:
            OSError: The group is gone.
        """
        write(self._path("cgroup.freeze"), "0")

    def is_frozen(self) -> bool:
        """Whether nothing in it runs."""
        return "frozen 1" in _lines(self._path("cgroup.events"))

    def is_empty(self) -> bool:
        """Whether nothing lives in it; what nobody has reaped is dead."""
        return "populated 1" not in _lines(self._path("cgroup.events"), "populated 1")

    def kill(self) -> None:
        """Kill all in it, also what is just being forked, and do not wait.

        Raises:
            OSError: The group is gone.
        """
        with contextlib.suppress(FileNotFoundError):  # there since Linux 5.14
            write(self._path("cgroup.kill"), "1")
        # That passes over a process whose first thread has ended (seen on 6.18).
        self._kill_each()

    def pids(self) -> list[int]:
        """Return the pids of all that lives in it."""
        found: list[int] = []
        for directory, _, _ in os.walk(self.directory):
            found += map(int, _lines(os.path.join(directory, PROCS)))
        return found

    def remove(self) -> bool:
        """Remove it, and what was made below it; False if something lives in it."""
        try:
            os.rmdir(self.directory)
        except FileNotFoundError:
            return True
        except OSError:
            return self._remove_all()
        return True

    def _remove_all(self) -> bool:
        if not self.is_empty():
            return False
        try:
            for directory, _, _ in os.walk(self.directory, topdown=False):
                os.rmdir(directory)
        except OSError:
            return False
        return True

    def _kill_each(self) -> None:
        found = self.pids()
        for begin in range(0, len(found), BATCH):
            opened: dict[int, int] = {}
            try:
                for pid in found[begin : begin + BATCH]:
                    with contextlib.suppress(ProcessLookupError):
                        opened[pid] = os.pidfd_open(pid)
                for pid in opened.keys() & set(self.pids()):  # so the pid is no other process's
                    with contextlib.suppress(ProcessLookupError):
                        signal.pidfd_send_signal(opened[pid], signal.SIGKILL)
            finally:
                for descriptor in opened.values():
                    os.close(descriptor)

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)


class FreezerGroup(Group):
    """A group of the freezer of v1, which tells nothing: who waits for it looks again and again."""

    def __init__(self, directory: str) -> None:
        super().__init__(directory)
        self._moved: set[Identity] = set()  # members that are to die outside

    def open_events(self) -> int:
        """See `Group.open_events`."""
        return NO_EVENTS

    def freeze(self) -> None:
        """See `Group.freeze`."""
        write(self._path("freezer.state"), "FROZEN")

    def thaw(self) -> None:
        """See `Group.thaw`."""
        write(self._path("freezer.state"), "THAWED")

    def is_frozen(self) -> bool:
        """See `Group.is_frozen`."""
        return "FROZEN" in _lines(self._path("freezer.state"))

    def is_empty(self) -> bool:
        """See `Group.is_empty`."""
        self._moved = {member for member in self._moved if is_still(member)}
        return not self._moved and not self.pids()

    def kill(self) -> None:
        """See `Group.kill`."""
        self._kill_each()
        if _lines(self._path("freezer.parent_freezing")) == ["1"]:
            for pid in self.pids():
                if (entry := look_at(pid)) is not None:
                    self._moved.add((pid, entry.started))
                    let_die(pid, os.path.dirname(self.directory), V1)
        self.thaw()


def group_at(directory: str, version: int) -> Group:
    """Return a group that is there."""
    return Group(directory) if version == V2 else FreezerGroup(directory)


def let_die(pid: int, main: str, version: int) -> None:
    """Let a process die that was killed in a paused system: in v1 it would wait for the end of the pause.

    Args:
        pid: Its pid.
        main: Directory of the main group.
        version: Of that.
    """
    if version == V1:
        with contextlib.suppress(OSError):  # dead already
            write(os.path.join(os.path.dirname(main), PROCS), str(pid))


def kill_all(group: Group) -> list[int]:
    """Kill all in a group, and wait until nothing lives in it, for some seconds at most.

    Returns:
        The pids of what does not die.
    """
    with contextlib.suppress(OSError):  # the group is gone
        group.freeze()
        wait_until(group, group.is_frozen, FREEZE_PATIENCE)
        group.kill()
        wait_until(group, group.is_empty, DEATH_PATIENCE)
    return group.pids()


def wait_until(group: Group, done: Callable[[], bool], patience: float) -> bool:
    """Wait for something to become true of a group.

    Args:
        group: The group.
        done: Tells whether it is.
        patience: Seconds.

    Returns:
        Whether it has.
    """
    deadline = time.monotonic() + patience
    poll = select.poll()
    events = group.open_events()
    if events >= 0:
        poll.register(events, select.POLLPRI)
    try:
        while True:
            take_events(events)
            if done():
                return True
            left = (deadline - time.monotonic()) * 1000
            if left <= 0:
                return False
            poll.poll(left if events >= 0 else min(left, LOOK_AGAIN))
    finally:
        if events >= 0:
            os.close(events)


def take_events(events: int) -> None:
    """Take note of what a group has told, before looking at it, so that a poll waits for more.

    Args:
        events: What `Group.open_events` has returned.
    """
    if events >= 0:
        with contextlib.suppress(OSError):  # the group is gone
            os.pread(events, 1, 0)


def write(path: str, text: str) -> None:
    """Write to a file of a control group.

    Raises:
        OSError: The kernel refuses.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _lines(path: str, when_full: str = "") -> list[str]:
    """Return the lines of a file; none if the group is gone, and `when_full` without room for a look."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().split("\n")[:-1]
    except OSError as error:
        return [when_full] if when_full and error.errno in FULL else []
