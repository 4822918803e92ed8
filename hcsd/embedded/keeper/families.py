"""Who belongs together, and killing them all.

A process with all that descends from it is a tree. A descendant belongs to the tree by its parents.
If those are gone, it belongs by its session, which only a member can have made. If it has left that
as well, `origins` tells: by the mark in its environment, and by the times of the starts.

    look ──the root is alone──▶ kill it ──▶ look again
      ├────somebody new──▶ stop them ──▶ look again, until all are stopped (`stopping`)
      ▲                                    │
      └──── wait until they are dead ◀─────┴─▶ kill them, also when the patience is over
      └──nobody is left──▶ done, unless a stray is left that may belong to the tree

A stray may belong to the tree if it can descend from several processes, and the root is one of those.
It is left alone, because it may as well be somebody else's. But then the kill is not answered with
success. So the answer is never success while something of the tree may run on:

    EPERM      members may not be signalled, for example because they run as another user
    ETIMEDOUT  members do not die in time, or start others faster than those can be stopped
    ECHILD     strays may belong to the tree
"""

from __future__ import annotations

import errno
import os
import signal
import time
from typing import TYPE_CHECKING

from hcsd.embedded.keeper.frames import Refusal
from hcsd.embedded.keeper.origins import MARK
from hcsd.embedded.keeper.procfs import (
    all_pids,
    children_of,
    children_of_this_thread,
    environment_of,
    look_at,
)
from hcsd.embedded.keeper.signalling import kill_all, send_to
from hcsd.embedded.keeper.stopping import PATIENCE, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from hcsd.embedded.keeper.origins import Origins
    from hcsd.embedded.keeper.procfs import Entry, Identity

KEEPER_MARK = "HCS_KEEPER_MARK"  # one of the keeper's own, and of a child that has no program yet
STOPPING = 0.75  # of the patience is for stopping; the rest is for dying
LAST_ROUND = 0.2  # seconds that may be added to the patience
NAMED = 10  # pids in an error


class Tree:
    """A process and all that descends from it (Linux).

    Args:
        root: Its pid if it is a child that has not been reaped, else 0.
        mark: Its mark.
        origins: What strays can descend from.
        others: Pids of all other processes that were started here and not reaped.
        starting: Pids of those of them that are on the way to their programs.
        reap: Collects a dead stray; see `Stop`.
    """

    def __init__(
        self,
        root: int,
        mark: str,
        origins: Origins,
        *,
        others: Collection[int],
        starting: Collection[int],
        reap: Callable[[int], bool],
    ) -> None:
        self._root = root
        self._mark = mark
        self._origins = origins
        self._starting = starting
        self._sessions: set[int] = {root} - {0}
        self._others = others
        self._stop = Stop(self._judge, others=others, reap=reap)

    def kill(self, known: Mapping[int, int] | None = None) -> int:
        """Kill all of it, and return when nothing is left.

        Args:
            known: Members whose parents nobody could tell any more: pids and times of their starts.

        Returns:
            How many were killed besides the root. Those that ended by themselves do not count.

        Raises:
            Refusal: Something is left, or may be; see the module's head.
        """
        stop = self._stop
        deadline = time.monotonic() + PATIENCE
        self._origins.forget(self._starting)
        stop.members.update(known or {})
        if not known and self._is_alone():
            self._kill_root(deadline)
        caught = stop.stop(deadline - (1 - STOPPING) * PATIENCE)
        overtime = False
        while stop.reachable and not overtime:
            overtime = time.monotonic() > deadline  # for one last round
            deadline = max(deadline, time.monotonic() + LAST_ROUND)
            stop.kill(deadline)
            # Who was stopped has started nobody, so one look is enough to see that.
            caught = stop.stop(deadline, looks=1 if caught else 2)
        if stop.reachable:
            stop.kill(time.monotonic() + LAST_ROUND)  # they were stopped
        if stop.refused & stop.members.keys():
            raise Refusal("tree", errno.EPERM, list_pids(stop.members))
        if stop.members or not caught:
            raise Refusal("tree", errno.ETIMEDOUT, list_pids(stop.members))
        if stop.unclear:
            raise Refusal("tree", errno.ECHILD, list_pids(stop.unclear))
        return len(stop.killed - {self._root})

    def _is_alone(self) -> bool:
        """Tell whether the root lives, without children and in a system without strays."""
        strays = (pid for pid in children_of_this_thread() if pid not in self._others)
        return bool(self._root) and [*strays] == [self._root] and not children_of(self._root)

    def _kill_root(self, deadline: float) -> None:
        """Kill the root without stopping it: nobody is there to notice.

        What it has started a moment ago is found as a stray.
        """
        if (entry := look_at(self._root)) is not None:
            kill_all([(self._root, entry.started)], deadline)

    def _judge(self, pid: int, entry: Entry) -> bool | None:
        """Tell whether a child of the keeper belongs to the tree; None if that cannot be told."""
        belongs: bool | None = pid == self._root or entry.session in self._sessions
        if not belongs:
            found = self._origins.of(pid, entry, self._starting)
            belongs = None if len(found) > 1 and self._mark in found else found == {self._mark}
        if belongs:
            self._sessions.add(entry.session)
        return belongs


def list_pids(pids: Collection[int]) -> str:
    """Return how many processes those are, and which, for people to read."""
    if not pids:
        return "an unknown number of processes"
    named = ", ".join(map(str, sorted(pids)[:NAMED]))
    more = f" and {len(pids) - NAMED} more" if len(pids) > NAMED else ""
    return f"{len(pids)} {'process' if len(pids) == 1 else 'processes'}: {named}{more}"


def kill_marked(mark: str) -> None:
    """Kill whoever has inherited a mark that begins so, whatever its parents (Linux)."""
    prefixes = (f"{MARK}={mark}.".encode(), f"{KEEPER_MARK}={mark}".encode())
    deadline = time.monotonic() + PATIENCE
    seen: set[Identity] = set()  # also what is refused, or does not die in time
    while found := _marked(prefixes) - seen:
        stopped: set[Identity] = set()
        while found and time.monotonic() < deadline:  # until a look finds nobody who is new
            for member in found:
                send_to(member, signal.SIGSTOP)
            stopped |= found
            found = _marked(prefixes) - seen - stopped
        kill_all(stopped | found, deadline)
        seen |= stopped | found
        if time.monotonic() > deadline:
            break


def _marked(prefixes: tuple[bytes, ...]) -> set[Identity]:
    found: set[Identity] = set()
    for pid in all_pids():
        entry = look_at(pid)
        if entry is not None and any(item.startswith(prefixes) for item in environment_of(pid)):
            found.add((pid, entry.started))
    return found


def kill(pid: int) -> bool:
    """Kill a process that cannot have been reaped; False if that is not allowed."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return True  # it ended by itself
    except OSError:
        return False
    return True
