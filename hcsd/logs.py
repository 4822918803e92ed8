"""Logging of the daemon: standard library loggers, rendered by structlog on standard error."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog

Format = Literal["text", "json"]


def configure(level: str, log_format: Format) -> None:
    """Send all logs to standard error.

    Args:
        level: Name of the lowest level to show, such as ``info``.
        log_format: ``text`` for people (coloured on a terminal), ``json`` for machines.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor
    if log_format == "json":
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
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
