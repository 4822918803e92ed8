"""Input on its way from the RPCs to the stdin of a process.

    WriteInput   one write ───────────────────────────▶ stdin
    StreamInput  start, data…, close ─────────────────▶ stdin
    RunProcess   stdin, close_stdin ─▶ buffer ─▶ pump ─▶ stdin     so that a signal passes it

Each is a writer of the stdin: WriteInput and StreamInput for as long as the call lasts, RunProcess from
its first `stdin` or `close_stdin` until its requests have ended and the buffer is empty. See
`hcsd.daemon.stdin` for what ends a writer early. That ends WriteInput and StreamInput, too, wherever
they wait. RunProcess goes on: it reports the failure and drops the rest of its stdin, since what
follows a lost byte is of no use to the process.

The pump of a RunProcess, which starts with the first item:

    IDLE ──put()──▶ PUMPING ──finish(), and the buffer is empty──▶ OVER
                       └──a write failed, or the writer was lost──▶ OVER
"""

from __future__ import annotations

import asyncio
import collections
import enum
from typing import TYPE_CHECKING

import anyio

from hcsd.daemon.errors import InvalidRequestError, Violation
from hcsd.daemon.names import parse_process
from hcsd.daemon.stdin_errors import StdinClosedError
from hcsd.rpc.convert import seconds
from hcsd.v1 import process_service_pb2 as service_pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from anyio.abc import TaskGroup

    from hcsd.daemon.process import Process
    from hcsd.daemon.processes import Processes
    from hcsd.daemon.stdin import Stdin, Writer
    from hcsd.rpc.validate import Validator

# Seconds that a write without time has: a pipe that has room takes it in less.
LEAST_TIME = 0.01


async def write_input(
    processes: Processes, request: service_pb.WriteInputRequest
) -> service_pb.WriteInputResponse:
    """Serve one WriteInput call.

    Raises:
        RequestError: There is no such process, or its stdin refuses the write.
        HcsError: HCS could not close its end.
    """
    stdin = stdin_of(processes.get(parse_process(request.name)))
    timeout = None
    if request.HasField("timeout"):
        timeout = max(seconds(request.timeout), LEAST_TIME)
    with stdin.writer() as writer:
        with anyio.move_on_after(timeout):
            await writer.write(request.offset, request.data)
        timed_out = stdin.committed < request.offset + len(request.data)
        skipped = writer.skipped
        if request.close_stdin and not timed_out:
            await close_stdin(stdin, writer)
    return service_pb.WriteInputResponse(
        committed_offset=stdin.committed,
        closed=stdin.closed,
        skipped_bytes=skipped,
        timed_out=timed_out,
    )


async def stream_input(
    processes: Processes,
    validator: Validator,
    requests: AsyncIterator[service_pb.StreamInputRequest],
) -> service_pb.StreamInputResponse:
    """Serve one StreamInput call.

    Raises:
        RequestError: A request is not valid or not legal there, there is no such process, or its
            stdin refuses a write.
        HcsError: HCS could not close its end.
    """
    first = await anext(requests, service_pb.StreamInputRequest())
    if _checked(validator, first) != "start":
        raise InvalidRequestError([Violation("request", "required", "must begin with 'start'")])
    stdin, offset = stdin_of(processes.get(parse_process(first.start.name))), first.start.offset
    with stdin.writer(take_over=first.start.take_over) as writer:
        await writer.write(offset, b"")
        async for request in requests:
            kind = _checked(validator, request)
            if kind == "start":
                raise InvalidRequestError(
                    [Violation("start", "enum.not_in", "is for the first request only")]
                )
            if kind == "close":
                await close_stdin(stdin, writer)
                break
            await writer.write(offset, request.data)
            offset += len(request.data)
    if await anext(requests, None) is not None:
        raise InvalidRequestError(
            [Violation("request", "enum.not_in", "nothing may follow 'close'")]
        )
    return service_pb.StreamInputResponse(committed_offset=stdin.committed, closed=stdin.closed)


def stdin_of(process: Process) -> Stdin:
    """Return the stdin of a process.

    Raises:
        RequestError: STDIO_NOT_OWNED; it was opened by its pid.
        StdinClosedError: It has none, not even one that is closed.
    """
    process.require_stdio()
    if process.stdin is None:
        raise StdinClosedError(process.name, "the daemon has none of it")
    return process.stdin


async def close_stdin(stdin: Stdin, writer: Writer) -> None:
    """Close stdin after all that was written to it.

    Raises:
        HcsError: HCS could not close its end.
    """
    await writer.write(0, b"")  # whose place was taken may still be writing
    writer.let_go()
    await stdin.close()


def _checked(validator: Validator, request: service_pb.StreamInputRequest) -> str | None:
    validator.require_valid(request)
    kind: str | None = request.WhichOneof("request")
    return kind


class PumpState(enum.Enum):
    """Where a pump is; the transitions are in the module's description."""

    IDLE = "idle"
    PUMPING = "pumping"
    OVER = "over"


class StdinBuffer:
    """The stdin of a RunProcess call, between its requests and the pipe.

    Args:
        process: Whose stdin.
        capacity: Bytes to hold before `put` waits.
        take_over: Whether to take the place of the present writer.
        post: Is told what the stdin has taken.
        fail: Is told what it has not taken and why, at most once.
        tasks: Where the pump runs.
    """

    def __init__(
        self,
        process: Process,
        capacity: int,
        *,
        take_over: bool,
        post: Callable[[service_pb.RunProcessResponse], None],
        fail: Callable[[str, Exception], None],
        tasks: TaskGroup,
    ) -> None:
        self._process = process
        self._capacity = capacity
        self._take_over = take_over
        self._post = post
        self._fail = fail
        self._tasks = tasks
        self._state = PumpState.IDLE
        self._items: collections.deque[service_pb.RunProcessRequest | None] = collections.deque()
        self._size = 0  # bytes of data in `_items`
        self._kind = "stdin"  # of the item that was taken last
        self._filled = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, request: service_pb.RunProcessRequest) -> None:
        """Add a `stdin` or `close_stdin`; waits while the buffer is full."""
        if self._state is PumpState.IDLE:
            self._state = PumpState.PUMPING
            self._kind = _kind(request)
            self._tasks.start_soon(self._pump, name=f"stdin of {self._process.name}")
        while self._state is PumpState.PUMPING and self._size >= self._capacity:
            self._room.clear()
            await self._room.wait()
        self._add(request)

    def finish(self) -> None:
        """Let the writer go once all is written."""
        self._add(None)

    def _add(self, item: service_pb.RunProcessRequest | None) -> None:
        if self._state is PumpState.PUMPING:
            self._items.append(item)
            self._size += _size(item)
            self._filled.set()

    async def _take(self) -> service_pb.RunProcessRequest | None:
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        item = self._items.popleft()
        self._size -= _size(item)
        self._room.set()
        if item is not None:
            self._kind = _kind(item)
        return item

    async def _pump(self) -> None:
        """Write what was put, until `finish` or a failure."""
        try:
            await self._write(stdin_of(self._process))
        except Exception as error:  # `fail` tells them apart
            self._fail(self._kind, error)
        finally:
            self._state = PumpState.OVER
            self._items.clear()
            self._room.set()

    async def _write(self, stdin: Stdin) -> None:
        waiting = True
        try:
            with stdin.writer(take_over=self._take_over) as writer:
                while (request := await self._take()) is not None:
                    waiting = False
                    await self._apply(request, stdin, writer)
                    waiting = True
        except StdinClosedError:
            if not waiting:
                raise
            await self._write(stdin)  # nothing has failed yet: what comes next will

    async def _apply(
        self, request: service_pb.RunProcessRequest, stdin: Stdin, writer: Writer
    ) -> None:
        if request.HasField("close_stdin"):
            await close_stdin(stdin, writer)
        else:
            await writer.write(request.stdin.offset, request.stdin.data)
        accepted = service_pb.StdinAccepted(committed_offset=stdin.committed, closed=stdin.closed)
        self._post(service_pb.RunProcessResponse(stdin_accepted=accepted))


def _kind(item: service_pb.RunProcessRequest) -> str:
    return "close_stdin" if item.HasField("close_stdin") else "stdin"


def _size(item: service_pb.RunProcessRequest | None) -> int:
    return len(item.stdin.data) if item else 0
