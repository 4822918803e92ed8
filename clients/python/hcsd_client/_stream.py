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
waited for by the streams of a `RemoteProcess` and by a watch, and ends others.

Nothing for too long: the daemon sends a heartbeat long before. The clock runs while a message is waited
for, and not while the program does something else. The next call then goes over a new connection. (An
older daemon sends no heartbeats. There a silent stream goes on in another call now and then.)

The daemon ends a call that has taken nothing for a minute while the process waited for it. To a program
that pauses, that is no failure.
"""

from __future__ import annotations

import asyncio
import math
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

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
)
from hcsd_client._place import Place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import TracebackType
    from typing import Self

    from hcsd_client._channel import Channel

Message = TypeVar("Message")
Event = TypeVar("Event", bound=ReadOutputResponse | RunProcessResponse)
Message_co = TypeVar("Message_co", covariant=True)


FIRST_TIMEOUT = (
    15.0  # seconds for a connection and the first message; more than connecting may take
)


class Responses(Protocol[Message_co]):
    """What a stream needs of a call of gRPC."""

    def __aiter__(self) -> AsyncIterator[Message_co]: ...
    def cancel(self) -> bool: ...


class EventStream(ABC, Generic[Message]):
    """Messages in their order; iterate over it once.

    The call begins with the first message asked for, or with ``async with``, and is over when the
    iteration is. To leave earlier, leave ``async with`` or call `aclose`: that detaches from the
    process and changes nothing else. A lost connection shows only as a pause, within the bounds of
    `Retry`.

    Iterating raises a `CallError` if the call fails, `UnavailableError` if the daemon was out of reach for
    too long, `DaemonRestartedError` if it lost its state meanwhile, and `ClientClosedError` if the
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
        self._reached = channel.is_reached
        self._patient = channel.is_pinned  # a daemon that is stopping is waited for, too
        self._begun = 0.0  # when the present call began
        self._first_timeout = FIRST_TIMEOUT
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
            self._begun = time.monotonic()
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
            if not isinstance(error, UnavailableError):
                self._attempts.forgive()  # the daemon is there
            if not self._is_survived(error):
                raise error
            if not isinstance(error, SubscriberStalledError):
                self._reached = True
                if self._life.silent:
                    await self._channel.wire.renew(self._begun)
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
        """End the call if this takes longer than the daemon is ever silent."""
        limit = self._channel.link.silence
        if limit is not None and not self._life.connected:
            limit = max(limit, self._first_timeout)
        if limit is None or limit == math.inf:
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
            request.ClearField("last_lines")  # they were counted when the output began
            request.ClearField("since")
        return self._channel.processes.ReadOutput(request, metadata=self._channel.metadata)
