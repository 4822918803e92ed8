"""Calls of the exports as a question makes them: one by one, timed, with nothing of the engine between.

thread of the question   its loop takes what calls and callbacks bring
thread of one call       makes a starting call, which may block
threads of HCS           note the time and the thread, and post to that loop
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from hcsd.abi.types import HCS_EVENT_CALLBACK, HCS_OPERATION_COMPLETION
from hcsd.hcs.errors import HcsError
from hcsd.hcs.operation import ProcessInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.abi.types import HCS_EVENT, HCS_OPERATION, HCS_PROCESS
    from hcsd.hcs.library import Library

COMPLETION_SECONDS = 8.0
DOCUMENT_CHARACTERS = 2000  # of a document, for the report

T = TypeVar("T")

_kept: list[object] = []  # thunks: HCS may call one as long as this process lives


@dataclass
class Seen:
    """What callbacks of all questions have brought.

    Attributes:
        events: How often each type of event came.
        threads: How many completions and events each thread brought.
    """

    events: Counter[int] = field(default_factory=Counter)
    threads: Counter[int] = field(default_factory=Counter)


class EventPointer(Protocol):
    """What a callback is given: valid only inside the call."""

    contents: HCS_EVENT


@dataclass(frozen=True, slots=True)
class Event:
    """An event, and when it came."""

    type: int
    data: str | None
    at: float


@dataclass(frozen=True, slots=True)
class Done:
    """How an operation went.

    Attributes:
        document: Its result document.
        info: Process information, if that was asked for.
        error: Why it failed, if it did.
        refused: Whether the starting call failed, and not the operation.
        called: When the starting call was made; all times are those of `time.perf_counter`.
        returned: When it returned.
        completed: When the completion came; 0.0 if the call was refused.
    """

    document: str | None = None
    info: ProcessInfo | None = None
    error: HcsError | None = None
    refused: bool = False
    called: float = 0.0
    returned: float = 0.0
    completed: float = 0.0

    @property
    def symbol(self) -> str:
        """The result code by its name."""
        return "S_OK" if self.error is None else self.error.code.symbol

    def details(self) -> dict[str, object]:
        """Return what is worth telling."""
        told: dict[str, object] = {
            "call_seconds": round(self.returned - self.called, 4),
            "result": self.symbol,
        }
        if self.completed:
            told["completion_seconds"] = round(self.completed - self.called, 4)
        if self.error is not None:
            told["hresult"] = f"0x{self.error.hresult:08X}"
            told["failed"] = "the call" if self.refused else "the operation"
            told["text"] = self.error.text
            if self.error.document:
                told["document"] = self.error.document[:DOCUMENT_CHARACTERS]
        return told


def _set(future: asyncio.Future[T], value: T) -> None:
    if not future.done():  # nobody waits any more
        future.set_result(value)


class Calls:
    """Makes calls for one question. Thread: the question's, but for `_post`.

    Args:
        library: The exports.
        seen: Where to note what callbacks bring.
        patience: By what all waits are multiplied.
    """

    def __init__(self, library: Library, seen: Seen, patience: float) -> None:
        self.library = library
        self._seen = seen
        self._patience = patience
        self._opened = contextlib.ExitStack()
        self._threads: list[threading.Thread] = []
        self._loop = asyncio.get_running_loop()

    def seconds(self, usual: float) -> float:
        """Return how long to wait on this host."""
        return usual * self._patience

    async def run(
        self,
        start: Callable[[HCS_OPERATION], object],
        *,
        info: bool = False,
        seconds: float = COMPLETION_SECONDS,
    ) -> Done:
        """Run an operation to its end, and tell how it went; a failure is no error here.

        The starting call is made on a thread of its own: it may block.

        Raises:
            TimeoutError: It did not complete.
        """
        completion: asyncio.Future[float] = self._loop.create_future()

        def complete(_operation: HCS_OPERATION, _context: int | None) -> None:
            self._post(lambda at: _set(completion, at))

        callback = HCS_OPERATION_COMPLETION(complete)
        _kept.append(callback)
        operation = self.library.HcsCreateOperation(None, callback)
        self._opened.callback(self.library.HcsCloseOperation, operation)
        async with asyncio.timeout(self.seconds(seconds)):
            call = await self._call(lambda: start(operation))
            if call.error is not None:
                return call
            completed = await completion
        document, told, error = None, None, None
        try:
            if info:
                raw, document = self.library.HcsGetOperationResultAndProcessInfo(operation)
                told = ProcessInfo.of(raw)
            else:
                document = self.library.HcsGetOperationResult(operation)
        except HcsError as failure:
            error = failure
        return Done(document, told, error, False, call.called, call.returned, completed)

    async def _call(self, function: Callable[[], object]) -> Done:
        """Make a call that may block."""
        answer: asyncio.Future[Done] = self._loop.create_future()

        def call() -> None:
            called = time.perf_counter()
            error = None
            try:
                function()
            except HcsError as failure:
                error = failure
            returned = time.perf_counter()
            done = Done(error=error, refused=error is not None, called=called, returned=returned)
            with contextlib.suppress(RuntimeError):  # the question has been given up
                self._loop.call_soon_threadsafe(_set, answer, done)

        thread = threading.Thread(target=call, name="hcsd-selftest-call", daemon=True)
        self._threads.append(thread)
        thread.start()
        return await answer

    def calls_returned(self, seconds: float) -> bool:
        """Wait until every call has returned: a handle must not be closed under one that uses it."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def listen(self, process: HCS_PROCESS) -> asyncio.Queue[Event]:
        """Ask for the events of a process handle.

        Raises:
            HcsError: It has a callback, or HCS refused this one.
        """
        received: asyncio.Queue[Event] = asyncio.Queue()

        def receive(event: EventPointer, _context: int | None) -> None:
            kind, data = event.contents.Type, event.contents.EventData.text
            self._seen.events[kind] += 1
            self._post(lambda at: received.put_nowait(Event(kind, data, at)))

        callback = HCS_EVENT_CALLBACK(receive)
        _kept.append(callback)
        self.library.HcsSetProcessCallback(process, 0, None, callback)
        return received

    def _post(self, take: Callable[[float], object]) -> None:
        """Hand what came to the loop, with the time. Thread: one of HCS."""
        at = time.perf_counter()
        self._seen.threads[threading.get_native_id()] += 1
        with contextlib.suppress(RuntimeError):  # the question has been given up
            self._loop.call_soon_threadsafe(take, at)
