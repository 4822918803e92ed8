"""Who belongs together, and killing them all.

A process with all that descends from it is a tree. A descendant belongs to the tree by its parents.
If those are gone, it belongs by its session, which only a member can have made. If it has left that
as well, it belongs by the mark that it has inherited in its environment.

    look ──somebody new──▶ kill them, wait until they are dead ──▶ look again
      ├──nobody new──▶ done
      └──the patience is over──▶ ETIMEDOUT

What a dying process starts is found by looking again.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from typing import TYPE_CHECKING

from hcsd.embedded.keeper.frames import Refusal
from hcsd.embedded.keeper.procfs import (
    all_pids,
    children_of,
    environment_of,
    is_still,
    look_at,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from hcsd.embedded.keeper.procfs import Entry, Identity

MARK = "HCS_PROCESS_MARK"  # a variable of every process, with a value that no other process has
KEEPER_MARK = "HCS_KEEPER_MARK"  # one of the keeper's own, and of a child that has no program yet
BATCH = 100  # of descriptors at a time
PATIENCE = 2.0  # seconds for members to die, or to stop; what the kernel holds takes longer


class Tree:
    """A process and all that descends from it (Linux).

    Args:
        root: Its pid if it is a child that has not been reaped, else 0.
        mark: Its mark.
        others: Returns all processes that were started here; but for the root they are no part of
            it.
    """

    def __init__(self, root: int, mark: str, others: Callable[[], Container[int]]) -> None:
        self._root = root
        self._mark = f"{MARK}={mark}".encode()
        self._others = others
        self._sessions: set[int] = set()

    def kill(self) -> int:
        """Kill all of it, and return when nothing is left.

        Returns:
            0, or the errno if something may not be killed, or starts others faster than they can
            be.
        """
        if code := _kill_until_none(self._members):
            raise Refusal("process", code)
        return 0

    def look(self) -> None:
        """Look."""
        self._members()

    def _members(self) -> set[Identity]:
        """Find what belongs to it now. Whoever has lost its parents is a child of the keeper."""
        me = os.getpid()
        found: set[Identity] = set()
        others = self._others()
        ours = [pid for pid in children_of(me) if pid == self._root or pid not in others]
        todo = [(pid, me) for pid in ours]
        while todo:
            pid, parent = todo.pop()
            entry = look_at(pid)
            if entry is None or entry.parent != parent:
                continue  # it has ended; the pid may be another's by now
            if parent != me or self._is_root(pid, entry):
                found.add((pid, entry.started))
                self._sessions.add(entry.session)
                todo += [(child, pid) for child in children_of(pid)]
        return found

    def _is_root(self, pid: int, entry: Entry) -> bool:
        """Tell whether a child of the keeper, of which nothing else is known, belongs to the tree."""
        return (
            pid == self._root
            or entry.session in self._sessions
            or self._mark in environment_of(pid)
        )


def kill_marked(mark: str) -> None:
    """Kill whoever has inherited a mark that begins so, whatever its parents (Linux)."""
    prefixes = (f"{MARK}={mark}.".encode(), f"{KEEPER_MARK}={mark}".encode())
    _kill_until_none(lambda: _marked(prefixes))


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


def send_to(member: Identity, number: int) -> int:
    """Send a signal to a process that may have ended; return the errno if that is not allowed."""
    try:
        descriptor = os.pidfd_open(member[0])
    except ProcessLookupError:
        return 0
    try:
        if is_still(member):
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return 0
    except OSError as error:
        return error.errno or errno.EPERM
    finally:
        os.close(descriptor)
    return 0


def _kill_until_none(look: Callable[[], set[Identity]]) -> int:
    """Kill whoever is found, until nobody new is; return an errno as `Tree.kill` does."""
    deadline = time.monotonic() + PATIENCE
    seen: set[Identity] = set()  # also what is refused, or does not die in time
    refused = 0
    while found := look() - seen:
        if time.monotonic() > deadline:
            return errno.ETIMEDOUT
        seen |= found
        batch = list(found)
        for begin in range(0, len(batch), BATCH):
            refused = _kill_all(batch[begin : begin + BATCH], deadline) or refused
    return refused


def _kill_all(members: list[Identity], deadline: float) -> int:
    """Kill processes and wait until they are dead; return the errno if one may not be killed."""
    poll = select.poll()
    dying: set[int] = set()
    opened: list[int] = []
    refused = 0
    try:
        for member in members:
            try:
                descriptor = os.pidfd_open(member[0])
                opened.append(descriptor)
                if not is_still(member):
                    continue  # it has ended; the pid may be another's by now
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            except ProcessLookupError:
                continue
            except PermissionError as error:
                refused = error.errno or errno.EPERM
            else:
                poll.register(descriptor, select.POLLIN)
                dying.add(descriptor)
        while dying and (left := deadline - time.monotonic()) > 0:
            for descriptor, _ in poll.poll(left * 1000):
                poll.unregister(descriptor)
                dying.remove(descriptor)
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return refused
