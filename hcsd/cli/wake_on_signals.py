"""Signals that wake the event loop.

Python runs the handler of a signal when the main thread next runs Python. A signal that comes when the loop is
about to wait for events, or that interrupts another thread, would be seen with the next event, which may
never come.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def waking_on_signals() -> Iterator[None]:
    """Have every signal wake the running loop, while inside. Thread: the main thread's."""
    if sys.platform == "win32":  # noqa: TID251  (asyncio does it itself there)
        # But Python prints a traceback when the socket takes no more; then the loop is awake anyway.
        with contextlib.suppress(ValueError):  # a service has its loop on another thread
            signal.set_wakeup_fd(signal.set_wakeup_fd(-1), warn_on_full_buffer=False)
        yield
    else:
        with _waking(asyncio.get_running_loop()):
            yield


@contextmanager
def _waking(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    wake, wake_in = socket.socketpair()

    def drain() -> None:
        with contextlib.suppress(BlockingIOError):
            wake.recv(4096)

    with wake, wake_in:
        for end in (wake, wake_in):
            end.setblocking(False)
        loop.add_reader(wake, drain)
        before = signal.set_wakeup_fd(wake_in.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            loop.remove_reader(wake)
