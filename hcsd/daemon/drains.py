"""The pipes of a process that the daemon reads, and their end.

    OPEN ──every pipe has ended──▶ COMPLETE
      ├──exit known, and no data for `drain_timeout`──▶ COMPLETE, forced
      └──exit known for `max_drain_time`──────────────▶ COMPLETE, forced

A pipe may stay open after the exit because a descendant holds it. What the process itself had
written by then is in the pipe or in a ring and is never cut: a pipe that is paused because its
ring waits for a slow reader does not count as idle, and no pipe is given up before all that it can
have held at the exit is in its ring.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hcsd.io import Drain, DrainState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hcsd.daemon.process_view import Stream
    from hcsd.io import Ring

PIPE_BYTES = 1024 * 1024  # the most that a pipe holds, unless its owner is privileged


class Drains:
    """Reads the output pipes of one process into its rings.

    Args:
        rings: Where the bytes go.
        drain_timeout: Seconds without data after which a pipe that outlives the process is given up.
        max_drain_time: The same with data, in all.
        on_complete: Called once, when no more output can come.
    """

    def __init__(
        self,
        rings: Mapping[Stream, Ring],
        drain_timeout: float,
        max_drain_time: float,
        on_complete: Callable[[], None],
    ) -> None:
        self._rings = rings
        self._drain_timeout = drain_timeout
        self._max_drain_time = max_drain_time
        self._on_complete = on_complete
        self._drains: dict[Stream, Drain] = {}
        self._own_end: dict[Stream, int] = {}  # no byte of its own lies behind; from the exit
        self._timer: asyncio.TimerHandle | None = None
        self._complete = False

    def open(self, handles: Mapping[Stream, int]) -> None:
        """Take the pipes; a stream without one, handle 0, has ended.

        Ownership: of the handles.
        """
        for stream, handle in handles.items():
            if handle:
                self._drains[stream] = Drain(handle, self._rings[stream], self._on_end)
            else:
                self._rings[stream].close()

    def start(self) -> None:
        """Begin to read."""
        for drain in list(self._drains.values()):
            drain.start()
        self._on_end()

    def finish(self, stream: Stream) -> None:
        """Read no more of a stream: who still writes to it finds the pipe broken; idempotent."""
        if stream in self._drains:
            self._drains[stream].finish(forced=True)

    def watch(self) -> None:
        """Give up pipes that stay silent for too long from now on, the exit of the process."""
        self._own_end = {s: ring.end_offset + PIPE_BYTES for s, ring in self._rings.items()}
        self._watch(asyncio.get_running_loop().time())

    def cancel_timer(self) -> None:
        """Give no pipe up any more; idempotent."""
        if self._timer is not None:
            self._timer.cancel()

    def close(self) -> None:
        """Close all pipes."""
        for drain in self._drains.values():
            drain.finish()

    def _on_end(self) -> None:
        over = all(drain.state is DrainState.ENDED for drain in self._drains.values())
        if over and not self._complete:
            self._complete = True
            self._on_complete()

    def _watch(self, exit_time: float) -> None:
        """Look whether a pipe has been silent for too long; data re-arms the time."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        left = {
            s: drain for s, drain in self._drains.items() if drain.state is not DrainState.ENDED
        }
        last_data = max(exit_time, *(drain.last_activity for drain in left.values()))
        hard_limit = exit_time + self._max_drain_time
        give_up_at = min(last_data + self._drain_timeout, hard_limit)
        if give_up_at <= now:
            for drain in left.values():
                drain.drain_available()
            if not any(self._is_owed(stream, in_time=now < hard_limit) for stream in left):
                for drain in left.values():
                    drain.finish(forced=True)
                return
            give_up_at = now + max(self._drain_timeout, 1.0)  # silence cannot be over earlier
        self._timer = loop.call_at(give_up_at, self._watch, exit_time)

    def _is_owed(self, stream: Stream, *, in_time: bool) -> bool:
        """Tell whether a pipe waits for a slow reader, with bytes that must not be cut."""
        paused = self._drains[stream].state is DrainState.PAUSED
        return paused and (in_time or self._rings[stream].end_offset < self._own_end[stream])
