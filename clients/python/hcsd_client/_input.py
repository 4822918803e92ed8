"""The stdin of a process, as writes that survive lost connections.

    state       event                                next
    KNOWN       write() or close()                   ON ITS WAY
    ON ITS WAY  the answer                           KNOWN
    ON ITS WAY  the answer that its time is up       ON ITS WAY: the rest of it (see `_pieces`)
    ON ITS WAY  the daemon is out of reach           ON ITS WAY: after a while, the same write again
    ON ITS WAY  cancelled, or any other error        UNKNOWN
    UNKNOWN     the next write(), which asks first   KNOWN

What is known is `offset`, how many bytes the pipe has taken. A repeated write starts at the same offset, and
the daemon skips what it has taken already. A write whose call was lost may still be under way at the
daemon, which then says that stdin is busy: that is a reason to wait, as being out of reach is.

Bytes that the daemon skips of a write that was not repeated were taken for those of another client, and that
is an error. Of a repeated write it cannot be told whose they were: clients that share a stdin must agree.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
import grpc

from hcsd.v1.process_service_pb2 import WriteInputRequest
from hcsd_client._errors import CallError, StdinBusyError, UnavailableError, error_of
from hcsd_client._link import PIECE
from hcsd_client._pieces import SLACK, Pieces
from hcsd_client._values import bytes_of

if TYPE_CHECKING:
    from hcsd.v1.process_service_pb2 import WriteInputResponse
    from hcsd_client._channel import Channel
    from hcsd_client._values import Bytes

WRITE_BYTES = 1024 * 1024  # of one call; a daemon takes up to 4 MiB at once


class RemoteInput:
    """The stdin of a process.

    A lost connection shows only as a pause, within the bounds of `Retry`: every byte reaches the process
    once and in order. End-of-file is what `close` asks for, and nothing else.

    Methods raise `StdinClosedError` if the process has closed its stdin or never had one,
    `StdinBusyError` if another client is writing, `StdinTakenOverError` if one has written in between,
    `DaemonRestartedError`, `NotFoundError`, `UnavailableError` as `RemoteOutput` does, and the errors of
    every call, see `Client`.

    Attributes:
        offset: How many bytes the pipe has taken from the start of the process. None while that is
            not known, as after a write that was cancelled; see `committed`.
    """

    def __init__(self, channel: Channel, name: str, offset: int | None) -> None:
        self.offset = offset
        self._channel = channel
        self._name = name
        self._writing = anyio.Lock()
        self._left = False  # a call of ours ended without an answer, and may go on at the daemon
        self._over_by = 0.0  # by then it has ended

    async def write(self, data: Bytes) -> None:
        """Write all of `data`, as fast as the process reads it.

        Returns when the pipe has taken it. After a cancellation, or an error, `committed` tells how much
        it took.

        Raises:
            TypeError: It is no bytes.
        """
        view = bytes_of(data, "data")
        async with self._writing:
            for start in range(0, len(view), WRITE_BYTES):
                await self._write(view[start : start + WRITE_BYTES])

    async def close(self) -> None:
        """Let the process read end-of-file; idempotent, and no error if stdin is closed already."""
        async with self._writing:
            await self._write(b"", close_stdin=True)

    async def committed(self) -> int:
        """Return how many bytes the pipe has taken from the start of the process."""
        async with self._writing:
            return await self._known()

    async def _known(self) -> int:
        if self.offset is None:
            self.offset = (await self._call(b"", 0)).committed_offset
        return self.offset

    async def _write(self, data: bytes, *, close_stdin: bool = False) -> None:
        offset = await self._known()
        self.offset = None
        answer = await self._call(data, offset, close_stdin=close_stdin)
        self.offset = answer.committed_offset

    async def _call(
        self, data: bytes, offset: int, *, close_stdin: bool = False
    ) -> WriteInputResponse:
        request = WriteInputRequest(
            name=self._name, offset=offset, data=data, close_stdin=close_stdin
        )
        pieces = Pieces(self._channel, f"the stdin of '{self._name}'")
        repeated = False
        while True:
            try:
                answer = await pieces.ask(self._channel.processes.WriteInput, request)
            except StdinBusyError as error:
                if not self._left:
                    raise
                if time.monotonic() < self._over_by:  # the call that was lost ends by itself
                    pieces.attempts.forgive()
                await pieces.attempts.failed(error)
                continue
            except BaseException as error:
                # Nobody has answered: a cancellation, or the daemon is out of reach.
                if not isinstance(error, CallError) or isinstance(error, UnavailableError):
                    self._leave()
                raise
            if answer is None:
                self._leave()
                repeated = True
                continue
            self._left = False
            if answer.skipped_bytes and not repeated:
                raise self._taken_over(answer.skipped_bytes)
            if not answer.timed_out:
                return answer
            repeated = False
            request.data = request.data[answer.committed_offset - request.offset :]
            request.offset = answer.committed_offset

    def _leave(self) -> None:
        self._left = True
        self._over_by = time.monotonic() + PIECE + SLACK

    def _taken_over(self, skipped: int) -> CallError:
        return error_of(
            grpc.StatusCode.ABORTED,
            "STDIN_TAKEN_OVER",
            f"another client has written to stdin of '{self._name}': {skipped} bytes of this one were"
            " taken for its",
        )
