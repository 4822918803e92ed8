"""A process under test with its streams, read and written as the daemon does it."""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import anyio
import pytest

from hcsd.hcs.process import Process, ProcessEnd
from hcsd.hcs.system import ComputeSystem
from hcsd.io import Drain, Overflow, Ring, WriteEnd
from tests.support.guest import Parameters


class Output:
    """An output stream, drained from the start."""

    def __init__(self, handle: int) -> None:
        self._ring = Ring(1 << 20, Overflow.BLOCK)
        self._woken = anyio.Event()
        self._cursor = self._ring.open_cursor(0, self._wake)
        self._drain = Drain(handle, self._ring, lambda: None)
        self._drain.start()

    async def line(self) -> str:
        """The next line without its end; fails at the end of the stream."""
        text = bytearray()
        while not text.endswith(b"\n"):
            piece = await self._take(1)
            assert piece, f"the stream ended after {bytes(text)!r}"
            text += piece
        return text.decode(errors="surrogateescape").rstrip("\r\n")

    async def until(self, pattern: str, plain: Callable[[bytes], bytes]) -> list[str]:
        """Read until something matches in what `plain` makes of it all; returns the groups."""
        seen = bytearray()
        while not (found := re.search(pattern, plain(bytes(seen)).decode(errors="replace"))):
            piece = await self._take(1 << 20)
            assert piece, f"the stream ended after {bytes(seen)!r}"
            seen += piece
        return list(found.groups())

    async def rest(self) -> bytes:
        """Everything up to the end of the stream."""
        taken = bytearray()
        while piece := await self._take(1 << 20):
            taken += piece
        return bytes(taken)

    def close(self) -> None:
        self._drain.finish()

    def _wake(self) -> None:
        self._woken.set()

    async def _take(self, count: int) -> bytes:
        while (item := self._cursor.take(count)) is None and not self._cursor.at_end:
            self._woken = anyio.Event()
            await self._woken.wait()
        assert item is None or isinstance(item, bytes)  # a BLOCK ring has no gaps
        return item or b""


class Result(NamedTuple):
    """What a process that has ended leaves."""

    code: int | None
    out: bytes
    err: bytes


class Running:
    """A process, with an output for each stream that was asked for."""

    def __init__(self, process: Process) -> None:
        self.process = process
        stdin, stdout, stderr = process.stdio.take()
        self.handles = (stdin, stdout, stderr)
        self.stdin = WriteEnd(stdin) if stdin else None
        self._outputs = [Output(handle) if handle else None for handle in (stdout, stderr)]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def stdout(self) -> Output:
        return self._output(0)

    @property
    def stderr(self) -> Output:
        return self._output(1)

    async def end(self) -> ProcessEnd:
        return await self.process.exited.wait()

    async def result(self) -> Result:
        """Read both outputs to their ends, and wait for the exit."""
        got = [b"", b""]

        async def read(index: int, output: Output) -> None:
            got[index] = await output.rest()

        async with anyio.create_task_group() as tasks:
            for index, output in enumerate(self._outputs):
                if output is not None:
                    tasks.start_soon(read, index, output)
        return Result((await self.end()).exit_code, got[0], got[1])

    async def write(self, data: bytes) -> None:
        assert self.stdin is not None
        await self.stdin.write(data)

    async def close_stdin(self) -> None:
        """Give the process the end of its stdin, which takes both steps."""
        await self.process.close_stdio("StdIn")
        self.close_own_stdin()

    def close_own_stdin(self) -> None:
        """Close our end alone."""
        if self.stdin is not None:
            self.stdin.close()

    async def stop(self) -> None:
        """Kill what still runs, and give everything back."""
        if self.process.exited.value is None:
            await self.process.terminate()
            await self.end()
        self.close()

    def close(self) -> None:
        self.close_own_stdin()
        for output in self._outputs:
            if output is not None:
                output.close()
        self.process.close()

    def _output(self, index: int) -> Output:
        output = self._outputs[index]
        assert output is not None, "the process was started without this stream"
        return output


async def start(system: ComputeSystem, parameters: Parameters, pipes: str = "") -> Running:
    """Start a process. `pipes` names the streams wanted, of i, o and e."""
    wanted = {
        "CreateStdInPipe": "i" in pipes,
        "CreateStdOutPipe": "o" in pipes,
        "CreateStdErrPipe": "e" in pipes,
    }
    document = parameters | {name: True for name, asked in wanted.items() if asked}
    process = await system.create_process(json.dumps(document))
    await process.confirm()
    return Running(process)


@asynccontextmanager
async def running(
    system: ComputeSystem, parameters: Parameters, pipes: str = ""
) -> AsyncIterator[Running]:
    """A process that is killed, if it still runs, and closed at the end."""
    it = await start(system, parameters, pipes)
    try:
        yield it
    finally:
        with anyio.move_on_after(3, shield=True) as scope:  # also when the test was given up
            await it.stop()
        if scope.cancelled_caught:
            it.close()
            pytest.fail(f"process {it.pid} could not be killed")


async def run(system: ComputeSystem, parameters: Parameters, pipes: str = "oe") -> Result:
    """Run a process to its end."""
    async with running(system, parameters, pipes) as it:
        return await it.result()
