"""What gRPC logs about metadata of clients, as it is fit for the daemon's log."""

from __future__ import annotations

import logging

GRPC_LOGGER = "grpc._cython.cygrpc"


def tame_metadata(record: logging.LogRecord) -> bool:
    """Make a plain line of what gRPC logs about metadata that is not UTF-8.

    gRPC logs an error with a traceback and with the value, which may be a secret.
    """
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, UnicodeDecodeError):
        return True
    record.levelno, record.levelname = logging.WARNING, "WARNING"
    record.msg = "a client sent metadata that is not UTF-8: %d bytes"
    record.args = (len(error.object),)
    record.exc_info = None
    return logging.getLogger(record.name).isEnabledFor(record.levelno)
