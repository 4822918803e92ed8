"""What gRPC logs about the doings of clients, as it is fit for the daemon's log."""

from __future__ import annotations

import logging

GRPC_LOGGER = "grpc._cython.cygrpc"


def tame(record: logging.LogRecord) -> bool:
    """Return whether to keep a record; gRPC makes an error with a traceback of what clients do.

    An answer that meets the end of its client is no news. Of metadata that is not UTF-8 a plain line is
    made, without the value, which may be a secret; gRPC takes it as Latin-1 and goes on.
    """
    error = record.exc_info[1] if record.exc_info else None
    if type(error).__name__ == "ExecuteBatchError":
        return False
    if not isinstance(error, UnicodeDecodeError):
        return True
    record.levelno, record.levelname = logging.WARNING, "WARNING"
    record.msg = "a client sent metadata that is not UTF-8: %d bytes"
    record.args = (len(error.object),)
    record.exc_info = None
    return logging.getLogger(record.name).isEnabledFor(record.levelno)
