"""The engine's own thread: everything that happens later happens here.

Kickoffs only check and post; the work, the completions and the events run on this thread, so none
of them ever runs inside a caller's call. It also reads what the keepers report, and writes what they
are asked. One thread serves every system and process, however many there are. So no job may block.

A round waits for a job, a socket or a timer. Then sockets come first, timers next, jobs last: what a
keeper has said is heard before a timer says that it is silent.
"""

from __future__ import annotations

import collections
import heapq
import itertools
import logging
import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

THREAD_NAME = "hcs-embedded"
EVENTS = (selectors.EVENT_READ, selectors.EVENT_WRITE)

logger = logging.getLogger(__name__)


class Timer:
    """A job that is due at a time."""

    def __init__(self, job: Callable[[], None]) -> None:
        self._job: Callable[[], None] | None = job

    def cancel(self) -> None:
        """Do not run it; nothing if it has run. Thread: the worker's."""
        self._job = None

    def run(self) -> None:
        """Run it unless it was cancelled. Thread: the worker's."""
        job, self._job = self._job, None
        if job is not None:
            job()


class Worker:
    """Runs posted jobs, in order, timers, and callbacks of sockets.

    Attributes:
        closed: Whether it is ending; what is posted from then on may never run.
    """

    def __init__(self) -> None:
        self._jobs: collections.deque[Callable[[], None]] = collections.deque()
        self._timers: list[tuple[float, int, Timer]] = []  # a heap
        self._count = itertools.count()  # tells timers apart that are due at once
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self.closed = False
        self._stopping = False
        self._asleep = True  # then, and only then, a post has to wake the thread
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
        self._thread.start()

    def post(self, job: Callable[[], None]) -> None:
        """Run a job on the worker. Thread: any."""
        self._jobs.append(job)
        if self._asleep:
            self._asleep = False
            self._wake.send(b"\0")

    def is_current(self) -> bool:
        """Whether this is the worker's thread."""
        return threading.current_thread() is self._thread

    def watch(
        self, sock: socket.socket, readable: Callable[[], None], writable: Callable[[], None]
    ) -> None:
        """Call `readable` whenever the socket can be read. Thread: the worker's."""
        self._selector.register(sock, selectors.EVENT_READ, (readable, writable))

    def want_write(self, sock: socket.socket, *, wanted: bool) -> None:
        """Also call `writable` whenever the socket can be written, or no more. Thread: the worker's."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if wanted else 0)
        key = self._selector.get_key(sock)
        if key.events != events:
            self._selector.modify(sock, events, key.data)

    def unwatch(self, sock: socket.socket) -> None:
        """Stop watching. Thread: the worker's."""
        self._selector.unregister(sock)

    def after(self, seconds: float, job: Callable[[], None]) -> Timer:
        """Run a job after a time. Thread: the worker's."""
        timer = Timer(job)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._count), timer))
        return timer

    def close(self, timeout: float | None = None) -> bool:
        """End the thread after the jobs posted so far; waits for it. Thread: any but the worker's.

        Args:
            timeout: Seconds that this may wait; None for ever.

        Returns:
            Whether it has ended. If not, a job hangs, and all that the worker has stays open.
        """
        self.closed = True
        self.post(self._stop)
        self._thread.join(timeout)
        if self._thread.is_alive():
            return False
        self._selector.close()
        self._wake.close()
        self._woken.close()
        return True

    def _stop(self) -> None:
        self._stopping = True

    def _run(self) -> None:
        while not self._stopping:
            self._asleep = True
            # A job that came before `_asleep` was set has woken nobody: then only look.
            for key, events in self._selector.select(0 if self._jobs else self._patience()):
                if key.data is None:
                    self._woken.recv(4096)
                    continue
                for event, ready in zip(EVENTS, key.data, strict=True):
                    # The first may have ended the watch, or begun another on that descriptor.
                    if events & event and self._selector.get_map().get(key.fd) is key:
                        self._guard(ready)
            self._asleep = False
            while self._timers and self._timers[0][0] <= time.monotonic():
                self._guard(heapq.heappop(self._timers)[2].run)
            while self._jobs:
                self._guard(self._jobs.popleft())

    def _patience(self) -> float | None:
        """Return for how many seconds no timer is due; None if there is none."""
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _guard(self, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception:
            logger.exception("a job of the embedded engine failed")
