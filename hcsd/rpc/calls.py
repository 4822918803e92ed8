"""The calls under way: how many there may be, their ids, and what ends them before they are done.

    begin() ─▶ WAITING ──first()──▶ SERVED ──▶ end()
                  │                    │
                  └──── end_with() ────┴─▶ the task is cancelled; the gate answers with the error

What ends a call early is one thing in all cases, `Call.end_with`: the daemon stops, the request does not
arrive in time, or the credential is gone that the call came with. A message that is on its way then is
not cut off: gRPC takes no status while one is written, and the client would be told nothing but that
the call was cancelled. So the write has a moment to come to its end.

Each listener counts for itself, so that who fills one leaves room at the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from hcsd.daemon.errors import LimitError, RequestError, StoppingError
from hcsd.daemon.reasons import Reason

if TYPE_CHECKING:
    import itertools
    from collections.abc import Callable, Iterator

    import grpc
    from google.protobuf.message import Message

    from hcsd.daemon.settings import Limits

    Context = grpc.aio.ServicerContext[Message, Message]

REQUEST_ID = "hcsd-request-id"
WRITE_GRACE = 0.5  # seconds for the message on its way, when a credential is gone


class RequestIncompleteError(RequestError):
    """The request of a call has not arrived in time."""

    def __init__(self, timeout: float) -> None:
        super().__init__(
            Reason.REQUEST_INCOMPLETE,
            f"the request did not arrive within {timeout:g} s of its call: send it at once, or serve"
            " with a higher '--request-timeout'",
        )


class Call:
    """An RPC under way. Its method gets it in the place of gRPC's own context.

    Args:
        context: gRPC's own.
        task: Where the call is served.

    Attributes:
        writing: Whether a message is on its way, or was when the call was cancelled.
        ended_by: What has ended it early.
        credential: What it was admitted with, as its listener's guard knows it.
    """

    __slots__ = ("context", "credential", "ended_by", "task", "writing")

    def __init__(self, context: Context, task: asyncio.Task[object]) -> None:
        self.context = context
        self.task = task
        self.writing = False
        self.ended_by: Exception | None = None
        self.credential: object = None

    async def write(self, message: Message) -> None:
        """Send a message.

        Raises:
            RequestError: The call was ended early; the message was sent all the same.
        """
        self.writing = True
        await self.context.write(message)
        self.writing = False
        if self.ended_by is not None:
            raise self.ended_by

    def end_with(self, error: Exception) -> None:
        """End the call early with an error."""
        if self.ended_by is None:
            self.ended_by = error
            if not self.writing:
                self.task.cancel()

    def __getattr__(self, name: str) -> object:
        """Leave everything else to the context."""
        return getattr(self.context, name)


class Calls:
    """The calls under way of one listener.

    Args:
        incarnation: Boot id of the daemon; request ids start with it.
        numbers: Numbers the calls of all listeners.
        limits: Limits in force.
        is_tcp: Whether its clients are connections; those of a Unix socket are one.
    """

    def __init__(
        self,
        incarnation: str,
        numbers: itertools.count[int],
        limits: Limits,
        *,
        is_tcp: bool,
    ) -> None:
        self.incarnation = incarnation
        self.stopping = False
        self._limits = limits
        self._is_tcp = is_tcp
        self._streams: Counter[str] = Counter()  # by client
        self._calls: set[Call] = set()
        self._numbers = numbers
        self._prefix = incarnation[:8]
        self._waiting: dict[Call, float] = {}  # until when; the longest waiting first
        self._sweeper: asyncio.TimerHandle | None = None

    def begin(self, context: Context) -> Call:
        """Note that a call starts; give it its request id."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (handlers run in tasks)
        call = Call(context, task)
        self._calls.add(call)
        context.set_trailing_metadata(((REQUEST_ID, f"{self._prefix}-{next(self._numbers)}"),))
        return call

    def end(self, call: Call) -> None:
        """Note that a call has ended."""
        self._calls.discard(call)

    def admit(self) -> None:
        """Refuse the call that was begun last if the daemon is stopping, or there are too many.

        Raises:
            StoppingError: It is.
            LimitError: There are more than there may be.
        """
        if self.stopping:
            raise StoppingError
        if len(self._calls) > self._limits.max_calls:
            raise LimitError("max_calls", self._limits.max_calls, "end one")

    async def first(self, call: Call) -> object:
        """Return the first message of a call, or gRPC's EOF; the call is ended if it takes too long."""
        loop = asyncio.get_running_loop()
        timeout = self._limits.request_timeout
        self._waiting[call] = loop.time() + timeout
        if self._sweeper is None:
            self._sweeper = loop.call_later(timeout, self._sweep)
        try:
            return await call.context.read()
        finally:
            del self._waiting[call]

    def _sweep(self) -> None:
        """End the calls whose time for the first message is up."""
        loop = asyncio.get_running_loop()
        self._sweeper = None
        for call, until in self._waiting.items():
            if until > loop.time():
                self._sweeper = loop.call_at(until, self._sweep)
                break
            call.end_with(RequestIncompleteError(self._limits.request_timeout))

    @contextlib.contextmanager
    def streaming(self, context: Context) -> Iterator[None]:
        """Count a streaming call of its client.

        Raises:
            LimitError: The client has as many as it may have.
        """
        client, limits = context.peer(), self._limits
        count = self._streams[client]
        if self._is_tcp and count >= limits.max_streams_per_connection:
            most = limits.max_streams_per_connection
            raise LimitError("max_streams_per_connection", most, "end one")
        if not self._is_tcp and count >= limits.max_streams_per_client:
            raise LimitError("max_streams_per_client", limits.max_streams_per_client, "end one")
        self._streams[client] += 1
        try:
            yield
        finally:
            self._streams[client] -= 1
            if not self._streams[client]:
                del self._streams[client]

    def end_where(self, gone: Callable[[Call], Exception | None]) -> None:
        """End the calls whose credential is gone, also those whose client does not read.

        Args:
            gone: Returns the error that tells why; None for a call that may go on.
        """
        loop = asyncio.get_running_loop()
        for call in list(self._calls):
            if (error := gone(call)) is not None:
                call.end_with(error)
                if call.writing:
                    loop.call_later(WRITE_GRACE, self._cut, call)

    def _cut(self, call: Call) -> None:
        if call in self._calls and call.writing:
            call.task.cancel()

    def stop(self) -> None:
        """End every call under way, and all later ones, with UNAVAILABLE."""
        self.stopping = True
        for call in list(self._calls):
            call.end_with(StoppingError())
