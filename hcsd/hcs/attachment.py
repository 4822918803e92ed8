"""What ties an object of ours to a system or a process of HCS: a handle, its events, a timer.

    ATTACHED ──close(), leave()──▶ DETACHED ──take() of a newer handle──▶ ATTACHED

Each handle belongs to a generation, which counts how often the system was opened again. A process
has the generation of the system handle that it came by. Events come with the generation of their
handle: an event that was under way when the service went away says nothing about a newer handle.

The attachment decides nothing. Its owner has the state, see `hcsd.life`, and calls it.

Thread: the event loop's. Events come on the thread `hcs-callbacks` and are posted to the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from typing import TYPE_CHECKING, Generic, TypeVar

from hcsd.abi.types import HCS_EVENT_OPTIONS
from hcsd.hcs.callbacks import EVENT_TRAMPOLINE, REGISTRY, Completion, Event
from hcsd.hcs.errors import GONE
from hcsd.hcs.handles import ProcessHandle, SystemHandle
from hcsd.hcs.lanes import Lane

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from hcsd.hcs.operation import Operations

    Listener: TypeAlias = Callable[[int, Event], None]

H = TypeVar("H", SystemHandle, ProcessHandle)


class Attachment(Generic[H]):
    """The handle of a system or a process, its events, and the timer of its grace.

    Args:
        operations: Of the engine.
        subject: What the handle is of, for the texts of errors.
        handle: The first handle; owned from here on.
        generation: Its generation.
        watch: The export that asks for events.

    Attributes:
        handle: The handle in use, or the last one.
        generation: Its generation.
    """

    def __init__(
        self,
        operations: Operations,
        subject: str,
        handle: H,
        generation: int,
        *,
        watch: str,
    ) -> None:
        self.handle: H = handle
        self.generation = generation
        self._operations = operations
        self._subject = subject
        self._watch_export = watch
        self._loop = asyncio.get_running_loop()
        self._grace: asyncio.TimerHandle | None = None
        self._no_grace = asyncio.Event()
        self._no_grace.set()

    @property
    def attached(self) -> bool:
        """Whether there is a handle to call with."""
        return not self.handle.closed

    async def run(self, lane: Lane, verb: str, function: str, *arguments: str | None) -> str | None:
        """Run an export that takes the handle, an operation and documents.

        Args:
            lane: Where the starting call is made.
            verb: What is done to the subject, for the error.
            function: The export.
            arguments: What it takes after the operation.

        Returns:
            The result document.

        Raises:
            HandleClosedError: There is no handle.
            HcsError: It failed.
        """
        start = getattr(self._operations.library, function)
        with self.handle.use() as raw:
            return await self._operations.run(
                lane,
                function,
                lambda operation: start(raw, operation, *arguments),
                subject=f"{verb} {self._subject}",
                key=self.handle if lane is Lane.SIGNAL else None,
            )

    async def watch(self, handle: H, generation: int, listener: Listener) -> None:
        """Ask for the events of a handle. What happens before this returns may leave no event.

        Args:
            handle: The handle.
            generation: Its generation.
            listener: Called on the loop with the generation and each event, until the handle is
                closed. It is not kept here: its owner has us, and a circle would outlive both.

        Raises:
            HandleClosedError: It was closed meanwhile.
            HcsError: HCS refused it, and not because there is nothing behind the handle any more.
        """
        handler_id = REGISTRY.register(functools.partial(self._post, listener, generation))
        handle.on_closed = lambda: REGISTRY.unregister(handler_id)
        ask = getattr(self._operations.library, self._watch_export)
        with handle.use() as raw, contextlib.suppress(*GONE):
            await self._operations.lanes.call(
                Lane.WATCH,
                lambda: ask(
                    raw, HCS_EVENT_OPTIONS.HcsEventOptionNone, handler_id, EVENT_TRAMPOLINE
                ),
                subject=f"watch {self._subject}",
            )

    async def watch_newer(self, handle: H, generation: int, listener: Listener) -> bool:
        """Ask for the events of a handle that was opened again.

        Ownership: the handle is the caller's if this returns True; otherwise it was closed.

        Returns:
            Whether it is newer than the handle in use.

        Raises:
            HcsError: HCS refused it.
        """
        try:
            await self.watch(handle, generation, listener)
        except BaseException:
            handle.close()
            raise
        if generation <= self.generation:  # another search was quicker
            handle.close()
            return False
        return True

    def take(self, handle: H, generation: int) -> None:
        """Use a newer handle from now on. The one before was closed."""
        self.handle, self.generation = handle, generation

    def close(self) -> None:
        """Close the handle, whether the service went away or nobody wants it; idempotent."""
        self.handle.close()

    def leave(self) -> None:
        """Use the handle no more, and do not close it: HCS closes it when this process ends."""
        self.handle.closer = lambda _: None
        self.handle.close()

    def start_grace(self, callback: Callable[[], None]) -> None:
        """Run `callback` after the grace that an exit event has, unless it is cancelled."""
        assert self._grace is None  # noqa: S101  (the tables start one at a time)
        self._no_grace.clear()
        grace = self._operations.timings.exit_event_grace
        self._grace = self._loop.call_later(grace, self._end_grace, callback)

    def cancel_grace(self) -> None:
        """Stop the timer; idempotent."""
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
            self._no_grace.set()

    async def wait_grace(self) -> None:
        """Wait while the timer runs."""
        await self._no_grace.wait()

    def _end_grace(self, callback: Callable[[], None]) -> None:
        self._grace = None
        self._no_grace.set()
        callback()

    def _post(self, listener: Listener, generation: int, item: Event | Completion) -> None:
        """Hand an event to the loop. Thread: hcs-callbacks."""
        if isinstance(item, Event):
            with contextlib.suppress(RuntimeError):  # the loop has closed: the daemon is ending
                self._loop.call_soon_threadsafe(listener, generation, item)
