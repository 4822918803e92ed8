"""The control groups of a system: they hold all of it together, and to its limits.

    make() ──▶ MADE ──the keeper starts──▶ KEPT ──it ends──▶ removed by the keeper
                └──it cannot be started──▶ removed  └──it was killed──▶ kill(), remove()

What the groups are for is told in `keeper.groups`, and where they are in `hierarchies`. The keeper is
outside: what it keeps can neither use up its memory nor freeze it. The one exception is the number of
tasks in v1, which each process would have to enter by itself; the limit is one more there.

The lock tells other daemons that somebody looks after the groups: see `leftovers`. The engine and the
keeper share it, so it holds for as long as one of them lives.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass

from hcsd.abi.hresult import HR
from hcsd.embedded.configuration import Limits
from hcsd.embedded.faults import Fault, refusal
from hcsd.embedded.hierarchies import Hierarchies
from hcsd.embedded.keeper.groups import V1, Places, group_at, kill_all, write
from hcsd.embedded.keeper.trees import remove_all
from hcsd.host_limits import CONTROL_GROUP

PERIOD = 100_000  # microseconds, over which processor time is shared out
MIN_QUOTA = 1_000  # microseconds: the least that the kernel takes
MAX_WEIGHT = 10_000
PREFIX = "hcsd-"  # of the name of a group


@dataclass(frozen=True, slots=True)
class Setting:
    """A limit as a controller takes it.

    Attributes:
        limit: What it limits, for the error.
        controller: Its name.
        v1: Files and values in cgroup v1, in the order they are written.
        v2: The same in v2.
    """

    limit: str
    controller: str
    v1: dict[str, str]
    v2: dict[str, str]


def settings_of(limits: Limits) -> list[Setting]:
    """Word limits as settings of controllers."""
    found: list[Setting] = []
    if limits.memory is not None:
        size = str(limits.memory)
        found.append(
            Setting("memory", "memory", {"memory.limit_in_bytes": size}, {"memory.max": size})
        )
    if limits.processors is not None:
        quota = str(max(MIN_QUOTA, int(limits.processors * PERIOD)))
        v1 = {"cpu.cfs_period_us": str(PERIOD), "cpu.cfs_quota_us": quota}
        found.append(Setting("processors", "cpu", v1, {"cpu.max": f"{quota} {PERIOD}"}))
    if limits.weight is not None:
        # The middle of HCS's scale is what every group has by default.
        shares = max(2, limits.weight * 1024 * 2 // MAX_WEIGHT)
        weight = max(1, min(MAX_WEIGHT, limits.weight * 100 * 2 // MAX_WEIGHT))
        found.append(
            Setting("processors", "cpu", {"cpu.shares": str(shares)}, {"cpu.weight": str(weight)})
        )
    if limits.tasks is not None:
        v1 = {"pids.max": str(limits.tasks + 1)}  # the keeper is in that group, too
        found.append(Setting("tasks", "pids", v1, {"pids.max": str(limits.tasks)}))
    return found


class Groups:
    """The groups of one system.

    Args:
        mark: The keeper's, which no other system has.
        limits: What they hold it to.
        hierarchies: Where they can be made.

    Attributes:
        mark: As given.
        places: What the keeper is to know, once they are made; None if there are none.
        limits_tasks: Whether they limit how many tasks there may be.

    Raises:
        Fault: ERROR_NOT_SUPPORTED: this host does not let the daemon limit that.
    """

    def __init__(self, mark: str, limits: Limits, hierarchies: Hierarchies) -> None:
        self.mark = mark
        self.places: Places | None = None
        self._name = PREFIX + mark
        self._main = ""
        self._files: dict[str, dict[str, str]] = {}
        self._entered: list[str] = []
        self._kept_in: list[str] = []
        self._events = ""
        self._version = 0
        self.limits_tasks = False
        if hierarchies.holder is not None:
            self._version = hierarchies.holder.version
            self._main = os.path.join(hierarchies.holder.directory, self._name)
            self._files[self._main] = {}
        for setting in settings_of(limits):
            place = hierarchies.controllers.get(setting.controller)
            if place is not None:
                self._limit(setting, os.path.join(place.directory, self._name), place.version)
            elif setting.controller != "pids":  # that one nobody has asked for
                text = f"this host does not let the daemon limit {setting.limit}"
                reason = hierarchies.lacking[setting.controller]
                raise Fault(HR.ERROR_NOT_SUPPORTED, f"{text}: {reason}")

    @classmethod
    def taken(cls, mark: str, places: Places | None, *, limits_tasks: bool) -> Groups:
        """Return those that another engine has made.

        Args:
            mark: The keeper's.
            places: Where they are, with the lock; None if there are none. Ownership: of the lock.
            limits_tasks: As the other engine had it.
        """
        groups = cls(mark, Limits(), Hierarchies())
        groups.limits_tasks = limits_tasks
        if places is not None:
            groups.places = places
            groups._version, groups._main = places.version, places.main
            groups._entered, groups._kept_in = places.entered, places.kept_in
            groups._events = places.events
        return groups

    def make(self) -> None:
        """Make them, set the limits, and take the lock.

        Raises:
            Fault: The host refuses it; none is left.
        """
        if not self._main:
            return
        lock = -1
        try:
            for directory, files in self._files.items():
                if directory == self._main:
                    lock = _make_locked(directory)
                else:
                    os.mkdir(directory, 0o755)
                for name, value in files.items():
                    write(os.path.join(directory, name), value)
        except OSError as error:
            self._unlock(lock)
            self.remove()
            subject = "the host refuses the control groups of the system"
            raise refusal(error, subject, CONTROL_GROUP, HR.ERROR_NOT_SUPPORTED) from None
        self.places = self._plan(lock)

    def kill(self) -> list[int]:
        """Kill all that is in them, and wait. Thread: any that may block, for some seconds.

        Returns:
            The pids of what does not die.
        """
        if self.places is None:
            return []
        return kill_all(group_at(self._main, self._version))

    def remove(self) -> None:
        """Remove those that are left, and let go of the lock; idempotent."""
        if self._main:
            remove_all(self._plan(-1))
        if self.places is not None:
            self._unlock(self.places.lock)
            self.places = self.places._replace(lock=-1)

    def _limit(self, setting: Setting, directory: str, version: int) -> None:
        values = dict(setting.v1 if version == V1 else setting.v2)
        self._files.setdefault(directory, {}).update(values)
        if setting.controller == "memory":
            self._events = os.path.join(
                directory, "memory.oom_control" if version == V1 else "memory.events"
            )
        if setting.controller == "pids":
            self.limits_tasks = True
        if directory != self._main:
            groups = self._kept_in if setting.controller == "pids" else self._entered
            if directory not in groups:
                groups.append(directory)

    def _plan(self, lock: int) -> Places:
        return Places(self._version, self._main, lock, self._entered, self._kept_in, self._events)

    @staticmethod
    def _unlock(lock: int) -> None:
        if lock >= 0:
            os.close(lock)


def _make_locked(directory: str) -> int:
    """Make a main group, and return a descriptor of it that holds the lock.

    Another daemon that starts just now takes a group without a lock for a leftover, and removes it. Then
    it is made again.
    """
    while True:
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, 0o755)
        try:
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(directory):
            return lock
        os.close(lock)
