"""The process of a keeper, as an engine sees it: one that it has started, or one that it has taken over.

Of its own child the kernel tells how it has ended. Of one that was taken over it tells that it has
ended. How, the keeper tells as its last frame; one that tells nothing was killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import TYPE_CHECKING, Protocol

from hcsd.embedded.keeper.procfs import ON_LINUX, is_still, look_at
from hcsd.embedded.keeper_program import is_stopped

if TYPE_CHECKING:
    import subprocess

STOPPED = b"T"

_let_go: list[subprocess.Popen[bytes]] = []  # children that nobody looks after


class KeeperProcess(Protocol):
    """What an engine needs of it. Thread: the worker's, but for `pid`."""

    @property
    def pid(self) -> int:
        """Its pid."""

    def poll(self) -> int | None:
        """Return how it has ended, negative for a signal; None if it has not. Never blocks."""

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""

    def is_stopped(self) -> bool:
        """Whether a signal has stopped it."""

    def tell_end(self, status: int) -> None:
        """Note what it has said that it is going to exit with."""

    def let_go(self) -> None:
        """Look after it no longer: it goes on. Nothing else is called after this."""


class ChildProcess:
    """A keeper that this process has started.

    Args:
        child: Its process. Ownership: this.
    """

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child

    @property
    def pid(self) -> int:
        """Its pid."""
        return self._child.pid

    def poll(self) -> int | None:
        """Return how it has ended; None if it has not."""
        return self._child.poll()

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        self._child.send_signal(number)

    def is_stopped(self) -> bool:
        """Whether a signal has stopped it since this was last asked."""
        return ON_LINUX and is_stopped(self.pid)

    def tell_end(self, status: int) -> None:
        """Do nothing: the kernel will tell."""

    def let_go(self) -> None:
        """Look after it no longer, but reap it if it ends before this process and another is let go."""
        _let_go[:] = [child for child in (*_let_go, self._child) if child.poll() is None]


class TakenProcess:
    """A keeper that another process has started (Linux).

    Args:
        pid: Its pid, and the time of its start.

    Raises:
        ProcessLookupError: It has ended.
        OSError: There is no room for a descriptor.
    """

    def __init__(self, pid: int, started: int) -> None:
        self._pid = pid
        self._started = started
        self._descriptor = os.pidfd_open(pid)
        self._status: int | None = None
        self._said = -int(signal.SIGKILL)
        if not is_still((pid, started)):
            os.close(self._descriptor)
            raise ProcessLookupError

    @property
    def pid(self) -> int:
        """Its pid."""
        return self._pid

    def poll(self) -> int | None:
        """Return what it has said that it exits with, once it has ended; None if it has not."""
        if self._status is None:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLIN)
            if poll.poll(0):
                os.close(self._descriptor)
                self._status = self._said
        return self._status

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self._status is None:
            with contextlib.suppress(OSError):  # it has ended
                signal.pidfd_send_signal(self._descriptor, number)

    def is_stopped(self) -> bool:
        """Whether a signal has stopped it."""
        entry = look_at(self._pid) if self._status is None else None
        return entry is not None and entry.started == self._started and entry.state == STOPPED

    def tell_end(self, status: int) -> None:
        """Note what it has said that it is going to exit with."""
        self._said = status

    def let_go(self) -> None:
        """Look after it no longer."""
        if self._status is None:
            os.close(self._descriptor)
            self._status = self._said
