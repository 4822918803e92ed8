"""Calls of Linux that move bytes between pipes and files, past the memory of this process.

A byte that is spliced is at every moment in one of the two places, and a file's own position moves
with it. So a process that is killed in the middle loses no byte and leaves none twice.

The module can be imported on every platform, so that others need no choice; its calls are Linux's.

Thread: any. Nothing here waits for a pipe.
"""

import ctypes
import functools
import os
import select
import struct
from collections.abc import Callable

PAGE_BYTES = 4096  # at least; a hole that is not on a page's border frees less, and is no error
KEEP_SIZE_PUNCH_HOLE = 0x01 | 0x02  # FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE


def can_splice() -> bool:
    """Tell whether this platform splices."""
    return hasattr(os, "splice")


def splice(source: int, target: int, size: int) -> int:
    """Move up to `size` bytes; one of the two is a pipe, the other one's own position counts.

    Returns:
        How many; 0 at the end of the source.

    Raises:
        BlockingIOError: there is nothing to move now, or no room for it.
        OSError: as the system says.
    """
    return os.splice(source, target, size, flags=os.SPLICE_F_NONBLOCK)  # type: ignore[attr-defined, no-any-return, unused-ignore]


def read_at(file: int, size: int, offset: int) -> bytes:
    """Read from a file; its own position stays."""
    return os.pread(file, size, offset)  # type: ignore[attr-defined, no-any-return, unused-ignore]


def write_at(file: int, data: bytes | memoryview, offset: int) -> int:
    """Write to a file; its own position stays."""
    return os.pwrite(file, data, offset)  # type: ignore[attr-defined, no-any-return, unused-ignore]


def has_bytes(pipe: int) -> bool:
    """Tell whether there is something to read; False at the end of the pipe.

    Raises:
        BlockingIOError: there is nothing now.
    """
    poll = select.poll()  # type: ignore[attr-defined, unused-ignore]
    poll.register(pipe, select.POLLIN)  # type: ignore[attr-defined, unused-ignore]
    events = poll.poll(0)
    if not events:
        raise BlockingIOError
    return bool(events[0][1] & select.POLLIN)  # type: ignore[attr-defined, unused-ignore]


def unread_bytes(pipe: int) -> int:
    """Return how many bytes are in a pipe, by either of its ends."""
    import fcntl  # noqa: PLC0415 - not on Windows
    import termios  # noqa: PLC0415

    answer = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))  # type: ignore[attr-defined, unused-ignore]
    return int(struct.unpack("i", answer)[0])


def pipe_size(pipe: int) -> int:
    """Return how many bytes a pipe can hold, if its pages are full."""
    import fcntl  # noqa: PLC0415 - not on Windows

    return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)  # type: ignore[attr-defined, no-any-return, unused-ignore]


def grow_pipe(pipe: int, size: int) -> None:
    """Let a pipe hold more.

    Raises:
        OSError: this user may not have a pipe of that size, or not as much in all pipes together.
    """
    import fcntl  # noqa: PLC0415 - not on Windows

    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, size)  # type: ignore[attr-defined, unused-ignore]


def punch(file: int, begin: int, end: int) -> None:
    """Free what a file holds between two offsets; its size stays. Where that cannot be, do nothing."""
    _fallocate()(file, KEEP_SIZE_PUNCH_HOLE, begin, end - begin)


@functools.cache
def _fallocate() -> Callable[[int, int, int, int], int]:
    try:
        call = ctypes.CDLL(None).fallocate64
    except (OSError, TypeError, AttributeError):  # no such library, or no such call in it
        return lambda *_: -1
    call.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    return call
