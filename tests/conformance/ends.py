"""Processes that a case or a program has started, watched by the pid that they have written to a file.

A watch is on the process and not on its pid, which another process may get.
"""

import os
import select
from pathlib import Path


class Watched:
    """A process that runs, or has ended and waits to be reaped; close it.

    Args:
        pid_file: What it has written its pid to with ``echo``.

    Raises:
        ProcessLookupError: There is no such process.
    """

    def __init__(self, pid_file: Path) -> None:
        self._descriptor = os.pidfd_open(int(pid_file.read_text("utf-8")))

    def close(self) -> None:
        os.close(self._descriptor)

    def has_ended(self, seconds: float = 0) -> bool:
        """Return whether it has ended, within so many seconds at the most."""
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLIN)
        return bool(waiting.poll(seconds * 1000))
