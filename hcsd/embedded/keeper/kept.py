"""What the keeper keeps of each process for an engine that comes later.

    begin() ──▶ RUNS ──ended()──▶ ENDED ──forget(): the last handle of it was closed──▶ forgotten
                 └──forget(): it has not come to its program, and whoever asked knows──▶ forgotten

It is copies of descriptors, and how the process has ended. The copies are named as `OF_HANDLE` has it:

    stdin, with what the engine keeps for it    until the process ends, or the engine closes StdIn
    console                                     until the process ends
    stdout, stderr                              until the engine closes them, or the process has ended,
                                                nobody writes any more and everything was read

Nobody tells when somebody has read the last byte. So the outputs of ended processes are looked at,
at first soon, then after pauses that grow.

Without a window nothing is kept, and nothing is remembered.
"""

from __future__ import annotations

import errno
import os
import select
import time
from typing import TYPE_CHECKING

from hcsd.embedded.keeper.frames import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hcsd.embedded.keeper.frames import Message

STDIN = ("stdin", "spool", "stdin_read", "stdin_write")
STDOUT = ("stdout", "stdout_read", "stdout_write")
STDERR = ("stderr",)
CONSOLE = ("console",)
OF_HANDLE = {"StdIn": STDIN, "StdOut": STDOUT, "StdErr": STDERR, "All": STDIN + STDOUT + STDERR}
FIRST_LOOK, LAST_LOOK = 0.5, 64.0  # seconds between two looks at outputs, at first and at most


class Keepsake:
    """What is kept of one process.

    Attributes:
        pid: Its pid, which may be another's once it has ended.
        mark: What all that descends from it inherits; of an adopted one a name that no other has.
        tag: What the engine calls its start.
        adopted: Whether it was not started here.
        fds: Descriptors by name. Ownership: this.
        ended: Whether it has ended; then the status, whether want of memory explains it, and when, in
            nanoseconds since 1970.
    """

    def __init__(
        self, pid: int, mark: str, tag: str, fds: dict[str, int], *, adopted: bool
    ) -> None:
        self.pid = pid
        self.mark = mark
        self.tag = tag
        self.adopted = adopted
        self.fds = fds
        self.ended = False
        self.status: int | None = None
        self.oom = False
        self.time = 0

    def drop(self, names: Iterable[str]) -> None:
        """Close what is held under these names."""
        for name in names:
            fd = self.fds.pop(name, -1)
            if fd >= 0:
                os.close(fd)

    def drop_read(self) -> bool:
        """Close outputs that are read to the end; return whether others are left."""
        for names in (STDOUT, STDERR):
            held = [self.fds[name] for name in names if name in self.fds]
            if held and _is_through(held):
                self.drop(names)
        return any(name in self.fds for name in STDOUT + STDERR)

    @property
    def message(self) -> Message:
        """What the engine is told of it."""
        return {
            "pid": self.pid,
            "mark": self.mark,
            "tag": self.tag,
            "adopted": self.adopted,
            "exited": self.ended,
            "status": self.status,
            "oom": self.oom,
            "time": self.time,
            "stdio": bool(self.fds),
        }


class Kept:
    """What is kept of all processes.

    Args:
        active: Whether anything is kept at all.
    """

    def __init__(self, *, active: bool) -> None:
        self._active = active
        self._all: dict[str, Keepsake] = {}  # by mark
        self._running: dict[int, Keepsake] = {}  # by pid
        self._adoptions = 0
        self._look = FIRST_LOOK
        self._look_at: float | None = None  # when the outputs of ended processes are looked at next

    @property
    def next_deadline(self) -> float | None:
        """When to look at outputs; None if that is not needed."""
        return self._look_at

    def begin(self, pid: int, mark: str, tag: str, fds: dict[str, int]) -> None:
        """Keep a process that was forked. Ownership: of the descriptors."""
        if self._active:
            self._add(Keepsake(pid, mark, tag, fds, adopted=False))

    def adopt(self, pid: int) -> str:
        """Keep a process that was not started here; return how it is called, "" if it is not kept."""
        if not self._active or pid in self._running:
            return ""
        self._adoptions += 1
        mark = f"adopted {self._adoptions}"
        self._add(Keepsake(pid, mark, "", {}, adopted=True))
        return mark

    def ended(self, pid: int, status: int | None, *, oom: bool, when: int) -> None:
        """Note how a process has ended; nothing if it is not kept."""
        keepsake = self._running.pop(pid, None)
        if keepsake is None:
            return
        keepsake.ended, keepsake.status, keepsake.oom, keepsake.time = True, status, oom, when
        keepsake.drop(STDIN + CONSOLE)
        if keepsake.drop_read():
            self._look = FIRST_LOOK
            self._look_at = time.monotonic() + self._look

    def forget(self, mark: str) -> None:
        """Keep nothing of a process any more: it has ended, and nobody asks for it."""
        keepsake = self._all.pop(mark, None)
        if keepsake is not None:
            keepsake.drop(list(keepsake.fds))
            if self._running.get(keepsake.pid) is keepsake:
                del self._running[keepsake.pid]

    def drop(self, mark: str, handle: str) -> None:
        """Close what is held for a handle: StdIn, StdOut, StdErr or All; nothing if nothing is."""
        if mark in self._all:
            self._all[mark].drop(OF_HANDLE[handle])

    def stdio_of(self, mark: str) -> dict[str, int]:
        """Return what is held for a process. Ownership: stays here.

        Raises:
            Refusal: Nothing is kept of such a process.
        """
        if mark not in self._all:
            raise Refusal("process", errno.ESRCH)
        return self._all[mark].fds

    def messages(self) -> list[Message]:
        """Return what the engine is told of all, in the order in which they came."""
        return [keepsake.message for keepsake in self._all.values()]

    def settle(self) -> None:
        """Look at the outputs of ended processes, if it is time."""
        if self._look_at is None or time.monotonic() < self._look_at:
            return
        left = [keepsake.drop_read() for keepsake in self._all.values() if keepsake.ended]
        self._look = min(self._look * 2, LAST_LOOK)
        self._look_at = time.monotonic() + self._look if any(left) else None

    def _add(self, keepsake: Keepsake) -> None:
        self._all[keepsake.mark] = keepsake
        self._running[keepsake.pid] = keepsake


def _is_through(fds: Sequence[int]) -> bool:
    """Tell whether nobody writes to the first of these, and nothing is in any of them."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    events = dict(poll.poll(0))
    return bool(events.get(fds[0], 0) & select.POLLHUP) and not any(
        event & select.POLLIN for event in events.values()
    )
