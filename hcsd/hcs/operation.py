"""The one way to run an operation: create, start, complete, fetch, free, close.

    CREATED ──start fails──▶ TAKEN       starter: fetch the document, close, raise
       │
       └─start succeeds──▶ IN_FLIGHT

    IN_FLIGHT ──the callback, or a poll──▶ ASKED     who asks: fetch the result
    ASKED ──it is there──▶ TAKEN                     who asks: close, post the outcome to the loop
      ├──pending──▶ IN_FLIGHT
      ├──the callback comes during a poll──▶ CALLED ──▶ ASKED     the poll asks once more
      └──given up──▶ LEFT ──whatever the answer──▶ TAKEN          who asks: close
    IN_FLIGHT ──given up──▶ TAKEN        on the lane of closes: cancel, close

The callback may come before the starting call has returned, and on any thread. So the handler is
registered before the start. Whoever asks is alone with the native operation; whoever takes it
unregisters the handler and closes. A completion that HCS delivers although the start failed finds
nothing registered, and is counted.

A completion may get lost although the work is done. So while one is waited for, the result is polled
after pauses that grow. That never blocks; but a library that is stuck shall not stall the loop, so a
lane does it. One timer serves the polls and the time-out. A create of a process that takes long is in
doubt: whoever waits for it looks for the process in another way, see `hcsd.hcs.start`.

A waiter that goes away leaves the operation behind:

    cancelled ──its time is over──▶ given up
    timed out ──▶ given up
    either, and a process may come of it ──as long again──▶ given up

Until then it is fetched and closed as if somebody waited, and what came of it is disposed of. At most
`MAX_LEFT` are left behind at once, or the oldest is given up. The end of the engine gives up all.

Source: reference pages of HcsCreateOperation, HcsGetOperationResult and HcsCancelOperation; hcsshim's
internal/hcs/v2/operation.go for the document of a start that failed, and for the cancel and close
after a time-out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.hcs.lanes import Lane
from hcsd.hcs.outcome import Late, ProcessInfo
from hcsd.hcs.pending import Pending
from hcsd.hcs.timings import DEFAULT_TIMINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from hcsd.abi.types import HCS_OPERATION, HCS_PROCESS, HCS_SYSTEM
    from hcsd.hcs.lanes import Lanes
    from hcsd.hcs.library import Library
    from hcsd.hcs.native_operation import NativeOperation
    from hcsd.hcs.timings import Timings

__all__ = ["Late", "Operations", "ProcessInfo"]

MAX_LEFT = 256  # arbitrary: each is a few hundred bytes, and what HCS keeps of it


class Operations:
    """Runs operations of one provider.

    Thread: the event loop's.

    Attributes:
        library: The exports.
        lanes: Where they are called.
        timings: How long things may take.
        left: Operations whose waiter has gone, oldest first.
    """

    def __init__(self, library: Library, lanes: Lanes, timings: Timings = DEFAULT_TIMINGS) -> None:
        self.library = library
        self.lanes = lanes
        self.timings = timings
        self.left: dict[NativeOperation, None] = {}

    def close_system(self, raw: HCS_SYSTEM) -> None:
        """Close a system handle where blocking is allowed: the close drains its callbacks."""
        self.lanes.post(Lane.CLOSE, lambda: self.library.HcsCloseComputeSystem(raw))

    def close_process(self, raw: HCS_PROCESS) -> None:
        """Close a process handle where blocking is allowed: the close drains its callbacks."""
        self.lanes.post(Lane.CLOSE, lambda: self.library.HcsCloseProcess(raw))

    def left_behind(self) -> None:
        """Give up the oldest of those whose waiters have gone if there are too many."""
        while len(self.left) > MAX_LEFT:
            next(iter(self.left)).give_up()

    def close(self) -> None:
        """Give up what nobody waits for. Thread: any, when nothing more is run."""
        for pending in list(self.left):
            pending.give_up()

    async def run(
        self,
        lane: Lane,
        function: str,
        start: Callable[[HCS_OPERATION], object],
        *,
        subject: str,
        timeout: float | None = None,
        key: Hashable = None,
    ) -> str | None:
        """Run an operation that gives a document or nothing.

        Args:
            lane: Where to make the starting call.
            function: The export that starts it, for the error.
            start: Makes the starting call with the operation it is given.
            subject: What is being done, for the error's text.
            timeout: Seconds to wait for the completion; None for that of the timings. It ends the
                wait; the work may go on.
            key: Of the starting calls with one key, one is made at a time.

        Returns:
            The result document.

        Raises:
            NoCompletionError: No completion came in time; the effect may still happen.
            HcsError: It failed at the start or later.
        """
        pending = Pending(self, function, subject, timeout)
        try:
            await self.lanes.call(lane, lambda: pending.start(start), subject=subject, key=key)
            fetched = await pending.wait()
        except BaseException:
            pending.leave()
            raise
        if fetched.error is not None:
            raise fetched.error
        return fetched.document

    async def run_for_process_info(
        self,
        lane: Lane,
        function: str,
        start: Callable[[HCS_OPERATION], object],
        *,
        subject: str,
        timeout: float | None = None,
        late: Late | None = None,
    ) -> ProcessInfo:
        """Run an operation that gives process information; otherwise as `run`.

        Args:
            lane: As in `run`, and so are `function`, `start`, `subject` and `timeout`.
            function: As in `run`.
            start: As in `run`.
            subject: As in `run`.
            timeout: As in `run`.
            late: What to do about a process whose completion is late; None if none comes of it.

        Ownership: the handles in it are the caller's. If the caller is cancelled they are closed.
        """
        pending = Pending(self, function, subject, timeout, late=late, informs=True)
        try:
            await self.lanes.call(lane, lambda: pending.start(start), subject=subject)
            fetched = await pending.wait()
        except BaseException:
            pending.leave()
            raise
        if fetched.error is not None:
            raise fetched.error
        assert fetched.info is not None  # noqa: S101  (asked for, and no error)
        return fetched.info
