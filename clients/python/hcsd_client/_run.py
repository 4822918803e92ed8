"""The client's side of RunProcess.

A run may go on in another call (see `_stream`):

    the first call was lost            how it goes on
    after `started`                    it attaches behind the last byte; stdin that the pipe has not taken
                                       is sent again, and the size of the console
    before, and it attached            it attaches again
    before, and it has a request id    it creates again, at the same run of the daemon (see `_creation`)
    before, and it has none            not at all: the command might run twice

Stdin of a create with a request id is held back until `started`, so that the repeated create finds no
writer, which would be the lost call. `_run_stdin` keeps what is sent again, and `_run_status` knows how a
call has really ended.
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
    RunProcessRequest,
    RunProcessResponse,
    StdinData,
)
from hcsd_client._creation import Creation, start_timeout
from hcsd_client._errors import (
    CallError,
    ConnectionLostError,
    RunEndedError,
    UnavailableError,
    error_from_status,
)
from hcsd_client._requests import attach_again, make_signal
from hcsd_client._run_status import RunStatus, end_writing
from hcsd_client._run_stdin import StdinProgress, run_ended
from hcsd_client._stream import OutputStream
from hcsd_client._values import bytes_of, message

if TYPE_CHECKING:
    from typing import Self

    from hcsd.v1.process_pb2 import ProcessSignal
    from hcsd_client._channel import Channel
    from hcsd_client._values import Bytes

STDIN_MESSAGE_BYTES = 64 * 1024  # as much as a pipe holds by default
# A quarter of what the daemon takes ahead of the pipe (Limits.stdin_buffer_bytes): beyond that it
# stops reading requests, and a signal would have to wait for the process to read its stdin.
STDIN_WINDOW_BYTES = 4 * STDIN_MESSAGE_BYTES

STDIN_OPERATIONS = {RUN_OPERATION_STDIN, RUN_OPERATION_CLOSE_STDIN}


class Run(OutputStream[RunProcessResponse]):
    """A process that one is connected with, as `Client.run_process` and `Client.attach_process` return it.

    Enter it to start the process or attach to it, and iterate over it for what happens, as
    `RunProcessResponse`s: ``started`` first, then ``chunk``, ``gap``, ``eof``, ``exit``, ``stdin_accepted`` and
    ``op_error``, and ``end`` last. A failure to start is raised by the iteration. The other methods may be
    called at any time in between, from any task.

    Whoever writes to stdin must iterate in another task at the same time: progress is reported among the
    events, as with any process that both reads and writes. Only `close_stdin` is end-of-file. Of a process
    that others may have written to before, the first write asks for the offset that stdin has reached, and
    takes over from its writer if `attach_process` was told so.

    A lost connection shows only as a pause, within the bounds of `Retry`: no byte is missing, and none comes
    twice, either way. Only a run that creates a process without a request id, and has not got ``started``
    yet, raises `ConnectionLostError`. It is not known then whether the process was started.

    A cancellation inside any method detaches: the process goes on unless its ``orphan_policy`` says not.
    """

    def __init__(self, channel: Channel, first: RunProcessRequest) -> None:
        creates = first.HasField("create")
        what = "the start of a process" if creates else f"the run of '{first.attach.name}'"
        super().__init__(channel, what)
        if heartbeat := channel.link.heartbeat:
            first.heartbeat_interval.CopyFrom(heartbeat)
        self._first = first
        self._writer: grpc.aio.StreamStreamCall[RunProcessRequest, RunProcessResponse] | None = None
        self._sending = anyio.Lock()  # gRPC takes one message at a time
        self._writing = anyio.Lock()  # keeps the data of one write_stdin together
        has_id = creates and bool(first.create.request_id)
        self._creation = Creation(channel) if has_id else None
        self._holds_back = has_id  # stdin, until `started`
        if creates:
            self._first_timeout = start_timeout(can_repeat=has_id)
        self._lost = False  # the last call was, so that the daemon may not know yet that it is over
        self._size: RunProcessRequest | None = None  # of the console, as it was last changed
        # A process without a request id is new, so nobody has written to it.
        self._stdin = StdinProgress(is_new=creates and not has_id)
        self._status: RunStatus | None = None

    async def __aenter__(self) -> Self:
        if self._creation:
            try:
                self._channel = await self._creation.pin()
            except CallError as error:  # the iteration raises it
                self._failure = error
                self._stdin.end()
                return self
        self._begin()
        with suppress(RunEndedError):  # refused already: the iteration raises why
            await self._send(self._first)
        return self

    async def __anext__(self) -> RunProcessResponse:
        try:
            event = await super().__anext__()
        except BaseException as error:
            self._stdin.end()
            if isinstance(error, (CallError, StopAsyncIteration)):
                await end_writing(self._writer, self._channel.link)
            raise
        kind = event.WhichOneof("event")
        if kind == "started":
            await self._send_held_back()
        elif kind == "stdin_accepted":
            self._stdin.note(event.stdin_accepted)
        elif kind == "op_error" and event.op_error.operation in STDIN_OPERATIONS:
            self._stdin.fail(error_from_status(event.op_error.status))
        return event

    async def aclose(self) -> None:
        """Leave the run; idempotent. The process goes on unless its ``orphan_policy`` says not."""
        self._stdin.end()
        await super().aclose()

    async def write_stdin(self, data: Bytes) -> None:
        """Write to stdin, as fast as the process reads it.

        Returns when all of `data` is on its way, with up to 256 KiB of it not yet in the pipe.

        Raises:
            CallError: An earlier write failed: `StdinClosedError` if the process has closed its
                stdin, or never had one.
            RunEndedError: The run has ended.
        """
        view = bytes_of(data, "data")
        async with self._writing:
            offset = self._stdin.sent
            if offset is None:
                offset = await self._ask_offset()
            for start in range(0, len(view), STDIN_MESSAGE_BYTES):
                part = view[start : start + STDIN_MESSAGE_BYTES]
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
        request = RunProcessRequest(resize=message(Console, columns=columns, rows=rows))
        async with self._sending:
            self._stdin.check_running()
            self._size = request
            await self._try_to_send(request)  # if not, the iteration tells whether it goes on

    async def signal(self, signal: str | int | ProcessSignal) -> None:
        """Send a signal by name or number, or a `ProcessSignal`, to the process.

        It passes stdin that the process has not read. A failure is an ``op_error`` among the
        events. It is sent at most once: if the connection is lost, it may have been delivered.

        Raises:
            RunEndedError: The run has ended, or its connection is lost and it has not gone on yet.
        """
        await self._send(RunProcessRequest(signal=make_signal(signal)))

    async def _receive(self) -> RunProcessResponse:
        try:
            return await super()._receive()
        except ConnectionLostError as error:
            if not self._status or (status := await self._status.instead_of(error)) is None:
                raise
            if status.code == grpc.StatusCode.OK.value[0]:
                raise StopAsyncIteration from None
            raise self._channel.error_of(status, connected=self._life.connected) from error

    def _is_survived(self, error: CallError) -> bool:
        self._lost = isinstance(error, UnavailableError)
        if self._place.process is None and self._first.HasField("create"):
            return self._creation is not None and self._creation.is_survived(error)
        return super()._is_survived(error)

    async def _go_on(self) -> None:
        async with self._sending:
            await end_writing(self._writer, self._channel.link)
            if self._place.process is None and self._creation:
                self._channel = await self._creation.pin()
            await super()._go_on()
            again = [self._first_again()]
            if not self._holds_back:
                again += [*([self._size] if self._size else []), *self._stdin.untaken]
            with self._noticing_silence():
                for request in again:
                    if not await self._try_to_send(request):
                        return  # the iteration raises why

    def _first_again(self) -> RunProcessRequest:
        """Return the first message of another call."""
        if self._place.process is None:
            return self._first
        # The writer that the daemon knows may be the call that was lost.
        take_over = self._stdin.claimed and self._lost
        name = self._place.process.name
        return attach_again(self._first, name, self._place.cursors, take_over=take_over)

    async def _send_held_back(self) -> None:
        """Send the stdin that was held back until `started`."""
        async with self._sending:
            held_back, self._holds_back = self._holds_back, False
            for request in (*self._stdin.untaken,) if held_back else ():
                if not await self._try_to_send(request):
                    return  # it is sent again, or the iteration raises why

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
            if self._holds_back:
                return
            await self._try_to_send(request)  # if not, the iteration tells whether it goes on

    async def _try_to_send(self, request: RunProcessRequest) -> bool:
        """Send a request in its turn, and tell whether the call took it or has ended before."""
        writer = self._writer
        if writer is None:
            raise RunEndedError("the run has not begun: enter it with 'async with'")
        try:
            async with self._channel.translating(self._life):
                await writer.write(request)
        except (CallError, asyncio.InvalidStateError):
            return False
        return True

    async def _ask_offset(self) -> int:
        """Become the writer by a write of nothing, which is answered with the offset."""
        await self._send_stdin(RunProcessRequest(stdin=StdinData()))
        self._stdin.sent = offset = await self._stdin.wait_until_accepted(0)
        return offset
