"""Kills of trees that have a control group.

    begin() ──▶ FREEZING ──frozen, or that takes too long──▶ DYING ──nothing lives──▶ STRAYS ──▶ answered
       │            ▲──────something lives (v1)──────────────┘ ▲ └──the time is over──▶ refused: ETIMEDOUT
       └──the process is alone─────────────────────────────────┘

Nothing here waits: the kernel tells a poll when a group is frozen or empty; for groups of v1 the loop
looks again soon. Whatever in the tree the kernel holds, as on a file system that does not answer, dies
when it lets go; until then a kill takes its time, and no other request does.

Strays are members that have left the group, as only who may write to control groups can. They are looked
for while the group is frozen, so that their parents are known, and killed after it.

A tree whose group is gone has no members, but for strays.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import time
from typing import TYPE_CHECKING, NamedTuple

from hcsd.embedded.keeper.families import PATIENCE
from hcsd.embedded.keeper.frames import Refusal
from hcsd.embedded.keeper.groups import FREEZE_PATIENCE, take_events

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from hcsd.embedded.keeper.families import Tree
    from hcsd.embedded.keeper.frames import Message
    from hcsd.embedded.keeper.groups import Group

LOOK_AGAIN = 0.002  # seconds until the next look at a group that tells nothing


class Kill(NamedTuple):
    """A kill that is under way.

    Attributes:
        request: Id of the request.
        group: The tree group.
        tree: The members that it does not hold, too.
        root: Pid of the process that started the tree, if it has not been reaped; else 0.
        others: How many others lived in the group when they were frozen.
        events: The descriptor to poll; -1 without one.
        freezing_until: When the kill comes, frozen or not; None once it has come.
        deadline: When it is given up.
    """

    request: object
    group: Group
    tree: Tree
    root: int
    others: int
    events: int
    freezing_until: float | None
    deadline: float


class Kills:
    """All that are under way.

    Args:
        poll: Where the groups' events are registered.
        answer: Called with the id of a request and its answer.
    """

    def __init__(self, poll: select.poll, answer: Callable[[object, Message], None]) -> None:
        self._poll = poll
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

    def begin(self, request: object, group: Group, tree: Tree, root: int) -> None:
        """Kill all that is in a tree group, and what has left it; the request is answered later.

        Args:
            request: Its id.
            group: The group.
            tree: What else belongs to the tree.
            root: See `Kill`.
        """
        now = time.monotonic()
        pids = group.pids()
        events = group.open_events()
        if events >= 0:
            self._poll.register(events, select.POLLPRI)
        kill = Kill(request, group, tree, root, 0, events, None, now + PATIENCE)
        self._kills.append(self._freeze(kill) if len(pids) > 1 else self._strike(kill))
        self._move_on(len(self._kills) - 1)

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
            self._finish(index, kill)
        elif now >= kill.deadline:
            left = kill.group.pids()
            self._end(index, kill, Refusal("process", errno.ETIMEDOUT, _some(left)).answer)
        elif kill.events < 0:  # of v1: what was not frozen in time may have forked
            self._kills[index] = self._freeze(kill)

    @staticmethod
    def _freeze(kill: Kill) -> Kill:
        with contextlib.suppress(OSError):  # gone, and all in it
            kill.group.freeze()
        return kill._replace(freezing_until=time.monotonic() + FREEZE_PATIENCE)

    def _strike(self, kill: Kill) -> Kill:
        """Kill what is in the group, having looked for what belongs to it and is not."""
        others = kill.others or sum(1 for pid in kill.group.pids() if pid != kill.root)
        kill.tree.look()
        with contextlib.suppress(OSError):  # gone, and all in it
            kill.group.kill()
        return kill._replace(others=others, freezing_until=None)

    def _finish(self, index: int, kill: Kill) -> None:
        try:
            strays = kill.tree.kill()
        except Refusal as refusal:
            self._end(index, kill, refusal.answer)
        else:
            self._end(index, kill, {"killed": kill.others + strays})

    def _end(self, index: int, kill: Kill, answer: Message) -> None:
        if kill.events >= 0:
            self._poll.unregister(kill.events)
            os.close(kill.events)
        del self._kills[index]
        self._answer(kill.request, answer)


def _some(pids: list[int]) -> str:
    """Name some processes."""
    return ", ".join(map(str, pids[:10])) + (", …" if len(pids) > 10 else "")
