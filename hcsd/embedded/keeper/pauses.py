"""The pause of a system: every member is stopped, and later those are continued.

    RUNNING ──begin()──▶ PAUSED ──end()──▶ RUNNING
       ▲                    │ begin() again: stops whoever is new
       └──one of them cannot be stopped: whoever was is continued

Whoever was stopped already, before the pause, stays stopped after it.
"""

from __future__ import annotations

import errno
import os
import signal
import time

from hcsd.embedded.keeper.families import PATIENCE, send_to
from hcsd.embedded.keeper.frames import Refusal
from hcsd.embedded.keeper.procfs import Entry, Identity, descendants, look_at


class Pause:
    """The pause of all that descends from the keeper (Linux)."""

    def __init__(self) -> None:
        self._stopped: set[Identity] | None = None  # whom to continue; None while not paused

    @property
    def active(self) -> bool:
        """Whether the system is paused."""
        return self._stopped is not None

    def begin(self) -> None:
        """Stop every member.

        A process that has been sent a stop runs no more code of its own, and cannot fork. So
        whoever is started meanwhile is seen in the next look, and the look that finds the same
        processes as the one before, all of them stopped, has found all. What the kernel holds
        counts as stopped: it may be waiting for a stopped child that shares its memory.

        Raises:
            Refusal: One may not be stopped, or they cannot be stopped in time.
        """
        if self._stopped is None:
            self._stopped = set()
        deadline = time.monotonic() + PATIENCE
        before: set[Identity] | None = None
        code = 0
        while True:
            found = {
                (pid, entry.started): entry
                for pid in descendants(os.getpid())
                if (entry := look_at(pid)) is not None
            }
            moving = {member for member, entry in found.items() if self._moves(member, entry)}
            if not moving and before == found.keys():
                return
            if code or time.monotonic() > deadline:
                self._continue()
                raise Refusal("system", code or errno.ETIMEDOUT)
            for member in moving:
                code = send_to(member, signal.SIGSTOP) or code
            self._stopped |= moving
            before = set(found)

    def end(self) -> None:
        """Continue whom the pause has stopped.

        Raises:
            Refusal: One may not be continued; the others were.
        """
        if code := self._continue():
            raise Refusal("system", code)

    def continue_later(self, pid: int) -> None:
        """Continue a process when the pause ends, also if it was stopped before."""
        if self._stopped is not None and (entry := look_at(pid)) is not None:
            self._stopped.add((pid, entry.started))

    def _moves(self, member: Identity, entry: Entry) -> bool:
        """Tell whether a process has not stopped yet."""
        if entry.state == b"D":  # the kernel holds it
            return self._stopped is None or member not in self._stopped
        return entry.state not in b"Tt"

    def _continue(self) -> int:
        members, self._stopped = self._stopped or set(), None
        code = 0
        for member in members:
            code = send_to(member, signal.SIGCONT) or code
        return code
