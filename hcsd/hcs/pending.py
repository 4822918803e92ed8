"""An operation and whoever waits for it: outcome, polls, time-out. Its states: `hcsd.hcs.operation`.

Thread: the event loop's, unless it is said.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.hcs.errors import HcsError, NoCompletionError
from hcsd.hcs.lanes import Lane
from hcsd.hcs.native_operation import LOCK, NativeOperation, State
from hcsd.hcs.outcome import IN_DOUBT, NOTHING, Fetched

if TYPE_CHECKING:
    from hcsd.hcs.native_operation import Household
    from hcsd.hcs.outcome import Late, ProcessInfo


class Pending(NativeOperation):
    """One operation; see `hcsd.hcs.operation`.

    Args:
        operations: Of the engine.
        function: The export that starts it.
        subject: What is being done.
        timeout: Seconds it may take; None for those of the timings.
        late: What to do about a process that comes of it; None if none does.
        informs: Whether it gives process information.
    """

    __slots__ = (
        "_cancels", "_deadline", "_future", "_kept", "_late", "_left", "_loop", "_polls", "_timeout",
        "_timer", "_until",
    )  # fmt: skip

    def __init__(
        self,
        operations: Household,
        function: str,
        subject: str,
        timeout: float | None,
        *,
        late: Late | None = None,
        informs: bool = False,
    ) -> None:
        super().__init__(operations, function, subject, informs=informs)
        self._timeout = operations.timings.operation_timeout if timeout is None else timeout
        self._late = late
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[Fetched] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._polls = 0
        self._until = self._deadline = 0.0  # the next doubt; when the wait ends
        self._left = False  # nobody waits any more
        self._kept = False  # ... and its time was over once
        self._cancels = True  # if it is given up

    async def wait(self) -> Fetched:
        """Wait for the outcome of an operation that was started.

        Raises:
            NoCompletionError: There was none in time.
        """
        self._begin()
        while True:
            future = self._future
            fetched = await future
            if fetched is not IN_DOUBT:
                self._stop()
                return fetched
            if self._future is not future:
                continue  # the outcome came right behind the doubt
            over = self._loop.time() >= self._deadline
            if self._late is None:
                raise self._no_completion()
            self._future = self._loop.create_future()  # the completion may come meanwhile
            info = await self._late.find()
            if info is not None:
                return self._found(info)
            if over and not self._future.done():
                raise self._no_completion()

    def leave(self) -> None:
        """Note that nobody waits any more, whether the result is there already or not."""
        future, self._left = self._future, True
        if future.done() and not future.cancelled() and future.result() is not IN_DOUBT:
            self._dispose(future.result())
            return
        future.cancel()
        with LOCK:
            if self._state in {State.CREATED, State.TAKEN}:
                return  # nothing was started, or the outcome is on its way to the loop
            self._operations.left[self] = None
        if self._timer is None:  # it was cancelled in the starting call
            self._begin()
        if self._loop.time() >= self._deadline:
            self._end_time()
        self._operations.left_behind()

    def give_up(self) -> None:
        """Cancel and close the operation. Thread: any, if the loop does not run."""
        if self._take():
            self._operations.lanes.post(Lane.CLOSE, self._cancel_and_close)
            self._dispose(NOTHING)

    # --- time ---

    def _begin(self) -> None:
        now = self._loop.time()
        self._until = self._deadline = now + self._timeout
        if self._late is not None:
            self._until = min(self._deadline, now + self._operations.timings.create_doubt_time)
        self._arm(now)

    def _arm(self, now: float) -> None:
        # A timer is a tenth of what a cancel scope costs, and this is the path of every call.
        delays = self._operations.timings.poll_delays
        pause = delays[min(self._polls, len(delays) - 1)]
        self._timer = self._loop.call_at(min(now + pause, self._until), self._tick)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        """Poll, or end what the time is over for."""
        if self._state is State.TAKEN:
            return
        now = self._loop.time()
        if now < self._until:
            self._polls += 1
            self._operations.lanes.post(Lane.RESULT, self._poll)
            self._arm(now)
            return
        if now < self._deadline:
            self._until = self._deadline
            self._arm(now)
        elif self._left:
            self._end_time()
        if not self._left and not self._future.done():
            self._future.set_result(IN_DOUBT)

    def _end_time(self) -> None:
        """Give up what was left behind; a process may yet come of it, so that is kept once."""
        if self._kept or self._late is None:
            self.give_up()
            return
        self._kept = True
        now = self._loop.time()
        self._until = self._deadline = now + self._timeout
        self._arm(now)

    def _found(self, info: ProcessInfo) -> Fetched:
        """Take a process that was found while its completion was in doubt."""
        future = self._future
        if future.done() and future.result() is not IN_DOUBT:
            other = future.result().info  # the completion has come meanwhile
            if other is None:
                return Fetched(info=info)
            # Some services give the pipes out once, to whoever asks first.
            best, rest = (other, info) if other.has_stdio else (info, other)
            rest.close(self._library)
            return Fetched(info=best)
        # A late completion brings handles, which are closed; the process is nobody's to dispose of.
        self._late, self._cancels = None, False
        self.leave()
        return Fetched(info=info)

    def _no_completion(self) -> NoCompletionError:
        return NoCompletionError(
            HR.OPERATION_TIMEOUT,
            self._function,
            subject=self._subject,
            text=f"no completion within {self._timeout:g} s; it may still happen",
        )

    def _deliver(self, fetched: Fetched) -> None:
        """Hand the outcome to the loop. Thread: any."""
        try:
            self._loop.call_soon_threadsafe(self._resolve, fetched)
        except RuntimeError:  # the loop has closed: the daemon is ending
            self._dispose(fetched)

    def _cancel_and_close(self) -> None:
        """Thread: lane or loop."""
        if self._cancels:
            with contextlib.suppress(HcsError):  # many builds cannot
                self._library.HcsCancelOperation(self._native)
        self._library.HcsCloseOperation(self._native)

    def _resolve(self, fetched: Fetched) -> None:
        self._stop()
        if not self._future.done():
            self._future.set_result(fetched)
        elif self._left or self._future.cancelled():
            self._dispose(fetched)
        else:  # it is in doubt, and its waiter has not run yet
            self._future = self._loop.create_future()
            self._future.set_result(fetched)

    def _dispose(self, fetched: Fetched) -> None:
        if fetched.info is not None:
            fetched.info.close(self._library)
        if self._late is not None:
            self._late.dispose(fetched.info)
