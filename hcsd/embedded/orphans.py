"""Processes whose keeper has been killed: finding them, ending them, and learning how they ended.

A process is known by its pid and the time when it started. Whoever has a session of a member belongs
to the system.

If the daemon is a subreaper, what a dead keeper leaves behind becomes a child of the daemon. Then
`Orphans` ends and reaps it, whatever it did to its session and its environment.

    look ──somebody was reaped──▶ look again, until nobody is left or it is late

    child of the daemon ──it is a keeper, or was there before──▶ left alone
                        └──else──▶ killed ──▶ reaped, its exit code is kept for its system
                                      └──traced, or held by the kernel──▶ left; tried again later
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from hcsd.embedded.keeper.kernel import PR_SET_CHILD_SUBREAPER, prctl
from hcsd.embedded.keeper.procfs import all_pids, children_of, has_ended, is_still, look_at
from hcsd.embedded.keeper.signalling import send_to

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hcsd.embedded.keeper.procfs import Identity

PAUSE = 0.01  # seconds between two looks at those that die
MAX_ENDS = 10_000  # exit codes that are kept until their systems ask for them


class Left(NamedTuple):
    """A process that could not be ended."""

    pid: int
    name: str

    def __str__(self) -> str:
        """Say so, and why, as far as /proc tells that now."""
        return f"process {self.pid} ({self.name}) could not be ended: {_why(self.pid)}"


def identify(pid: int, parent: int) -> Identity | None:
    """Return the identity of a child of `parent`, also if it is dead; None if there is none."""
    fields = _stat(pid)
    if fields is None or int(fields[1]) != parent:
        return None
    return pid, int(fields[19])


def kill_if_alive(member: Identity) -> bool:
    """Kill a process; return whether it was alive just before."""
    with contextlib.suppress(OSError):  # it has gone, or is another user's
        descriptor = os.pidfd_open(member[0])
        try:
            if is_still(member) and not has_ended(descriptor):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                return True
        finally:
            os.close(descriptor)
    return False


def kill_sessions(sessions: Collection[int], is_late: Callable[[], bool]) -> list[Left]:
    """Kill the members of sessions until none is left, or it is late; return who stays."""
    while True:
        found = [
            (pid, entry.started)
            for pid in all_pids()
            if (entry := look_at(pid)) is not None and entry.session in sessions
        ]
        refused = [member for member in found if send_to(member, signal.SIGKILL)]
        if len(refused) == len(found) or is_late():
            return [_left(pid) for pid, _ in found]
        time.sleep(PAUSE)


class Orphans:
    """The children of this process that are no keepers. It becomes their subreaper.

    Thread: any. `lock` is held while a keeper is started, so that nobody takes it for an orphan,
    and for each look at the children.

    Attributes:
        quiet: Whether the last look of `end` has found nobody.

    Raises:
        OSError: The kernel refuses.
        ValueError: The ends of children are ignored, and this is not the main thread.
    """

    def __init__(self) -> None:
        prctl(PR_SET_CHILD_SUBREAPER)
        _keep_the_dead()
        self.lock = threading.Lock()
        self._me = os.getpid()
        self._keepers: set[int] = set()
        self._others = {identify(pid, self._me) for pid in children_of(self._me)}
        self._ends: dict[Identity, int] = {}
        self._reaped = 0  # how many
        self.quiet = True

    def spare(self, keeper: int) -> None:
        """Leave a child alone: it is a keeper. Lock held."""
        self._keepers.add(keeper)

    def forget(self, keeper: int) -> None:
        """A keeper has gone; its pid may be anybody's."""
        with self.lock:
            self._keepers.discard(keeper)

    def end(self, is_late: Callable[[], bool]) -> list[Left]:
        """Kill and reap until nobody is left, or it is late; return who stays."""
        while True:
            with self.lock:
                before = self._reaped
                # Of those that fork and end the youngest is there most likely.
                children = reversed(children_of(self._me))
                left = [pid for pid in children if not self._is_ended(pid)]
            # Who was reaped may have had children, and they are this process's now.
            unchanged = self._reaped == before
            self.quiet = unchanged and not left
            if self.quiet or is_late():
                return [_left(pid) for pid in left]
            if unchanged:
                time.sleep(PAUSE)

    def take_end(self, member: Identity) -> int | None:
        """Return how a process ended that was reaped here, once: negative for a signal."""
        with self.lock:
            return self._ends.pop(member, None)

    def _is_ended(self, pid: int) -> bool:
        """Kill and reap a child, unless it is to be left alone; tell whether nothing is left to do."""
        member = identify(pid, self._me)
        if pid in self._keepers or member is None or member in self._others:
            return True
        with contextlib.suppress(OSError):  # it has changed its user; a child cannot be gone
            os.kill(pid, signal.SIGKILL)
        try:
            result = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            return True  # a keeper that nobody could reap before, and that `subprocess` has now
        if result is None:
            return False
        self._reaped += 1
        if len(self._ends) >= MAX_ENDS:
            del self._ends[next(iter(self._ends))]
        exited = result.si_code == os.CLD_EXITED
        self._ends[member] = result.si_status if exited else -result.si_status
        return True


def _keep_the_dead() -> None:
    """Let children stay until they are reaped, also if this process was started to ignore their ends.

    Otherwise the kernel forgets how a keeper has ended, and a killed one seems to have ended well.
    """
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _left(pid: int) -> Left:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return Left(pid, file.read().rstrip("\n"))
    except OSError:
        return Left(pid, "?")


def _why(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            status = dict(line.rstrip("\n").split(":", 1) for line in file if ":" in line)
    except OSError:
        return "it has ended by now"
    if (tracer := status.get("TracerPid", "0").strip()) != "0":
        return f"process {tracer} traces it"
    if status.get("State", "").strip().startswith("D"):
        return "the kernel holds it"
    if os.geteuid() and status.get("Uid", "").split()[1:2] != [str(os.geteuid())]:
        return "it belongs to another user"
    return "it does not die"


def _stat(pid: int) -> list[bytes] | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return None
    return stat[stat.rindex(b")") + 2 :].split()
