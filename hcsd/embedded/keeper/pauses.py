"""The pause of a system: every member is stopped, and later those are continued.

    RUNNING ──begin()──▶ PAUSED ──end()──▶ RUNNING
       ▲                    │ begin() again: stops whoever is new
       └──one of them cannot be stopped: whoever was is continued

Whoever was stopped already, before the pause, stays stopped after it.
"""

from __future__ import annotations

import errno
import signal
import time
from typing import TYPE_CHECKING

from hcsd.embedded.keeper.families import list_pids
from hcsd.embedded.keeper.frames import Refusal
from hcsd.embedded.keeper.procfs import look_at
from hcsd.embedded.keeper.signalling import send_to
from hcsd.embedded.keeper.stopping import PATIENCE, Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.embedded.keeper.procfs import Identity


class Pause:
    """The pause of all that descends from the keeper (Linux).

    Args:
        reap: Collects a dead stray; see `Stop`.
    """

    def __init__(self, reap: Callable[[int], bool]) -> None:
        self._reap = reap
        self._stopped: set[Identity] | None = None  # whom to continue; None while not paused

    @property
    def active(self) -> bool:
        """Whether the system is paused."""
        return self._stopped is not None

    def begin(self) -> None:
        """Stop every member, as `stopping` does it.

        Raises:
            Refusal: One may not be stopped, or they cannot be stopped in time.
        """
        if self._stopped is None:
            self._stopped = set()
        stop = Stop(lambda _pid, _entry: True, reap=self._reap)
        caught = stop.stop(time.monotonic() + PATIENCE)
        self._stopped |= stop.sent
        refused = stop.refused & stop.members.keys()
        if refused or not caught:
            self._continue()
            code = errno.EPERM if refused else errno.ETIMEDOUT
            raise Refusal("system", code, list_pids(refused or stop.members))

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

    def _continue(self) -> int:
        members, self._stopped = self._stopped or set(), None
        code = 0
        for member in members:
            code = send_to(member, signal.SIGCONT) or code
        return code
