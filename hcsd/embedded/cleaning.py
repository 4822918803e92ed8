"""What is done when a keeper was killed: whatever it kept is ended, in a thread of its own.

    start() ──▶ WORKING ──the thread is through, or gives up shortly before the time is over──▶ DONE
                   └──the time is over, as the thread hangs──▶ DONE; nobody waits for the thread

How a process ended is known in two cases. It was reaped here: that is its exit code. Or it was alive
when it was killed here. Otherwise nobody has seen its end, and none is made up.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
from typing import TYPE_CHECKING

from hcsd.embedded.keeper.families import kill_marked
from hcsd.embedded.keeper.procfs import ON_LINUX
from hcsd.embedded.orphans import kill_if_alive, kill_sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hcsd.embedded.groups import Groups
    from hcsd.embedded.keeper.procfs import Identity
    from hcsd.embedded.orphans import Left, Orphans
    from hcsd.embedded.worker import Worker

    # Called with how each process ended: its return code, or None if nobody saw it.
    OnDone = Callable[[dict[int, int | None]], None]

EARLY = 0.8  # of the time that there is, after which the thread tells who stays
RETRY = 0.1  # seconds
THREAD_NAME = "hcs-embedded-cleaning"

logger = logging.getLogger(__name__)


class Cleaning:
    """Ends what a killed keeper has left behind.

    Thread: the worker's, but for `_work`. What that has found is read when it is done, or as far as
    it has come.

    Args:
        worker: Where `on_done` is called.
        mark: Begins the marks of the processes of the keeper.
        members: Its processes by pid, as far as they are known exactly.
        groups: The control groups of its system.
        orphans: What is left to this process, if it is a subreaper.
        limit: Seconds after which `on_done` is called in any case.
        on_done: Called once.
    """

    def __init__(
        self,
        worker: Worker,
        mark: str,
        *,
        members: Mapping[int, Identity | None],
        groups: Groups,
        orphans: Orphans | None,
        limit: float,
        on_done: OnDone,
    ) -> None:
        self._worker = worker
        self._mark = mark
        self._members = members
        self._groups = groups
        self._orphans = orphans
        self._limit = limit
        self._deadline = time.monotonic() + limit * EARLY
        self._on_done: OnDone | None = on_done
        self._ends: dict[int, int | None] = dict.fromkeys(members)
        self._left: list[Left] = []

    def start(self) -> None:
        """Begin."""
        self._worker.after(self._limit, self._give_up)
        self._start_thread()

    def _start_thread(self) -> None:
        if self._on_done is None:
            return
        try:
            threading.Thread(target=self._run, name=THREAD_NAME, daemon=True).start()
        except RuntimeError:  # the host has no room for one at the moment
            self._worker.after(RETRY, self._start_thread)

    def hurry(self, limit: float) -> None:
        """Be done in that many seconds from now."""
        self._deadline = min(self._deadline, time.monotonic() + limit * EARLY)
        self._worker.after(limit, self._give_up)

    def _give_up(self) -> None:
        if self._on_done is not None:
            logger.warning("what a killed keeper has left behind may not have ended")
            self._finish()

    def _finish(self) -> None:
        """Call `on_done` with what is known, unless that has been done."""
        on_done, self._on_done = self._on_done, None
        if on_done is not None:
            for left in self._left:
                logger.warning("%s", left)
            on_done(dict(self._ends))

    def _run(self) -> None:
        try:
            self._work()
        except Exception:
            logger.exception("cannot end what a killed keeper has left behind")
        with contextlib.suppress(OSError):  # the worker has ended meanwhile
            self._worker.post(self._finish)

    def _work(self) -> None:
        known = [member for member in self._members.values() if member is not None]
        killed = [member for member in known if ON_LINUX and kill_if_alive(member)]
        self._ends |= {pid: -signal.SIGKILL for pid, _ in killed}
        self._groups.kill()
        if ON_LINUX:
            sessions = {pid for pid, _ in killed}
            if self._orphans is not None:
                # First, since the others look at the whole host: they are slow while there are many dead.
                self._left = self._orphans.end(self._is_late)
                self._collect(known, self._orphans)
                kill_sessions(sessions, self._is_late)
            else:
                self._left = kill_sessions(sessions, self._is_late)
            kill_marked(self._mark)
        self._groups.remove()

    def _is_late(self) -> bool:
        return time.monotonic() >= self._deadline

    def _collect(self, known: list[Identity], orphans: Orphans) -> None:
        for member in known:
            end = orphans.take_end(member)
            if end is not None:
                self._ends[member[0]] = end
