"""Records of what is over, kept for a while so that its end can be asked for after the fact.

kept ──its time is over──▶ forgotten
  └──there are too many: the oldest that nobody uses──▶ forgotten

What is pinned has neither a time nor counts as one too many: it stays until somebody drops it.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Retention(Generic[T]):
    """Keeps records.

    Args:
        time: Returns for how many seconds a record is kept from now on.
        limit: Returns how many are kept.
        forget: Called with a record whose time is over; it calls `drop`.
        is_used: Tells whether a record must stay although there are too many.
        is_pinned: Tells whether a record stays until somebody drops it.
    """

    def __init__(
        self,
        time: Callable[[], float],
        limit: Callable[[], int],
        forget: Callable[[T], None],
        is_used: Callable[[T], bool] = lambda _: False,
        is_pinned: Callable[[T], bool] = lambda _: False,
    ) -> None:
        self._time = time
        self._limit = limit
        self._forget = forget
        self._is_used = is_used
        self._is_pinned = is_pinned
        self._held_until = 0.0
        self._pinned: set[T] = set()
        self._kept: dict[T, asyncio.TimerHandle] = {}  # oldest first

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._kept) + len(self._pinned)

    def keep(self, item: T, age: float = 0.0) -> None:
        """Keep a record, and forget the oldest if there are too many now.

        Args:
            item: The record.
            age: For how many seconds it has been over already.
        """
        if self._is_pinned(item):
            self._pinned.add(item)
            return
        loop = asyncio.get_running_loop()
        end = max(loop.time() + self._time() - age, self._held_until)
        self._kept[item] = loop.call_at(end, self._forget, item)
        excess = len(self._kept) - self._limit()
        if excess > 0:
            unused = (kept for kept in list(self._kept)[:-1] if not self._is_used(kept))
            for oldest in itertools.islice(unused, excess):
                self._forget(oldest)

    def hold(self, seconds: float) -> None:
        """Let no time be over before that: whoever asks for a record could not, for a while."""
        self._held_until = asyncio.get_running_loop().time() + seconds

    def forget_oldest(self) -> bool:
        """Forget the oldest that nobody uses; False if there is none."""
        oldest = next((kept for kept in self._kept if not self._is_used(kept)), None)
        if oldest is not None:
            self._forget(oldest)
        return oldest is not None

    def drop(self, item: T) -> None:
        """Keep a record no longer; idempotent."""
        self._pinned.discard(item)
        timer = self._kept.pop(item, None)
        if timer is not None:
            timer.cancel()
