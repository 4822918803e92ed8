"""Our own standard input as chunks of bytes, whatever it is.

A loop cannot watch regular files, nor on Windows anything at all, so a thread reads. It reads no
more than one chunk ahead, and is a daemon: one that waits for a terminal must not keep the command
from ending.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import threading
from functools import partial
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK_BYTES = 64 * 1024
READ_AHEAD = 1  # chunk, while the one before is on its way
_ENDS = {errno.EBADF, errno.EIO}  # closed by who started us; the terminal is gone


class Reader:
    """Reads to the end, on a thread; made on the running loop.

    Args:
        read: Reads on the thread; may wait. It returns b"" at the end.
    """

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read
        self._wanted = threading.Semaphore(READ_AHEAD)
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[bytes | OSError] = asyncio.Queue()
        threading.Thread(target=self._work, name="stdin", daemon=True).start()

    async def read(self) -> bytes:
        """Return what comes next; b"" at the end of the file. A cancellation loses nothing.

        Raises:
            OSError: It cannot be read.
        """
        item = await self._arrived.get()
        if isinstance(item, OSError):
            raise item
        self._wanted.release()
        return item

    def _work(self) -> None:
        """Read and hand over; on the reader's thread."""
        item: bytes | OSError = b"-"
        while item and not isinstance(item, OSError):
            self._wanted.acquire()
            try:
                item = self._read()
            except OSError as error:
                item = error
            try:
                self._loop.call_soon_threadsafe(self._arrived.put_nowait, item)
            except RuntimeError:  # the loop is closed: nobody waits for this any more
                return


class Stdin(Reader):
    """Reads a descriptor to its end; made on the running loop.

    Args:
        descriptor: What to read; it stays the caller's.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(partial(_read_some, descriptor))


class Keys:
    """Reads a terminal, and nothing of it that nobody waits for; used on the running loop.

    A thread that waits in a read would take what is typed for the program that comes after us.

    Args:
        descriptor: What to read; it stays the caller's.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def read(self) -> bytes:
        """Return what comes next; b"" at the end. A cancellation loses nothing.

        Raises:
            OSError: It cannot be read.
        """
        await anyio.wait_readable(self._descriptor)
        return _read_some(self._descriptor)


def _read_some(descriptor: int) -> bytes:
    while True:
        try:
            return os.read(descriptor, CHUNK_BYTES)
        except BlockingIOError:  # somebody we share it with made it non-blocking
            select.select([descriptor], [], [])
        except OSError as error:
            if error.errno in _ENDS:
                return b""
            raise
