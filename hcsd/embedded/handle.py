"""An open handle: what it refers to, and the delivery of events to its callback.

A handle has at most one event callback, set once. Closing it drains: it returns only when no
invocation of the callback is under way, and afterwards none follows. Closing it from inside its
own callback does not wait for itself.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from hcsd.abi.hresult import HR
from hcsd.embedded.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Handle(Generic[T]):
    """An open handle.

    Attributes:
        target: The system or process.
    """

    def __init__(self, target: T) -> None:
        self.target = target
        self._changed = threading.Condition()
        self._callback: Callable[[int, str | None], None] | None = None
        self._running_on: int | None = None  # ident of the thread that is in the callback
        self._closed = False

    def set_callback(self, callback: Callable[[int, str | None], None]) -> None:
        """Set the event callback.

        Raises:
            Fault: It has one already.
        """
        with self._changed:
            if self._callback is not None:
                raise Fault(
                    HR.OPERATION_SYSTEM_CALLBACK_ALREADY_SET,
                    "the handle has an event callback already",
                )
            self._callback = callback

    def deliver(self, event: int, data: str | None) -> None:
        """Call the callback, if there is one. Thread: the worker's."""
        with self._changed:
            if self._closed or self._callback is None:
                return
            callback, self._running_on = self._callback, threading.get_ident()
        try:
            callback(event, data)
        finally:
            with self._changed:
                self._running_on = None
                self._changed.notify_all()

    def close(self) -> None:
        """Stop deliveries and wait for one that is under way."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: self._running_on in {None, threading.get_ident()})
