"""The threads of one lane, and the calls that wait for them; `hcsd.hcs.lanes` says how they move.

Thread: any, unless it is said. The lock guards the queues, and the state of each call.
"""

from __future__ import annotations

import contextlib
import enum
import queue
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Hashable


class State(enum.Enum):
    """The states of a call; see `hcsd.hcs.lanes`."""

    HELD = enum.auto()
    WAITING = enum.auto()
    UNDER_WAY = enum.auto()
    DONE = enum.auto()
    WITHDRAWN = enum.auto()


class Call:
    """One call.

    Args:
        function: Makes it.
        subject: What is being done, for errors.
        key: Of the calls with one key, one is made at a time; None is no key.
        loop: Of its caller; None if nobody waits.

    Attributes:
        state: Only `Threads` changes it.
        since: When it got into that state, by the monotonic clock.
        result: What it returned.
        error: What it raised, or why it was not made.
        done: Whether the loop has the outcome. Thread: the loop's.
        waiter: Done when `done` is set, or when its caller is cancelled. Thread: the loop's.
    """

    __slots__ = (
        "done", "error", "function", "key", "loop", "result", "since", "state", "subject", "waiter"
    )  # fmt: skip

    def __init__(
        self,
        function: Callable[[], object],
        subject: str = "",
        key: Hashable = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.function: Callable[[], object] | None = function
        self.subject = subject
        self.key = key
        self.loop = loop
        self.state = State.WAITING
        self.since = time.monotonic()
        self.result: object = None
        self.error: BaseException | None = None
        self.done = False
        self.waiter = None if loop is None else loop.create_future()

    def make(self) -> None:
        """Make it. Thread: of the lane."""
        assert self.function is not None  # noqa: S101  (it is made once)
        try:
            self.result = self.function()
        except BaseException as error:  # its caller gets it
            self.error = error
        self.function = None

    def report(self) -> None:
        """Let the loop tell its caller. Thread: of the lane."""
        if self.loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has closed: the daemon is ending
                self.loop.call_soon_threadsafe(self.tell)

    def tell(self) -> None:
        """Wake its caller. Thread: the loop's."""
        self.done = True
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def wait_again(self) -> None:
        """Make a new waiter after its caller's cancellation has ended one. Thread: the loop's."""
        if self.loop is not None and not self.done:
            self.waiter = self.loop.create_future()


class Standstill(NamedTuple):
    """What holds a call up.

    Attributes:
        seconds: For how long nothing has moved in front of it.
        stuck: What is under way in front of it: what is being done, and for how many seconds.
    """

    seconds: float
    stuck: list[tuple[str, float]]


class Threads:
    """The threads of a lane.

    Args:
        name: Of the lane.
        kept: How many are started now.
        most: How many there may be.

    Raises:
        RuntimeError: The host has no room for them.
    """

    def __init__(self, name: str, kept: int, most: int) -> None:
        self._name = name
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[Call] = deque()
        self._held: dict[Hashable, deque[Call]] = {}  # by keys of calls that wait or are under way
        self._under_way: set[Call] = set()
        self._moved = 0.0  # when a call returned last
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._idle = 0  # threads that nobody has woken yet
        self._closed = False
        self._threads: list[threading.Thread] = []
        try:
            for _ in range(kept):
                self._start()
        except RuntimeError:
            self.close()
            raise

    def put(self, call: Call) -> bool:
        """Take a call.

        Returns:
            Whether it has to wait: no thread is free.
        """
        with self._lock:
            held = None if call.key is None else self._held.get(call.key)
            if held is not None:
                call.state = State.HELD
                held.append(call)
                return True
            if call.key is not None:
                self._held[call.key] = deque()
            self._waiting.append(call)
            return not self._wake_one()

    def withdraw(self, call: Call) -> bool:
        """Take a call back; return whether that was in time, so that it is not made."""
        with self._lock:
            if call.state is State.WAITING:
                self._waiting.remove(call)
                self._let_next(call.key)
            elif call.state is State.HELD:
                self._held[call.key].remove(call)
            else:
                return False
            call.state = State.WITHDRAWN
            return True

    def unfinished(self) -> list[Call]:
        """Return the calls that are under way, and those that wait."""
        with self._lock:
            held = [call for calls in self._held.values() for call in calls]
            return [*self._under_way, *self._waiting, *held]

    def standstill(self, call: Call) -> Standstill | None:
        """Tell what holds a call up; None if it does not wait."""
        with self._lock:
            if call.state not in {State.HELD, State.WAITING}:
                return None
            now = time.monotonic()
            before = [other for other in self._under_way if other.key == call.key]
            if call.state is State.HELD and before:
                moved = before[0].since
            else:
                before, moved = list(self._under_way), self._moved
            stuck = sorted(((one.subject, now - one.since) for one in before), key=lambda s: -s[1])
            return Standstill(now - max(call.since, moved), stuck)

    def close(self) -> None:
        """End the threads when there is nothing left to do."""
        with self._lock:
            self._closed = True
            for _ in self._threads:
                self._wake.put(None)

    def join(self, deadline: float) -> bool:
        """Wait for the end of the threads until a time; return whether all have ended."""
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _start(self) -> None:
        thread = threading.Thread(
            target=self._run, name=f"hcs-{self._name}_{len(self._threads)}", daemon=True
        )
        thread.start()
        self._threads.append(thread)

    def _wake_one(self) -> bool:
        """Wake a thread, or start one; return whether one is free. Lock held."""
        if self._idle:
            self._idle -= 1
            self._wake.put(None)
            return True
        if len(self._threads) >= self._most or self._closed:
            return False
        with contextlib.suppress(RuntimeError):  # there is no room for one more
            self._start()
            return True
        return False

    def _let_next(self, key: Hashable) -> None:
        """Let the next call with a key wait, as the one before is over. Lock held."""
        if key is None:
            return
        held = self._held[key]
        if not held:
            del self._held[key]
            return
        call = held.popleft()
        call.state, call.since = State.WAITING, time.monotonic()
        self._waiting.append(call)  # the thread that is there for the one before takes it

    def _run(self) -> None:
        made: Call | None = None
        while True:
            with self._lock:
                if made is not None:
                    self._finish(made)
                following = self._take()
                ends = following is None and self._closed
            if made is not None:
                made.report()  # when the thread counts as free: its caller may come back at once
            made = following
            del following  # else they would be kept until the next one comes
            if ends:
                return
            if made is None:
                self._wake.get()
            else:
                made.make()

    def _finish(self, call: Call) -> None:
        """Note that a call has returned. Lock held."""
        call.state = State.DONE
        self._under_way.discard(call)
        self._moved = time.monotonic()
        self._let_next(call.key)

    def _take(self) -> Call | None:
        """Take the next call; without one the thread is idle. Lock held."""
        if not self._waiting:
            self._idle += not self._closed
            return None
        call = self._waiting.popleft()
        call.state, call.since = State.UNDER_WAY, time.monotonic()
        self._under_way.add(call)
        return call
