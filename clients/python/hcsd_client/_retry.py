"""Trying again while the daemon is out of reach.

Every attempt is told to the logger ``hcsd_client``, at the level INFO: what is tried again, the how
manieth time, why, and after which delay; and then that it goes on. These records have the attributes
``hcsd_address`` and ``hcsd_state``, which is ``lost`` or ``back``.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import anyio

from hcsd_client._errors import DaemonUnreachableError, UnavailableError
from hcsd_client._values import number, seconds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hcsd_client._errors import CallError

Result = TypeVar("Result")

LOGGER = logging.getLogger("hcsd_client")
LOST, BACK = "lost", "back"


@dataclass(frozen=True, slots=True)
class Retry:
    """How a client goes on when the connection breaks.

    It tries again after `first_delay` seconds, doubling up to `max_delay`, each time with a random part
    of it, and raises the last error after `attempts` in a row without a word from the daemon: by default
    after some 10 s. The count begins anew with every message of the daemon.

    Attributes:
        attempts: How often to try again; 0 raises the first error.
        first_delay: Seconds before the first attempt.
        max_delay: Seconds between two attempts at the most.
    """

    attempts: int = 12
    first_delay: float = 0.05
    max_delay: float = 2.0

    def __post_init__(self) -> None:
        """Refuse what is no number.

        Raises:
            TypeError: A value is of another kind.
            ValueError: It is negative.
        """
        number(self.attempts, "attempts")
        for name in ("first_delay", "max_delay"):
            object.__setattr__(self, name, seconds(getattr(self, name), name))


class Attempts:
    """The attempts of one task after the daemon's last word.

    Args:
        retry: The bounds.
        what: What is tried, for the log.
        address: Where the daemon is, for the log.
    """

    def __init__(self, retry: Retry, what: str, address: str) -> None:
        self._retry = retry
        self._what = what
        self._address = address
        self._failed = 0
        self._lost = False

    def succeeded(self) -> None:
        """Note a word from the daemon."""
        self._failed = 0
        if self._lost:
            self._lost = False
            self._log(BACK, "%s goes on", self._what)

    async def failed(self, error: CallError) -> None:
        """Wait before the next attempt.

        Raises:
            CallError: The one given, if there is to be no other attempt.
        """
        if self._failed >= self._retry.attempts:
            raise error
        delay = min(self._retry.first_delay * 2**self._failed, self._retry.max_delay)
        # The random part keeps many clients from coming back in step.
        delay = max(delay * random.uniform(0.5, 1), error.retry_delay or 0)  # noqa: S311
        self._failed += 1
        self._lost = True
        attempt = f"{self._failed} of {self._retry.attempts}"
        self._log(LOST, "%s: attempt %s in %.2f s: %s", self._what, attempt, delay, error)
        await anyio.sleep(delay)

    def forgive(self) -> None:
        """Begin the count anew: the daemon is there, though this has not succeeded."""
        self._failed = 0
        if self._lost:
            self._lost = False
            self._log(BACK, "%s: the daemon is there again", self._what)

    def _log(self, state: str, text: str, *arguments: object) -> None:
        extra = {"hcsd_address": self._address, "hcsd_state": state}
        LOGGER.info(text, *arguments, extra=extra)


async def retrying(
    attempts: Attempts,
    call: Callable[[], Awaitable[Result]],
    *,
    reached: bool = True,
    refused: bool = True,
) -> Result:
    """Make a call that is safe to repeat until the daemon answers.

    Args:
        attempts: Bounds it.
        call: Makes the call.
        reached: Whether the daemon was there before. If it was not, that it is not is told at once.
        refused: Whether to go on, too, if the daemon itself says that it is unavailable.

    Raises:
        CallError: What the daemon answers, or an `UnavailableError` when the attempts are used up.
    """
    while True:
        try:
            result = await call()
        except UnavailableError as error:
            never = isinstance(error, DaemonUnreachableError) and not reached
            if never or (error.reason and not refused):
                raise
            reached = True
            await attempts.failed(error)
        else:
            attempts.succeeded()
            return result
