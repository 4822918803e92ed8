"""The engine's own thread: everything that happens later happens here.

Kickoffs only check and post; the work, the completions and the events run on this thread, so none
of them ever runs inside a caller's call. It also reads what the keepers report. One thread serves
every system and process, however many there are.
"""

from __future__ import annotations

import collections
import logging
import selectors
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

THREAD_NAME = "hcs-embedded"

logger = logging.getLogger(__name__)


class Worker:
    """Runs posted jobs, in order, and callbacks of readable sockets.

    Attributes:
        closed: Whether it is ending; what is posted from then on may never run.
    """

    def __init__(self) -> None:
        self._jobs: collections.deque[Callable[[], None]] = collections.deque()
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

    def watch(self, sock: socket.socket, readable: Callable[[], None]) -> None:
        """Call `readable` whenever the socket can be read. Thread: the worker's."""
        self._selector.register(sock, selectors.EVENT_READ, readable)

    def unwatch(self, sock: socket.socket) -> None:
        """Stop watching. Thread: the worker's."""
        self._selector.unregister(sock)

    def close(self) -> None:
        """End the thread after the jobs posted so far; waits for it. Thread: any but the worker's."""
        self.closed = True
        self.post(self._stop)
        self._thread.join()
        self._selector.close()
        self._wake.close()
        self._woken.close()

    def _stop(self) -> None:
        self._stopping = True

    def _run(self) -> None:
        while not self._stopping:
            self._asleep = True
            # A job that came before `_asleep` was set has woken nobody: then only look.
            for key, _events in self._selector.select(0 if self._jobs else None):
                if key.data is None:
                    self._woken.recv(4096)
                else:
                    self._guard(key.data)
            self._asleep = False
            while self._jobs:
                self._guard(self._jobs.popleft())

    def _guard(self, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception:
            logger.exception("a job of the embedded engine failed")
