"""The processes that the keeper has started or adopted, until their ends are reported.

    start() ──▶ STARTED ──it ends, the keeper reaps it──▶ reported with its exit code
    adopt() ──▶ ADOPTED ──it ends; its parent reaps it──▶ reported without an exit code
                   └──its parents have died: it ends, the keeper reaps it──▶ reported with one

A descendant that was not started here can be adopted. It is then signalled, and its end is noticed,
through a pidfd. Other descendants that become the keeper's children are reaped and not reported.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import subprocess  # starting processes is its work
import termios
from typing import TYPE_CHECKING, NamedTuple

from hcsd.embedded.keeper.accounts import find_account
from hcsd.embedded.keeper.families import MARK, Tree
from hcsd.embedded.keeper.frames import Refusal
from hcsd.embedded.keeper.procfs import has_ended

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from hcsd.embedded.keeper.frames import Message


class Child(NamedTuple):
    """A process that was started here and has not been reaped.

    Attributes:
        mark: What all that descends from it inherits.
    """

    popen: subprocess.Popen[bytes]
    mark: str


class Children:
    """All of them.

    Args:
        mark: Begins the mark of each process.
        poll: Where the pidfds of adopted processes are registered.
        report: Called with the pid and the return code of each that has ended. Negative: the
            signal that killed it; None: only its parent knows.
    """

    def __init__(
        self, mark: str, poll: select.poll, report: Callable[[int, int | None], None]
    ) -> None:
        self._mark = mark
        self._poll = poll
        self._report = report
        self._started: dict[int, Child] = {}
        self._adopted: dict[int, int] = {}  # pid to pidfd
        self._count = 0

    def pids(self) -> list[int]:
        """Return the pids of those that were started here."""
        return list(self._started)

    def start(self, request: Message, fds: list[int]) -> Message:
        """Start a process; the answer has its pid and its mark.

        Raises:
            Refusal: Its executable, directory or user is not there, or may not be used.
        """
        argv, directory, environment = request["argv"], request["directory"], request["environment"]
        assert isinstance(argv, list)  # noqa: S101  (both sides are ours; for the type checker)
        assert isinstance(environment, dict)  # noqa: S101
        given = iter(fds)
        stdio = [next(given) if asked else subprocess.DEVNULL for asked in _flags(request["stdio"])]
        account = find_account(str(request["user"]))
        self._count += 1
        mark = f"{self._mark}.{self._count}"
        if account.uid is not None:
            _give_away(fds, account.uid)
        try:
            popen = subprocess.Popen(  # noqa: S603  (what to run is the caller's to say)
                argv,
                stdin=stdio[0],
                stdout=stdio[1],
                stderr=stdio[2],
                cwd=str(directory) or None,
                env={**os.environ, **account.environment, **environment, MARK: mark},
                start_new_session=True,
                user=account.uid,
                group=account.gid,
                extra_groups=account.groups,
                # Safe here: the keeper has one thread. Nothing else makes a terminal the
                # controlling one of a session that exists only in the child.
                preexec_fn=_take_terminal if request["console"] else None,  # noqa: PLW1509
            )
        except OSError as error:
            where = "directory" if _is_unusable(str(directory)) else "executable"
            raise Refusal(where, error.errno or errno.EINVAL) from None
        except (ValueError, subprocess.SubprocessError):
            raise Refusal("executable", errno.EINVAL) from None
        self._started[popen.pid] = Child(popen, mark)
        return {"pid": popen.pid, "mark": mark}

    def adopt(self, pid: int, fds: list[int]) -> None:
        """Report the end of a process that was not started here.

        Args:
            pid: Its pid.
            fds: Its pidfd, unless there was no room for it on the way. Ownership: the caller's.

        Raises:
            Refusal: There was none.
        """
        if not fds:
            raise Refusal("process", errno.EMFILE)
        descriptor = self._adopted[pid] = os.dup(fds[0])
        self._poll.register(descriptor, select.POLLIN)

    def require(self, pid: int) -> None:
        """Let the pid of a process pass that was started or adopted, and whose end is not known.

        Raises:
            Refusal: There is none.
        """
        if pid not in self._started and pid not in self._adopted:
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

    def kill_tree(self, pid: int, mark: str) -> None:
        """Kill a process with all that descends from it, also after it has been reaped (Linux).

        Raises:
            Refusal: Something of it may not be killed, or does not die in time.
        """
        child = self._started.get(pid)
        root = pid if child is not None and child.mark == mark else 0
        if code := Tree(root, mark, self._started).kill():
            raise Refusal("process", code)

    def reap(self, *, wait: bool) -> bool:
        """Collect and report children that have ended.

        Args:
            wait: Whether to block until one ends.

        Returns:
            Whether there are children left.
        """
        options = 0 if wait else os.WNOHANG
        while True:
            try:
                pid, status = os.waitpid(-1, options)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            options = os.WNOHANG
            code = os.waitstatus_to_exitcode(status)
            child = self._started.pop(pid, None)
            if child is not None:
                child.popen.returncode = code
                self._report(pid, code)
            elif pid in self._adopted:
                self._report_adopted(pid, code)

    def report_unreaped(self, ready: Container[int]) -> None:
        """Report the adopted processes that have ended and were not the keeper's to reap.

        Args:
            ready: Descriptors that can be read.
        """
        for pid, descriptor in list(self._adopted.items()):
            if descriptor in ready and has_ended(descriptor):
                self._report_adopted(pid, None)

    def _report_adopted(self, pid: int, code: int | None) -> None:
        descriptor = self._adopted.pop(pid)
        self._poll.unregister(descriptor)
        os.close(descriptor)
        self._report(pid, code)


def _flags(value: object) -> list[bool]:
    assert isinstance(value, list)  # noqa: S101
    return [bool(item) for item in value]


def _give_away(fds: list[int], uid: int) -> None:
    """Give the stdio of a program to its user, so that it may open it again, as /dev/stdout."""
    for fd in fds:
        with contextlib.suppress(OSError):  # not every system lets pipes be given away
            os.fchown(fd, uid, -1)


def _take_terminal() -> None:
    """Make stdin the controlling terminal of this process's session."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _is_unusable(directory: str) -> bool:
    """Tell whether a process cannot start in a directory; "" is no directory of its own."""
    return bool(directory) and not (os.path.isdir(directory) and os.access(directory, os.X_OK))
