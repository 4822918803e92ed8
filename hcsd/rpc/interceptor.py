"""What every RPC goes through, once: admission, validation, errors, and the end of the daemon.

    RPC ─▶ admitted? ─▶ daemon stopping? ─▶ valid? ─▶ servicer
                 │             │               │         │ raises anything
                 └─────────────┴───────────────┴─────────┴─▶ one status, by `status.to_status`

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
import logging
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status

from hcsd.daemon.errors import (
    InvalidRequestError,
    RequestError,
    RestartedError,
    StoppingError,
    Violation,
)
from hcsd.rpc.status import to_status
from hcsd.rpc.token import check_token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from hcsd.rpc.calls import Calls, Context
    from hcsd.rpc.validate import Validator

    Handler = grpc.RpcMethodHandler[Message, Message]
    Metadata = Iterable[tuple[str, str | bytes]]

    class Method(Protocol):
        """What serves an RPC: a coroutine function, or an async generator function."""

        def __call__(self, request: object, context: Context, /) -> Awaitable[object]:
            """Serve one call."""


GRPC_LOGGER = "grpc._cython.cygrpc"
INCARNATION = "hcsd-incarnation"
KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


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
        validator: Holds the rules of the contract.
        token: What a caller must present; None where the transport is guard enough.
    """

    def __init__(self, calls: Calls, validator: Validator, token: str | None) -> None:
        self._calls = calls
        self._validator = validator
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
        """Refuse a caller without the token, and a call that names another run of the daemon.

        Raises:
            RequestError: The token is missing or wrong, or the call names another incarnation.
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
            raise InvalidRequestError(
                [Violation("request", "message", "is no message of the type that the method takes")]
            )
        if isinstance(request, Message):
            self._validator.require_valid(request)


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
