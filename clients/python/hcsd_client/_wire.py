"""The channel of gRPC under all stubs of a client, which can be replaced while they are in use.

    OPEN     `renew`, on account of a call that began after the last `renew`    OPEN, by a new connection
    OPEN     `close`                                                           CLOSED

A connection that has fallen silent without an end would take the next call, too. So that goes over a new
one. Calls on the old one are left to themselves: each of them notices the silence by itself, or ends well.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, cast

import grpc

if TYPE_CHECKING:
    from collections.abc import Callable

LEFT_ALONE = 600.0  # seconds for the calls of a connection that was replaced; arbitrary


class Callee(Protocol):
    """What stubs call; its arguments are none of our business."""

    def __call__(self, *arguments: object, **more: object) -> object: ...


class Wire:
    """What stubs take for a channel.

    Args:
        open_channel: Opens one.

    Attributes:
        present: The channel of the next call.
        closed: Nothing can be called any more.
    """

    def __init__(self, open_channel: Callable[[], grpc.aio.Channel]) -> None:
        self.present = open_channel()
        self.closed = False
        self._open = open_channel
        self._renewed = time.monotonic()
        self._replaced: list[tuple[float, grpc.aio.Channel]] = []

    @property
    def channel(self) -> grpc.aio.Channel:
        """For the stubs: they ask a channel for methods, and for nothing else."""
        return cast("grpc.aio.Channel", self)

    async def renew(self, begun: float) -> None:
        """Let the next call go over a new connection.

        Args:
            begun: When the call began that found the present one silent, by `time.monotonic`. If
                another call has found that out since, nothing is left to do.
        """
        if self.closed or begun < self._renewed:
            return
        self._renewed = now = time.monotonic()
        self._replaced.append((now, self.present))
        self.present = self._open()
        while self._replaced[0][0] < now - LEFT_ALONE:
            await self._replaced.pop(0)[1].close()

    async def close(self) -> None:
        """End all calls."""
        self.closed = True
        for _, replaced in self._replaced:
            await replaced.close()
        await self.present.close()

    def __getattr__(self, kind: str) -> Callee:
        """Return what makes methods of a kind, as in `unary_unary`."""
        if kind not in {"unary_unary", "unary_stream", "stream_unary", "stream_stream"}:
            raise AttributeError(kind)
        return lambda *options, **more: _Method(self, kind, options, more)


class _Method:
    """A method of the present channel, whichever that is when it is called."""

    def __init__(
        self, wire: Wire, kind: str, options: tuple[object, ...], more: dict[str, object]
    ) -> None:
        self._wire = wire
        self._kind, self._options, self._more = kind, options, more
        self._channel: grpc.aio.Channel | None = None  # that `_method` is of
        self._method: Callee = self

    def __call__(self, *arguments: object, **more: object) -> object:
        if self._wire.closed:  # gRPC would crash over a method that it has not seen before
            raise grpc.aio.UsageError("the channel is closed")
        present = self._wire.present
        if present is not self._channel:
            self._channel = present
            self._method = getattr(present, self._kind)(*self._options, **self._more)
        return self._method(*arguments, **more)
