"""How often the same may be logged: clients cause lines, and none may fill the log by it.

Records are of one kind if they have the logger and the message in common, without what is filled
in. Of a kind the first ones of an interval are written; for the others one line says how many there
were.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# Arbitrary: enough to see what goes on, and little in a day.
MOST = 10
INTERVAL = 10.0
KINDS = 500  # that are remembered; a logger may put a client's words into its message
KEY = 200  # characters of a message that tell its kind


@dataclass(slots=True)
class _Kind:
    """What an interval has seen of a kind."""

    since: float
    count: int = 0
    left_out: logging.LogRecord | None = None  # the last one


class Repeats:
    """Counts records by their kinds. Thread: any.

    Args:
        clock: Tells the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def admitted(self, record: logging.LogRecord) -> Iterable[logging.LogRecord]:
        """Return what to write: the record, unless it is one too many, after what that ends."""
        now = self._clock()
        with self._lock:
            key = (record.name, str(record.msg)[:KEY])
            if key not in self._kinds and len(self._kinds) >= KINDS:
                yield from self.left_out()
                if len(self._kinds) >= KINDS:
                    key = (record.name, "")
            kind = self._kinds.setdefault(key, _Kind(now))
            if now - kind.since >= INTERVAL:
                yield from _told(kind)
                kind = self._kinds[key] = _Kind(now)
            kind.count += 1
            if kind.count <= MOST:
                yield record
            else:
                kind.left_out = record

    def left_out(self, *, ends: bool = False) -> Iterator[logging.LogRecord]:
        """Return records that say what was left out, and forget the intervals that are over.

        Args:
            ends: All intervals end now.
        """
        now = self._clock()
        with self._lock:
            for key, kind in list(self._kinds.items()):
                if ends or now - kind.since >= INTERVAL:
                    del self._kinds[key]
                    yield from _told(kind)


def _told(kind: _Kind) -> Iterator[logging.LogRecord]:
    """Return the record that says how many of a kind were left out, if there were any."""
    last = kind.left_out
    if last is not None:
        yield logging.LogRecord(
            last.name,
            last.levelno,
            last.pathname,
            last.lineno,
            "%d more lines like this one were left out: %s",
            (kind.count - MOST, last.getMessage()),
            None,
        )
