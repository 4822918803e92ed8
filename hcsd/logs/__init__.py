"""Logging of the daemon: standard library loggers, rendered by structlog, written by threads.

    logger ─▶ repeats: is it one too many? ─▶ lines: the text ─▶ writer: a queue, a thread ─▶ sinks
    sys.stderr ─────────────────────────────▶ lines ───────────▶ writer

Nobody who logs waits for a reader or for a disk. Of what others have chosen nothing can forge a line,
or make the log grow as it likes.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from hcsd.logs.lines import StderrLines, formatter
from hcsd.logs.repeats import Repeats
from hcsd.logs.sinks import FileSink, StreamSink
from hcsd.logs.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Format = Literal["text", "json"]

logger = logging.getLogger(__name__)


class _Handler(logging.Handler):
    """Queues the lines of records. Thread: any.

    Args:
        writer: Where the lines go.
    """

    def __init__(self, writer: Writer) -> None:
        super().__init__()
        self._writer = writer
        self._repeats = Repeats()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the line of a record, or count it as one too many."""
        try:
            for line in self._repeats.admitted(record):
                self._put(line)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Write what is queued, if that takes no longer than a moment; `logging.shutdown` calls this."""
        self._writer.close()
        super().close()

    def tell_left_out(self, *, ends: bool) -> None:
        """Queue lines that say what was left out."""
        for line in self._repeats.left_out(ends=ends):
            self._put(line)

    def line_of_dropped(self, count: int) -> str:
        """Return a line that says how many lines are missing where it stands."""
        return self._line(
            logger.makeRecord(
                logger.name,
                logging.WARNING,
                __file__,
                0,
                "%d lines are missing here: they could not be written",
                (count,),
                None,
            )
        )

    def _put(self, record: logging.LogRecord) -> None:
        self._writer.put(self._line(record))

    def _line(self, record: logging.LogRecord) -> str:
        return self.format(record) + "\n"


@contextmanager
def standard_error() -> Iterator[Writer]:
    """Write by a thread what this program prints on stderr, while inside.

    It goes on whether or not somebody reads stderr. At the end what is left has a moment's time.
    """
    before = sys.stderr
    writer = Writer(StreamSink(before), "stderr")
    sys.stderr = StderrLines(writer.put, before)
    try:
        yield writer
    finally:
        if writer.close():  # otherwise the next line there would wait for ever
            sys.stderr = before


@contextmanager
def logging_to(
    errors: Writer, level: str, log_format: Format, path: Path | None = None
) -> Iterator[Callable[[], None]]:
    """Send all logs to standard error, or to a file, while inside.

    Args:
        errors: What writes to standard error.
        level: Name of the lowest level to show, such as ``info``.
        log_format: ``text`` for people (coloured on a terminal), ``json`` for machines.
        path: File to append to. When it is full it becomes ``PATH.1``, and a new one begins.

    Returns:
        What opens the file again, which somebody else may have renamed.

    Raises:
        OSError: The file cannot be opened.
    """
    sink = None if path is None else FileSink(path)
    writer = errors if sink is None else Writer(sink, "log")
    handler = _Handler(writer)
    colors = sink is None and sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    handler.setFormatter(formatter(log_format, colors=colors))
    writer.teller = handler
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    try:
        yield (lambda: None) if sink is None else sink.reopen
    finally:
        handler.tell_left_out(ends=True)
        if writer is not errors:
            writer.close()
