"""Event loops of the Windows Python that wake up by themselves.

Under Wine 8 a completion port now and then keeps a wake-up to itself: on a busy machine one of some
60,000 calls of `run_in_executor` was done, and its loop slept on until its next timer, in a program
of nothing else [measured]. So a loop here has always a timer soon.
"""

import asyncio
import sys

assert sys.platform == "win32"

PERIOD = 0.25  # seconds that a lost wake-up costs at most


class WakingPolicy(asyncio.WindowsProactorEventLoopPolicy):
    """Makes the loops of the default policy, each with a timer that never ends."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Make one whose timer runs from the start."""
        loop = super().new_event_loop()
        wake(loop)
        return loop


def wake(loop: asyncio.AbstractEventLoop) -> None:
    """Let a loop have a timer soon, from now on."""
    loop.call_later(PERIOD, wake, loop)
