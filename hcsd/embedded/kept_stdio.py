"""What is kept with stdio handles, so that no byte is lost or doubled when their reader or writer dies.

A descriptor that is kept refers to the same file as the keeper's copy. So what a daemon has put into it
is there for the next daemon, and so is the position in it:

    stdin        spool                                  a file in memory; its position is how much of it
                                                        has gone on to the process
    of a console spool, stdin_read, stdin_write         likewise, and the bridge: a pipe through which the
                                                        bytes go to the console
    stdout of a console    stdout_read, stdout_write    a bridge through which they come from it

    put(), by whoever gives a handle out ──▶ WAITING ──take()──▶ its owner's
                                                └──the handle is given back, or given out anew──▶ closed

Pipes that are read need nothing: what was not read is in the pipe.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = (("spool", "stdin_read", "stdin_write"), ("stdout_read", "stdout_write"), ())


class Companions:
    """What is kept with the stdio of one process.

    Args:
        held: What there is, by name; other names are left alone. Ownership: of the descriptors.

    Attributes:
        named: The descriptors by name.
    """

    def __init__(self, held: Mapping[str, int] | None = None) -> None:
        mine = [name for names in NAMES for name in names]
        self.named = {name: fd for name, fd in (held or {}).items() if name in mine}

    def open(self, ours: list[int], *, console: bool) -> None:
        """Make what the given ends need; 0 stands for none.

        Raises:
            OSError: There is no room. What was made is in `named`.
        """
        if ours[0]:
            self.named["spool"] = os.memfd_create("hcsd-stdin", os.MFD_CLOEXEC)
        for index, name in enumerate(("stdin", "stdout")):
            if ours[index] and console:
                self.named[f"{name}_read"], self.named[f"{name}_write"] = os.pipe()

    def of(self, index: int) -> tuple[int, ...]:
        """Return what goes with stdin, stdout or stderr, in the order of the head."""
        return tuple(self.named[name] for name in NAMES[index] if name in self.named)

    def all(self) -> list[int]:
        """Return all of them."""
        return list(self.named.values())


class KeptWith:
    """What waits for the owners of handles that were given out. Thread: any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[int, ...]] = {}

    def put(self, handle: int, descriptors: tuple[int, ...]) -> None:
        """Let descriptors wait for the owner of a handle, which is given out now. Ownership: of them."""
        self.close(handle)  # of an earlier handle of that number
        if descriptors:
            with self._lock:
                self._waiting[handle] = descriptors

    def take(self, handle: int) -> tuple[int, ...]:
        """Hand over what waits for the owner of a handle. Ownership: the caller's."""
        with self._lock:
            return self._waiting.pop(handle, ())

    def close(self, handle: int) -> None:
        """Close what waits for the owner of a handle."""
        for descriptor in self.take(handle):
            os.close(descriptor)

    def close_all(self) -> None:
        """Close whatever waits."""
        for handle in list(self._waiting):
            self.close(handle)
