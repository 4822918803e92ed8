"""A process under check: its output collected from the start, killed and given back at the end."""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from hcsd.io import Drain, Overflow, Ring, WriteEnd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hcsd.hcs.process import Process, ProcessEnd
    from hcsd.hcs.system import ComputeSystem
    from hcsd.selftest.programs import Parameters

PIPES = {"CreateStdInPipe": True, "CreateStdOutPipe": True, "CreateStdErrPipe": True}
RING_BYTES = 1 << 20  # more than any check writes, so that nothing has to be read in between


class Output:
    """An output stream, drained into memory.

    Attributes:
        ended_at: When its end was seen, by `time.perf_counter`; 0.0 before.
    """

    def __init__(self, handle: int) -> None:
        self.ended_at = 0.0
        self._ring = Ring(RING_BYTES, Overflow.BLOCK)
        self._ended = anyio.Event()
        self._drain = Drain(handle, self._ring, self._end)
        self._drain.start()

    def _end(self) -> None:
        self.ended_at = time.perf_counter()
        self._ended.set()

    async def first(self) -> None:
        """Wait until there is something of it, or its end."""
        something = anyio.Event()
        with self._ring.open_cursor(0, something.set) as cursor:
            if cursor.take(1) is None and not cursor.at_end:
                await something.wait()

    async def text(self) -> bytes:
        """Return all of it, at its end."""
        await self._ended.wait()
        with self._ring.open_cursor(0, lambda: None) as cursor:
            taken = cursor.take(RING_BYTES)
        return taken if isinstance(taken, bytes) else b""

    def close(self) -> None:
        """Read no more; idempotent."""
        self._drain.finish()


class Child:
    """A process with all three streams.

    Attributes:
        process: The process.
        handles: Its stdio handles as HCS gave them out; 0 is none.
    """

    def __init__(self, process: Process) -> None:
        self.process = process
        self.handles = process.stdio.take()
        stdin, stdout, stderr = self.handles
        self._stdin = WriteEnd(stdin) if stdin else None
        self._outputs = [Output(handle) for handle in (stdout, stderr) if handle]

    async def write(self, data: bytes) -> None:
        """Write to its stdin."""
        if self._stdin is not None:
            await self._stdin.write(data)

    async def close_stdin(self) -> None:
        """End its stdin, which takes both ends."""
        await self.process.close_stdio("StdIn")
        if self._stdin is not None:
            self._stdin.close()

    async def outputs(self) -> list[bytes]:
        """Return stdout and stderr, at their ends."""
        return [await output.text() for output in self._outputs]

    async def end(self) -> ProcessEnd:
        """Wait for its exit."""
        return await self.process.exited.wait()

    async def close(self) -> None:
        """Kill it if it runs, and give everything back."""
        if not self.process.exited.is_set:
            await self.process.terminate()
            await self.end()
        if self._stdin is not None:
            self._stdin.close()
        for output in self._outputs:
            output.close()
        self.process.close()


@asynccontextmanager
async def running(system: ComputeSystem, parameters: Parameters) -> AsyncIterator[Child]:
    """Run a process while inside.

    Raises:
        HcsError: It did not start.
    """
    process = await system.create_process(json.dumps(parameters | PIPES))
    child = Child(process)
    try:
        await process.confirm()
        yield child
    finally:
        with anyio.move_on_after(10, shield=True):
            await child.close()
