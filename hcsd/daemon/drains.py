"""The pipes of a process that the daemon reads, and their end.

    OPEN ──every pipe has ended──▶ COMPLETE
      ├──exit known, and no data for `drain_timeout`──▶ COMPLETE, forced
      └──exit known for `max_drain_time`──────────────▶ COMPLETE, forced

A pipe may stay open after the exit because a descendant holds it. What the process itself had
written by then is never cut: it is in a ring, or in the pipe. A ring that waits for its readers takes
the rest of the pipe at the exit, beyond its capacity, since there is no process any more to hold back.
So the end of a pipe that nobody else holds is seen at once, whether anybody reads or not.

What a descendant writes afterwards waits for room as before, and such a pipe does not count as
silent. It is cut at `max_drain_time`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from hcsd.io import Drain, DrainState, Overflow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hcsd.daemon.streams import Stream
    from hcsd.io import Ring


class Pipe(NamedTuple):
    """A pipe end that the engine has handed over.

    Attributes:
        handle: The handle; 0 if there is none.
        kept: What the engine keeps with it, so that bytes are exact when the daemon is killed.
    """

    handle: int = 0
    kept: tuple[int, ...] = ()


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
        self._timer: asyncio.Handle | None = None
        self._complete = False

    def open(self, pipes: Mapping[Stream, Pipe]) -> None:
        """Take the pipes; a stream without one, handle 0, has ended.

        Ownership: of the handles.
        """
        for stream, (handle, kept) in pipes.items():
            if handle:
                self._drains[stream] = Drain(handle, self._rings[stream], self._on_end, bridge=kept)
            else:
                self._rings[stream].close()

    def complete(self) -> None:
        """Note that no output can come, as was told by an earlier run of the daemon."""
        self._complete = True

    def leave(self) -> None:
        """Read no more, and leave the pipes and the streams to the next run of the daemon."""
        self.cancel_timer()
        for drain in self._drains.values():
            drain.leave()

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
        """Take what the process has left, and give up pipes that stay silent for too long from now on.

        To be called at its exit. The pipes are read in a turn of the loop of their own.
        """
        self._timer = asyncio.get_running_loop().call_soon(self._take_rest)

    def cancel_timer(self) -> None:
        """Give no pipe up any more; idempotent."""
        if self._timer is not None:
            self._timer.cancel()

    def close(self) -> None:
        """Close all pipes; nobody is told, and nothing of who was to be told is held any more."""
        self._on_complete = lambda: None
        for drain in self._drains.values():
            drain.finish()

    def _on_end(self) -> None:
        over = all(drain.state is DrainState.ENDED for drain in self._drains.values())
        if over and not self._complete:
            self._complete = True
            self._on_complete()

    def _take_rest(self) -> None:
        for stream, drain in list(self._drains.items()):
            if self._rings[stream].overflow is Overflow.BLOCK:  # another one takes all anyway
                drain.drain_available(beyond=True)
        if not self._complete:
            self._watch(asyncio.get_running_loop().time())

    def _watch(self, exit_time: float) -> None:
        """Look whether a pipe has been silent for too long; data re-arms the time."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        left = [drain for drain in self._drains.values() if drain.state is not DrainState.ENDED]
        last_data = max(exit_time, *(drain.last_activity for drain in left))
        hard_limit = exit_time + self._max_drain_time
        give_up_at = min(last_data + self._drain_timeout, hard_limit)
        if give_up_at <= now:
            for drain in left:
                drain.drain_available()
            # A descendant waits for a slow reader in one that is paused.
            if now >= hard_limit or all(drain.state is not DrainState.PAUSED for drain in left):
                for drain in left:
                    drain.finish(forced=True)
                return
            # Silence cannot be over earlier.
            give_up_at = min(now + max(self._drain_timeout, 1.0), hard_limit)
        self._timer = loop.call_at(give_up_at, self._watch, exit_time)
