"""Tells a stream when it has sent nothing for a while, so that it sends a sign of life.

    SENDING ──wait()──▶ WAITING ──there is something to send──▶ SENDING
                           └──the interval is over──▶ SENDING   a heartbeat

A stream that writes is not silent, however long the write takes. So the time counts from the moment
at which it begins to wait, right after its last message.

A stream has one timer, which begins with its first wait. It is not set anew for each message: when it
fires it looks how long the stream has been waiting. So a message costs nothing.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio


class Heartbeats:
    """The heartbeats of one stream.

    Args:
        interval: Seconds without a message after which one is due; 0 for none.
        awake: Is set when there is something to send, and by this when a heartbeat is due.
    """

    __slots__ = ("_awake", "_due", "_interval", "_timer", "_waits_since")

    def __init__(self, interval: float, awake: asyncio.Event) -> None:
        self._interval = interval
        self._awake = awake
        self._due = False
        self._timer: asyncio.TimerHandle | None = None
        self._waits_since: float | None = None

    async def wait(self) -> bool:
        """Wait until there is something to send.

        Returns:
            Whether a heartbeat is due.
        """
        if not self._interval:
            await self._awake.wait()
            return False
        loop = asyncio.get_running_loop()
        self._due = False
        self._waits_since = loop.time()
        if self._timer is None:
            self._timer = loop.call_at(self._waits_since + self._interval, self._look)
        try:
            await self._awake.wait()
        finally:
            self._waits_since = None
        return self._due

    def close(self) -> None:
        """Stop the timer; idempotent. The stream waits no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        since = now if self._waits_since is None else self._waits_since
        if since + self._interval <= now:
            self._due = True
            self._awake.set()
            since = now
        self._timer = loop.call_at(since + self._interval, self._look)
