"""The lock of a state directory: one daemon has it, for as long as it lives.

    open ──nobody has it──▶ HELD ──stopping()──▶ HELD, and others wait ──close()──▶ free
      └──another one has it and does not stop──▶ StateError

The system releases it also if the daemon is killed. That takes a moment, so a living holder is given one,
too. What the daemon was just starting may hold the lock a little longer, until it runs a program of its
own: whoever finds a lock of a dead holder waits for it, as for one that is stopping.

The file says who holds it: the pid, and "stopping" once it stops.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from hcsd.daemon.state.errors import StateError, StateTakenError

if TYPE_CHECKING:
    from pathlib import Path

STOPPING = "stopping"
INTERVAL = 0.02  # seconds between two attempts
MOMENT = 1.0  # seconds in which a process that was killed is gone
FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)

if sys.platform == "win32":  # noqa: TID251  (it has no such locks)

    def _lock(descriptor: int) -> None:
        msg = "there are no state directories on Windows yet; leave out --state-dir"
        raise StateError(msg)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        """Take the lock of a file; raises BlockingIOError if somebody has it."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Lock:
    """The lock of a folder.

    Args:
        folder: The folder, which is there.
        wait: Seconds to wait for a holder that is stopping.

    Raises:
        StateError: Another daemon has it, or it cannot be taken at all.
    """

    def __init__(self, folder: Path, wait: float) -> None:
        self._path = folder / "lock"
        self._descriptor = _take(self._path, folder, wait)
        self._write(str(os.getpid()))

    @property
    def held(self) -> bool:
        """Whether it was not released."""
        return self._descriptor >= 0

    def stopping(self) -> None:
        """Let those wait who want it."""
        if self.held:
            self._write(f"{os.getpid()} {STOPPING}")

    def remove(self) -> None:
        """Remove the file, whose lock is still held."""
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Release it; idempotent."""
        if self.held:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a full disk: others learn less, and that is all
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, f"{text}\n".encode())


def _take(path: Path, folder: Path, wait: float) -> int:
    began = time.monotonic()
    while True:
        try:
            descriptor = os.open(path, FLAGS, 0o600)
        except OSError as error:
            msg = (
                f"state directory '{folder}' cannot be used: its lock '{path}': {error.strerror};"
                " name another with --state-dir"
            )
            raise StateError(msg) from error
        try:
            _lock(descriptor)
            if _is_at(path, descriptor):  # else its holder has removed it meanwhile
                return descriptor
            os.close(descriptor)
        except BlockingIOError:
            pid, stops = _holder(descriptor)
            os.close(descriptor)
            patience = min(MOMENT, wait) if pid and not stops and _lives(pid) else wait
            if time.monotonic() - began >= patience:
                raise _taken(folder, pid, stops=stops) from None
            time.sleep(INTERVAL)
        except BaseException:
            os.close(descriptor)
            raise


def _taken(folder: Path, pid: int, *, stops: bool) -> StateTakenError:
    holder = f"process {pid}" if pid else "a process that is not told"
    does = "is still stopping" if stops else "uses it"
    return StateTakenError(
        f"state directory '{folder}' cannot be used: another hcsd, {holder}, {does}; stop that one, or"
        " name another directory with --state-dir"
    )


def _holder(descriptor: int) -> tuple[int, bool]:
    """Return the pid that the file tells, 0 for none, and whether that is stopping."""
    pid, _, word = os.read(descriptor, 64).decode(errors="replace").strip().partition(" ")
    return (int(pid) if pid.isascii() and pid.isdigit() else 0), word == STOPPING


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False
