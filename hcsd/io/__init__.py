"""Bytes in motion: bounded rings, and the pipe ends that fill and empty processes' streams.

Knows nothing of HCS. This is the one place in the package that asks for the platform.
"""

import sys

from hcsd.io.begins import begin_at, begin_with_lines
from hcsd.io.cursor import Cursor, Gap
from hcsd.io.ends import DrainState
from hcsd.io.reading_order import Reading, ReadingOrder
from hcsd.io.ring import Overflow, Ring
from hcsd.io.ring_errors import (
    CursorClosedError,
    OffsetOutOfRangeError,
    RingClosedError,
    RingError,
    RingFullError,
)
from hcsd.io.segments import SegmentStore
from hcsd.io.spool import Spool

if sys.platform == "win32":  # noqa: TID251  (the package's one choice by platform)
    from hcsd.io.win32 import Drain, WriteEnd
else:
    from hcsd.io.posix import Drain, WriteEnd

__all__ = [
    "Cursor",
    "CursorClosedError",
    "Drain",
    "DrainState",
    "Gap",
    "OffsetOutOfRangeError",
    "Overflow",
    "Reading",
    "ReadingOrder",
    "Ring",
    "RingClosedError",
    "RingError",
    "RingFullError",
    "SegmentStore",
    "Spool",
    "WriteEnd",
    "begin_at",
    "begin_with_lines",
]
