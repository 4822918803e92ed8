"""A runner: a program over one client library, which does what it is asked (PROTOCOL.md)."""

import asyncio
import itertools
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from tests.conformance.matching import Table

LINE_BYTES = 1024 * 1024  # of one response
PATIENCE = 20.0  # seconds to end after the end of stdin


class RunnerError(AssertionError):
    """The runner is not what PROTOCOL.md says."""


class Runner:
    """A runner that is running; ask it by `request`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._killed = False
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Table]] = {}

    def start(self, do: str, arguments: Table) -> tuple[int, asyncio.Future[Table]]:
        """Ask, and return the id and what will be the response."""
        number = next(self._ids)
        future: asyncio.Future[Table] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        assert self._process.stdin is not None
        line = json.dumps({"id": number, "do": do} | arguments)
        self._process.stdin.write(line.encode() + b"\n")
        return number, future

    async def kill(self) -> None:
        """End it by SIGKILL."""
        self._killed = True
        self._process.kill()
        await self._process.wait()

    async def end(self) -> None:
        """Let it end, as the end of its stdin must, unless it was killed."""
        if self._killed:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            with anyio.fail_after(PATIENCE):
                code = await self._process.wait()
        except TimeoutError:
            raise RunnerError("the runner goes on after the end of its stdin") from None
        if code:
            raise RunnerError(f"the runner ended with {code}")

    async def read(self) -> None:
        """Read responses until there are no more."""
        assert self._process.stdout is not None
        problem = "the runner has ended"
        async for line in self._process.stdout:
            try:
                response = json.loads(line)
                future = self._waiting.pop(response["id"])
            except (ValueError, KeyError, TypeError):
                problem = f"not a response to anything: {line.decode(errors='replace')}"
                break
            if not future.done():  # or nobody waits any more
                future.set_result(response)
        for future in self._waiting.values():
            if not future.done():
                future.set_result({"problem": problem})


@asynccontextmanager
async def running(
    command: Sequence[str], environment: dict[str, str], log: Path
) -> AsyncIterator[Runner]:
    """Run a runner while the block runs; what it says on stderr is in `log`."""
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=stderr, env=environment, limit=LINE_BYTES
        )
    runner = Runner(process)
    reading = asyncio.create_task(runner.read())  # no task group: it would wrap what a test raises
    try:
        yield runner
        await runner.end()
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
                await process.wait()
            await reading
