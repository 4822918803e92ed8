"""Trying again while the daemon is out of reach."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import anyio

from hcsd_client._errors import DaemonUnreachableError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hcsd_client._errors import CallError

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Retry:
    """How a `RemoteProcess` goes on when the connection breaks.

    It tries again after `first_delay` seconds, doubling up to `max_delay`, each time with a random part
    of it, and raises the last error after `attempts` in a row without any progress: by default after
    some 10 s. The count begins anew with every answer.

    Attributes:
        attempts: How often to try again; 0 raises the first error.
        first_delay: Seconds before the first attempt.
        max_delay: Seconds between two attempts at the most.
    """

    attempts: int = 12
    first_delay: float = 0.05
    max_delay: float = 2.0


class Attempts:
    """The attempts of one task after its last progress.

    Args:
        retry: The bounds.
    """

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self._failed = 0

    def succeeded(self) -> None:
        """Note progress."""
        self._failed = 0

    async def failed(self, error: CallError) -> None:
        """Wait before the next attempt.

        Raises:
            CallError: The one given, if there is to be no other attempt.
        """
        if self._failed >= self._retry.attempts:
            raise error
        delay = min(self._retry.first_delay * 2**self._failed, self._retry.max_delay)
        self._failed += 1
        # The random part keeps many clients from coming back in step.
        await anyio.sleep(max(delay * random.uniform(0.5, 1), error.retry_delay or 0))  # noqa: S311


async def retrying(
    retry: Retry, call: Callable[[], Awaitable[Result]], *, reached: bool = True
) -> Result:
    """Make a call that is safe to repeat until the daemon answers.

    Args:
        retry: The bounds.
        call: Makes the call.
        reached: Whether the daemon was there before. If it was not, that it is not is told at once.

    Raises:
        CallError: What the daemon answers, or an `UnavailableError` when the attempts are used up.
    """
    attempts = Attempts(retry)
    while True:
        try:
            return await call()
        except UnavailableError as error:
            if isinstance(error, DaemonUnreachableError) and not reached:
                raise
            reached = True
            await attempts.failed(error)
