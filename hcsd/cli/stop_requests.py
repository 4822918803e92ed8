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
import signal
import sys
from collections import deque
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType

SIGNALS = [signal.SIGINT, signal.SIGTERM]
if sys.platform == "win32":  # noqa: TID251  (Ctrl-Break is a signal there alone)
    SIGNALS.append(signal.SIGBREAK)

logger = logging.getLogger(__name__)


class StopRequests:
    """Where requests to stop arrive."""

    def __init__(self) -> None:
        self._waiting: deque[str] = deque()
        self._wake: Callable[[], None] | None = None

    def request(self, reason: str) -> None:
        """Ask to stop. Thread: any; also from within a signal handler.

        Args:
            reason: Who asks, for the log.
        """
        self._waiting.append(reason)
        if self._wake is not None:
            self._wake()

    def hand_to(self, stop: Callable[[], None]) -> None:
        """Have each request call `stop` on the running loop, for as long as that lasts.

        Requests that came before are handed over at once.
        """
        loop = asyncio.get_running_loop()

        def hand_over() -> None:
            while self._waiting:
                logger.info("received %s", self._waiting.popleft())
                stop()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(hand_over)

        self._wake = wake
        hand_over()


@contextmanager
def stopping_on_signals(stops: StopRequests) -> Iterator[None]:
    """Make requests of the signals that ask a program to end. Thread: the main thread's.

    Afterwards they are ignored and not as they were before: the exit of the interpreter is all that
    is left, and it would give back their default to those with a handler, which turns success into
    a failure.
    """

    def receive(number: int, _frame: FrameType | None) -> None:
        stops.request(signal.Signals(number).name)

    for number in SIGNALS:
        signal.signal(number, receive)
    try:
        with _console_events(stops):
            yield
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def _console_events(stops: StopRequests) -> AbstractContextManager[None]:
    """Make requests of what else ends a program of a Windows console."""
    if sys.platform == "win32":  # noqa: TID251  (there is nothing of it elsewhere)
        from hcsd.win32.console import receive_events

        return receive_events(stops.request)
    else:  # noqa: RET505  (type checkers follow platforms by branches)
        return nullcontext()
