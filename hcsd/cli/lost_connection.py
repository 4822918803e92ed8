"""A word on stderr about a connection that is lost, for a pause that people would wonder about.

CONNECTED ──lost──▶ LOST ──after a while──▶ TOLD
    ▲                │ connected again       │ connected again, which is said, too
    └────────────────┴───────────────────────┘
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hcsd.cli.output.text import say_now

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGGER = logging.getLogger("hcsd_client")
TOLD_AFTER = 2.0  # seconds that nobody wonders about; arbitrary


class _Teller(logging.Handler):
    """Hears what the client logs of its attempts; made on the running loop."""

    def __init__(self, after: float) -> None:
        super().__init__(logging.INFO)
        self._after = after
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._told = False

    def emit(self, record: logging.LogRecord) -> None:
        """Note a record."""
        state = getattr(record, "hcsd_state", "")
        if state == "lost" and self._timer is None:
            self._timer = self._loop.call_later(self._after, self._tell)
        elif state == "back":
            self.forget()
            if self._told:
                self._told = False
                say_now("connected again")

    def forget(self) -> None:
        """Say nothing more of the present pause."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self) -> None:
        self._told = True
        say_now("connection lost, trying again…", lasts=True)


@contextmanager
def telling_lost_connections(after: float = TOLD_AFTER) -> Iterator[None]:
    """Tell people of connections that the client is trying to get back, while inside.

    Args:
        after: Seconds of a pause that is not worth a word.
    """
    teller, level = _Teller(after), LOGGER.level
    LOGGER.addHandler(teller)
    LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOGGER.setLevel(level)
        LOGGER.removeHandler(teller)
        teller.forget()
