"""The tree groups of a system: one control group for each process that was started, and what it starts.

    make() ──▶ EMPTY ──the fork brings a process in──▶ LIVES ──nothing lives in it──▶ removed
                 └──the start is refused────────────────────────────────────────────▶ removed

A tree group outlives its process as long as something in it does. The last that lives in it is reaped by
the keeper, since its parent is dead. So it is enough to look when the keeper has reaped something.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, NamedTuple

from hcsd.embedded.keeper.groups import PROCS, V2, group_at, let_die, write
from hcsd.embedded.keeper.procfs import children_of, control_groups_of, look_at

if TYPE_CHECKING:
    from collections.abc import Collection

    from hcsd.embedded.keeper.groups import Group, Places

NOWHERE = -1
# What a kernel answers that cannot fork into a group, or a filter of calls that forbids it.
CANNOT_FORK_INTO = {errno.ENOSYS, errno.EPERM, errno.EINVAL, errno.E2BIG}


class Place(NamedTuple):
    """Where a process is to be.

    Attributes:
        group: A descriptor of its tree group's directory if the fork can bring it there, else -1.
        entered: Descriptors of files, through which it enters other groups.
    """

    group: int
    entered: list[int]


ANYWHERE = Place(NOWHERE, [])


class Trees:
    """All of them.

    Args:
        places: The groups of the system; None without any.
    """

    def __init__(self, places: Places | None) -> None:
        self._places = places
        self._groups: dict[str, Group] = {}  # by mark
        self._roots: dict[int, str] = {}  # marks of those whose process has not been reaped
        self._dead: set[str] = set()  # marks of the others
        self._forks_into = places is not None and places.version == V2
        self._entered = [_procs(group) for group in places.entered] if places else []

    @property
    def main(self) -> Group | None:
        """The main group; None without control groups."""
        return group_at(self._places.main, self._places.version) if self._places else None

    def group_of(self, mark: str) -> Group | None:
        """Return the tree group of a mark; None without one, or if nothing lives in it any more."""
        return self._groups.get(mark)

    def make(self, mark: str) -> Place:
        """Make the tree group of a process that is about to start.

        Ownership: `release` takes the place back.

        Raises:
            OSError: The host has no room for it.
        """
        if self._places is None:
            return ANYWHERE
        directory = os.path.join(self._places.main, mark.rpartition(".")[2])
        try:
            os.mkdir(directory, 0o755)
        except FileExistsError:  # a member has made it, as root can
            directory = f"{directory}-{os.urandom(8).hex()}"
            os.mkdir(directory, 0o755)
        try:
            if self._forks_into:
                flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
                place = Place(os.open(directory, flags), self._entered)
            else:
                place = Place(NOWHERE, [_procs(directory), *self._entered])
        except OSError:
            os.rmdir(directory)
            raise
        self._groups[mark] = group_at(directory, self._places.version)
        return place

    def release(self, place: Place) -> None:
        """Take a place back that `make` has given, after the fork."""
        if place.group >= 0:
            os.close(place.group)
        elif place.entered:
            os.close(place.entered[0])

    def enter_by_itself(self, error: OSError) -> bool:
        """Let processes enter their tree groups by themselves, if the fork cannot bring them there.

        Returns:
            Whether that is the error, so that another try may succeed.
        """
        if not self._forks_into or error.errno not in CANNOT_FORK_INTO:
            return False
        self._forks_into = False
        return True

    def forked(self, pid: int | None, mark: str) -> None:
        """Note which process is in a tree group; None if there is none, since the fork has failed."""
        if mark in self._groups:
            if pid is None:
                self._dead.add(mark)
                self.tidy()
            else:
                self._roots[pid] = mark

    def reaped(self, pid: int) -> None:
        """Note that the keeper has reaped a process."""
        mark = self._roots.pop(pid, None)
        if mark is not None:
            self._dead.add(mark)

    def tidy(self) -> None:
        """Remove the groups in which nothing lives any more."""
        for mark in list(self._dead):
            if self._groups[mark].remove():
                del self._groups[mark]
                self._dead.discard(mark)

    def outsiders(self, members: Collection[int], roots: Collection[int]) -> dict[int, int]:
        """Return who belongs to members and is none: pids, and times of their starts.

        Args:
            members: Pids of what is in a group.
            roots: Processes that belong there, and may have left. They have not been reaped.
        """
        inside = set(members)
        tree = inside.union(roots)
        outside = tree.union(child for pid in tree for child in children_of(pid)) - inside
        found = ((pid, look_at(pid)) for pid in outside)
        return {pid: entry.started for pid, entry in found if entry is not None}

    def holds(self, pid: int) -> bool:
        """Tell whether a process is in the main group, or below; False if it has ended.

        This costs the same however many groups there are.
        """
        if self._places is None:
            return False
        controller = b"" if self._places.version == V2 else b"freezer"
        name = os.path.basename(self._places.main).encode()  # which no other group has
        return any(
            controller in controllers.split(b",") and name in path.split(b"/")
            for controllers, path in control_groups_of(pid)
        )

    def let_die(self, pid: int) -> None:
        """Let a process die that was killed while the system is paused."""
        if self._places is not None:
            let_die(pid, self._places.main, self._places.version)

    def leave_and_remove(self) -> None:
        """Leave all groups of the system, and remove them: the keeper ends."""
        if self._places is None:
            return
        for descriptor in self._entered:
            os.close(descriptor)
        for directory in self._places.kept_in:
            with contextlib.suppress(OSError):
                write(os.path.join(os.path.dirname(directory), PROCS), str(os.getpid()))
        remove_all(self._places)


def remove_all(places: Places) -> bool:
    """Remove the groups of a system; False if something is left in one."""
    removed = group_at(places.main, places.version).remove()
    for directory in (*places.entered, *places.kept_in):
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            continue
        except OSError:
            removed = False
    return removed


def _procs(directory: str) -> int:
    return os.open(os.path.join(directory, PROCS), os.O_WRONLY | os.O_CLOEXEC)
