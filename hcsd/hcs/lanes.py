"""Where native calls are made.

A provider whose calls never block is called on the event loop, without a thread hop. One whose
calls may block is called on bounded executors, one per lane, so that calls stuck in one kind of
work cannot starve another: the kill lane serves terminations and nothing else.

A native call is never abandoned: whoever awaits it and is cancelled keeps waiting until it has
returned, because its caller's clean-up would otherwise close handles that the call still uses.
"""

from __future__ import annotations

import asyncio
import enum
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from hcsd.abi.hresult import HR
from hcsd.hcs.errors import ServiceDisconnectedError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Lane(enum.Enum):
    """Kinds of native calls; the value is how many may be under way at once (arbitrary)."""

    CREATE = ("create", 8)
    CONTROL = ("control", 4)
    KILL = ("kill", 4)
    QUERY = ("query", 5)


class Lanes:
    """Makes native calls for one provider.

    Args:
        blocking: Whether the provider's calls may block.

    Raises:
        RuntimeError: The host has no room for the threads.
    """

    def __init__(self, *, blocking: bool) -> None:
        self._executors = {lane: _executor(*lane.value) for lane in Lane} if blocking else None
        self._closed = False

    async def call(
        self, lane: Lane, function: Callable[[], T], undo: Callable[[T], object] | None = None
    ) -> T:
        """Make a call and return what it returns.

        Args:
            lane: Which executor makes it, if calls may block.
            function: Makes the call.
            undo: Gives back what it returned, when the caller was cancelled meanwhile.

        Raises:
            asyncio.CancelledError: The caller was cancelled; the call has returned all the same.
            ServiceDisconnectedError: The lanes are closed.
        """
        if self._executors is None:
            return function()
        if self._closed:
            raise ServiceDisconnectedError(
                HR.SERVICE_DISCONNECT, "", subject="use an engine that was closed"
            )
        future = asyncio.get_running_loop().run_in_executor(self._executors[lane], function)
        cancelled: asyncio.CancelledError | None = None
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            if future.exception() is None and undo is not None:
                undo(future.result())
            raise cancelled
        return future.result()

    def post(self, lane: Lane, function: Callable[[], None]) -> None:
        """Make a call that nobody waits for, such as a close."""
        if self._executors is None or self._closed:
            function()
        else:
            self._executors[lane].submit(function)

    def close(self) -> None:
        """End the threads once their calls have returned."""
        self._closed = True
        for executor in (self._executors or {}).values():
            executor.shutdown(wait=False)


def _executor(name: str, count: int) -> ThreadPoolExecutor:
    """Make an executor whose threads run already: later there may be no room for one."""
    executor = ThreadPoolExecutor(count, thread_name_prefix=f"hcs-{name}")
    barrier = threading.Barrier(count + 1)
    try:
        for _ in range(count):
            executor.submit(barrier.wait)
    except RuntimeError:
        barrier.abort()
        executor.shutdown(wait=False)
        raise
    barrier.wait()
    return executor
