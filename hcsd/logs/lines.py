"""The text of a line: bounded in length, and without anything that a terminal would obey."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING

import structlog

from hcsd.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from structlog.typing import EventDict, Processor, WrappedLogger

LINE = 4_000  # characters of a message, or of a line of a block
# Characters of what follows a message on lines of its own.
BLOCKS = {"exception": 16_000, "stack": 200_000}


def formatter(log_format: str, *, colors: bool) -> structlog.stdlib.ProcessorFormatter:
    """Return what makes text of records.

    Args:
        log_format: ``text`` or ``json``.
        colors: Whether a terminal shows the text.
    """
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Not that of the renderer: it shows local variables, and with them tokens and environments.
        structlog.processors.format_exc_info,
        _bound,
    ]
    renderer: Processor
    if log_format == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        shared.append(_escape)
        renderer = structlog.dev.ConsoleRenderer(
            colors=colors, exception_formatter=structlog.dev.plain_traceback
        )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )


def cut(text: str, most: int) -> str:
    """Return a text, without its middle if it is too long."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} [… {len(text) - 2 * half} characters …] {text[-half:]}"


def _bound(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["event"] = cut(str(event["event"]), LINE)
    if "stack_info" in event:  # what logging calls it
        event["stack"] = event.pop("stack_info")
    for name, most in BLOCKS.items():
        if name in event:
            event[name] = cut(str(event[name]), most)
    return event


def _escape(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Show control characters. The lines of a block are indented, so that none looks like another."""
    for name in ("event", "logger"):
        event[name] = printable(str(event[name]))
    for name in BLOCKS:
        if name in event:
            event[name] = "\n".join(
                f"    {printable(line)}" for line in str(event[name]).split("\n")
            )
    return event


class StderrLines(io.TextIOBase):
    """Stands for stderr: hands on whole lines, whoever prints them. Thread: any.

    Args:
        put: Takes a line with its end.
        stream: What it stands for.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, put: Callable[[str], None], stream: TextIO) -> None:
        super().__init__()
        self._put = put
        self._stream = stream
        self._lock = threading.RLock()
        self._begun = ""

    def writable(self) -> bool:
        """Return that it can be written."""
        return True

    def isatty(self) -> bool:
        """Return whether a terminal shows it."""
        return self._stream.isatty()

    def write(self, text: str, /) -> int:
        """Hand on the lines that are whole by now."""
        with self._lock:
            *whole, self._begun = (self._begun + text).split("\n")
            for line in whole:
                self._put(printable(cut(line, LINE)) + "\n")
            if len(self._begun) > LINE:
                self.write("\n")
        return len(text)
