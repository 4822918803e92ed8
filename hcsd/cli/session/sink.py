"""Bytes to our own standard output and error, fast and without holding up the event loop.

A write to a pipe or a terminal may block for as long as its reader likes. Making the descriptor
non-blocking is no way out: that would change it for everybody who shares it, such as the shell. So
one thread does the writing, for both descriptors and in the order in which the bytes came. It
takes what has gathered since its last write in one system call, so that a fast output costs it
few turns with the interpreter's lock.

The thread is a daemon: one that hangs in a write to a reader that never reads must not keep the
command from ending.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import queue
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from operator import itemgetter

import anyio

PENDING_BYTES = 1024 * 1024  # as much as the daemon holds per stream before the process waits
Writer = Callable[[list[bytes]], None]  # raises OSError, as `write_all` does
BATCH = 64  # chunks per system call; POSIX allows at least 16, all of today's systems 1024


@dataclass(frozen=True, slots=True)
class SinkFailure:
    """What went wrong in writing."""

    descriptor: int
    error: OSError


class Sink:
    """Writes to descriptors in the background; made on the running loop.

    Attributes:
        failure: Why writing has ended; None while it has not.
    """

    def __init__(self) -> None:
        self.failure: SinkFailure | None = None
        self._loop = asyncio.get_running_loop()
        self._pending = 0
        self._changed = anyio.Event()
        self._queue: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()
        self._writers: dict[int, Writer] = {}
        threading.Thread(target=self._work, name="sink", daemon=True).start()

    def write_by(self, descriptor: int, writer: Writer) -> None:
        """Write to a descriptor by something else than its system call, on the sink's thread."""
        self._writers[descriptor] = writer

    async def write(self, descriptor: int, data: bytes) -> None:
        """Write in the background; waits while too much is pending. After a failure it drops."""
        if self.failure is not None:
            return
        self._pending += len(data)
        self._queue.put((descriptor, data))
        while self._pending > PENDING_BYTES and self.failure is None:
            await self._changed.wait()

    async def flush(self) -> None:
        """Wait until everything is written, or writing has failed."""
        while self._pending and self.failure is None:
            await self._changed.wait()

    async def failed(self) -> SinkFailure:
        """Wait until writing fails."""
        while self.failure is None:
            await self._changed.wait()
        return self.failure

    def _work(self) -> None:
        """Write what comes; on the sink's thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits for this any more
            while True:
                batch = self._take()
                for descriptor, items in itertools.groupby(batch, itemgetter(0)):
                    chunks = [data for _, data in items]
                    failure = self._try_to_write(descriptor, chunks)
                    count = sum(map(len, chunks))
                    self._loop.call_soon_threadsafe(self._wrote, count, failure)
                    if failure is not None:
                        return

    def _take(self) -> list[tuple[int, bytes]]:
        """Return what has gathered, at least one chunk."""
        batch = [self._queue.get()]
        with suppress(queue.Empty):
            while len(batch) < BATCH:
                batch.append(self._queue.get_nowait())
        return batch

    def _try_to_write(self, descriptor: int, chunks: list[bytes]) -> SinkFailure | None:
        try:
            self._writers.get(descriptor, partial(write_all, descriptor))(chunks)
        except OSError as error:
            return SinkFailure(descriptor, error)
        return None

    def _wrote(self, count: int, failure: SinkFailure | None) -> None:
        self._pending -= count
        self.failure = failure
        changed, self._changed = self._changed, anyio.Event()
        changed.set()


def write_all(descriptor: int, chunks: list[bytes]) -> None:
    """Write all of the chunks, whatever mode the descriptor is in.

    Raises:
        OSError: It is closed, or nobody reads it any more, or its disk is full.
    """
    rest = [memoryview(chunk) for chunk in chunks]
    while rest:
        try:
            count = _write_some(descriptor, rest)
        except BlockingIOError:  # somebody we share it with made it non-blocking
            select.select([], [descriptor], [])
            continue
        while rest and count >= len(rest[0]):
            count -= len(rest.pop(0))
        if count:
            rest[0] = rest[0][count:]


def _write_some(descriptor: int, chunks: list[memoryview]) -> int:
    if hasattr(os, "writev"):
        count: int = os.writev(descriptor, chunks)  # untyped for Windows, which has none
        return count
    return os.write(descriptor, chunks[0])
