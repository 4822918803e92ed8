"""What the output rings of all processes take of the daemon's memory, and the limit on it.

A ring takes nothing while it is empty, but it may fill at any time, and the daemon cannot refuse what a
running process writes. So what is counted is what a ring may come to hold:

    take()   a process is to be created      the capacity of its rings
    settle() it and its output have ended    what the rings hold
    free     memory is short                 nothing; whoever asks for these bytes is told of a gap
    give_back() it is forgotten              -

Who wants more than is left gets it from the rings of processes that have ended, oldest first, but
not from those that somebody reads, nor from those that are pinned. If that is not enough, the create is
refused.

Thread: the event loop's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.daemon.errors import RequestError
from hcsd.daemon.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.daemon.process_record import ProcessRecord


class RingMemoryError(RequestError):
    """A process cannot be created, because there is no room for its output.

    Args:
        wanted: Bytes that its rings may come to hold.
        taken: Bytes that are taken.
        limit: Bytes that there are.
        processes: How many processes have taken them.
    """

    def __init__(self, wanted: int, taken: int, limit: int, processes: int) -> None:
        super().__init__(
            Reason.RING_MEMORY_EXHAUSTED,
            f"cannot keep {wanted} more bytes of output: of {limit} bytes for all processes,"
            f" {taken} are taken by {processes}; ask for smaller rings ('output.ring_bytes'), end or"
            " delete processes, or serve with more '--ring-memory'",
            metadata={
                "wanted_bytes": str(wanted),
                "taken_bytes": str(taken),
                "limit_bytes": str(limit),
            },
        )


class RingMemory:
    """Shares out the memory for rings.

    Args:
        limit: Returns how many bytes there are.
    """

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._taken = 0
        self._shares: dict[ProcessRecord, int] = {}
        self._ended: dict[ProcessRecord, None] = {}  # whose rings can be freed, oldest first

    def take(self, process: ProcessRecord) -> None:
        """Take what the rings of a new process may come to hold.

        Raises:
            RingMemoryError: There is not as much.
        """
        wanted = process.ring_bytes
        if self._taken + wanted > self._limit():
            self._free(self._taken + wanted - self._limit())
        if self._taken + wanted > self._limit():
            raise RingMemoryError(wanted, self._taken, self._limit(), len(self._shares))
        self._set(process, wanted)

    def settle(self, process: ProcessRecord) -> None:
        """Take no more than what the rings hold, now that nothing can be added."""
        if process in self._shares:  # else it was forgotten before it ended
            self._set(process, process.ring_bytes)
            if not process.resolved.options.pin:
                self._ended[process] = None

    def give_back(self, process: ProcessRecord) -> None:
        """Take nothing more; idempotent."""
        self._ended.pop(process, None)
        self._taken -= self._shares.pop(process, 0)

    def restore(self, process: ProcessRecord) -> None:
        """Take what the rings of a process of an earlier run may come to hold; this is not refused."""
        self._set(process, process.ring_bytes)

    def _set(self, process: ProcessRecord, share: int) -> None:
        self._taken += share - self._shares.get(process, 0)
        self._shares[process] = share

    def _free(self, missing: int) -> None:
        target = self._taken - missing
        for process in list(self._ended):
            if self._taken <= target:
                break
            if not process.readers:
                process.free_output()
                self.give_back(process)
