"""Moments as people read them, in one form everywhere: local, with the date and the offset from UTC."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp


def local_time(moment: Timestamp) -> str:
    """Return a moment to the millisecond, as in ``2026-11-30T14:05:00.123+01:00``.

    That is also how options take a time.
    """
    seconds = moment.ToNanoseconds() / 1e9
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="milliseconds")
