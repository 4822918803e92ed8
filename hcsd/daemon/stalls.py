"""Ends readers that do not move while a process waits for them.

    IDLE ──begin()──▶ WRITING ──end()──▶ IDLE
                         └──`timeout` is over, and it holds up its process──▶ IDLE, `stall()` is called

A reader is WRITING from the moment an event is given to gRPC until gRPC has taken it. gRPC takes
events ahead of the client, as many as its flow control allows (64 KiB and up); so progress is what
gRPC takes, and a client that stops reading is WRITING once that much is on its way to it.

Standing alone is no reason to end a reader. One that holds nobody up when the time is over, because
its rings drop or have room, has another `timeout`.

One timer serves all: every write has the same time, so the one that began first is due first.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from typing import Protocol


class Reader(Protocol):
    """Who writes output to a client."""

    def holds_up(self) -> bool:
        """Tell whether a process waits for this reader."""

    def stall(self) -> None:
        """Give up the place, so that the process goes on; the call ends when its write does."""


class StallWatch:
    """Watches the readers of a daemon.

    Args:
        timeout: Seconds that a write may take while a process waits for it; above 0.

    Attributes:
        timeout: As given; it may change at any time.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._since: dict[Reader, float] = {}  # when each write began, the first one first
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, reader: Reader) -> None:
        """Note that a write begins."""
        loop = asyncio.get_running_loop()
        self._since[reader] = now = loop.time()
        if self._timer is None:
            self._timer = loop.call_at(now + self.timeout, self._look)

    def end(self, reader: Reader) -> None:
        """Note that it is over; idempotent."""
        self._since.pop(reader, None)

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for reader, since in list(self._since.items()):
            if since + self.timeout > now:
                break
            del self._since[reader]
            if reader.holds_up():
                reader.stall()
            else:
                self._since[reader] = now
        for since in self._since.values():
            self._timer = loop.call_at(since + self.timeout, self._look)
            break
