"""Who owns a process, and its end when nobody does.

    UNOWNED ──own──▶ OWNED ──the call that owns it ends──▶ GRACE ──the grace is over──▶ OVER, killed
       └──abandon──▶ GRACE ──own──▶ OWNED
    OWNED ──own──▶ OWNED, by another call; the end of the former one means nothing
    OWNED ──joint owners: one of them ends, or a call that came after them──▶ OWNED, by the others
    every state ──the process has ended──▶ OVER

A process is UNOWNED from its start until the RunProcess call that creates it has its answer. `abandon`
says that no such call is there: CreateProcess has created the process, or the caller is gone.

Joint owners are calls that want the same of it, and none is in another's place: their ownership ends with
the last of them.

A process that is kept without an owner has the same states, but nothing follows from them. One whose
grace is over is being killed, so that a call that comes to own it then only sees its exit.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


AFTER_RESTART = 10.0  # seconds; clients try again at least once in five
_JOINT = object()  # stands for all calls that own a process jointly


class State(enum.Enum):
    """See the module's head."""

    UNOWNED = enum.auto()
    OWNED = enum.auto()
    GRACE = enum.auto()
    OVER = enum.auto()


class Ownership:
    """The owner of one process.

    Args:
        grace: Seconds that the process may live without an owner; None if it may for ever.

    Attributes:
        state: See the module's head.
    """

    def __init__(self, grace: float | None) -> None:
        self.state = State.UNOWNED
        self._grace = grace
        self._kill: Callable[[], None] = _nothing
        self._call: object = None  # that owns it
        self._joint = 0  # joint owners
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, kill: Callable[[], None]) -> None:
        """Note that the process has started.

        Args:
            kill: Called once, when it has lived without an owner for too long.
        """
        self._kill = kill

    @contextlib.contextmanager
    def held(self, *, jointly: bool = False) -> Iterator[None]:
        """Own the process while the context lasts, in the place of whoever owned it before.

        Args:
            jointly: Together with the others who do so.
        """
        call = _JOINT if jointly else object()
        self._joint += jointly
        self._own(call)
        try:
            yield
        finally:
            self._joint -= jointly
            if self.state is State.OWNED and self._call is call:
                self._end_call()

    def abandon(self) -> None:
        """Note that no call owns it from its start; nothing happens if one has come since."""
        if self.state is State.UNOWNED:
            self._begin_grace()

    def wait_for_owner(self) -> None:
        """Note that the daemon has been started again: no call can have owned it meanwhile.

        Whoever owned it needs a moment to come back, however short its grace is.
        """
        if self.state is State.UNOWNED:
            if self._grace is not None:
                self._grace = max(self._grace, AFTER_RESTART)
            self._begin_grace()

    def end(self) -> None:
        """Note that the process has ended; idempotent."""
        self.state = State.OVER
        self._stop_timer()
        self._kill = _nothing  # which holds the process

    def _own(self, call: object) -> None:
        if self.state is not State.OVER:
            self._stop_timer()
            self.state, self._call = State.OWNED, call

    def _end_call(self) -> None:
        if self._joint:
            self._call = _JOINT
        else:
            self._begin_grace()

    def _begin_grace(self) -> None:
        self.state, self._call = State.GRACE, None
        if self._grace is None:
            return
        if self._grace > 0:
            self._timer = asyncio.get_running_loop().call_later(self._grace, self._be_over)
        else:
            self._be_over()

    def _be_over(self) -> None:
        kill = self._kill
        self.end()
        kill()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _nothing() -> None:
    """Stand for the kill of a process that has ended."""
