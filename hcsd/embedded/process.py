"""A process of an embedded compute system.

    STARTING ──keeper answers with a pid──▶ RUNNING ──keeper reports its end──▶ EXITED
        └──keeper refuses──▶ FAILED           ▲
                              adopted by pid──┘

The child itself belongs to the keeper. This object holds what the service holds in HCS: the pid,
the pipe ends until somebody fetches them, its own copy of the stdin pipe, so that the process sees
end-of-file only when both the client and the service have closed theirs, and the console.

Thread: fields are written by the worker and read by callers; `Service.lock` guards them.
"""

from __future__ import annotations

import enum
import fcntl
import os
import struct
import termios
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.embedded.documents import process_status
from hcsd.embedded.faults import Fault

if TYPE_CHECKING:
    from hcsd.embedded.documents import Launch
    from hcsd.embedded.opened import Opened
    from hcsd.embedded.system import ProcessInfo, System

FIRST_FREE_FD = 3
CODE_OF_SIGNAL = 128
IUTF8 = 0x4000  # Linux and macOS: the erase character takes back a whole character, not a byte


class State(enum.Enum):
    """States of a process; see the module's head."""

    STARTING = enum.auto()
    RUNNING = enum.auto()
    EXITED = enum.auto()
    FAILED = enum.auto()


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


class Process:
    """One process.

    Attributes:
        mark: What its descendants inherit, once it was started.
        adopted: Whether it descends from one that was started, and was opened by its pid.
        handles: Every open handle to it; events go to each.
        stdio: Its pipe ends, once it was started.
    """

    def __init__(self, system: System) -> None:
        self.system = system
        self.state = State.STARTING
        self.pid = 0
        self.mark = ""
        self.adopted = False
        self.exit_code: int | None = 0
        self.signal = 0
        self.stdio: Stdio | None = None
        self.handles: list[Opened[Process]] = []

    def end(self, returncode: int | None) -> None:
        """Note how the child ended: 128 plus the signal's number if one killed it, None if lost."""
        self.state = State.EXITED
        if returncode is None:
            self.exit_code = None
        else:
            self.signal = max(0, -returncode)
            self.exit_code = CODE_OF_SIGNAL + self.signal if self.signal else returncode
        if self.stdio is not None:
            self.stdio.close_service_copies()

    @property
    def exited(self) -> bool:
        """Whether it ran and has ended."""
        return self.state is State.EXITED

    def status(self) -> str:
        """Return the ProcessStatus document."""
        return process_status(
            self.pid, exited=self.exited, exit_code=self.exit_code, signal=self.signal
        )

    def info(self) -> ProcessInfo:
        """Return what hands out the process information: pipe ends go to whoever asks first.

        Raises:
            Fault: It never started.
        """
        stdio, pid = self.stdio, self.pid
        if self.adopted:
            return lambda: (pid, 0, 0, 0)
        if stdio is None:
            raise Fault(HR.PROCESS_INFO_NOT_AVAILABLE, "the process has not started")
        return lambda: (pid, *stdio.take())

    def release(self) -> None:
        """Free what only handles could reach; the last one was closed. The child lives on."""
        if self.stdio is not None:
            self.stdio.close_untaken()
