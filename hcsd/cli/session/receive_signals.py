"""Signals to this command, as something to iterate over."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


@contextmanager
def receive_signals(*numbers: signal.Signals) -> Iterator[asyncio.Queue[signal.Signals]]:
    """Put these signals into a queue instead of what they would do, while inside.

    By `signal.signal`, since the loop of Windows has no handlers of its own.
    """
    loop = asyncio.get_running_loop()
    received: asyncio.Queue[signal.Signals] = asyncio.Queue()

    def receive(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(received.put_nowait, signal.Signals(number))

    before = {
        number: signal.signal(number, receive)
        for number in numbers
        if signal.getsignal(number) is not signal.SIG_IGN  # as nohup wants it
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
