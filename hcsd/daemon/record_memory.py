"""What the records of processes and compute systems take of the daemon's memory, and the limit on it.

A record is all that is kept but output: what was asked for, labels, how it ended. A client can make it
large. For the output see `hcsd.daemon.ring_memory`.

    take()      something is to become known     its weight
    settle()    it has ended                     its weight now, with how it ended
    give_back() it is forgotten                  -

Who wants more than is left gets it from records of what has ended: the oldest processes that nobody
reads are forgotten first, then the oldest systems. Pinned processes stay. If that is not enough, a create
is refused.

Thread: the event loop's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from hcsd.daemon.errors import RequestError
from hcsd.daemon.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


class Forgetful(Protocol):
    """What can forget what has ended."""

    def forget_oldest(self) -> bool:
        """Forget the oldest that can be forgotten; False if there is none."""


class RecordMemoryError(RequestError):
    """There is no room for one more record.

    Args:
        wanted: Bytes that it takes.
        taken: Bytes that are taken.
        limit: Bytes that there are.
    """

    def __init__(self, wanted: int, taken: int, limit: int) -> None:
        super().__init__(
            Reason.RECORD_MEMORY_EXHAUSTED,
            f"cannot keep {wanted} more bytes of what was asked for: of {limit} bytes for all"
            f" processes and compute systems, {taken} are taken; ask for less, end or delete some,"
            " or serve with more '--record-memory'",
            metadata={
                "wanted_bytes": str(wanted),
                "taken_bytes": str(taken),
                "limit_bytes": str(limit),
                "limit": "record_memory_bytes",
            },
        )


class RecordMemory:
    """Shares out the memory for records.

    Args:
        limit: Returns how many bytes there are.

    Attributes:
        kept: Where what has ended is kept, in the order in which it is asked to forget.
    """

    def __init__(self, limit: Callable[[], int]) -> None:
        self.kept: list[Forgetful] = []
        self._limit = limit
        self._taken = 0
        self._shares: dict[Hashable, int] = {}

    def take(self, owner: Hashable, weight: int) -> None:
        """Take what a new record takes.

        Raises:
            RecordMemoryError: There is not as much.
        """
        self._free(weight)
        if self._taken + weight > self._limit():
            raise RecordMemoryError(weight, self._taken, self._limit())
        self._set(owner, weight)

    def settle(self, owner: Hashable, weight: int) -> None:
        """Take what a record takes at its end; this cannot be refused."""
        if owner in self._shares:  # else it is forgotten already
            self._set(owner, weight)
            self._free(0)

    def give_back(self, owner: Hashable) -> None:
        """Take nothing more; idempotent."""
        self._taken -= self._shares.pop(owner, 0)

    def restore(self, owner: Hashable, weight: int) -> None:
        """Take what a record of an earlier run of the daemon takes; this is not refused."""
        self._set(owner, weight)

    def _set(self, owner: Hashable, weight: int) -> None:
        self._taken += weight - self._shares.get(owner, 0)
        self._shares[owner] = weight

    def _free(self, wanted: int) -> None:
        for kept in self.kept:
            while self._taken + wanted > self._limit() and kept.forget_oldest():
                pass
