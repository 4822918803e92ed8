"""Calls that answer with many messages, and go on in another call where one was lost.

    IDLE     the first message is asked for                          READING
    READING  a message, or a heartbeat, which is not handed out      READING
    READING  the connection is lost, or nothing comes for too long   LOST
    READING  the daemon says SUBSCRIBER_STALLED                      READING, in another call
    LOST     the attempts of `Retry` are used up                     OVER
    LOST     after a while                                           READING, in another call
    READING  the end, any other failure                              OVER
    any      `aclose`, a cancellation                                OVER

Another call goes on behind the last message received: an output at its next byte, a watch at its next
revision. It is asked of the same run of the daemon. What it repeats, such as `started`, is not handed out
again. A daemon that was not there at the first call is not waited for. One that says that it is stopping is
waited for by the streams of a `RemoteProcess`, and ends others.

Nothing for too long is a reason only with a daemon that has sent a heartbeat before: an older one sends
none. The clock runs while a message is waited for, and not while the program does something else.

The daemon ends a call that has taken nothing for a minute while the process waited for it. To a program
that pauses, that is no failure.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from hcsd.v1.process_pb2 import OutputCursor, Process
from hcsd.v1.process_service_pb2 import (
    ReadOutputRequest,
    ReadOutputResponse,
    RunProcessResponse,
)
from hcsd_client._channel import Life
from hcsd_client._errors import (
    CallError,
    DaemonUnreachableError,
    SubscriberStalledError,
    UnavailableError,
    check_same,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
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
        elif kind == "heartbeat":
            return False
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
    """Messages in their order; iterate over it once.

    The call begins with the first message asked for, or with ``async with``, and is over when the
    iteration is. To leave earlier, leave ``async with`` or call `aclose`: that detaches from the
    process and changes nothing else. A lost connection shows only as a pause, within the bounds of
    `Retry`.

    Iterating raises a `CallError` if the call fails, `UnavailableError` if the daemon was out of reach for
    too long, `DaemonRestartedError` if it was started anew meanwhile, and `ClientClosedError` if the
    stream or its client is closed meanwhile. A cancellation ends the call.

    Args:
        channel: To the daemon.
        what: What is read, for the log.
    """

    def __init__(self, channel: Channel, what: str) -> None:
        self._channel = channel
        self._life = Life()
        self._call: Responses[Message] | None = None
        # Not by read(): once a write has met the end of the call, read() drops what was received
        # and not yet read, and reports INTERNAL (grpcio 1.85, seen in 200 of 200 calls).
        self._messages: AsyncIterator[Message] | None = None
        self._attempts = channel.attempts(what)
        self._reached = channel.is_pinned  # then the daemon was there before
        self._patient = channel.is_pinned  # a daemon that is stopping is waited for, too
        self._beats = False  # the daemon sends heartbeats
        self._failure: CallError | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        while True:
            if self._failure is not None:
                raise self._failure
            try:
                message = await self._receive()
                self._reached = True
                self._attempts.succeeded()
                if self._note(message):
                    return message
            except CallError as error:
                await self._survive(error)

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
            self._life = Life()
            self._call = self._start()
            self._messages = aiter(self._call)
        return self._messages

    async def _receive(self) -> Message:
        messages = self._begin()
        with self._noticing_silence():
            async with self._channel.translating(self._life):
                message = await anext(messages)
        self._life.connected = True
        return message

    async def _survive(self, error: CallError) -> None:
        """Go on in another call after a while; raises the error if there is to be none."""
        try:
            if not self._is_survived(error):
                raise error
            if not isinstance(error, SubscriberStalledError):
                self._reached = True
                await self._attempts.failed(error)
            await self._go_on()
        except CallError as final:
            self._failure = final
            raise
        except asyncio.CancelledError:
            self._life.left = True
            raise

    def _is_survived(self, error: CallError) -> bool:
        """Whether another call may do better."""
        if isinstance(error, DaemonUnreachableError):
            return self._reached
        return isinstance(error, UnavailableError) and (self._patient or not error.reason)

    async def _go_on(self) -> None:
        """Start another call, for what follows the last message."""
        self._messages = None
        self._begin()

    @contextmanager
    def _noticing_silence(self) -> Iterator[None]:
        """End the call if this takes longer than a daemon with heartbeats is silent."""
        limit = self._channel.link.silence
        if limit is None or not self._beats:
            yield
            return
        timer = asyncio.get_running_loop().call_later(limit, self._end_silence)
        try:
            yield
        finally:
            timer.cancel()

    def _end_silence(self) -> None:
        self._life.silent = True
        if self._call is not None:
            self._call.cancel()

    @abstractmethod
    def _start(self) -> Responses[Message]:
        """Start the call."""

    @abstractmethod
    def _note(self, message: Message) -> bool:
        """Note how far the stream has come, and tell whether the message is news to the caller."""


class OutputStream(EventStream[Event]):
    """The messages of a call about a process's output.

    A pause in the iteration is no failure, however long it is: if the daemon has ended the call
    for it, which it does so that the process does not have to wait, another one takes its place.
    """

    def __init__(self, channel: Channel, what: str) -> None:
        super().__init__(channel, what)
        self._place = Place()
        self._moved = False  # the present call has given news

    def _note(self, message: Event) -> bool:
        if message.HasField("heartbeat"):
            self._beats = True
        is_news = self._place.note(message)
        self._moved = self._moved or is_news
        if self._place.process is not None:  # what follows is meant for this run of the daemon
            self._channel = self._channel.pinned(self._place.process.incarnation)
        return is_news

    def _is_survived(self, error: CallError) -> bool:
        if isinstance(error, SubscriberStalledError):
            # Of a call that gave nothing another one would not give anything, either.
            moved, self._moved = self._moved, False
            return moved
        return super()._is_survived(error)


class Output(OutputStream[ReadOutputResponse]):
    """What `Client.read_output` returns: the output of a process as `ReadOutputResponse`s."""

    def __init__(self, channel: Channel, request: ReadOutputRequest) -> None:
        super().__init__(channel, f"the output of '{request.name}'")
        self._request = request
        if heartbeat := channel.link.heartbeat:
            request.heartbeat_interval.CopyFrom(heartbeat)

    def _start(self) -> Responses[ReadOutputResponse]:
        request = self._request
        if self._place.cursors:
            request = ReadOutputRequest()
            request.CopyFrom(self._request)
            del request.cursors[:]
            request.cursors.extend(self._place.cursors)
        return self._channel.processes.ReadOutput(request, metadata=self._channel.metadata)
