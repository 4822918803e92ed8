"""What the kernel kills in a system that has used up its memory.

The kernel counts such kills before it kills. So whoever was killed and is reaped is known to be counted. The
kernel also tells a poll: in v2 when it has counted, in v1 when it is about to, so there the count is looked at
again for a while.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from typing import TYPE_CHECKING

from hcsd.embedded.keeper.groups import write

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from hcsd.embedded.keeper.groups import Places

COUNTER = b"oom_kill "  # in the file of either version
FRESH = 1.0  # seconds for which a kill may explain a death (arbitrary)
LOOK_AGAIN = 0.05  # seconds


class Memory:
    """Watches the memory of a system.

    Args:
        places: The groups of the system; None without any.
        poll: Where the events are registered.
        tell: Called with the number of new kills.
    """

    def __init__(
        self, places: Places | None, poll: select.poll, tell: Callable[[int], None]
    ) -> None:
        self._tell = tell
        self._counted = 0
        self._killed_at = float("-inf")
        self._look_until = 0.0
        self._file = self._event = -1
        if places is None or not places.events:
            return
        self._file = os.open(places.events, os.O_RDONLY | os.O_CLOEXEC)
        legacy = os.path.join(os.path.dirname(places.events), "cgroup.event_control")
        if os.path.exists(legacy):
            self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            write(legacy, f"{self._event} {self._file}")
            poll.register(self._event, select.POLLIN)
        else:
            poll.register(self._file, select.POLLPRI)
        self._counted = self._count()

    @property
    def next_deadline(self) -> float | None:
        """When to look again, whatever happens; None if that is not needed."""
        now = time.monotonic()
        return now + LOOK_AGAIN if now < self._look_until else None

    def settle(self, ready: Container[int]) -> None:
        """Look, if the kernel has something to tell, or did a while ago.

        Args:
            ready: Descriptors that can be read.
        """
        if self._event >= 0 and self._event in ready:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._event)
            self._look_until = time.monotonic() + FRESH
        if self._file >= 0 and (self._file in ready or time.monotonic() < self._look_until):
            self._look()

    def has_killed(self, code: int) -> bool:
        """Tell whether want of memory explains a death.

        Args:
            code: The return code of a process that has just been reaped.
        """
        if self._file < 0 or code != -signal.SIGKILL:
            return False
        self._look()
        return time.monotonic() - self._killed_at < FRESH

    def _look(self) -> None:
        count = self._count()
        if count > self._counted:
            self._tell(count - self._counted)
            self._counted = count
            self._killed_at = time.monotonic()

    def _count(self) -> int:
        with contextlib.suppress(OSError):  # the group is gone
            for line in os.pread(self._file, 4096, 0).split(b"\n"):
                if line.startswith(COUNTER):
                    return int(line.removeprefix(COUNTER))
        return self._counted
