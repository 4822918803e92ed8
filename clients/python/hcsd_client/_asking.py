"""What every call has in common: the channel, the deadline, and errors that are ours."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import anyio
from google.protobuf.message import Message

from hcsd_client._errors import ClientClosedError, DaemonUnreachableError
from hcsd_client._pieces import Pieces
from hcsd_client._retry import retrying
from hcsd_client._values import seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    import grpc

    from hcsd_client._channel import Channel
    from hcsd_client._values import Seconds

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


@contextmanager
def time_limit(timeout: Seconds | None, said: str) -> Iterator[None]:
    """Bound a block in time.

    Args:
        timeout: Seconds, or a timedelta; None for no bound.
        said: What is so when the time is up, for the message.

    Raises:
        TimeoutError: The time is up.
    """
    limit = None if timeout is None else seconds(timeout, "timeout")
    with anyio.move_on_after(limit) as scope:
        yield
    if scope.cancelled_caught:
        raise TimeoutError(f"{said} within {limit:g} s")


class Asking:
    """Makes calls to one daemon.

    Args:
        channel: Where they go. None until the client is open.
        timeout: Seconds for the answer to a call that does not wait for a process or a system.
    """

    def __init__(self, channel: Channel | None, timeout: Seconds | None) -> None:
        self._open_channel = channel
        self._timeout = None if timeout is None else seconds(timeout, "timeout")

    async def _ask(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *,
        patient: bool = False,
    ) -> Response:
        """Make a call that has one answer; a patient one has no deadline."""
        channel = self._channel
        timeout = None if patient else self._timeout
        async with channel.translating():
            return await method(request, timeout=timeout, metadata=channel.metadata)

    async def _look(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
    ) -> Response:
        """Make a call that changes nothing, again if its connection is lost."""
        channel = self._channel
        attempts = channel.attempts(f"a {type(request).__name__}")
        return await retrying(
            attempts,
            lambda: self._ask(method, request),
            reached=channel.is_reached,
            refused=channel.is_reached,
        )

    async def _ask_once(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        what: str,
    ) -> Response:
        """Make a call that must not happen twice: again only while no daemon can have got it."""
        channel = self._channel
        attempts = channel.attempts(what)
        while True:
            try:
                response = await self._ask(method, request)
            except DaemonUnreachableError as error:
                if error.may_have_arrived or not channel.is_reached:
                    raise
                await attempts.failed(error)
            else:
                attempts.succeeded()
                return response

    async def _wait(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        what: str,
        timeout: Seconds | None = None,
    ) -> Response:
        """Make a call that waits, in pieces and over lost connections; see `_pieces`.

        Args:
            method: Whom to ask.
            request: What; both it and the answer have the fields of a wait in pieces.
            what: What is waited for, for the log.
            timeout: Seconds after which an answer that the time is up will do.
        """
        pieces = Pieces(self._channel, what)
        ends = math.inf if timeout is None else time.monotonic() + seconds(timeout, "timeout")
        while True:
            left = max(0.0, ends - time.monotonic())
            answer = await pieces.ask(method, request, left)
            if answer is None:
                continue
            if not answer.timed_out or time.monotonic() >= ends:  # type: ignore[attr-defined]
                return answer

    @property
    def _channel(self) -> Channel:
        if self._open_channel is None:
            raise ClientClosedError("the client is not open: use it with 'async with'")
        return self._open_channel
