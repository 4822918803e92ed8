"""What every RPC of a listener goes through, once: admission, validation, errors, and its early end.

    headers ─▶ admitted? ─▶ room, not stopping? ─▶ first message ─▶ valid? ─▶ servicer
                   │                │                    │            │          │ raises anything
                   └────────────────┴────────────────────┴────────────┴──────────┴─▶ one status, by
                                                                                  `status.to_status`

A call is admitted by the guard of its listener, and if it does not name another incarnation of
the daemon in its metadata: names of processes may be used again by the next one.

A caller whom the guard refuses is logged by its address: it may be somebody who tries. How many such
lines are written, `hcsd/logs/repeats.py` bounds.

Nothing of a call is read before it is admitted: until then it costs its headers, and gRPC holds back
what follows. So to gRPC all methods are ones whose requests stream; the first message is read here, and
has a time to come in (`calls.py`).

Every answer carries a request id in its trailers. A cancellation that comes from the client is not
answered, since nobody listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from typing import TYPE_CHECKING, NoReturn, Protocol, cast
from urllib.parse import unquote

import anyio
import grpc
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status

from hcsd.daemon.errors import (
    InvalidRequestError,
    RequestError,
    RestartedError,
    Violation,
)
from hcsd.rpc.guards import OpenGuard
from hcsd.rpc.status import to_status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from hcsd.rpc.aio_server import Details, Handler
    from hcsd.rpc.calls import Call, Calls, Context
    from hcsd.rpc.guards import Guard, Metadata
    from hcsd.rpc.validate import Validator

    class Method(Protocol):
        """What serves an RPC: a coroutine function, or an async generator function."""

        def __call__(self, request: object, context: Context, /) -> Awaitable[object]:
            """Serve one call."""


logger = logging.getLogger(__name__)

INCARNATION = "hcsd-incarnation"
KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
# Of refused calls whose requests stream: how many at once have their first message read, and seconds for
# it. grpc.aio as a client tells a user of its stubs INTERNAL if the refusal comes before it has sent that.
COURTESIES = 8  # times the largest message is what strangers can so take (arbitrary)
COURTESY_TIME = 1.0
NO_MESSAGE = Violation(
    "request", "message", "is missing: a call needs one message, and a whole one"
)
NO_SUCH_MESSAGE = Violation("request", "message", "is no message of the type that the method takes")


class Gate:
    """Wraps the handlers of one listener, and finds the one of each call.

    Args:
        calls: The calls under way there.
        validator: Holds the rules of the contract.
        guard: Knows who may come in.

    Attributes:
        methods: The handlers by method, each wrapped.
    """

    def __init__(self, calls: Calls, validator: Validator, guard: Guard) -> None:
        self.methods: dict[str, Handler] = {}
        self._calls = calls
        self._validator = validator
        self._guard = guard
        self._streaming: set[str] = set()  # methods whose requests stream
        self._courtesies = 0

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Take the handlers of a service, as generated code gives them to a server."""
        for name, handler in handlers.items():
            method = f"/{service}/{name}"
            self.methods[method] = self._wrap(handler)
            if handler.request_streaming:
                self._streaming.add(method)

    def add_generic_rpc_handlers(self, _: object) -> None:
        """Leave it at the same handlers by method, which generated code adds next."""

    def resolve_handler(self, details: Details) -> Handler | None:
        """Return the handler of a call; None lets gRPC answer an unknown method."""
        try:
            self._check_metadata(details.invocation_metadata)
        except RequestError as error:
            return self._refusal(error, streaming=details.method in self._streaming)
        return self.methods.get(details.method)

    def _check_metadata(self, metadata: Metadata) -> None:
        """Refuse a caller whom the guard refuses, and a call that names another state of the daemon.

        Raises:
            RequestError: The token is missing or wrong, or the call names another incarnation.
        """
        self._guard.check_metadata(metadata)
        meant = next((value for key, value in metadata if key == INCARNATION), None)
        if meant is not None and meant != self._calls.incarnation:
            raise RestartedError(self._calls.incarnation)

    def _wrap(self, handler: Handler) -> Handler:
        """Wrap the one method that a handler has; the attribute it stands in tells its kind."""
        kind = next(kind for kind in KINDS if getattr(handler, kind) is not None)
        method = _as_coroutine(cast("Method", getattr(handler, kind)))
        if handler.request_streaming or handler.response_streaming:
            method = self._counted(method)
        guarded = self._guarded(method, streaming=handler.request_streaming)
        assert handler.request_deserializer is not None  # noqa: S101  (all our stubs have one)
        deserialize = cast("Callable[[bytes], Message]", handler.request_deserializer)
        read = _lenient(deserialize, stream=handler.request_streaming)
        make = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
        return cast("Handler", make(guarded, read, handler.response_serializer))

    def _counted(self, inner: Method) -> Method:
        """Count the calls of a method that streams."""

        async def serve(request: object, context: Context) -> object:
            with self._calls.streaming(context):
                return await inner(request, context)

        return serve

    def _guarded(self, inner: Method, *, streaming: bool) -> Method:
        """Wrap a method so that it is asked for what is admitted, and what it raises becomes a status.

        Args:
            inner: The method.
            streaming: Whether its requests stream.
        """

        async def serve(_: object, context: Context) -> object:
            call = self._calls.begin(context)
            try:
                call.credential = self._peer_of(context)
                self._calls.admit()
                request = await self._calls.first(call)
                if streaming:
                    request = _requests(request, context)
                else:
                    self._require_valid(request)
                return await inner(request, cast("Context", call))
            except grpc.aio.AbortError:
                raise
            except asyncio.CancelledError:
                if call.writing or call.ended_by is None:
                    raise
                await _abort(context, call.ended_by)
            except grpc.aio.InternalError as error:
                # What gRPC makes of a write to a client that has gone, if it comes before the
                # cancellation that is the usual word for it.
                raise asyncio.CancelledError from error
            except Exception as error:  # to_status tells them apart
                await _abort(context, error)
            finally:
                self._calls.end(call)

        return serve

    def _peer_of(self, context: Context) -> object:
        """Return the credential that a call comes with.

        Raises:
            RequestError: The guard refuses who is at the other end.
        """
        try:
            return self._guard.check_peer(context)
        except RequestError as error:
            _log_refused(context, error)
            raise

    def _refusal(self, error: RequestError, *, streaming: bool) -> Handler:
        """Make a handler that answers any call with this error; it reads next to nothing."""

        async def refuse(_: object, context: Context) -> None:
            call = self._calls.begin(context)
            if not isinstance(error, RestartedError):
                _log_refused(context, error)
            try:
                if streaming and self._courtesies < COURTESIES:
                    await self._read_for_courtesy(context)
                await _abort(context, error)
            finally:
                self._calls.end(call)

        return cast("Handler", grpc.stream_stream_rpc_method_handler(refuse))

    async def _read_for_courtesy(self, context: Context) -> None:
        self._courtesies += 1
        try:
            with anyio.move_on_after(COURTESY_TIME):
                await context.read()
        finally:
            self._courtesies -= 1

    def _require_valid(self, request: object) -> None:
        """Refuse the one request of a call that breaks the contract.

        Raises:
            InvalidRequestError: It does, or there is none.
        """
        if request is grpc.aio.EOF:
            raise InvalidRequestError([NO_MESSAGE])
        if isinstance(request, DecodeError):
            raise InvalidRequestError([NO_SUCH_MESSAGE])
        if isinstance(request, Message):
            self._validator.require_valid(request)

    @property
    def watches(self) -> bool:
        """Whether a credential can be gone while calls are under way."""
        return not isinstance(self._guard, OpenGuard)

    def end_revoked(self) -> None:
        """End the calls under way whose credential holds no more."""

        def gone(call: Call) -> Exception | None:
            return self._guard.revoked(call.credential)

        if self._guard.changed():
            self._calls.end_where(gone)


def _log_refused(context: Context, error: RequestError) -> None:
    """Log who was refused, and why; never what was shown."""
    address = unquote(context.peer()).partition(":")[2]  # after "ipv4:" or "ipv6:"
    logger.warning("refused a call from %s: %s", address, error.reason)


async def _requests(first: object, context: Context) -> AsyncIterator[object]:
    """Yield the requests of a call, whose first one was read already."""
    request = first
    while request is not grpc.aio.EOF:
        yield request
        request = await context.read()


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
