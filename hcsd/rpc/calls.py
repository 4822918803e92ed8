"""The calls under way, of all listeners: their number, their ids, and their end with the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from typing import TYPE_CHECKING

from hcsd.daemon.errors import LimitError, StoppingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import grpc
    from google.protobuf.message import Message

    Context = grpc.aio.ServicerContext[Message, Message]

REQUEST_ID = "hcsd-request-id"


class Call:
    """An RPC under way. Its method gets it in the place of gRPC's own context.

    A message that is on its way when the daemon stops is not cut off: gRPC takes no status then,
    and the client would be told nothing but that the call was cancelled.

    Args:
        calls: The calls under way.
        context: The context.
        task: Where the call is served.

    Attributes:
        writing: Whether a message is on its way, or was when the call was cancelled.
    """

    def __init__(self, calls: Calls, context: Context, task: asyncio.Task[object]) -> None:
        self.context = context
        self.task = task
        self.writing = False
        self._calls = calls

    async def write(self, message: Message) -> None:
        """Send a message.

        Raises:
            StoppingError: The daemon is stopping; the message was sent all the same.
        """
        self.writing = True
        await self.context.write(message)
        self.writing = False
        if self._calls.stopping:
            raise StoppingError

    def __getattr__(self, name: str) -> object:
        """Leave everything else to the context."""
        return getattr(self.context, name)


class Calls:
    """The RPCs under way, of all listeners.

    Args:
        incarnation: Boot id of the daemon; request ids start with it.
        max_streams: How many streaming calls one client may have at once.
    """

    def __init__(self, incarnation: str, max_streams: int) -> None:
        self.incarnation = incarnation
        self.stopping = False
        self._max_streams = max_streams
        self._streams: Counter[str] = Counter()  # by client
        self._calls: set[Call] = set()
        self._numbers = itertools.count(1)
        self._prefix = incarnation[:8]

    def begin(self, context: Context) -> Call:
        """Note that a call starts; give it its request id."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (handlers run in tasks)
        call = Call(self, context, task)
        self._calls.add(call)
        context.set_trailing_metadata(((REQUEST_ID, f"{self._prefix}-{next(self._numbers)}"),))
        return call

    def end(self, call: Call) -> None:
        """Note that a call has ended."""
        self._calls.discard(call)

    @contextlib.contextmanager
    def streaming(self, context: Context) -> Iterator[None]:
        """Count a streaming call of its client.

        Raises:
            LimitError: The client has as many as it may have.
        """
        client = context.peer()
        if self._streams[client] >= self._max_streams:
            raise LimitError("max_streams_per_client", self._max_streams, "end one")
        self._streams[client] += 1
        try:
            yield
        finally:
            self._streams[client] -= 1
            if not self._streams[client]:
                del self._streams[client]

    def stop(self) -> None:
        """End every call under way, and all later ones, with UNAVAILABLE."""
        self.stopping = True
        for call in list(self._calls):
            if not call.writing:
                call.task.cancel()
