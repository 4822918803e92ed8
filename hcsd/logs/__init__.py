"""Logging of the daemon: standard library loggers, rendered by structlog."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

import structlog

if TYPE_CHECKING:
    from pathlib import Path

Format = Literal["text", "json"]


FILE_BYTES = 10 * 1024 * 1024  # of a log file, and as much of the one before it (arbitrary)


class _LogFile(logging.handlers.RotatingFileHandler):
    """A log file. That it cannot be written, as on a full disk, is said once on standard error."""

    _said = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (logging's name)
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._said:
            self._said = True
            with suppress(OSError):
                print(  # noqa: T201  (the log is what has failed)
                    f"hcsd: cannot write the log file '{self.baseFilename}': {error.strerror};"
                    " what it lacks is lost",
                    file=sys.stderr,
                    flush=True,
                )


def configure(level: str, log_format: Format, path: Path | None = None) -> None:
    """Send all logs to standard error, or to a file.

    Args:
        level: Name of the lowest level to show, such as ``info``.
        log_format: ``text`` for people (coloured on a terminal), ``json`` for machines.
        path: File to append to. When it is full it becomes ``PATH.1``, and a new one begins.

    Raises:
        OSError: The file cannot be opened.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler: logging.Handler = (
        logging.StreamHandler(sys.stderr)
        if path is None
        else _LogFile(path, maxBytes=FILE_BYTES, backupCount=1, encoding="utf-8")
    )
    renderer: structlog.typing.Processor
    if log_format == "json":
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=path is None and sys.stderr.isatty() and not os.environ.get("NO_COLOR"),
            # The default shows local variables, and with them tokens and environments.
            exception_formatter=structlog.dev.plain_traceback,
        )
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)
