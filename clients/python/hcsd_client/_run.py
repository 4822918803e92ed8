"""The client's side of RunProcess.

A run may go on in another call (see `_stream`). `_run_stdin` keeps what is then sent again, and
`_run_status` knows how a call has really ended.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

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
from hcsd_client._errors import InternalError, RunEndedError, error_from_status
from hcsd_client._requests import make_signal
from hcsd_client._run_status import RunStatus
from hcsd_client._run_stdin import StdinProgress, run_ended
from hcsd_client._stream import OutputStream

if TYPE_CHECKING:
    from typing import Self

    from hcsd.v1.process_pb2 import ProcessSignal
    from hcsd_client._channel import Channel

STDIN_MESSAGE_BYTES = 64 * 1024  # as much as a pipe holds by default
# A quarter of what the daemon takes ahead of the pipe (Limits.stdin_buffer_bytes): beyond that it
# stops reading requests, and a signal would have to wait for the process to read its stdin.
STDIN_WINDOW_BYTES = 4 * STDIN_MESSAGE_BYTES


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
        # A process without a request id is new, so nobody has written to it.
        is_new = first.HasField("create") and not first.create.request_id
        self._stdin = StdinProgress(is_new=is_new)
        self._status: RunStatus | None = None

    async def __aenter__(self) -> Self:
        self._begin()
        with suppress(RunEndedError):  # refused already: the iteration raises why
            await self._send(self._first)
        return self

    async def __anext__(self) -> RunProcessResponse:
        try:
            event = await super().__anext__()
        except BaseException:
            self._stdin.end()
            raise
        kind = event.WhichOneof("event")
        if kind == "stdin_accepted":
            self._stdin.note(event.stdin_accepted)
        elif kind == "op_error" and event.op_error.operation in {
            RUN_OPERATION_STDIN,
            RUN_OPERATION_CLOSE_STDIN,
        }:
            self._stdin.fail(error_from_status(event.op_error.status))
        return event

    async def aclose(self) -> None:
        """Leave the run; idempotent. The process goes on unless its ``orphan_policy`` says not."""
        self._stdin.end()
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
            offset = self._stdin.sent
            if offset is None:
                offset = await self._ask_offset()
            for start in range(0, len(view), STDIN_MESSAGE_BYTES):
                part = bytes(view[start : start + STDIN_MESSAGE_BYTES])
                end = offset + len(part)
                await self._stdin.wait_until_accepted(end - STDIN_WINDOW_BYTES)
                stdin = StdinData(offset=offset, data=part)
                self._stdin.sent = offset = end
                await self._send_stdin(RunProcessRequest(stdin=stdin))

    async def claim_stdin(self) -> None:
        """Become the writer of stdin without writing, as the first write does.

        Raises:
            CallError: As `write_stdin`.
            RunEndedError: The run has ended.
        """
        async with self._writing:
            await self._ask_offset()

    async def flush_stdin(self) -> None:
        """Wait until the pipe has taken everything written so far.

        Raises:
            CallError: As `write_stdin`.
            RunEndedError: The run has ended.
        """
        async with self._writing:
            await self._stdin.wait_until_accepted(self._stdin.sent or 0)

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
            status = await self._status.instead_of(error) if self._status else None
            if status is None:
                raise
            if status.code == grpc.StatusCode.OK.value[0]:
                raise StopAsyncIteration from None
            raise self._channel.error_of(status, connected=self._life.connected) from error

    async def _go_on(self) -> None:
        place = self._place
        attach = RunAttach(name=place.process.name if place.process else "", cursors=place.cursors)
        if self._first.HasField("attach"):
            asked = self._first.attach
            attach.gap_policy, attach.max_chunk_bytes = asked.gap_policy, asked.max_chunk_bytes
            attach.take_over = asked.take_over
        async with self._sending:
            await super()._go_on()
            for request in (RunProcessRequest(attach=attach), *self._stdin.untaken):
                if not await self._try_to_send(request):
                    return  # the iteration raises why

    def _start(self) -> grpc.aio.StreamStreamCall[RunProcessRequest, RunProcessResponse]:
        self._writer = self._channel.processes.RunProcess(metadata=self._channel.metadata)
        self._status = RunStatus(self._writer)
        return self._writer

    async def _send(self, request: RunProcessRequest) -> None:
        async with self._sending:
            self._stdin.check_running()
            if not await self._try_to_send(request):
                raise run_ended()

    async def _send_stdin(self, request: RunProcessRequest) -> None:
        """Send what is sent again if this call has ended and the run goes on in another one."""
        async with self._sending:
            self._stdin.check_running()
            self._stdin.keep(request)
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

    async def _ask_offset(self) -> int:
        """Become the writer by a write of nothing, which is answered with the offset."""
        await self._send_stdin(RunProcessRequest(stdin=StdinData()))
        self._stdin.sent = offset = await self._stdin.wait_until_accepted(0)
        return offset
