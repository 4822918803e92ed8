"""A thread that writes lines, and the queue before it.

    put ─▶ room? ─▶ queue ─▶ thread ─▶ sink
             │                          │ it fails
             └─▶ counted ◀──────────────┘   the next line that gets through says how many

The thread may wait for ever for a reader, and nobody waits for the thread: at the end it has a
moment's time, and goes with the program.
"""

from __future__ import annotations

import queue
import threading
from typing import NamedTuple, Protocol

HELD = 1_000_000  # characters that may wait to be written
COST = 100  # characters that a line counts for in any case
PATIENCE = 1.0  # seconds that the last lines have at the end
PAUSE = 10.0  # seconds between looks at what is to be said although nothing happens


class Sink(Protocol):
    """Where lines end."""

    def write(self, text: str, /) -> bool:
        """Write lines; False if they are lost. Thread: one, which may wait here."""


class Teller(Protocol):
    """What is said about lines that are not there."""

    def line_of_dropped(self, count: int) -> str:
        """Return the line that says how many are missing where it stands."""

    def tell_left_out(self, *, ends: bool) -> None:
        """Put lines about what was not even put. Called now and then.

        Args:
            ends: Nothing comes any more.
        """


class _Plain:
    """What is said where there is no log."""

    def line_of_dropped(self, count: int) -> str:
        return f"hcsd: {count} lines are missing here: they could not be written\n"

    def tell_left_out(self, *, ends: bool) -> None:
        pass


class Line(NamedTuple):
    """Something to write.

    Attributes:
        text: It, with its end; "" for what is only about the lines before.
        dropped: How many lines were dropped just before it.
    """

    text: str
    dropped: int


class Writer:
    """Writes lines in their order. Thread: any.

    Args:
        sink: Where to.
        name: Of the thread.

    Attributes:
        teller: What is said about lines that are not there.
    """

    def __init__(self, sink: Sink, name: str) -> None:
        self._sink = sink
        self._lock = threading.RLock()
        self._lines: queue.SimpleQueue[Line | None] = queue.SimpleQueue()
        self._held = 0
        self._dropped = 0
        self._closed = False
        self.teller: Teller = _Plain()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, text: str) -> None:
        """Have a line written, or count it if too many wait already."""
        cost = len(text) + COST
        with self._lock:
            if self._closed:
                return
            if self._held + cost > HELD:
                self._dropped += 1
                return
            self._held += cost
            self._lines.put(Line(text, self._take_dropped()))

    def close(self) -> bool:
        """Write what is left, if that takes no longer than a moment.

        Returns:
            Whether it is written.
        """
        with self._lock:
            self._closed = True
            self._lines.put(None)
        self._thread.join(PATIENCE)
        return not self._thread.is_alive()

    def _run(self) -> None:
        missing = 0
        while True:
            try:
                line = self._lines.get(timeout=PAUSE)
            except queue.Empty:
                self.teller.tell_left_out(ends=False)
                continue
            with self._lock:
                if self._lines.empty() and self._dropped:
                    # There is room again, and perhaps no line to come that would say it.
                    self._lines.put(Line("", self._take_dropped()))
                    if line is None:
                        line = self._lines.get()
                        self._lines.put(None)
            if line is None:
                return
            missing = self._write(line, missing + line.dropped)
            with self._lock:
                self._held -= (len(line.text) + COST) if line.text else 0

    def _write(self, line: Line, missing: int) -> int:
        """Write a line; return how many are missing by then."""
        told = self.teller.line_of_dropped(missing) if missing else ""
        if self._sink.write(told + line.text):
            return 0
        return missing + (1 if line.text else 0)

    def _take_dropped(self) -> int:
        dropped, self._dropped = self._dropped, 0
        return dropped
