"""Stopping processes so that none gets away, and killing those that are stopped (Linux).

    look ──somebody is new, or still runs──▶ stop whoever is new ──▶ look again
      ├──a number of looks in a row find nobody new, and all stopped──▶ all are caught
      └──the patience is over──▶ some may have got away

A process that has been sent a stop runs no more code of its own, and cannot fork. So whoever is
started meanwhile is found by the next look. Two looks in a row are needed, because a process can
move while it is looked for: its parent ends, and it becomes the keeper's child. The first of them can
leave out those whose children were read when they had stopped.

A process that forks, ends and lets its child go on may be gone before its stop arrives. So the
keeper's children are read first, and again at once for as long as any of them is new. Each is stopped
before anything else is asked about it. One that is found dead counts as new: its child may be next.

Whoever is killed must be stopped first. Otherwise a shell whose child has been killed runs its next
command.

What the kernel holds (state D) counts as stopped once it was sent the stop: it may be waiting for a
stopped child that shares its memory.

The keeper's own children are signalled by pid, because only the keeper reaps them and so no other
process can have the pid. All others are signalled by pidfds that are checked after they were opened.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from typing import TYPE_CHECKING

from hcsd.embedded.keeper.procfs import (
    children_of,
    children_of_this_thread,
    is_still,
    look_at,
    look_at_any,
    states_of,
)
from hcsd.embedded.keeper.signalling import first_in_line, kill_all, send_to

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from hcsd.embedded.keeper.procfs import Entry, Identity

PATIENCE = 2.0  # seconds for members to stop and to die; what the kernel holds takes longer
MOMENT = 0.0002  # seconds between two looks that find nobody new
AT_ONCE = 0.005  # seconds for the children of one reading (arbitrary)
FLOOD = 50  # new children of one reading that are judged also when they are dead (arbitrary)
MANY_CORPSES = 2000  # (arbitrary)
REREADS = 100  # of the children before everybody else is looked at (arbitrary)
STOPPED = b"Tt"
HELD = b"TtD"  # what is as good as stopped, once the stop was sent


class Stop:
    """Members among what descends from the keeper, and stopping and killing them.

    Args:
        judge: Tells whether a child of the keeper is a member; None if that cannot be told. It may
            be dead. What descends from a member is always one.
        others: Children of the keeper that are no members, and are not looked at.
        reap: Collects a dead child of the keeper if nobody waits for its end; tells whether it did.

    Attributes:
        members: Pids of the living members that were found, with the times of their starts.
        sent: Those that were sent a stop. Those that were stopped before are not among them.
        refused: Pids of members that may not be signalled.
        unclear: Living children of the keeper of which the judge cannot tell.
        killed: Pids of members that `kill` has killed.
    """

    def __init__(
        self,
        judge: Callable[[int, Entry], bool | None],
        *,
        others: Container[int] = (),
        reap: Callable[[int], bool] = lambda _pid: False,
    ) -> None:
        self._judge = judge
        self._others = others
        self._reap = reap
        self.members: dict[int, int] = {}
        self.sent: set[Identity] = set()
        self.refused: set[int] = set()
        self.unclear: set[int] = set()
        self.killed: set[int] = set()
        self._strangers: set[int] = set()
        self._corpses: set[int] = set()  # dead children of the keeper, not reaped
        self._dead: set[Identity] = set()  # of other parents
        self._settled: set[int] = set()  # stopped before their children were read
        self._looked = False  # at everybody, at least once
        self._new = False  # somebody was found by this look
        self._moves = False  # somebody has not stopped yet

    @property
    def reachable(self) -> dict[int, int]:
        """The members that may be signalled."""
        return {pid: start for pid, start in self.members.items() if pid not in self.refused}

    def stop(self, deadline: float, looks: int = 2) -> bool:
        """Stop all members.

        Args:
            deadline: When to give up, by the monotonic clock.
            looks: How many in a row must find nobody new; one is enough if all were stopped before.

        Returns:
            Whether all are stopped, but for those that may not be.
        """
        quiet = 0
        with first_in_line():
            while quiet < looks:
                self._look(deadline, full=quiet + 1 == looks)
                if self._new or self._moves:
                    quiet = 0
                    if time.monotonic() > deadline:
                        return False
                    if not self._new:
                        time.sleep(MOMENT)
                else:
                    quiet += 1
        return True

    def kill(self, deadline: float) -> None:
        """Kill the members that were found, and wait until they are dead, or the time is over."""
        dead, refused = kill_all(self.reachable.items(), deadline)
        self.refused |= refused
        self.killed |= dead
        self.members = {
            pid: started
            for pid, started in self.members.items()
            if pid not in dead and is_still((pid, started))
        }

    def _look(self, deadline: float, *, full: bool) -> None:
        """Look at everybody, or, unless it is a full look, at those that may still do something."""
        self._new = self._moves = False
        rereads = 0
        while self._meet_children() and rereads < REREADS and time.monotonic() < deadline:
            rereads += 1
        for pid in list(self.unclear):  # more may be known by now
            if time.monotonic() > deadline:
                break
            self.unclear.discard(pid)
            self._new |= self._meet_child(pid)
        todo = [pid for pid in self.members if full or pid not in self._settled]
        while todo:
            pid = todo.pop()
            entry = look_at(pid)
            if entry is None or entry.started != self.members[pid]:
                del self.members[pid]
                self._settled.discard(pid)
                self._new = True
                continue
            stopped = self._is_stopped(pid, entry)
            todo += [
                child
                for child in children_of(pid)
                if child not in self.members and self._meet_descendant(child, pid)
            ]
            if stopped:
                self._settled.add(pid)
        self._looked = True

    def _meet_children(self) -> bool:
        """Stop each member among the keeper's children that was not seen before."""
        found = False
        met = 0
        until = time.monotonic() + AT_ONCE
        for pid in reversed(children_of_this_thread()):  # the youngest is still there most likely
            if not (
                pid in self.members
                or pid in self._corpses
                or pid in self._strangers
                or pid in self.unclear
                or pid in self._others
            ):
                met += 1
                if met > FLOOD and _can_be_reaped(pid):
                    self._corpses.add(pid)
                    found = True  # whoever it was: more than a few are not judged
                else:
                    found |= self._meet_child(pid)
                if time.monotonic() > until:
                    found = True  # there may be more of them, but younger ones, too
                    break
        if len(self._corpses) > MANY_CORPSES:
            self._bury()
        self._new |= found
        return found

    def _meet_child(self, pid: int) -> bool:
        """Take up a child of the keeper if it is a member; tell whether it is, or was."""
        entry = look_at_any(pid)
        if entry is None or entry.parent != os.getpid():
            return False  # it was reaped since the list was read, and the pid is another's by now
        if entry.dead:
            return self._meet_dead_child(pid, entry)
        # Who comes only now was started by a member most likely, and must not get away.
        was_sent = self._looked and self._send_stop(pid, entry)
        member = self._judge(pid, entry)
        if member:
            if not was_sent:
                self._send_stop(pid, entry)
            self.members[pid] = entry.started
            self._new = True
            return True
        if was_sent:
            send_to((pid, entry.started), signal.SIGCONT)
            self.sent.discard((pid, entry.started))
        self.refused.discard(pid)
        (self._strangers if member is False else self.unclear).add(pid)
        return False

    def _meet_dead_child(self, pid: int, entry: Entry) -> bool:
        self.members.pop(pid, None)
        self._corpses.add(pid)
        return self._judge(pid, entry) is not False

    def _bury(self) -> None:
        """Collect some of the dead, for the children take the longer to read the more there are.

        This is no part of every look: it waits for a lock that whoever forks and ends holds most of
        the time.
        """
        until = time.monotonic() + AT_ONCE
        for pid in list(self._corpses):
            if self._reap(pid):
                self._corpses.discard(pid)
            if time.monotonic() > until:
                break

    def _meet_descendant(self, pid: int, parent: int) -> bool:
        """Take up what a member has started; tell whether it lives."""
        try:
            descriptor = os.pidfd_open(pid)
        except OSError as error:
            if error.errno != errno.ESRCH:
                self.refused.add(pid)  # no descriptors are left
                self._new = True
            return False
        try:
            entry = look_at_any(pid)
            if entry is not None and entry.dead and (pid, entry.started) in self._dead:
                return False
            self._new = True
            if entry is None or entry.parent != parent:
                return False  # it has moved, or ended
            if entry.dead:
                self._dead.add((pid, entry.started))
                return False
            if not is_still((parent, self.members[parent])):
                return False
            self.members[pid] = entry.started
            self._send_stop(pid, entry, descriptor)
        finally:
            os.close(descriptor)
        return True

    def _is_stopped(self, pid: int, entry: Entry) -> bool:
        """Tell whether a member has stopped; stop it if it was continued, or was stopped before."""
        states = states_of(pid, entry)
        if pid in self.refused or all(state in STOPPED for state in states):
            return True
        member = (pid, entry.started)
        if member in self.sent and all(state in HELD for state in states):
            return True
        self._moves = True
        self._settled.discard(pid)
        if send_to(member, signal.SIGSTOP):
            self.refused.add(pid)
        else:
            self.sent.add(member)
        return False

    def _send_stop(self, pid: int, entry: Entry, descriptor: int | None = None) -> bool:
        """Stop a process that runs; its pid is the keeper's child's unless there is a pidfd of it."""
        if entry.state in STOPPED:
            return False  # `_is_stopped` sees it if that changes
        try:
            if descriptor is None:
                os.kill(pid, signal.SIGSTOP)
            else:
                signal.pidfd_send_signal(descriptor, signal.SIGSTOP)
        except ProcessLookupError:
            return False
        except OSError:
            self.refused.add(pid)
            return False
        self.sent.add((pid, entry.started))
        return True


def _can_be_reaped(pid: int) -> bool:
    """Tell of a child whether it is dead: a glance, where `look_at_any` is a look."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
