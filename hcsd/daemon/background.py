"""Work that runs to its end, whoever waits for it.

A create that HCS has accepted completes even if nobody wants the process any more, and so does a
signal, a kill or a shutdown. Such work runs in the daemon's task group; whoever asked for it waits
for the `Work`, and may leave.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Generic, TypeVar

from hcsd.daemon.errors import as_request_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Work(Generic[T]):
    """The outcome of work that goes on: a result or an error, for any number of waiters."""

    __slots__ = ("_done", "_error", "_observers", "_result", "_waiters")

    def __init__(self) -> None:
        self._done = asyncio.Event()
        self._result: T
        self._error: Exception | None = None
        self._observers: list[Callable[[T], None]] = []
        self._waiters = 0

    async def result(self) -> T:
        """Return what the work returns, waiting for its end.

        A waiter that is cancelled takes nothing from the others.

        Raises:
            Exception: What the work raises.
        """
        self._waiters += 1
        try:
            await self._done.wait()
        finally:
            self._waiters -= 1
        if self._error is not None:
            raise self._error
        return self._result

    def observe(self, observer: Callable[[T], None]) -> None:
        """Run `observer` with the result, if there is going to be one; at once if it is there."""
        if not self._done.is_set():
            self._observers.append(observer)
        elif self._error is None:
            observer(self._result)

    def succeed(self, result: T) -> None:
        """Set the result."""
        self._result = result
        self._done.set()
        for observer in self._observers:
            observer(result)

    def fail(self, error: Exception) -> bool:
        """Set the error.

        Returns:
            Whether somebody waits for it.
        """
        self._error = error
        self._done.set()
        return self._waiters > 0


class Background:
    """Runs such work.

    Args:
        tasks: Task group of the daemon.
    """

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks

    def start(
        self,
        work: Callable[[], Awaitable[T]],
        name: str,
        *,
        after: Callable[[T], Awaitable[object]] | None = None,
    ) -> Work[T]:
        """Begin work.

        Args:
            work: What is to be done. Its error is for whoever waits. If nobody does, the log has it:
                as an error if it is a fault of the daemon, else for debugging.
            name: Of the task, as in ``kill systems/host/processes/a``.
            after: What is to be done with the result once waiters have it. It does not fail.
        """
        outcome: Work[T] = Work()

        async def run() -> None:
            try:
                result = await work()
            except Exception as error:  # handed to the waiters
                logger.debug("%s failed: %s", name, error)
                if not outcome.fail(error) and as_request_error(error) is None:
                    logger.exception("%s failed, and nobody waits for it", name)
            else:
                outcome.succeed(result)
                if after is not None:
                    await after(result)

        self._tasks.start_soon(run, name=name)
        return outcome

    async def run(self, work: Callable[[], Awaitable[T]], name: str) -> T:
        """Do work, and wait for it; it goes on if the caller is cancelled.

        Raises:
            Exception: What the work raises.
        """
        return await self.start(work, name).result()
