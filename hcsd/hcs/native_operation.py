"""The native side of an operation: who may ask it, and who closes it. Its states: `hcsd.hcs.operation`.

Thread: any. The lock guards the states and the operations that were left behind; it is held for a
moment, and never in a native call.
"""

from __future__ import annotations

import enum
import threading
from typing import TYPE_CHECKING, Protocol

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_OPERATION
from hcsd.hcs.callbacks import COMPLETION_TRAMPOLINE, REGISTRY, Completion, Event
from hcsd.hcs.errors import HcsError
from hcsd.hcs.library import error_for
from hcsd.hcs.outcome import NOTHING, Fetched, ProcessInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.hcs.lanes import Lanes
    from hcsd.hcs.library import Library
    from hcsd.hcs.timings import Timings

LOCK = threading.Lock()


class Household(Protocol):
    """What an operation needs of the engine: `hcsd.hcs.operation.Operations`."""

    library: Library
    lanes: Lanes
    timings: Timings
    left: dict[NativeOperation, None]

    def left_behind(self) -> None:
        """Note that one more was left behind."""


class State(enum.Enum):
    """The states; see `hcsd.hcs.operation`."""

    CREATED = enum.auto()
    IN_FLIGHT = enum.auto()
    ASKED = enum.auto()
    CALLED = enum.auto()
    LEFT = enum.auto()
    TAKEN = enum.auto()


class NativeOperation:
    """An operation of HCS.

    Args:
        operations: Of the engine.
        function: The export that starts it.
        subject: What is being done.
        informs: Whether it gives process information.
    """

    __slots__ = (
        "_function", "_id", "_informs", "_library", "_native", "_operations", "_state", "_subject"
    )  # fmt: skip

    def __init__(
        self, operations: Household, function: str, subject: str, *, informs: bool
    ) -> None:
        self._operations = operations
        self._library = operations.library
        self._function = function
        self._subject = subject
        self._informs = informs
        self._id = 0
        self._native = HCS_OPERATION()
        self._state = State.CREATED

    def start(self, start: Callable[[HCS_OPERATION], object]) -> None:
        """Create the operation and make the starting call. Thread: loop or lane."""
        self._id = REGISTRY.register(self._on_completion)
        try:
            operation = self._library.HcsCreateOperation(self._id, COMPLETION_TRAMPOLINE)
        except HcsError as error:
            REGISTRY.unregister(self._id)
            raise self._describe(error, None) from None
        self._native = operation
        self._state = State.IN_FLIGHT  # a callback may come before the call has returned
        try:
            start(operation)
        except BaseException as error:
            document = None
            if self._take():  # else a completion came all the same, and closes it
                document = self._reason(operation)
                self._library.HcsCloseOperation(operation)
            if isinstance(error, HcsError):
                raise self._describe(error, document) from None
            raise

    def give_up(self) -> None:
        """Let it be closed, whatever comes of it."""
        raise NotImplementedError

    def _deliver(self, fetched: Fetched) -> None:
        """Take the outcome of an operation that was closed."""
        raise NotImplementedError

    def _take(self) -> bool:
        """Take the operation, if nobody asks it just now; whoever does closes it then."""
        with LOCK:
            if self._state is State.IN_FLIGHT:
                self._taken()
                return True
            if self._state in {State.ASKED, State.CALLED, State.LEFT}:
                self._state = State.LEFT
                self._operations.left.pop(self, None)  # who asks may be stuck in that for ever
            return False

    def _taken(self) -> None:
        """Make it ours to close. Lock held."""
        self._state = State.TAKEN
        REGISTRY.unregister(self._id)
        self._operations.left.pop(self, None)

    def _on_completion(self, item: Completion | Event) -> None:
        """Thread: hcs-callbacks."""
        if not isinstance(item, Completion):
            return
        with LOCK:
            if self._state is State.ASKED:
                self._state = State.CALLED
            if self._state is not State.IN_FLIGHT:
                return
            self._state = State.ASKED
        self._ask()

    def _poll(self) -> None:
        """Thread: lane or loop."""
        with LOCK:
            if self._state is not State.IN_FLIGHT:
                return
            self._state = State.ASKED
        self._ask()

    def _ask(self) -> None:
        """Fetch the result; if it is there, close the operation and post the outcome.

        Thread: whichever has got the state into ASKED.
        """
        while True:
            fetched = self._fetch()
            with LOCK:
                if fetched is None and self._state is State.CALLED:
                    self._state = State.ASKED  # the callback came meanwhile
                    continue
                if fetched is None and self._state is State.ASKED:
                    self._state = State.IN_FLIGHT
                    return
                self._taken()
            break
        self._library.HcsCloseOperation(self._native)
        self._deliver(NOTHING if fetched is None else fetched)

    def _fetch(self) -> Fetched | None:
        """Return what the operation gave; None if it is not complete."""
        try:
            if not self._informs:
                return Fetched(self._library.HcsGetOperationResult(self._native))
            raw, document = self._library.HcsGetOperationResultAndProcessInfo(self._native)
            return Fetched(document, ProcessInfo.of(raw))
        except HcsError as error:
            if error.hresult == HR.OPERATION_PENDING:
                return None
            failed = error_for(
                error.hresult, self._function, subject=self._subject, document=error.document
            )
            return Fetched(error=failed)

    def _reason(self, operation: HCS_OPERATION) -> str | None:
        """Fetch the ResultError document of a start that failed; it is often the only reason."""
        try:
            return self._library.HcsGetOperationResult(operation)  # type: ignore[no-any-return]
        except HcsError as error:
            return error.document

    def _describe(self, error: HcsError, document: str | None) -> HcsError:
        return error_for(
            error.hresult,
            error.function,
            subject=self._subject,
            text=error.text,
            document=document or error.document,
        )
