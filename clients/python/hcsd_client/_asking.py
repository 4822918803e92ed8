"""What every call has in common: the channel, the deadline, and errors that are ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import Message

from hcsd_client._errors import ClientClosedError

if TYPE_CHECKING:
    import grpc

    from hcsd_client._channel import Channel

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


class Asking:
    """Makes calls to one daemon.

    Args:
        channel: Where they go. None until the client is open.
        timeout: Seconds for the answer to a call that does not wait for a process or a system.
    """

    def __init__(self, channel: Channel | None, timeout: float | None) -> None:
        self._open_channel = channel
        self._timeout = timeout

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

    @property
    def _channel(self) -> Channel:
        if self._open_channel is None:
            raise ClientClosedError("the client is not open: use it with 'async with'")
        return self._open_channel
