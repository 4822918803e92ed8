"""Our own standard input as chunks of bytes, whatever it is.

A loop cannot watch regular files, nor on Windows anything at all, so a thread reads. It reads only
what was asked for plus one chunk, and is a daemon: one that waits for a terminal must not keep the
command from ending.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

CHUNK_BYTES = 64 * 1024
READ_AHEAD = 2  # one chunk on its way while the next is read
_ENDS = {errno.EBADF, errno.EIO}  # closed by who started us; the terminal is gone


class Stdin:
    """Reads a descriptor to its end.

    Args:
        descriptor: What to read; it stays the caller's.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._wanted = threading.Semaphore(READ_AHEAD)

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Iterate over what comes, until the end of the file.

        Raises:
            OSError: It cannot be read.
        """
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[bytes | OSError] = asyncio.Queue()
        thread = threading.Thread(
            target=self._work, args=(loop, arrived), name="stdin", daemon=True
        )
        thread.start()
        while True:
            item = await arrived.get()
            if isinstance(item, OSError):
                raise item
            if not item:
                return
            yield item
            self._wanted.release()

    def _work(
        self, loop: asyncio.AbstractEventLoop, arrived: asyncio.Queue[bytes | OSError]
    ) -> None:
        """Read and hand over; on the reader's thread."""
        item: bytes | OSError = b"-"
        while item and not isinstance(item, OSError):
            self._wanted.acquire()
            try:
                item = self._read()
            except OSError as error:
                item = error
            try:
                loop.call_soon_threadsafe(arrived.put_nowait, item)
            except RuntimeError:  # the loop is closed: nobody waits for this any more
                return

    def _read(self) -> bytes:
        while True:
            try:
                return os.read(self._descriptor, CHUNK_BYTES)
            except BlockingIOError:  # somebody we share it with made it non-blocking
                select.select([self._descriptor], [], [])
            except OSError as error:
                if error.errno in _ENDS:
                    return b""
                raise
