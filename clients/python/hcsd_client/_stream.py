"""Calls that answer with many messages.

    IDLE     the first message is asked for              READING
    READING  a message                                   READING
    READING  the daemon says SUBSCRIBER_STALLED          READING, in another call
    READING  the end, any other failure, `aclose`        OVER

The daemon ends a call that has taken nothing for a minute while the process waited for it. To a program
that pauses, that is no failure: the next message asked for comes from another call, which goes on at the
byte after the last one received. What it repeats, such as `started`, is not handed out again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from hcsd.v1.process_pb2 import OutputCursor, Process
from hcsd.v1.process_service_pb2 import (
    ReadOutputRequest,
    ReadOutputResponse,
    RunProcessResponse,
)
from hcsd_client._channel import Life
from hcsd_client._errors import SubscriberStalledError, check_same

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType
    from typing import Self

    from hcsd.v1 import process_pb2 as pb
    from hcsd_client._channel import Channel

Message = TypeVar("Message")
Event = TypeVar("Event", bound=ReadOutputResponse | RunProcessResponse)
Message_co = TypeVar("Message_co", covariant=True)


class Responses(Protocol[Message_co]):
    """What a stream needs of a call of gRPC."""

    def __aiter__(self) -> AsyncIterator[Message_co]: ...
    def cancel(self) -> bool: ...


class Place:
    """How far a reader has come, and so where another call goes on.

    Attributes:
        process: Whose output, as it was at the first `started`; None before it.
    """

    def __init__(self) -> None:
        self.process: Process | None = None
        self._offsets: dict[pb.OutputStream, int] = {}
        self._ended: set[pb.OutputStream] = set()
        self._exited = False
        self._sequence = 0  # of the last chunk
        self._before = 0  # chunks of the calls before this one

    @property
    def cursors(self) -> list[OutputCursor]:
        """What to ask for, to go on; empty before `started`."""
        return [OutputCursor(stream=s, offset=offset) for s, offset in self._offsets.items()]

    def note(self, event: ReadOutputResponse | RunProcessResponse) -> bool:
        """Note an event, and tell whether it is news rather than a repetition of a later call.

        Raises:
            NotFoundError: A later call has come to another process, which has got the name.
        """
        kind = event.WhichOneof("event")
        if kind == "chunk":
            chunk = event.chunk
            self._offsets[chunk.stream] = chunk.offset + len(chunk.data)
            if self._before:  # each call counts from 1
                chunk.sequence += self._before
            self._sequence = chunk.sequence
        elif kind == "gap":
            self._offsets[event.gap.stream] = event.gap.to_offset
        elif kind == "eof":
            known = event.eof.stream in self._ended
            self._ended.add(event.eof.stream)
            return not known
        elif kind == "exit":
            known, self._exited = self._exited, True
            return not known
        elif kind == "started":
            started = event.started
            if self.process is not None:
                check_same(self.process, started.process)
                self._before = self._sequence
                return False
            self.process = started.process
            self._offsets = {cursor.stream: cursor.offset for cursor in started.cursors}
        return True


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
        return await self._receive()

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

    async def _receive(self) -> Message:
        async with self._channel.translating(self._life):
            message = await anext(self._begin())
        self._life.connected = True
        return message

    @abstractmethod
    def _start(self) -> Responses[Message]:
        """Start the call."""


class OutputStream(EventStream[Event]):
    """The messages of a call about a process's output.

    A pause in the iteration is no failure, however long it is: if the daemon has ended the call
    for it, which it does so that the process does not have to wait, another one takes its place.
    """

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self._place = Place()
        self._moved = False  # the present call has given news

    async def __anext__(self) -> Event:
        while True:
            try:
                message = await self._receive()
            except SubscriberStalledError:
                if not self._moved:  # a call that gave nothing: another one would not, either
                    raise
                self._moved = False
                await self._go_on()
            else:
                if self._place.note(message):
                    self._moved = True
                    return message

    async def _go_on(self) -> None:
        """Start another call, for what follows `_place`."""
        self._messages = None
        self._begin()


class Output(OutputStream[ReadOutputResponse]):
    """What `Client.read_output` returns: the output of a process as `ReadOutputResponse`s."""

    def __init__(self, channel: Channel, request: ReadOutputRequest) -> None:
        super().__init__(channel)
        self._request = request

    def _start(self) -> Responses[ReadOutputResponse]:
        request = self._request
        if self._place.cursors:
            request = ReadOutputRequest()
            request.CopyFrom(self._request)
            del request.cursors[:]
            request.cursors.extend(self._place.cursors)
        return self._channel.processes.ReadOutput(request, metadata=self._channel.metadata)
