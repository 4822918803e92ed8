"""Bytes in motion: bounded rings, and the pipe ends that fill and empty processes' streams.

Knows nothing of HCS. This is the one place in the package that asks for the platform.
"""

import sys
from collections.abc import Callable

from hcsd.io import pipes
from hcsd.io.pipes import DrainState
from hcsd.io.ring import (
    Cursor,
    CursorClosedError,
    Gap,
    OffsetOutOfRangeError,
    Overflow,
    Ring,
    RingClosedError,
    RingError,
    RingFullError,
)

if sys.platform != "win32":  # noqa: TID251 - the package's one choice by platform
    Drain = pipes.Drain
    WriteEnd = pipes.WriteEnd
else:
    # HCS pipes on Windows are overlapped handles, which a loop cannot watch like descriptors.
    # Until there is an implementation the names exist and say so when they are used.

    class Drain(pipes.Drain):
        """The reader of a pipe; not available for Windows handles yet."""

        def __init__(self, handle: int, ring: Ring, on_end: Callable[[], None]) -> None:
            raise NotImplementedError("reading from a Windows pipe handle")

    class WriteEnd(pipes.WriteEnd):
        """The writing end of a pipe; not available for Windows handles yet."""

        def __init__(self, handle: int) -> None:
            raise NotImplementedError("writing to a Windows pipe handle")


__all__ = [
    "Cursor",
    "CursorClosedError",
    "Drain",
    "DrainState",
    "Gap",
    "OffsetOutOfRangeError",
    "Overflow",
    "Ring",
    "RingClosedError",
    "RingError",
    "RingFullError",
    "WriteEnd",
]
