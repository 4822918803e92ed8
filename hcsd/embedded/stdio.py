"""Both ends of the pipes, or of the console, that a process is given.

    both sides open ──the keeper has answered──▶ ours open ──take()──▶ the caller's

The ends for the child are closed here as soon as the keeper has copies of them. Our ends wait until
somebody fetches them. The service keeps a copy of the stdin pipe until it is asked to close it, so
the process sees end-of-file only when both the client and the service have closed theirs.

Where systems outlive the engine, the keeper is the service in this: it gets copies of our ends and of
what `kept_stdio` makes, and gives them out to the next engine, which makes a `Stdio` of them again.
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from typing import TYPE_CHECKING

from hcsd.embedded.keeper.spare import require_room
from hcsd.embedded.kept_stdio import Companions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.embedded.kept_stdio import KeptWith
    from hcsd.embedded.process_documents import Launch

FIRST_FREE_FD = 3
IUTF8 = 0x4000  # Linux and macOS: the erase character takes back a whole character, not a byte


class Stdio:
    """Both ends of what a process was asked to be given.

    Our ends are numbered so that none is 0, which means "no handle" to whoever gets them.

    Args:
        launch: What the process asks for; None to open nothing.
        kept_with: Where what is kept with our ends waits for their owner.
        keep: Whether anything is kept.

    Attributes:
        child: (stdin, stdout, stderr) ends for the child, None where it gets the null device.
        ours: The opposite ends, 0 where there is none.
        service_stdin: The service's own copy of our stdin end, else -1.
        console: A copy of the console's controlling side, else -1.

    Raises:
        OSError: The host has no descriptors or terminals left; nothing stays open.
    """

    def __init__(self, launch: Launch | None, kept_with: KeptWith, *, keep: bool = False) -> None:
        self.child: list[int | None] = [None, None, None]
        self.ours = [0, 0, 0]
        self.service_stdin = -1
        self.console = -1
        self._kept_with = kept_with
        self._companions = Companions()
        if launch is None:
            return
        try:
            if launch.console is not None:
                self._open_console(launch, launch.console)
            else:
                self._open_pipes(launch)
            if keep:
                self._companions.open(self.ours, console=self.console >= 0)
            elif self.ours[0]:
                self.service_stdin = os.dup(self.ours[0])
            require_room([self.service_stdin, self.console, *self.ours, *self._companions.all()])
        except OSError:
            self.close_child_ends()
            self.close()
            raise

    @classmethod
    def of_kept(cls, held: Mapping[str, int], kept_with: KeptWith) -> Stdio:
        """Make one of what a keeper has given out, by name. Ownership: of the descriptors."""
        stdio = cls(None, kept_with)
        stdio.ours = [
            _safe(held[name]) if name in held else 0 for name in ("stdin", "stdout", "stderr")
        ]
        stdio.console = held.get("console", -1)
        stdio._companions = Companions(held)
        return stdio

    def to_keep(self) -> dict[str, int]:
        """Return what the keeper is to keep, by name. Ownership: stays here."""
        named = dict(zip(("stdin", "stdout", "stderr"), self.ours, strict=True))
        named["console"] = max(self.console, 0)
        return {name: fd for name, fd in named.items() if fd} | self._companions.named

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
        companions, self._companions = self._companions, Companions()
        for index, fd in enumerate(ours):
            self._kept_with.put(fd, companions.of(index))
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
        ours, self.ours = self.ours, [0, 0, 0]
        companions, self._companions = self._companions, Companions()
        for fd in (*ours, *companions.all()):
            if fd:
                os.close(fd)


def _safe(fd: int) -> int:
    """Move a descriptor up if its number would be taken for "none", or for stdio."""
    if fd >= FIRST_FREE_FD:
        return fd
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_FD)
    os.close(fd)
    return moved
