"""Long waits, asked for in pieces.

A call with one answer has no heartbeats, so a proxy takes a long one for dead, and the caller cannot tell
a dead one from one that waits. So no call waits for longer than a piece: the daemon answers that its time
is up, and is asked again. A piece whose answer does not come in time has lost its connection. After a
piece that was lost the next one is half as long as that one lasted: so a proxy that lets half a second
pass is survived.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import Message

from hcsd.v1.host_service_pb2 import GetHostRequest
from hcsd_client._errors import (
    CallError,
    ConnectionLostError,
    DaemonUnreachableError,
    DeadlineExceededError,
    UnavailableError,
)
from hcsd_client._values import duration

if TYPE_CHECKING:
    import grpc

    from hcsd_client._channel import Channel

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Result = TypeVar("Result")

SLACK = 10.0  # seconds that an answer may be late
LEAST = 0.25  # seconds of a piece


class Pieces:
    """The pieces of one wait.

    Args:
        channel: To the daemon.
        what: What is waited for, for the log.
    """

    def __init__(self, channel: Channel, what: str) -> None:
        self.attempts = channel.attempts(what)
        self._channel = channel
        self._longest = channel.link.piece
        self._reached = channel.is_reached

    async def ask(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        at_most: float = math.inf,
    ) -> Response | None:
        """Ask for a piece, by the `timeout` of a request.

        Args:
            method: Whom to ask.
            request: What; its `timeout` is set.
            at_most: Seconds that may be waited.

        Returns:
            The answer. None if the connection was lost, after a pause.

        Raises:
            CallError: As `retrying`.
        """
        piece = min(self._longest, at_most)
        request.timeout.CopyFrom(duration(piece, "timeout"))  # type: ignore[attr-defined]  # each has one
        begun = time.monotonic()
        try:
            answer = await self._call(method, request, piece + SLACK)
        except UnavailableError as error:
            if isinstance(error, DaemonUnreachableError) and not self._reached:
                raise
            self._reached = True
            if isinstance(error, ConnectionLostError):
                lasted = time.monotonic() - begun
                self._longest = max(LEAST, min(self._longest, lasted / 2))
            await self.attempts.failed(error)
            return None
        self._reached = True
        self.attempts.succeeded()
        return answer

    async def _call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        timeout: float,
    ) -> Response:
        channel = self._channel
        begun = time.monotonic()
        try:
            async with channel.translating():
                return await method(request, timeout=timeout, metadata=channel.metadata)
        except DeadlineExceededError as error:
            if error.reason:  # the daemon's own word
                raise
            await self._look_for_daemon(begun)
            raise channel.lost(f"no answer in {timeout:.0f} s") from error

    async def _look_for_daemon(self, begun: float) -> None:
        """See whether the daemon is there, and only does not know of pieces, as an older one.

        Args:
            begun: When the call began that had no answer.
        """
        channel = self._channel
        try:
            async with channel.translating():
                await channel.host.GetHost(
                    GetHostRequest(), timeout=SLACK, metadata=channel.metadata
                )
        except CallError:
            await channel.wire.renew(begun)
        else:
            self.attempts.forgive()
