"""Kills of trees.

A tree that has a control group is frozen and killed by the kernel:

    begin() ──▶ FREEZING ──frozen, or that takes too long──▶ DYING ──nothing lives──▶ answered
       │            ▲──────something lives (v1)──────────────┘ ▲ └──the time is over──▶ refused: ETIMEDOUT
       └──the process is alone─────────────────────────────────┘

Nothing here waits: the kernel tells a poll when a group is frozen or empty; for groups of v1 the loop
looks again soon. Whatever in the tree the kernel holds, as on a file system that does not answer, dies
when it lets go; until then a kill takes its time, and no other request does.

Outsiders are members that have left the group, as only who may write to control groups can. The process
that was started may be one, and has its pid. The parents of the others are known while the group is
frozen, so they are looked for then. They are killed after it, as `families` does it. Without control groups it does all.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import time
from typing import TYPE_CHECKING, NamedTuple

from hcsd.embedded.keeper.families import list_pids
from hcsd.embedded.keeper.frames import Refusal
from hcsd.embedded.keeper.groups import FREEZE_PATIENCE, take_events
from hcsd.embedded.keeper.stopping import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from hcsd.embedded.keeper.attach import Request
    from hcsd.embedded.keeper.children import Children
    from hcsd.embedded.keeper.frames import Message
    from hcsd.embedded.keeper.groups import Group
    from hcsd.embedded.keeper.trees import Trees

LOOK_AGAIN = 0.002  # seconds until the next look at a group that tells nothing


class Kill(NamedTuple):
    """A kill that is under way.

    Attributes:
        request: Id of the request.
        pid: Of the process that started the tree.
        mark: Its mark.
        group: The tree group.
        events: The descriptor to poll; -1 without one.
        deadline: When it is given up.
        freezing_until: When the kill comes, frozen or not; None once it has come.
        others: How many besides the process lived in the group.
        outsiders: See the module's head: pids, and times of their starts.
    """

    request: Request
    pid: int
    mark: str
    group: Group
    events: int
    deadline: float
    freezing_until: float | None = None
    others: int = 0
    outsiders: Mapping[int, int] = {}


class Kills:
    """All that are under way.

    Args:
        poll: Where the groups' events are registered.
        children: The processes that were started here.
        trees: Their groups.
        answer: Called with the id of a request and its answer.
    """

    def __init__(
        self,
        poll: select.poll,
        children: Children,
        trees: Trees,
        answer: Callable[[Request, Message], object],
    ) -> None:
        self._poll = poll
        self._children = children
        self._trees = trees
        self._answer = answer
        self._kills: list[Kill] = []

    @property
    def next_deadline(self) -> float | None:
        """When to look at them again, whatever happens; None if there are none."""
        if not self._kills:
            return None
        if any(kill.events < 0 for kill in self._kills):
            return time.monotonic() + LOOK_AGAIN
        return min(kill.freezing_until or kill.deadline for kill in self._kills)

    def begin(self, request: Request, pid: int, mark: str) -> Message | None:
        """Kill a process with all that descends from it, also after it has been reaped.

        Returns:
            The answer; None if it comes later.

        Raises:
            Refusal: Something of it is left, or may be; see `families`.
        """
        group = self._trees.group_of(mark)
        if group is None:
            return {"killed": self._children.kill_tree(pid, mark)}
        events = group.open_events()
        if events >= 0:
            self._poll.register(events, select.POLLPRI)
        kill = Kill(request, pid, mark, group, events, time.monotonic() + PATIENCE)
        self._kills.append(_freeze(kill) if len(group.pids()) > 1 else self._strike(kill))
        self._move_on(len(self._kills) - 1)
        return None

    def settle(self, ready: Container[int]) -> None:
        """Move those on whose group has something to tell, or whose time has come.

        Args:
            ready: Descriptors that can be read.
        """
        now = time.monotonic()
        for index in range(len(self._kills) - 1, -1, -1):
            kill = self._kills[index]
            due = kill.freezing_until or kill.deadline
            if kill.events < 0 or kill.events in ready or due <= now:
                self._move_on(index)

    def _move_on(self, index: int) -> None:
        kill = self._kills[index]
        now = time.monotonic()
        take_events(kill.events)
        if kill.freezing_until is not None:
            if not kill.group.is_frozen() and now < kill.freezing_until:
                return
            kill = self._kills[index] = self._strike(kill)
        if kill.group.is_empty():
            self._end(index, self._finish(kill))
        elif now >= kill.deadline:
            refusal = Refusal("tree", errno.ETIMEDOUT, list_pids(kill.group.pids()))
            self._end(index, refusal.answer)
        elif kill.events < 0:  # of v1: what was not frozen in time may have forked
            self._kills[index] = _freeze(kill)

    def _strike(self, kill: Kill) -> Kill:
        """Kill what is in the group, having looked for what belongs to it and is not."""
        pids = kill.group.pids()
        root = self._children.root_of(kill.pid, kill.mark)
        others = kill.others or sum(1 for pid in pids if pid != root)
        outsiders = {**kill.outsiders, **self._trees.outsiders(pids, {root} - {0})}
        with contextlib.suppress(OSError):  # gone, and all in it
            kill.group.kill()
        return kill._replace(freezing_until=None, others=others, outsiders=outsiders)

    def _finish(self, kill: Kill) -> Message:
        """Kill outsiders, and return the answer."""
        killed = kill.others
        held: set[int] = set()  # these belong to other trees
        has_strays = any(not self._trees.holds(pid) for pid in self._children.strays())
        if (kill.outsiders or has_strays) and self._trees.main is not None:
            held = set(self._trees.main.pids())
        if kill.outsiders or has_strays:
            try:
                tree = self._children.tree_of(kill.pid, kill.mark, held)
                killed += tree.kill(kill.outsiders)
            except Refusal as refusal:
                return refusal.answer
        return {"killed": killed}

    def _end(self, index: int, answer: Message) -> None:
        kill = self._kills.pop(index)
        if kill.events >= 0:
            self._poll.unregister(kill.events)
            os.close(kill.events)
        self._answer(kill.request, answer)


def _freeze(kill: Kill) -> Kill:
    with contextlib.suppress(OSError):  # gone, and all in it
        kill.group.freeze()
    return kill._replace(freezing_until=time.monotonic() + FREEZE_PATIENCE)
