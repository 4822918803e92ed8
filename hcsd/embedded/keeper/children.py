"""The processes that the keeper has started or adopted, until their ends are reported.

    starts  ──▶ STARTED ──it ends, the keeper reaps it──▶ reported with its exit code
    adopt() ──▶ ADOPTED ──it ends; its parent reaps it──▶ reported without an exit code
                   └──its parents have died: it ends, the keeper reaps it──▶ reported with one

How a process comes to be STARTED is told in `starts`. One that ends before the keeper has heard that
it runs is asked once more, so that its start is answered before its end is reported.

A descendant that was not started here can be adopted. It is then signalled, and its end is noticed,
through a pidfd. Other descendants that become the keeper's children are reaped and not reported.
"""

from __future__ import annotations

import errno
import os
import select
import signal
from typing import TYPE_CHECKING

from hcsd.embedded.keeper.families import Tree
from hcsd.embedded.keeper.frames import Refusal
from hcsd.embedded.keeper.origins import Origins
from hcsd.embedded.keeper.procfs import (
    ON_LINUX,
    children_of_this_thread,
    has_ended,
    look_at,
)
from hcsd.embedded.keeper.spare import require_room

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container

    from hcsd.embedded.keeper.starts import Starts
    from hcsd.embedded.keeper.trees import Trees


AT_ONCE = 500  # ends that are collected before requests are served again (arbitrary)


class Children:
    """All of them.

    Args:
        poll: Where the pidfds of adopted processes are registered.
        starts: Those that have not come to their program.
        trees: Their control groups.
        report: Called with the pid and the return code of each that has ended. Negative: the
            signal that killed it; None: only its parent knows.
    """

    def __init__(
        self,
        poll: select.poll,
        starts: Starts,
        trees: Trees,
        report: Callable[[int, int | None], None],
    ) -> None:
        self._poll = poll
        self._starts = starts
        self._trees = trees
        self._report = report
        self._started: dict[int, str] = {}  # pid to mark
        self._adopted: dict[int, int] = {}  # pid to pidfd
        self._origins = Origins()

    def pids(self) -> list[int]:
        """Return the pids of those that were started here, or are being started."""
        return [*self._started, *self._starts.pids()]

    def started(self) -> list[int]:
        """Return the pids of those that were started here, and run or have not been reaped."""
        return list(self._started)

    def note_start(self, pid: int, mark: str) -> None:
        """Take up a process that runs from now on, with what all that descends from it inherits."""
        self.report_earlier(pid)
        self._started[pid] = mark
        if ON_LINUX:
            self._origins.note_start(pid, mark)

    def adopt(self, pid: int, fds: list[int]) -> None:
        """Report the end of a process that was not started here.

        Args:
            pid: Its pid.
            fds: Its pidfd, unless there was no room for it on the way. Ownership: the caller's.

        Raises:
            OSError: There was none.
        """
        require_room(fds, 1)
        self.report_earlier(pid)
        descriptor = self._adopted[pid] = os.dup(fds[0])
        self._poll.register(descriptor, select.POLLIN)

    def require(self, pid: int) -> None:
        """Let the pid of a process pass that was started or adopted, and whose end is not known.

        One that is being started passes, too: an engine that has taken over knows its pid.

        Raises:
            Refusal: There is none.
        """
        if not (pid in self._started or pid in self._adopted or pid in self._starts.pids()):
            raise Refusal("process", errno.ESRCH)

    def signal(self, pid: int, number: int, *, group: bool) -> None:
        """Send a signal to a process, or to its process group.

        An adopted process is signalled alone: its group may have members that nobody has named.

        Raises:
            Refusal: There is no such process, or it may not be signalled.
        """
        self.require(pid)
        try:
            if pid in self._adopted:
                signal.pidfd_send_signal(self._adopted[pid], number)
            else:
                # Not reaped yet, so neither the pid nor the group of that number can be another's.
                (os.killpg if group else os.kill)(pid, number)
        except OSError as error:
            raise Refusal("process", error.errno or errno.EPERM) from None

    def kill_tree(self, pid: int, mark: str) -> int:
        """Kill a process with all that descends from it, also after it has been reaped (Linux).

        Returns:
            How many were killed besides the process.

        Raises:
            Refusal: Something of it is left, or may be; see `families`.
        """
        return self.tree_of(pid, mark).kill()

    def root_of(self, pid: int, mark: str) -> int:
        """Return the pid of a process that was started here; 0 if it has been reaped."""
        return pid if self._started.get(pid) == mark else 0

    def tree_of(self, pid: int, mark: str, others: Collection[int] = ()) -> Tree:
        """Return a process with all that descends from it (Linux).

        Args:
            pid: Its pid.
            mark: Its mark.
            others: What does not belong to it, besides all others that were started here.
        """
        starting = self._starts.pids()
        for one in starting:
            self._starts.settle_one(one)  # whatever runs already can have started something
        root = self.root_of(pid, mark)
        return Tree(
            root,
            mark,
            self._origins,
            others={*self.pids(), *others} - {root},
            starting=self._starts.pids(),
            reap=self.reap_stray,
        )

    def strays(self) -> list[int]:
        """Return the pids of living children of the keeper that it has not started."""
        known = {*self._started, *self._starts.pids()}
        children = [pid for pid in children_of_this_thread() if pid not in known]
        return [pid for pid in children if look_at(pid) is not None]

    def reap_stray(self, pid: int) -> bool:
        """Collect a dead child of which nobody is told; return whether it was one."""
        if pid in self._started or pid in self._adopted or pid in self._starts.pids():
            return False
        try:
            if os.waitpid(pid, os.WNOHANG)[0] != pid:
                return False
        except ChildProcessError:
            return False
        self._trees.reaped(pid)
        return True

    def reap(self, *, wait: bool) -> bool:
        """Collect and report children that have ended, or many of them.

        Args:
            wait: Whether to block until one ends.

        Returns:
            Whether there are children left.
        """
        options = 0 if wait else os.WNOHANG
        for _ in range(AT_ONCE):
            try:
                pid, status = os.waitpid(-1, options)
            except ChildProcessError:
                pid, status = -1, 0
            if pid <= 0:
                if ON_LINUX:
                    self._origins.forget(self._starts.pids())
                self._trees.tidy()
                return pid == 0
            options = os.WNOHANG
            code = os.waitstatus_to_exitcode(status)
            self._trees.reaped(pid)
            self._starts.settle_one(pid)
            if self._started.pop(pid, None) is not None:
                if ON_LINUX:
                    self._origins.note_end(pid)
                self._report(pid, code)
            elif pid in self._adopted:
                self._report_adopted(pid, code)
        self._trees.tidy()
        signal.raise_signal(signal.SIGCHLD)  # which brings the loop here again
        return True

    def report_unreaped(self, ready: Container[int]) -> None:
        """Report the adopted processes that have ended and were not the keeper's to reap.

        Args:
            ready: Descriptors that can be read.
        """
        for pid, descriptor in list(self._adopted.items()):
            if descriptor in ready and has_ended(descriptor):
                self._report_adopted(pid, None)

    def report_earlier(self, pid: int) -> None:
        """Report an adopted process whose pid another one has by now: it has ended, seen or not yet."""
        if pid in self._adopted:
            self._report_adopted(pid, None)

    def _report_adopted(self, pid: int, code: int | None) -> None:
        descriptor = self._adopted.pop(pid)
        self._poll.unregister(descriptor)
        os.close(descriptor)
        self._report(pid, code)
