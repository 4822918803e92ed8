"""Callbacks of HCS, and the one thread that serves them.

HCS calls back on threads of its own. Two process-wide trampolines receive every such call: they
copy what is valid only during the call, put it on a queue and return. The thread `hcs-callbacks`
takes items off the queue and runs the handler registered for their id.

The context that travels through HCS is a number, never a pointer to an object: an id that no
longer resolves (a late or repeated callback) is counted and ignored, so a late call is harmless.
Ids are never used twice. Register before the call that may lead to a callback; unregister when
the handle's close has returned, or when the one expected callback came.

    any HCS thread       trampoline: copy, enqueue, return
    hcs-callbacks        look up the id, run the handler
    event loop           whatever the handler posts with `call_soon_threadsafe`

The trampolines and the queue live as long as the process: a callback may be under way in a
foreign thread at any time, and ctypes thunks must outlive it.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcsd.abi.types import HCS_EVENT_CALLBACK, HCS_OPERATION_COMPLETION
from hcsd.hcs.documents import valid_text

if TYPE_CHECKING:
    import ctypes
    from collections.abc import Callable

    from hcsd.abi.types import HCS_EVENT, HCS_OPERATION

THREAD_NAME = "hcs-callbacks"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a system or a process, copied out of HCS's memory.

    Attributes:
        type: Value of HCS_EVENT_TYPE; values unknown to us pass through.
        data: The event's document, if it has one; it can be written as UTF-8.
    """

    type: int
    data: str | None


@dataclass(frozen=True, slots=True)
class Completion:
    """An operation is complete: its result can be fetched.

    Attributes:
        operation: Raw HCS_OPERATION value.
    """

    operation: int


class CallbackRegistry:
    """Handlers by id, and the thread that runs them.

    Attributes:
        late: Callbacks that came for an id no longer registered.
    """

    def __init__(self) -> None:
        self.late = 0
        self._ids = itertools.count(1)
        self._handlers: dict[int, Callable[[Event | Completion], None]] = {}
        self._queue: queue.SimpleQueue[tuple[int, Event | Completion]] = queue.SimpleQueue()
        self._start_lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        """Return how many handlers are registered."""
        return len(self._handlers)

    def register(self, handler: Callable[[Event | Completion], None]) -> int:
        """Register a handler and return its id, which is the context to give to HCS.

        Args:
            handler: Runs on `hcs-callbacks`; must not block. What it raises is logged.
        """
        self.start()
        handler_id = next(self._ids)
        self._handlers[handler_id] = handler
        return handler_id

    def unregister(self, handler_id: int) -> bool:
        """Forget a handler; idempotent.

        Returns:
            Whether it was still registered: exactly one of several racing callers gets True.
        """
        return self._handlers.pop(handler_id, None) is not None

    def post(self, handler_id: int | None, item: Event | Completion) -> None:
        """Enqueue an item. Thread: any, also one that Python never made."""
        self._queue.put((handler_id or 0, item))

    def start(self) -> None:
        """Start the thread, unless it runs already.

        Raises:
            RuntimeError: The host has no room for a thread.
        """
        if self._thread is not None:
            return
        with self._start_lock:
            if self._thread is None:
                # A daemon thread: a provider that is stuck must not keep the process alive.
                thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        while True:
            handler_id, item = self._queue.get()
            handler = self._handlers.get(handler_id)
            if handler is None:
                self.late += 1
                continue
            try:
                handler(item)
            except Exception:
                logger.exception("handler of an HCS callback failed")
            del handler, item  # else they would be kept until the next callback comes


REGISTRY = CallbackRegistry()


def _on_completion(operation: HCS_OPERATION, context: int | None) -> None:
    REGISTRY.post(context, Completion(operation.value or 0))


def _on_event(event: ctypes._Pointer[HCS_EVENT], context: int | None) -> None:
    raw = event.contents
    text = raw.EventData.text
    REGISTRY.post(context, Event(raw.Type, text and valid_text(text)))


COMPLETION_TRAMPOLINE = HCS_OPERATION_COMPLETION(_on_completion)
EVENT_TRAMPOLINE = HCS_EVENT_CALLBACK(_on_event)
