"""What every RPC goes through, once: admission, validation, errors, and the end of the daemon.

    RPC ─▶ admitted? ─▶ daemon stopping? ─▶ valid? ─▶ servicer
                 │             │               │         │ raises anything
                 └─────────────┴───────────────┴─────────┴─▶ one status, by `errors.to_status`

A call is admitted with the token, where one is needed, and if it does not name another incarnation of
the daemon in its metadata: names of processes may be used again by the next one.

Every answer carries a request id in its trailers. When the daemon stops, the RPCs under way are
cancelled from here and end with UNAVAILABLE; a cancellation that comes from the client is not
answered, since nobody listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
import logging
from collections import Counter
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status

from hcsd.service.auth import check_token
from hcsd.service.errors import (
    InvalidRequestError,
    RequestError,
    RestartedError,
    StoppingError,
    to_status,
)
from hcsd.service.limits import LimitError
from hcsd.service.validate import check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    Handler = grpc.RpcMethodHandler[Message, Message]
    Metadata = Iterable[tuple[str, str | bytes]]
    Context = grpc.aio.ServicerContext[Message, Message]

    class Method(Protocol):
        """What serves an RPC: a coroutine function, or an async generator function."""

        def __call__(self, request: object, context: Context, /) -> Awaitable[object]:
            """Serve one call."""


GRPC_LOGGER = "grpc._cython.cygrpc"
INCARNATION = "hcsd-incarnation"
KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
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


def hide_departures(record: logging.LogRecord) -> bool:
    """Keep a record of gRPC's, unless it is of an answer that met the end of its client.

    gRPC logs that as an error with a traceback, if the client has left so lately that it is not known yet.
    """
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__name__ != "ExecuteBatchError"


class Interceptor(grpc.aio.ServerInterceptor):
    """Wraps the handlers of one listener.

    Args:
        calls: The calls under way.
        token: What a caller must present; None where the transport is guard enough.
    """

    def __init__(self, calls: Calls, token: str | None) -> None:
        self._calls = calls
        self._token = token
        logging.getLogger(GRPC_LOGGER).addFilter(hide_departures)  # once, however often it is added
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(  # type: ignore[override]  # any call, so any pair of types
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the handler of a call, wrapped; None lets gRPC answer an unknown method."""
        try:
            self._check_metadata(handler_call_details.invocation_metadata or ())
        except RequestError as error:
            return self._refusal(error)
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            wrapped = self._wrapped[method] = self._wrap(handler)
        return wrapped

    def _check_metadata(self, metadata: Metadata) -> None:
        """Admit who has the token, and who does not mean an earlier run of the daemon.

        Raises:
            RequestError: Whom else it is.
        """
        if self._token is not None:
            check_token(self._token, metadata)
        meant = next((value for key, value in metadata if key == INCARNATION), None)
        if meant is not None and meant != self._calls.incarnation:
            raise RestartedError(self._calls.incarnation)

    def _wrap(self, handler: Handler) -> Handler:
        """Wrap the one method that a handler has; the attribute it stands in tells its kind."""
        kind = next(kind for kind in KINDS if getattr(handler, kind) is not None)
        method = cast("Method", getattr(handler, kind))
        method = _as_coroutine(method)
        if handler.request_streaming or handler.response_streaming:
            method = self._counted(method)
        guarded = self._guard(method)
        assert handler.request_deserializer is not None  # noqa: S101  (all our stubs have one)
        read = _lenient(handler.request_deserializer, stream=handler.request_streaming)
        wrapped: Handler = getattr(grpc, f"{kind}_rpc_method_handler")(
            guarded, read, handler.response_serializer
        )
        return wrapped

    def _counted(self, inner: Method) -> Method:
        """Count the calls of a method that streams."""

        async def serve(request: object, context: Context) -> object:
            with self._calls.streaming(context):
                return await inner(request, context)

        return serve

    def _guard(self, inner: Method) -> Method:
        """Wrap a method so that whatever it raises becomes a status."""

        async def serve(request: object, context: Context) -> object:
            call = self._calls.begin(context)
            try:
                self._admit(request)
                return await inner(request, cast("Context", call))
            except grpc.aio.AbortError:
                raise
            except asyncio.CancelledError:
                if call.writing or not self._calls.stopping:
                    raise
                await _abort(context, StoppingError())
            except grpc.aio.InternalError as error:
                # What gRPC makes of a write to a client that has gone, if it comes before the
                # cancellation that is the usual word for it.
                raise asyncio.CancelledError from error
            except Exception as error:  # to_status tells them apart
                await _abort(context, error)
            finally:
                self._calls.end(call)

        return serve

    def _refusal(self, error: Exception) -> Handler:
        """Make a handler that answers any call with this error, whatever kind of call it is.

        It answers to the first request: a client that cannot send it takes that for the failure.
        """

        async def refuse(_request: object, context: Context) -> None:
            call = self._calls.begin(context)
            try:
                await _abort(context, error)
            finally:
                self._calls.end(call)

        return grpc.unary_stream_rpc_method_handler(refuse)

    def _admit(self, request: object) -> None:
        """Refuse a request that breaks the contract, and every request while stopping."""
        if self._calls.stopping:
            raise StoppingError
        if isinstance(request, DecodeError):
            raise RequestError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "INVALID_REQUEST",
                "the request is no message of the type that the method takes",
            )
        if isinstance(request, Message):
            violations = check(request)
            if violations:
                raise InvalidRequestError(violations)


def _lenient(read: Callable[[bytes], Message], *, stream: bool) -> Callable[[bytes], object]:
    """Return the error for bytes that are no message; gRPC would call it UNKNOWN and our fault.

    In a stream they count as an empty message, which no stream allows.
    """

    def lenient(data: bytes) -> object:
        try:
            return read(data)
        except DecodeError as error:
            return read(b"") if stream else error

    return lenient


def _as_coroutine(method: Method) -> Method:
    """Make of an async generator, which answers by yielding, a coroutine that writes."""
    if not inspect.isasyncgenfunction(method):
        return method

    async def pump(request: object, context: Context) -> None:
        async with contextlib.aclosing(method(request, context)) as events:
            async for event in events:
                await context.write(event)

    return pump


async def _abort(context: Context, error: Exception) -> NoReturn:
    status = rpc_status.to_status(to_status(error))
    # The trailers of an abort take the place of those that were set, and of the request id.
    trailers = (*context.trailing_metadata(), *status.trailing_metadata)
    await context.abort(status.code, status.details, trailers)
