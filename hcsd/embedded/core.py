"""Handles, operations and memory of the embedded engine, as a C caller sees them.

An operation:

    IDLE ──kickoff──▶ IN_FLIGHT ──complete()──▶ COMPLETE ──kickoff──▶ IN_FLIGHT …
      │                                            │
      └── kickoff fails: stays, keeps the reason   └── fetched any number of times

A handle is a slot number with a generation and a tag in its high bits: a closed, foreign or
invented handle resolves to nothing and is E_HANDLE, never to another object. The high bits are
set on purpose, so that a caller which truncates handles fails here as it would on Windows.

Everything is guarded by one lock, `Core.lock`, which is never held across a callback or a wait.
"""

from __future__ import annotations

import enum
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_OPERATION_TYPE
from hcsd.embedded.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.embedded.handle import Handle
    from hcsd.embedded.process import Process
    from hcsd.embedded.system import System
    from hcsd.embedded.work import ProcessInfo

T = TypeVar("T")

_INDEX_BITS = 32
_GENERATION_BITS = 16


class HandleTable(Generic[T]):
    """Slots with generations.

    Args:
        tag: 15 bits that tell this kind of handle from the others.
    """

    def __init__(self, tag: int) -> None:
        self._tag = 0x8000 | tag
        self._slots: list[tuple[int, T | None]] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        """Return how many handles are open."""
        return len(self._slots) - len(self._free)

    def add(self, value: T) -> int:
        """Store an object and return its handle."""
        if self._free:
            index = self._free.pop()
            generation = self._slots[index][0]
            self._slots[index] = (generation, value)
        else:
            index, generation = len(self._slots), 1
            self._slots.append((generation, value))
        return (self._tag << (_INDEX_BITS + _GENERATION_BITS)) | (generation << _INDEX_BITS) | index

    def get(self, handle: int | None) -> T:
        """Return the object of a handle.

        Raises:
            Fault: E_HANDLE, if it is not open here.
        """
        index = (handle or 0) & ((1 << _INDEX_BITS) - 1)
        if handle and handle >> (_INDEX_BITS + _GENERATION_BITS) == self._tag:
            generation, value = self._slots[index] if index < len(self._slots) else (0, None)
            if value is not None and generation == (handle >> _INDEX_BITS) & 0xFFFF:
                return value
        raise Fault(HR.ERROR_INVALID_HANDLE, "the handle is not open")

    def remove(self, handle: int | None) -> T:
        """Close a handle and return its object.

        Raises:
            Fault: E_HANDLE, if it is not open here.
        """
        value = self.get(handle)
        assert handle is not None  # noqa: S101  (get refuses None; for the type checker)
        index = handle & ((1 << _INDEX_BITS) - 1)
        generation = self._slots[index][0] % 0xFFFF + 1
        self._slots[index] = (generation, None)
        self._free.append(index)
        return value

    def values(self) -> list[T]:
        """Return the objects of all open handles."""
        return [value for _, value in self._slots if value is not None]


class OperationState(enum.Enum):
    """States of an operation; see the module's head."""

    IDLE = enum.auto()
    IN_FLIGHT = enum.auto()
    COMPLETE = enum.auto()


class Operation:
    """One HCS_OPERATION. Fields are guarded by `Core.lock`."""

    def __init__(self, operation_id: int) -> None:
        self.id = operation_id
        self.handle = 0
        self.type = HCS_OPERATION_TYPE.HcsOperationTypeNone
        self.state = OperationState.IDLE
        self.hresult = 0
        self.document: str | None = None
        self.process_info: ProcessInfo | None = None
        self.context: int | None = None
        self.callback: Callable[[int, int | None], None] | None = None
        self.closed = False


class Core:
    """The tables and the memory that exports hand out."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.completed = threading.Condition(self.lock)
        self.operations: HandleTable[Operation] = HandleTable(0x01)
        self.systems: HandleTable[Handle[System]] = HandleTable(0x02)
        self.processes: HandleTable[Handle[Process]] = HandleTable(0x03)
        self._next_operation = 0

    def create_operation(self) -> Operation:
        """Make an idle operation with a handle."""
        with self.lock:
            self._next_operation += 1
            operation = Operation(self._next_operation)
            operation.handle = self.operations.add(operation)
            return operation

    def kick_off(self, operation: Operation, kind: HCS_OPERATION_TYPE) -> None:
        """Put an operation in flight.

        Raises:
            Fault: HCS_E_OPERATION_ALREADY_STARTED, if it is in flight.
        """
        with self.lock:
            if operation.state is OperationState.IN_FLIGHT:
                raise Fault(HR.OPERATION_ALREADY_STARTED, "the operation is in flight")
            operation.state = OperationState.IN_FLIGHT
            operation.type = kind
            operation.hresult, operation.document, operation.process_info = 0, None, None

    def refuse(self, operation: Operation, fault: Fault) -> None:
        """Note that a kickoff failed: the operation is idle again and keeps the reason."""
        with self.lock:
            operation.state = OperationState.IDLE
            operation.type = HCS_OPERATION_TYPE.HcsOperationTypeNone
            operation.document = fault.document

    def complete(
        self,
        operation: Operation,
        fault: Fault | None = None,
        document: str | None = None,
        process_info: ProcessInfo | None = None,
    ) -> None:
        """Complete an operation and call its callback. Thread: the engine's worker, never a caller's."""
        with self.lock:
            operation.state = OperationState.COMPLETE
            operation.hresult = fault.hresult if fault else 0
            operation.document = fault.document if fault else document
            operation.process_info = process_info
            callback = None if operation.closed else operation.callback
            handle, context = operation.handle, operation.context
            self.completed.notify_all()
        if callback is not None:
            callback(handle, context)

    def result(self, operation: Operation) -> tuple[int, str | None]:
        """Return the code and the document that a fetch gives in the present state."""
        with self.lock:
            if operation.state is OperationState.IDLE:
                return HR.OPERATION_NOT_STARTED, operation.document
            if operation.state is OperationState.IN_FLIGHT:
                return HR.OPERATION_PENDING, None
            return operation.hresult, operation.document

    def wait(self, operation: Operation, timeout: float | None) -> bool:
        """Block until an operation is no longer in flight; False when the time is up first."""
        with self.completed:
            return self.completed.wait_for(
                lambda: operation.state is not OperationState.IN_FLIGHT, timeout
            )

    def close_operation(self, handle: int | None) -> None:
        """Close an operation; what it tracks goes on, and no callback comes any more."""
        with self.lock:
            self.operations.remove(handle).closed = True
