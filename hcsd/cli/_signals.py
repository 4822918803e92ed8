"""Signals to this command, as something to iterate over."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def receive_signals(*numbers: signal.Signals) -> Iterator[asyncio.Queue[signal.Signals]]:
    """Put these signals into a queue instead of what they would do, while inside."""
    loop = asyncio.get_running_loop()
    received: asyncio.Queue[signal.Signals] = asyncio.Queue()
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        try:
            loop.add_signal_handler(number, received.put_nowait, number)
        except NotImplementedError:  # the loop of Windows
            signal.signal(
                number,
                lambda number, _: loop.call_soon_threadsafe(
                    received.put_nowait, signal.Signals(number)
                ),
            )
    try:
        yield received
    finally:
        for number, handler in before.items():
            with suppress(NotImplementedError):
                loop.remove_signal_handler(number)
            signal.signal(number, handler)
