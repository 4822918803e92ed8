"""Where native calls are made.

A provider whose calls never block is called on the event loop, without a thread hop. Calls of one
that may block are made on threads. Each kind of call has a lane with threads of its own, so that calls
that are stuck in one kind of work hold up nothing else:

    lane     kept  most  calls, and why they have a lane of their own
    CREATE      4    16  HcsCreateProcess
    SYSTEM      1     8  create, start, pause, resume, save, shut down: a virtual machine may take long
    SIGNAL      2    64  HcsSignalProcess: in server core it may last until its target has ended
    MODIFY      1     8  HcsModify…: the guest carries them out
    OPEN        1     8  HcsOpen…: of systems that may be anybody's
    WATCH       1     4  HcsSet…Callback: no create is complete without one
    CLOSE       1     8  HcsClose…: they wait for callbacks that run; HcsCancelOperation
    KILL        3    16  terminations, with the opens that they need
    QUERY       2     8  properties, lists
    RESULT      1     1  HcsGetOperationResult, where a completion does not come

The threads that are kept are started with the engine, since later the host may have no room for one.
When all of a lane are busy it starts one more, up to the most; if there is no room then, the call
waits for those that there are. All numbers are arbitrary, but that SIGNAL must have many: a host that
stops forty containers has forty signals under way for a minute.

    HELD ──the call before it with its key returns──▶ WAITING ──a thread takes it──▶ UNDER_WAY ──▶ DONE
      │                                                  │
      └──────────────────────────────────────────────────┴──▶ WITHDRAWN   it is never made

A call may have a key: of the calls with one key, one is under way, and the others are held, in their
order, without a thread. Signals have their process for a key, because HCS serialises them: one
process cannot fill the lane.

A call is withdrawn when its caller is cancelled before it is made, which changes nothing for those
behind it; and when nothing moves for the patience of the lanes: no call of the lane has returned, or
the one with its key has not. Its caller gets an error that names what is stuck. A native call that is
under way is never abandoned: whoever awaits it and is cancelled keeps waiting until it has returned,
because its caller's clean-up would otherwise close handles that the call still uses. There is one
exception: a daemon that is told to end at once leaves calls that do not return within a moment. From
then on no handle is closed any more; the end of the process closes them.

Thread: `call` is the event loop's; `post` may come from any. The state of a call and the queues of a
lane belong to the lane's lock, which is never held in a native call. The threads are daemon threads:
a library that is stuck for ever must not keep the process from ending.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from typing import TYPE_CHECKING, TypeVar

from hcsd.abi.hresult import HR
from hcsd.hcs.errors import CallsStuckError, OperationTimeoutError, ServiceDisconnectedError
from hcsd.hcs.lane_threads import Call, Threads
from hcsd.hcs.timings import DEFAULT_TIMINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Lane(enum.Enum):
    """Kinds of native calls; the value is a name, and how many threads are kept, and may be."""

    CREATE = ("create", 4, 16)
    SYSTEM = ("system", 1, 8)
    SIGNAL = ("signal", 2, 64)
    MODIFY = ("modify", 1, 8)
    OPEN = ("open", 1, 8)
    WATCH = ("watch", 1, 4)
    CLOSE = ("close", 1, 8)
    KILL = ("kill", 3, 16)
    QUERY = ("query", 2, 8)
    RESULT = ("result", 1, 1)


class Lanes:
    """Makes native calls for one provider.

    Args:
        blocking: Whether the provider's calls may block.
        patience: Seconds for which a call waits while nothing moves.

    Raises:
        RuntimeError: The host has no room for the threads.
    """

    def __init__(self, *, blocking: bool, patience: float = DEFAULT_TIMINGS.lane_patience) -> None:
        self._blocking = blocking
        self._patience = patience
        self._lanes: dict[Lane, Threads] = {}
        self._closed = False
        self._hurried = 0.0  # seconds after which calls are left; 0 before `hurry`
        self._left = False
        try:
            for lane in Lane if blocking else ():
                self._lanes[lane] = Threads(*lane.value)
        except RuntimeError:
            self.close()
            raise

    async def call(
        self,
        lane: Lane,
        function: Callable[[], T],
        undo: Callable[[T], object] | None = None,
        *,
        subject: str = "",
        key: Hashable = None,
    ) -> T:
        """Make a call and return what it returns.

        Args:
            lane: Whose threads make it, if calls may block.
            function: Makes the call.
            undo: Gives back what it returned, when the caller was cancelled meanwhile.
            subject: What is being done, for errors.
            key: Of the calls with one key, one is made at a time; None is no key.

        Raises:
            asyncio.CancelledError: The caller was cancelled. The call was not made, or has returned.
            CallsStuckError: It was not made, because those before it do not return.
            ServiceDisconnectedError: The lanes are closed.
        """
        if not self._blocking:
            return function()
        if self._closed:
            raise ServiceDisconnectedError(
                HR.SERVICE_DISCONNECT,
                "",
                subject=subject or "use the engine",
                text="the engine was closed",
            )
        loop = asyncio.get_running_loop()
        threads = self._lanes[lane]
        call = Call(function, subject, key, loop)
        watch = _Watch(loop, threads, call, self._patience) if threads.put(call) else None
        if self._hurried:
            loop.call_later(self._hurried, self._leave, threads, call)
        cancelled: asyncio.CancelledError | None = None
        try:
            while not call.done:
                try:
                    await call.waiter  # type: ignore[misc]  # it has one, since it has a loop
                except asyncio.CancelledError as error:
                    if threads.withdraw(call):
                        raise
                    cancelled = error
                    call.wait_again()
        finally:
            if watch is not None:
                watch.end()
        if cancelled is not None:
            if call.error is None and undo is not None:
                undo(call.result)  # type: ignore[arg-type]  # what the function returned
            raise cancelled
        if call.error is not None:
            raise call.error
        return call.result  # type: ignore[return-value]

    def post(self, lane: Lane, function: Callable[[], object]) -> None:
        """Make a call that nobody waits for, such as a close. What it raises is lost."""
        if self._left:
            return  # it could hit a handle that a call still uses
        if not self._blocking or self._closed:
            function()
        else:
            self._lanes[lane].put(Call(function))

    def hurry(self, seconds: float) -> None:
        """Let callers leave the calls that do not return within so many seconds. Thread: any."""
        self._hurried = seconds
        for threads in self._lanes.values():
            for call in threads.unfinished():
                if call.loop is not None:
                    call.loop.call_soon_threadsafe(
                        call.loop.call_later, seconds, self._leave, threads, call
                    )

    def _leave(self, threads: Threads, call: Call) -> None:
        if call.done:
            return
        if not threads.withdraw(call):
            self._left = True
            logger.warning("the end does not wait for a call that is stuck: %s", call.subject)
        call.error = OperationTimeoutError(
            HR.OPERATION_TIMEOUT, "", subject=call.subject, text="the daemon ends at once"
        )
        call.tell()

    def close(self) -> None:
        """End the threads once there is nothing left to call."""
        self._closed = True
        for threads in self._lanes.values():
            threads.close()

    def join(self, seconds: float) -> bool:
        """Wait after `close` for the end of the threads; return whether all ended in time."""
        deadline = time.monotonic() + seconds
        return all(threads.join(deadline) for threads in self._lanes.values())


class _Watch:
    """Takes a call back for which nothing moves. Thread: the loop's."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, threads: Threads, call: Call, patience: float
    ) -> None:
        self._loop, self._threads, self._call, self._patience = loop, threads, call, patience
        self._timer = loop.call_later(patience, self._look)

    def end(self) -> None:
        """Watch no longer."""
        self._timer.cancel()

    def _look(self) -> None:
        before = self._threads.standstill(self._call)
        if before is None:
            return  # it is under way
        left = self._patience - before.seconds
        if not before.stuck:  # a thread is on its way
            left = self._patience
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        elif self._threads.withdraw(self._call):
            self._call.error = CallsStuckError(self._call.subject, before.stuck)
            self._call.tell()
