"""Which of the processes that were started here a child of the keeper can descend from.

A child that the keeper has not started is a stray: its parent has died. Four things tell where it
comes from, in this order:

    session    it is in the session that a process was started in: from that one
    mark       it has inherited the mark of a process in its environment: from that one
    time       it began before a process was started: not from that one
    the rest   all others that were alive then, or had left strays behind: from one of those

If one process remains, the stray descends from it for certain. If several remain, nobody can tell,
for it has left its parents, its session and its environment behind (`env -i setsid`). It is then
neither killed with any of them, nor passed over in silence: see `families`.

    started ──▶ ALIVE ──it ends──▶ ENDED ──no stray can descend from it──▶ forgotten
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from hcsd.embedded.keeper.procfs import (
    TICK,
    children_of_this_thread,
    environment_of,
    look_at_any,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from hcsd.embedded.keeper.procfs import Entry

MARK = "HCS_PROCESS_MARK"  # a variable of every process, with a value that no other process has
# To forget takes the longer the more strays there are. So it is done while there are few, and else
# when many have ended. (Both are arbitrary.)
FEW = 100
MANY = 1000

_prefix = f"{MARK}=".encode()


class Origin(NamedTuple):
    """A process that was started here. Times are in clock ticks since the boot.

    Attributes:
        pid: Its pid, which is the number of its session, too.
        mark: Its mark.
        started: When it started.
        ended: When the keeper noticed its end; None while it lives.
    """

    pid: int
    mark: str
    started: int
    ended: int | None = None


class Origins:
    """All that a stray can descend from."""

    def __init__(self) -> None:
        self._alive: dict[int, Origin] = {}
        self._ended: dict[str, Origin] = {}  # by mark
        self._many = MANY  # ended ones

    def note_start(self, pid: int, mark: str) -> None:
        """Take up a process that has not been reaped."""
        entry = look_at_any(pid)
        self._alive[pid] = Origin(pid, mark, 0 if entry is None else entry.started)

    def note_end(self, pid: int) -> None:
        """Take note that a process has been reaped."""
        origin = self._alive.pop(pid)
        self._ended[origin.mark] = origin._replace(ended=_now())

    def of(self, pid: int, entry: Entry, starting: Collection[int] = ()) -> set[str]:
        """Return the marks of those that a stray can descend from; one is certain.

        Args:
            pid: Its pid.
            entry: What the kernel tells of it. It may be dead.
            starting: Pids of processes on the way to their programs, which have no marks here yet.
                One that it can descend from adds "".
        """
        by_session = self._of_session(entry)
        if by_session is not None:
            return {by_session.mark}
        by_mark = None if entry.dead else self._of_mark(pid)
        if by_mark is not None:
            return {by_mark}
        found = {
            origin.mark
            for origin in (*self._alive.values(), *self._ended.values())
            if origin.started <= entry.started
        }
        if any((other := look_at_any(one)) and other.started <= entry.started for one in starting):
            found.add("")
        return found

    def forget(self, starting: Collection[int]) -> None:
        """Forget the ended ones that no stray can descend from; `starting` as in `of`.

        It is best called when the dead children have been reaped: they are in the way.
        """
        if not self._ended:
            return
        strays = [
            pid
            for pid in children_of_this_thread()
            if pid not in self._alive and pid not in starting
        ]
        if len(strays) > FEW and len(self._ended) < self._many:
            return
        needed: set[str] = set()
        for pid in strays:
            # A dead stray counts, too: what it has left may be younger than this list.
            if (entry := look_at_any(pid)) is not None:
                needed |= self.of(pid, entry)
        self._ended = {mark: origin for mark, origin in self._ended.items() if mark in needed}
        self._many = max(MANY, 2 * len(self._ended))

    def _of_mark(self, pid: int) -> str | None:
        for variable in environment_of(pid):
            if variable.startswith(_prefix):
                mark = variable[len(_prefix) :].decode(errors="replace")
                if mark in self._ended or any(mark == one.mark for one in self._alive.values()):
                    return mark
        return None

    def _of_session(self, entry: Entry) -> Origin | None:
        alive = self._alive.get(entry.session)
        if alive is not None:
            return alive
        # The number was its session's as long as it was not reaped, and later for as long as
        # somebody was in it. A stray that was there by then cannot have come to it otherwise.
        for origin in self._ended.values():
            if origin.pid == entry.session and origin.started <= entry.started < (
                origin.ended or 0
            ):
                return origin
        return None


def _now() -> int:
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * TICK)
