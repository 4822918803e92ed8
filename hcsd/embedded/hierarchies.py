"""Where on this host the daemon can make control groups, and of what kind.

The daemon makes groups below its own, in each hierarchy that it uses:

    holder        of cgroup v2 if it is mounted and writable, else the freezer of v1. It freezes and kills.
    controllers   memory, cpu and pids: those of v2 that are passed on to groups below the daemon's, else
                  those of v1.

In v2 a group that passes controllers on has no processes of its own. So where the daemon's group has been
delegated to it, as systemd does with `Delegate=yes`, the daemon goes into a group below that, and passes
on what it needs:

    hcsd.service/                 delegated; has the controllers
        hcsd-daemon/              the daemon and its keepers
        hcsd-<32 digits>/         a compute system
            1/ 2/ 3/ …            a process with all that it has started

A group that belongs to somebody else, as that of a login session does, is not changed: then there are groups
below it, without limits.

Seen on Linux 6.18 with v1 beside a v2 without controllers of its own use. The controllers of v2 have not
been seen at work.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from hcsd.control_groups import ControlGroups
from hcsd.embedded.keeper.groups import PROCS, V1, V2, write
from hcsd.embedded.keeper.procfs import ON_LINUX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONTROLLERS = ("memory", "cpu", "pids")
DAEMON_GROUP = "hcsd-daemon"
UNITS = (".scope", ".service", ".slice")  # groups that systemd looks after
FREEZES = (5, 2)  # the first kernel whose groups of v2 freeze
DELEGATED = ("user.delegate", "trusted.delegate")  # attributes that systemd sets

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """A place where groups can be made.

    Attributes:
        version: 1 or 2.
        directory: The group below which they are made.
    """

    version: int
    directory: str


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """All of them.

    Attributes:
        holder: Where groups freeze and kill; None if there is no such place.
        controllers: Where each controller is.
        lacking: For each other controller, why it cannot be used.
    """

    holder: Hierarchy | None = None
    controllers: Mapping[str, Hierarchy] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)


class _Mount(NamedTuple):
    """A hierarchy that is mounted.

    Attributes:
        version: 1 or 2.
        controllers: Of v1.
        own: Directory of the daemon's own group.
    """

    version: int
    controllers: frozenset[str]
    own: str


def find_hierarchies(allowed: ControlGroups = ControlGroups.AUTO) -> Hierarchies:
    """Look where groups can be made.

    The daemon moves into a group of its own if its group was delegated to it; see the module's head.
    """
    if allowed is ControlGroups.OFF or not ON_LINUX:
        return Hierarchies(lacking=dict.fromkeys(CONTROLLERS, "control groups are switched off"))
    mounts = list(_mounts())
    unified = None
    if allowed is not ControlGroups.V1:
        unified = next((_unified(mount.own) for mount in mounts if mount.version == V2), None)
    legacy: dict[str, Hierarchy] = {}
    if allowed is not ControlGroups.V2:
        for mount in mounts:
            if mount.version == V1 and _is_writable(mount.own):
                found = Hierarchy(V1, mount.own)
                legacy |= dict.fromkeys(mount.controllers, found)
    holder = unified or legacy.get("freezer")
    controllers: dict[str, Hierarchy] = {}
    lacking: dict[str, str] = {}
    passed_on = _words(unified.directory, "cgroup.subtree_control") if unified else []
    for name in CONTROLLERS:
        if holder is None:
            lacking[name] = "it may not make control groups"
        elif unified is not None and name in passed_on:
            controllers[name] = unified
        elif name in legacy:
            controllers[name] = legacy[name]
        else:
            lacking[name] = f"its control group does not pass the controller '{name}' on"
    return Hierarchies(holder, controllers, lacking)


def mounts_of_groups() -> list[tuple[str, int, bool]]:
    """Return where hierarchies of use are mounted, their versions, and whether they can be holders."""
    return [
        (mount, version, version == V2 or "freezer" in options)
        for version, options, _, mount in _mounted()
        if version == V2 or not options.isdisjoint((*CONTROLLERS, "freezer"))
    ]


def _unified(own: str) -> Hierarchy | None:
    """Return the group of v2 below which groups are made; None if none can be."""
    above, name = os.path.split(own)
    # The daemon may have been put below its delegated group, as `DelegateSubgroup` of systemd does it.
    below = name == DAEMON_GROUP or (_is_delegated(above) and not name.endswith(UNITS))
    parent = above if below else own
    if not _is_writable(parent) or _kernel() < FREEZES:
        return None
    if os.geteuid() != 0 or _is_delegated(parent):
        _pass_on(parent)
    return Hierarchy(V2, parent)


def _kernel() -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))


def _pass_on(parent: str) -> None:
    """Pass the controllers on to groups below, having left the group."""
    offered = _words(parent, "cgroup.controllers")
    passed_on = _words(parent, "cgroup.subtree_control")
    wanted = [name for name in CONTROLLERS if name in offered and name not in passed_on]
    if not wanted:
        return
    try:
        if set(_words(parent, PROCS)) == {str(os.getpid())}:  # else others are in the way
            group = os.path.join(parent, DAEMON_GROUP)
            with contextlib.suppress(FileExistsError):
                os.mkdir(group, 0o755)
            write(os.path.join(group, PROCS), str(os.getpid()))
        for name in wanted:
            write(os.path.join(parent, "cgroup.subtree_control"), f"+{name}")
    except OSError as error:
        # No fault: who needs a limit is refused, and told why.
        logger.info("control group %s does not pass controllers on: %s", parent, error)


def _is_delegated(directory: str) -> bool:
    for name in DELEGATED:
        with contextlib.suppress(OSError):
            if os.getxattr(directory, name) == b"1":
                return True
    return False


def _is_writable(directory: str) -> bool:
    return os.access(directory, os.W_OK | os.X_OK) and os.access(
        os.path.join(directory, PROCS), os.W_OK
    )


def _mounts() -> Iterator[_Mount]:
    """Find the hierarchies and the daemon's own group in each."""
    groups: dict[frozenset[str], str] = {}  # by the controllers of v1; those of v2 are not there
    for line in _lines("/proc/self/cgroup"):
        number, controllers, path = line.split(":", 2)
        groups[frozenset(controllers.split(",") if number != "0" else ())] = path
    for version, options, root, mount in _mounted():
        found = [names for names in groups if names <= options and bool(names) is (version == V1)]
        path = os.path.relpath(groups[found[0]], root) if found else ".."
        if path.split("/")[0] != "..":  # else the mount shows another part of the hierarchy
            yield _Mount(version, found[0], os.path.normpath(os.path.join(mount, path)))


def _mounted() -> Iterator[tuple[int, frozenset[str], str, str]]:
    """Return version, options, root and place of each mount of control groups."""
    for line in _lines("/proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in {"cgroup", "cgroup2"}:
            fields = before.split(" ")
            version = V2 if kind == "cgroup2" else V1
            yield version, frozenset(options.split(",")), _text(fields[3]), _text(fields[4])


def _text(field_: str) -> str:
    """Return what a field of mountinfo says; it has spaces as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field_)


def _words(directory: str, name: str) -> list[str]:
    return " ".join(_lines(os.path.join(directory, name))).split()


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read().splitlines()
    except OSError:
        return []
