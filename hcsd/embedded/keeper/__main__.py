"""The keeper's program: ``python -I -S …/keeper/__main__.py SETTINGS``.

SETTINGS is what `requests.Settings` reads.

The keeper must start fast and import nothing of the daemon. But its modules should have the same
names here, in the engine and for type checkers. So this program makes empty packages of those
names, in which only the keeper's own modules are found: `hcsd/__init__.py` is never run, and
importing anything else of hcsd fails.
"""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import socket
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hcsd.embedded.keeper.groups import Places

PACKAGE = "hcsd.embedded.keeper"
FIRST_FREE_FD = 3


def main() -> None:
    """Take what the arguments tell, and keep a system."""
    _name_packages()
    from hcsd.embedded.keeper.child import DEFAULT_UMASK  # noqa: PLC0415  (found only now)
    from hcsd.embedded.keeper.kernel import (  # noqa: PLC0415
        PR_SET_CHILD_SUBREAPER,
        PR_SET_PDEATHSIG,
        prctl,
    )
    from hcsd.embedded.keeper.loop import Keeper  # noqa: PLC0415
    from hcsd.embedded.keeper.requests import Settings  # noqa: PLC0415

    settings = Settings.of(sys.argv[1])
    _have_stdio()
    sock = socket.socket(fileno=_above_stdio(settings.descriptor))
    sock.set_inheritable(False)
    _normal_signals()
    prctl(PR_SET_CHILD_SUBREAPER)
    # If a process of the system has stopped the keeper, the end of the daemon continues it.
    prctl(PR_SET_PDEATHSIG, signal.SIGCONT)
    os.umask(DEFAULT_UMASK)
    gc.freeze()  # what is here stays, and no child has to look through it
    if settings.door >= 0:
        settings = settings._replace(door=_above_stdio(settings.door))
    if settings.places is not None:
        settings = settings._replace(places=_take(settings.places))
    sys.exit(Keeper(sock, settings).run())


def _name_packages() -> None:
    """Make the packages above the keeper's modules, without what is in their files."""
    names = PACKAGE.split(".")
    for depth in range(1, len(names) + 1):
        package = ModuleType(".".join(names[:depth]))
        package.__path__ = [os.path.dirname(__file__)] if depth == len(names) else []
        sys.modules[package.__name__] = package


def _above_stdio(descriptor: int) -> int:
    """Return a descriptor whose number no stdio of a child has: the daemon may have had none."""
    if descriptor >= FIRST_FREE_FD:
        return descriptor
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_FD)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, descriptor)
    os.close(null)
    return moved


def _have_stdio() -> None:
    """Open what is missing of stdin, stdout and stderr, so that nothing else gets their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < FIRST_FREE_FD:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _normal_signals() -> None:
    """Give every process of the system default signals, whatever the daemon was started with.

    An ignored signal stays ignored across exec, one with a handler does not. So the keeper itself
    outlives INT, HUP, TERM and PIPE with a handler that does nothing.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD):
        signal.signal(number, lambda _number, _frame: None)


def _take(places: Places) -> Places:
    """Take the control groups of the system over: the lock, and those that the keeper is in."""
    from hcsd.embedded.keeper.groups import PROCS, write  # noqa: PLC0415  (found only now)

    lock = _above_stdio(places.lock)
    os.set_inheritable(lock, False)
    for directory in places.kept_in:
        write(os.path.join(directory, PROCS), str(os.getpid()))
    return places._replace(lock=lock)


if __name__ == "__main__":
    main()
