"""The end of the keeper: it kills all that descends from it, and says what is left.

    look ──somebody──▶ stop all, kill them, reap them, report their ends ──▶ look again
      ├──nobody is left──▶ []
      ├──only those that may not be killed are left──▶ their names
      └──the time is over──▶ the names of those that do not die, or cannot be reaped

What dies leaves its children to the keeper, so all that is left are children of the keeper, or
descend from those. One that is dead cannot be reaped while somebody outside traces it and does not
wait for it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from hcsd.embedded.keeper.families import kill
from hcsd.embedded.keeper.procfs import (
    ON_LINUX,
    children_of_this_thread,
    look_at,
    name_of,
    open_descendant,
)
from hcsd.embedded.keeper.stopping import PATIENCE, Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.embedded.keeper.children import Children

LIMIT = 10.0  # seconds for all, while there is progress
DYING = 0.5  # seconds without any, if nothing is left but what may not be signalled
STUCK = 3.0  # seconds without any
NAMED = 100  # of those that are left, the living first
MOMENT = 0.01  # seconds between two attempts to reap

Left = list[tuple[int, str]]  # pids and names


def ask_to_end(pid: int) -> None:
    """Send TERM to a descendant of the keeper, if there is such a one, and it may be signalled."""
    me = os.getpid()
    entry = look_at(pid) if ON_LINUX else None
    with contextlib.suppress(OSError):  # it has ended, or is another user's
        if not ON_LINUX or (entry is not None and entry.parent == me):
            os.kill(pid, signal.SIGTERM)  # not reaped: it is nobody else
        elif (descriptor := open_descendant(pid, me)) is not None:
            try:
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            finally:
                os.close(descriptor)


def end_all(children: Children, flush: Callable[[], None]) -> Left:
    """Kill all that descends from the keeper; see the module's head.

    Args:
        children: Reaps, and reports ends.
        flush: Called when ends were reported.

    Returns:
        What is left, or `NAMED` of it.
    """
    return (_end_descendants if ON_LINUX else _end_children)(children, flush)


def _end_descendants(children: Children, flush: Callable[[], None]) -> Left:
    now = time.monotonic()
    deadline = now + LIMIT
    moved = now  # when there was progress
    stop = _stop_and_kill(children, deadline)
    before: set[int] = set()
    while children.reap(wait=False):
        flush()
        left = set(children_of_this_thread())
        # What may not be signalled may be dying: its control group has been killed, or it ends by itself.
        patience = DYING if not stop.reachable and left <= stop.refused else STUCK
        now = time.monotonic()
        if stop.killed or left != before:
            moved, before = now, left
        elif now > moved + patience:
            break
        else:
            time.sleep(MOMENT)
        if now > deadline:
            break
        stop = _stop_and_kill(children, deadline)
    else:
        flush()
        return []
    alive = stop.members.keys()
    dead = sorted(set(children_of_this_thread()) - alive)
    return [(pid, name_of(pid)) for pid in (sorted(alive) + dead)[:NAMED]]


def _stop_and_kill(children: Children, deadline: float) -> Stop:
    stop = Stop(lambda _pid, _entry: True, reap=children.reap_stray)
    stop.stop(min(deadline, time.monotonic() + PATIENCE))
    stop.kill(min(deadline, time.monotonic() + PATIENCE))
    return stop


def _end_children(children: Children, flush: Callable[[], None]) -> Left:
    """Kill the children, where the host does not tell what descends from what."""
    deadline = time.monotonic() + STUCK
    while time.monotonic() < deadline:
        pids = children.pids()
        refused = [pid for pid in pids if not kill(pid)]
        alive = children.reap(wait=False)
        flush()
        if not alive:
            return []
        if refused and refused == pids:
            break
        time.sleep(MOMENT)
    return [(pid, "") for pid in children.pids()[:NAMED]]
