"""Requests to stop the daemon, whenever they come.

    state      a request is
    EARLY      kept until somebody listens
    LISTENING  handed to the listener, on its loop
    OVER       dropped: the loop has ended, and with it what was to be stopped

Requests come from signal handlers, which run between any two instructions of the main thread, and
on Windows from threads of the console or of the service manager. So there is no lock: a request is
put down first and told second, the listener takes its place first and looks second, and of two that
meet at least one sees the other.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Stop = Callable[[], None]
    Act = Callable[[Stop], None]

logger = logging.getLogger(__name__)


class StopRequests:
    """Where requests to stop arrive, and what else signals ask for.

    Attributes:
        reload: Reads the configuration again; the listener assigns it, and it runs on its loop.
    """

    def __init__(self) -> None:
        self.reload: Callable[[], None] = lambda: None
        self._waiting: deque[Act] = deque()
        self._wake: Callable[[], None] | None = None

    def request(self, reason: str, *, at_once: bool = False) -> None:
        """Ask to stop. Thread: any; also from within a signal handler.

        Args:
            reason: Who asks, for the log.
            at_once: Ask twice, which leaves the processes no time to end.
        """

        def act(stop: Stop) -> None:
            logger.info("received %s", reason)
            stop()
            if at_once:
                stop()

        self.put(act)

    def put(self, act: Act) -> None:
        """Have something done on the loop of the listener. Thread: as for a request.

        Args:
            act: Called with what stops the daemon.
        """
        self._waiting.append(act)
        if self._wake is not None:
            self._wake()

    def hand_to(self, stop: Stop) -> None:
        """Have each request call `stop` on the running loop, for as long as that lasts.

        Requests that came before are handed over at once.
        """
        loop = asyncio.get_running_loop()

        def hand_over() -> None:
            while self._waiting:
                self._waiting.popleft()(stop)

        def wake() -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(hand_over)

        self._wake = wake
        hand_over()
