"""The keeper's program: ``python -I -S …/keeper/__main__.py FD LIMIT MARK [GROUP…]``.

FD is the keeper's end of the socket pair. LIMIT is how many descriptors its processes may have
unless they ask for more: the daemon itself may have more. MARK begins the marks of its processes.
Each GROUP is a control group of the system's own, which the keeper leaves and removes at the end.

The keeper must start fast and import nothing of the daemon. But its modules should have the same
names here, in the engine and for type checkers. So this program makes empty packages of those
names, in which only the keeper's own modules are found: `hcsd/__init__.py` is never run, and
importing anything else of hcsd fails.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys
from types import ModuleType

PACKAGE = "hcsd.embedded.keeper"
PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Take what the arguments tell, and keep a system."""
    _name_packages()
    from hcsd.embedded.keeper.loop import Keeper  # noqa: PLC0415  (found only now)
    from hcsd.embedded.keeper.procfs import ON_LINUX  # noqa: PLC0415

    descriptor, limit, mark, *groups = sys.argv[1:]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(limit), hard))
    sock = socket.socket(fileno=int(descriptor))
    sock.set_inheritable(False)
    _normal_signals()
    if ON_LINUX:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    status = Keeper(sock, mark).run()
    for group in groups:
        _leave(group)
    sys.exit(status)


def _name_packages() -> None:
    """Make the packages above the keeper's modules, without what is in their files."""
    names = PACKAGE.split(".")
    for depth in range(1, len(names) + 1):
        package = ModuleType(".".join(names[:depth]))
        package.__path__ = [os.path.dirname(__file__)] if depth == len(names) else []
        sys.modules[package.__name__] = package


def _normal_signals() -> None:
    """Give every process of the system default signals, whatever the daemon was started with.

    An ignored signal stays ignored across exec, one with a handler does not. So the keeper itself
    outlives INT, HUP and TERM with a handler that does nothing.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda _number, _frame: None)


def _leave(group: str) -> None:
    """Leave a control group for the one above, and remove it."""
    with contextlib.suppress(OSError):  # something that may not be killed is in it
        with open(os.path.join(os.path.dirname(group), "cgroup.procs"), "w") as file:
            file.write(str(os.getpid()))
        os.rmdir(group)


if __name__ == "__main__":
    main()
