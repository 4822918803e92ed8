"""Calls that answer with many messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from hcsd_client._channel import Life

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType
    from typing import Self

    from hcsd.v1.process_service_pb2 import ReadOutputRequest, ReadOutputResponse
    from hcsd_client._channel import Channel

Message = TypeVar("Message")
Message_co = TypeVar("Message_co", covariant=True)


class Responses(Protocol[Message_co]):
    """What a stream needs of a call of gRPC."""

    def __aiter__(self) -> AsyncIterator[Message_co]: ...
    def cancel(self) -> bool: ...


class EventStream(ABC, Generic[Message]):
    """The messages of one call, in their order; iterate over it once.

    The call begins with the first message asked for, or with ``async with``, and is over when the
    iteration is. To leave earlier, leave ``async with`` or call `aclose`: that detaches from the
    process and changes nothing else.

    Iterating raises a `CallError` if the call fails, `ConnectionLostError` if the daemon goes
    away, and `ClientClosedError` if the stream or its client is closed meanwhile. A cancellation
    ends the call.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._life = Life()
        self._call: Responses[Message] | None = None
        # Not by read(): once a write has met the end of the call, read() drops what was received
        # and not yet read, and reports INTERNAL (grpcio 1.85, seen in 200 of 200 calls).
        self._messages: AsyncIterator[Message] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        async with self._channel.translating(self._life):
            message = await anext(self._begin())
        self._life.connected = True
        return message

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the call; idempotent."""
        self._life.left = True
        if self._call is not None:
            self._call.cancel()

    def _begin(self) -> AsyncIterator[Message]:
        self._channel.check_open(self._life)
        if self._messages is None:
            self._call = self._start()
            self._messages = aiter(self._call)
        return self._messages

    @abstractmethod
    def _start(self) -> Responses[Message]:
        """Start the call."""


class Output(EventStream["ReadOutputResponse"]):
    """What `Client.read_output` returns: the output of a process as `ReadOutputResponse`s."""

    def __init__(self, channel: Channel, request: ReadOutputRequest) -> None:
        super().__init__(channel)
        self._request = request

    def _start(self) -> Responses[ReadOutputResponse]:
        return self._channel.processes.ReadOutput(self._request, metadata=self._channel.metadata)
