"""A gRPC server on asyncio that no bytes from outside can end, over the inside of `grpc.aio`.

`grpc.aio.Server` decodes the path of each call as UTF-8 in its one serving loop. A path that is none,
in one frame from anybody who can connect, ends that loop, and with it the server and all its calls. Here

    a method that there is    is registered, so that its path is never decoded; a task of its own takes
                              its calls
    any other path            is UNIMPLEMENTED, whatever it is; one more task takes those calls

To find the handler of a call it asks a `Resolver`, without the coroutines of interceptors.

Source: `AioServer` of grpcio 1.85's `_cython/_cygrpc/aio/server.pyx.pxi`. What is used of it has no
promise to stay, so pyproject.toml allows no other minor version of grpcio, and
tests/integration/test_hostile_frames.py shows whether all this still holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from grpc._cython import cygrpc  # type: ignore[attr-defined]  # it has no stubs

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    import grpc

    Handler = grpc.RpcMethodHandler[object, object]

    class Details(Protocol):
        """What is known of a call before its first message."""

        method: str
        invocation_metadata: Sequence[tuple[str, str | bytes]]


class Resolver(Protocol):
    """Tells which handler answers a call."""

    def resolve_handler(self, details: Details, /) -> Handler | None:
        """Return the handler of a call; None if there is no such method."""


class AioServer(cygrpc.AioServer):  # type: ignore[misc]
    """The server of one listener.

    On the event loop: make it, bind it (`add_insecure_port`, `add_secure_port`), tell it the methods that
    there are (`add_registered_method_handlers`), and `start` it; `shutdown` ends it.

    Args:
        resolver: Finds the handlers of calls.
        options: Arguments of gRPC's core.
    """

    def __init__(self, resolver: Resolver, options: Sequence[tuple[str, int]]) -> None:
        loop = cygrpc.get_working_loop()
        super().__init__(loop, None, (), (), options, None)
        self._resolver = resolver
        self._event_loop: asyncio.AbstractEventLoop = loop
        self._answering: set[asyncio.Task[None]] = set()  # the loop itself holds them weakly

    def _make_request_call_future(self, method: bytes | None) -> asyncio.Task[None]:
        """Return what takes the calls of a method, or of what is none; the serving loop waits for it."""
        name = method.decode() if method else "no method"
        return self._event_loop.create_task(self._take(method), name=f"calls of {name}")

    async def _take(self, method: bytes | None) -> None:
        """Take calls until the server stops."""
        name = method.decode() if method else ""
        while True:
            call = await (
                self._request_call() if method is None else self._request_registered_call(method)
            )
            answer = cygrpc._handle_rpc(name, self._resolver, (), call, self._event_loop, False)  # noqa: SLF001  (see the head)
            task = self._event_loop.create_task(
                cygrpc._schedule_rpc_coro(answer, call, self._event_loop, name),  # noqa: SLF001
                name=name,
            )
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
