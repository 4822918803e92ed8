"""Both ends of the pipes, or of the console, that a process is given.

    both sides open ──the keeper has answered──▶ ours open ──take()──▶ the caller's

The ends for the child are closed here as soon as the keeper has copies of them. Our ends wait until
somebody fetches them. The service keeps a copy of the stdin pipe until it is asked to close it, so
the process sees end-of-file only when both the client and the service have closed theirs.
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from typing import TYPE_CHECKING

from hcsd.embedded.keeper.spare import require_room

if TYPE_CHECKING:
    from hcsd.embedded.process_documents import Launch

FIRST_FREE_FD = 3
IUTF8 = 0x4000  # Linux and macOS: the erase character takes back a whole character, not a byte


class Stdio:
    """Both ends of what a process was asked to be given.

    Our ends are numbered so that none is 0, which means "no handle" to whoever gets them.

    Attributes:
        child: (stdin, stdout, stderr) ends for the child, None where it gets the null device.
        ours: The opposite ends, 0 where there is none.
        service_stdin: The service's own copy of our stdin end, else -1.
        console: A copy of the console's controlling side, else -1.

    Raises:
        OSError: The host has no descriptors or terminals left; nothing stays open.
    """

    def __init__(self, launch: Launch) -> None:
        self.child: list[int | None] = [None, None, None]
        self.ours = [0, 0, 0]
        self.service_stdin = -1
        self.console = -1
        try:
            if launch.console is not None:
                self._open_console(launch, launch.console)
            else:
                self._open_pipes(launch)
            if self.ours[0]:
                self.service_stdin = os.dup(self.ours[0])
            require_room([self.service_stdin, self.console, *self.ours])
        except OSError:
            self.close_child_ends()
            self.close()
            raise

    def _open_pipes(self, launch: Launch) -> None:
        for index, asked in enumerate((launch.stdin, launch.stdout, launch.stderr)):
            if asked:
                read, write = os.pipe()
                self.child[index], self.ours[index] = (
                    (read, _safe(write)) if index == 0 else (write, _safe(read))
                )
        if launch.joined:  # one pipe, so that the order of writing is that of reading
            self.child[2] = self.child[1]

    def _open_console(self, launch: Launch, size: tuple[int, int]) -> None:
        """A console merges all output into stdout; a stderr pipe is not made, as in HCS."""
        master, slave = os.openpty()
        self.console, self.child = _safe(master), [slave, slave, slave]
        mode = termios.tcgetattr(slave)
        mode[0] |= IUTF8
        termios.tcsetattr(slave, termios.TCSANOW, mode)
        self.resize(*size)
        for index, asked in enumerate((launch.stdin, launch.stdout)):
            if asked:
                self.ours[index] = os.dup(self.console)

    def resize(self, rows: int, columns: int) -> None:
        """Set the size of the console; the foreground group of its session gets SIGWINCH."""
        fcntl.ioctl(self.console, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def take(self) -> tuple[int, int, int]:
        """Hand our ends over, once; later calls get none."""
        ours, self.ours = self.ours, [0, 0, 0]
        return ours[0], ours[1], ours[2]

    def close_child_ends(self) -> None:
        """Close the ends that only the child may hold, or end-of-file would never come."""
        for fd in {fd for fd in self.child if fd is not None}:
            os.close(fd)
        self.child = [None, None, None]

    def close_service_stdin(self) -> None:
        """Close the service's copy of stdin; idempotent."""
        fd, self.service_stdin = self.service_stdin, -1
        if fd >= 0:
            os.close(fd)

    def close_service_copies(self) -> None:
        """Close what the service holds for a living process; idempotent."""
        self.close_service_stdin()
        fd, self.console = self.console, -1
        if fd >= 0:
            os.close(fd)

    def close(self) -> None:
        """Close everything that is still ours, also ends nobody fetched; idempotent."""
        self.close_service_copies()
        self.close_untaken()

    def close_untaken(self) -> None:
        """Close our ends that nobody took."""
        for fd in self.take():
            if fd:
                os.close(fd)


def _safe(fd: int) -> int:
    """Move a descriptor up if its number would be taken for "none", or for stdio."""
    if fd >= FIRST_FREE_FD:
        return fd
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_FD)
    os.close(fd)
    return moved
