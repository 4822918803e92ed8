"""The pause of a system: every member is stopped, and later those are continued.

    RUNNING ──begin()──▶ PAUSED ──end()──▶ RUNNING
       ▲                    │ begin() again: stops whoever is new
       └──one of them cannot be stopped: whoever was is continued

Where there are control groups the kernel freezes the main group. What is outside is stopped as `stopping`
does it; without groups that is everything. Whoever was stopped already, before the pause, stays stopped
after it.
"""

from __future__ import annotations

import contextlib
import errno
import signal
import time
from typing import TYPE_CHECKING

from hcsd.embedded.keeper.families import list_pids
from hcsd.embedded.keeper.frames import Refusal
from hcsd.embedded.keeper.groups import wait_until
from hcsd.embedded.keeper.procfs import look_at
from hcsd.embedded.keeper.signalling import send_to
from hcsd.embedded.keeper.stopping import PATIENCE, Stop

if TYPE_CHECKING:
    from hcsd.embedded.keeper.children import Children
    from hcsd.embedded.keeper.groups import Group
    from hcsd.embedded.keeper.procfs import Identity
    from hcsd.embedded.keeper.trees import Trees


class Pause:
    """The pause of all that descends from the keeper (Linux).

    Args:
        children: The processes of the system.
        trees: Their control groups.
    """

    def __init__(self, children: Children, trees: Trees) -> None:
        self._children = children
        self._trees = trees
        self._stopped: set[Identity] | None = None  # whom to continue; None while not paused

    @property
    def active(self) -> bool:
        """Whether the system is paused."""
        return self._stopped is not None

    def begin(self) -> None:
        """Stop every member.

        Raises:
            Refusal: One may not be stopped, or they cannot be stopped in time.
        """
        if self._stopped is None:
            self._stopped = set()
        main = self._trees.main
        if main is None:
            self._stop_all(set(), {})
            return
        self._freeze(main)
        inside = set(main.pids())
        outsiders = self._trees.outsiders(inside, self._children.started())
        if outsiders or not inside.issuperset(self._children.strays()):
            self._stop_all(inside, outsiders)

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

    def _freeze(self, main: Group) -> None:
        try:
            main.freeze()
        except OSError as error:
            self._continue()
            raise Refusal("system", error.errno or errno.EIO) from None
        if wait_until(main, main.is_frozen, PATIENCE):
            return
        # What the kernel holds goes no further than to the end of its call.
        entries = [(pid, look_at(pid)) for pid in main.pids()]
        running = [pid for pid, entry in entries if entry is not None and entry.state == b"R"]
        if running:
            self._continue()
            raise Refusal("system", errno.ETIMEDOUT, list_pids(running))

    def _stop_all(self, inside: set[int], known: dict[int, int]) -> None:
        """Stop all that is not inside the main group; `known` are some of those."""
        stop = Stop(lambda _pid, _entry: True, others=inside, reap=self._children.reap_stray)
        stop.members.update(known)
        caught = stop.stop(time.monotonic() + PATIENCE)
        if self._stopped is not None:
            self._stopped |= stop.sent
        refused = stop.refused & stop.members.keys()
        if refused or not caught:
            self._continue()
            code = errno.EPERM if refused else errno.ETIMEDOUT
            raise Refusal("system", code, list_pids(refused or stop.members))

    def _continue(self) -> int:
        members, self._stopped = self._stopped or set(), None
        main = self._trees.main
        if main is not None:
            with contextlib.suppress(OSError):  # it is gone, and all in it
                main.thaw()
        code = 0
        for member in members:
            code = send_to(member, signal.SIGCONT) or code
        return code
