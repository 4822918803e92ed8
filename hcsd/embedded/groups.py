"""Control groups that hold a system to its limits, where the host lets the daemon make them.

A group is a directory below the daemon's own, one for each hierarchy that has a controller the
limits need: one in cgroup v2, one per controller in v1. The keeper is put into it before it starts
anything, so all of the system is in it, and removes it when the system ends.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.embedded.faults import Fault

if TYPE_CHECKING:
    from hcsd.embedded.configuration import Limits

PERIOD = 100_000  # microseconds, over which processor time is shared out
MIN_QUOTA = 1_000  # microseconds: the least that the kernel takes
MAX_WEIGHT = 10_000


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
    return found


class Groups:
    """The groups of one system.

    Args:
        name: Of each directory; no other system's.
        limits: What they hold it to.

    Attributes:
        directories: Those to make.

    Raises:
        Fault: ERROR_NOT_SUPPORTED: this host does not let the daemon limit that.
    """

    def __init__(self, name: str, limits: Limits) -> None:
        self._files: dict[str, dict[str, str]] = {}
        for setting in settings_of(limits):
            parent, unified = _parent_of(setting)
            directory = os.path.join(parent, name)
            values = setting.v2 if unified else setting.v1
            self._files.setdefault(directory, {}).update(values)
        self.directories = tuple(self._files)

    def make(self) -> None:
        """Make them and set the limits.

        Raises:
            Fault: The host refuses it; none is left.
        """
        try:
            for directory, files in self._files.items():
                os.mkdir(directory, 0o755)
                for name, value in files.items():
                    with open(os.path.join(directory, name), "w", encoding="ascii") as file:
                        file.write(value)
        except OSError as error:
            self.remove()
            text = f"the host refuses the limits of the system: {error.strerror}"
            raise Fault(HR.ERROR_NOT_SUPPORTED, text) from None

    def kill(self) -> None:
        """Kill all that is in them."""

    def remove(self) -> None:
        """Remove those that are left; idempotent."""
        for directory in self._files:
            with contextlib.suppress(OSError):  # gone, or something that may not be killed is in it
                os.rmdir(directory)


def _parent_of(setting: Setting) -> tuple[str, bool]:
    """Return the daemon's own group in the hierarchy of a controller, and whether that is v2."""
    reason = f"it has no '{setting.controller}' controller"
    for line in _lines("/proc/self/cgroup"):
        number, controllers, path = line.split(":", 2)
        unified = number == "0"
        if not unified and setting.controller not in controllers.split(","):
            continue
        for mount in _mounts("cgroup2" if unified else "cgroup", setting.controller):
            parent = os.path.join(mount, path.lstrip("/"))
            if unified and setting.controller not in _words(parent, "cgroup.subtree_control"):
                reason = f"the daemon's control group does not pass '{setting.controller}' on"
            elif not os.access(parent, os.W_OK):
                reason = f"the daemon may not write to its control group of '{setting.controller}'"
            else:
                return parent.rstrip("/"), unified
    text = f"this host does not let the daemon limit {setting.limit}: {reason}"
    raise Fault(HR.ERROR_NOT_SUPPORTED, text)


def _mounts(kind: str, controller: str) -> list[str]:
    found = [line.split() for line in _lines("/proc/self/mounts")]
    return [
        fields[1]
        for fields in found
        if fields[2] == kind and (kind == "cgroup2" or controller in fields[3].split(","))
    ]


def _words(directory: str, name: str) -> list[str]:
    return " ".join(_lines(os.path.join(directory, name))).split()


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read().splitlines()
    except OSError:
        return []
