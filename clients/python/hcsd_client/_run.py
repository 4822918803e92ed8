"""The client's side of RunProcess.

What is sent to stdin is kept until the pipe has taken it, for the case that the run goes on in another call
(see `_stream`): it is then sent again, and the daemon skips what the pipe has taken.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import anyio
import grpc

from hcsd.v1.process_pb2 import Console
from hcsd.v1.process_service_pb2 import (
    RUN_OPERATION_CLOSE_STDIN,
    RUN_OPERATION_STDIN,
    CloseStdin,
    RunAttach,
    RunProcessRequest,
    RunProcessResponse,
    StdinData,
)
from hcsd_client._errors import (
    CallError,
    InternalError,
    RunEndedError,
    error_from_status,
    status_of_call,
)
from hcsd_client._requests import make_signal
from hcsd_client._stream import OutputStream

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Self

    from google.rpc import status_pb2

    from hcsd.v1.process_pb2 import ProcessSignal
    from hcsd.v1.process_service_pb2 import StdinAccepted
    from hcsd_client._channel import Channel

Result = TypeVar("Result")

STDIN_MESSAGE_BYTES = 64 * 1024  # as much as a pipe holds by default
# A quarter of what the daemon takes ahead of the pipe (Limits.stdin_buffer_bytes): beyond that it
# stops reading requests, and a signal would have to wait for the process to read its stdin.
STDIN_WINDOW_BYTES = 4 * STDIN_MESSAGE_BYTES

WRITE_FAILED = "Internal error from Core"  # what gRPC says of a call after a write that failed
STATUS_TIMEOUT = 5.0  # the status is on its way already; so this is arbitrary


class Run(OutputStream[RunProcessResponse]):
    """One RunProcess call, as `Client.run_process` and `Client.attach_process` return it.

    Enter it to start the process or attach to it, and iterate over it for what happens, as
    `RunProcessResponse`s: ``started`` first, then ``chunk``, ``gap``, ``eof``, ``exit``, ``stdin_accepted`` and
    ``op_error``, and ``end`` last. A failure to start is raised by the iteration. The other methods
    may be called at any time in between, from any task.

    Whoever writes to stdin must iterate in another task at the same time: progress is reported
    among the events, as with any process that both reads and writes. What is written is not
    end-of-file until `close_stdin`. Of a process that others may have written to before, the first
    write asks for the offset that stdin has reached, and takes over from its writer if
    `attach_process` was told so.

    A cancellation inside any method ends the call, which detaches: the process goes on unless its
    ``orphan_policy`` says otherwise.
    """

    def __init__(self, channel: Channel, first: RunProcessRequest) -> None:
        super().__init__(channel)
        self._first = first
        self._writer: grpc.aio.StreamStreamCall[RunProcessRequest, RunProcessResponse] | None = None
        self._sending = anyio.Lock()  # gRPC takes one message at a time
        self._writing = anyio.Lock()  # keeps the data of one write_stdin together
        # None until known. A process without a request id is new, so nobody has written to it.
        is_new = first.HasField("create") and not first.create.request_id
        self._sent: int | None = 0 if is_new else None
        self._accepted: int | None = self._sent
        self._untaken: deque[RunProcessRequest] = deque()  # stdin that may have to be sent again
        self._stdin_error: CallError | None = None
        self._over = False
        self._progress = anyio.Event()
        self._status: status_pb2.Status | None = None
        self._status_known = anyio.Event()

    async def __aenter__(self) -> Self:
        self._begin()
        with suppress(RunEndedError):  # refused already: the iteration raises why
            await self._send(self._first)
        return self

    async def __anext__(self) -> RunProcessResponse:
        try:
            event = await super().__anext__()
        except BaseException:
            self._end()
            raise
        kind = event.WhichOneof("event")
        if kind == "stdin_accepted":
            self._accepted = event.stdin_accepted.committed_offset
            self._forget_taken(event.stdin_accepted)
            self._wake_writer()
        elif kind == "op_error" and event.op_error.operation in {
            RUN_OPERATION_STDIN,
            RUN_OPERATION_CLOSE_STDIN,
        }:
            self._stdin_error = error_from_status(event.op_error.status)
            self._untaken.clear()
            self._wake_writer()
        return event

    async def aclose(self) -> None:
        """Leave the run; idempotent. The process goes on unless its ``orphan_policy`` says not."""
        self._end()
        await super().aclose()

    async def write_stdin(self, data: bytes | bytearray | memoryview) -> None:
        """Write to stdin, as fast as the process reads it.

        Returns when all of `data` is on its way, with at most 256 KiB of it not yet in the pipe.

        Raises:
            CallError: An earlier write failed: `StdinClosedError` if the process has closed its
                stdin, or never had one.
            RunEndedError: The run has ended.
        """
        view = memoryview(data).cast("B")
        async with self._writing:
            if self._sent is None:
                self._sent = await self._ask_offset()
            for start in range(0, len(view), STDIN_MESSAGE_BYTES):
                part = bytes(view[start : start + STDIN_MESSAGE_BYTES])
                await self._wait_until_accepted(self._sent + len(part) - STDIN_WINDOW_BYTES)
                stdin = StdinData(offset=self._sent, data=part)
                self._sent += len(part)
                await self._send_stdin(RunProcessRequest(stdin=stdin))

    async def claim_stdin(self) -> None:
        """Become the writer of stdin without writing, as the first write does.

        Raises:
            CallError: As `write_stdin`.
            RunEndedError: The run has ended.
        """
        async with self._writing:
            self._sent = await self._ask_offset()

    async def flush_stdin(self) -> None:
        """Wait until the pipe has taken everything written so far.

        Raises:
            CallError: As `write_stdin`.
            RunEndedError: The run has ended.
        """
        async with self._writing:
            await self._wait_until_accepted(self._sent or 0)

    async def close_stdin(self) -> None:
        """Let the process read end-of-file after everything written so far.

        Raises:
            RunEndedError: The run has ended.
        """
        async with self._writing:
            await self._send_stdin(RunProcessRequest(close_stdin=CloseStdin()))

    async def resize(self, columns: int, rows: int) -> None:
        """Change the size of the console, in character cells.

        A failure is an ``op_error`` among the events.

        Raises:
            RunEndedError: The run has ended.
        """
        await self._send(RunProcessRequest(resize=Console(columns=columns, rows=rows)))

    async def signal(self, signal: str | int | ProcessSignal) -> None:
        """Send a signal by name or number, or a `ProcessSignal`, to the process.

        It passes stdin that the process has not read. A failure is an ``op_error`` among the
        events.

        Raises:
            RunEndedError: The run has ended.
        """
        await self._send(RunProcessRequest(signal=make_signal(signal)))

    async def _receive(self) -> RunProcessResponse:
        try:
            return await super()._receive()
        except InternalError as error:
            if error.message == WRITE_FAILED:
                await self._raise_status(error)
            raise

    async def _go_on(self) -> None:
        place = self._place
        attach = RunAttach(name=place.process.name if place.process else "", cursors=place.cursors)
        if self._first.HasField("attach"):
            asked = self._first.attach
            attach.gap_policy, attach.max_chunk_bytes = asked.gap_policy, asked.max_chunk_bytes
            attach.take_over = asked.take_over
        async with self._sending:
            await super()._go_on()
            for request in (RunProcessRequest(attach=attach), *self._untaken):
                if not await self._try_to_send(request):
                    return  # the iteration raises why

    def _start(self) -> grpc.aio.StreamStreamCall[RunProcessRequest, RunProcessResponse]:
        self._status, self._status_known = None, anyio.Event()
        self._writer = self._channel.processes.RunProcess(metadata=self._channel.metadata)
        self._writer.add_done_callback(self._note_status)
        return self._writer

    async def _send(self, request: RunProcessRequest) -> None:
        async with self._sending:
            self._check_running()
            if not await self._try_to_send(request):
                raise self._ended()

    async def _send_stdin(self, request: RunProcessRequest) -> None:
        """Send what is sent again if this call has ended and the run goes on in another one."""
        async with self._sending:
            self._check_running()
            if self._stdin_error is None:
                self._untaken.append(request)
            await self._try_to_send(request)  # if not, the iteration tells whether it goes on

    async def _try_to_send(self, request: RunProcessRequest) -> bool:
        """Send a request in its turn, and tell whether the call took it or has ended before."""
        writer = self._writer
        if writer is None:
            raise RunEndedError("the run has not begun: enter it with 'async with'")
        async with self._channel.translating(self._life):
            try:
                await writer.write(request)
            except (asyncio.InvalidStateError, grpc.aio.AioRpcError):
                return False
        return True

    def _forget_taken(self, accepted: StdinAccepted) -> None:
        """Forget what need not be sent again."""
        while self._untaken:
            stdin = self._untaken[0].stdin
            if self._untaken[0].HasField("close_stdin"):
                if not accepted.closed:
                    return
            elif stdin.offset + len(stdin.data) > accepted.committed_offset:
                return
            self._untaken.popleft()

    def _note_status(self, call: grpc.aio.Call) -> None:
        """Keep what the call ended with, before gRPC replaces it.

        A write that meets the end of the call makes gRPC report INTERNAL for it: for good if the
        status was there before, else until it comes (grpcio 1.85, seen in 1 of 1,000 calls that
        were refused at once). It calls this whenever a status is set.
        """
        status = _at_once(status_of_call(call))
        if status.message != WRITE_FAILED:
            self._status = status
            self._status_known.set()

    async def _raise_status(self, error: InternalError) -> None:
        """Raise what the call has really ended with."""
        with anyio.move_on_after(STATUS_TIMEOUT):
            await self._status_known.wait()
        if self._status is None:
            return
        if self._status.code == grpc.StatusCode.OK.value[0]:
            raise StopAsyncIteration
        raise self._channel.error_of(self._status, connected=self._life.connected) from error

    async def _ask_offset(self) -> int:
        """Become the writer by a write of nothing, which is answered with the offset."""
        await self._send_stdin(RunProcessRequest(stdin=StdinData()))
        return await self._wait_until_accepted(0)

    async def _wait_until_accepted(self, offset: int) -> int:
        """Return what the pipe has taken, once that is known and so much."""
        while True:
            self._check_running()
            if self._stdin_error is not None:
                raise self._stdin_error
            if self._accepted is not None and self._accepted >= offset:
                return self._accepted
            self._progress = anyio.Event()
            await self._progress.wait()

    def _end(self) -> None:
        self._over = True
        self._wake_writer()

    def _wake_writer(self) -> None:
        self._progress.set()

    def _check_running(self) -> None:
        if self._over:
            raise self._ended()

    @staticmethod
    def _ended() -> RunEndedError:
        return RunEndedError("the run has ended; iterating over it tells how")


def _at_once(ready: Coroutine[object, None, Result]) -> Result:
    """Return the result of what need not wait: gRPC gives a status it has only to who awaits it."""
    try:
        ready.send(None)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    ready.close()
    raise RuntimeError("the call has no status yet")
