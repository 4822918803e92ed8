"""Handles and operations of the embedded engine, without a C boundary."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_OPERATION_TYPE
from hcsd.embedded.core import Core, HandleTable, OperationState
from hcsd.embedded.faults import Fault

KIND = HCS_OPERATION_TYPE.HcsOperationTypeModify


def refused(table: HandleTable[str], handle: int | None) -> bool:
    with pytest.raises(Fault) as caught:
        table.get(handle)
    assert caught.value.hresult == HR.ERROR_INVALID_HANDLE
    with pytest.raises(Fault):
        table.remove(handle)
    return True


class Handles(RuleBasedStateMachine):
    """A table against the plain facts: what is open, and every handle there ever was."""

    def __init__(self) -> None:
        super().__init__()
        self.table: HandleTable[str] = HandleTable(0x11)
        self.open: dict[int, str] = {}
        self.past: set[int] = set()

    handles = Bundle("handles")

    @rule(target=handles, value=st.text())
    def add(self, value: str) -> int:
        handle = self.table.add(value)
        assert handle not in self.open
        assert handle not in self.past  # not soon, at least: there are 65,535 generations
        self.open[handle] = value
        return handle

    @rule(handle=consumes(handles))
    def remove(self, handle: int) -> None:
        assert self.table.remove(handle) == self.open.pop(handle)
        assert refused(self.table, handle)
        self.past.add(handle)

    @rule()
    def try_the_past(self) -> None:
        assert all(refused(self.table, handle) for handle in self.past)

    @rule(handle=handles)
    def get(self, handle: int) -> None:
        assert self.table.get(handle) == self.open[handle]

    @invariant()
    def only_what_is_open_counts(self) -> None:
        assert len(self.table) == len(self.open)
        assert sorted(self.table.values()) == sorted(self.open.values())


TestHandles = Handles.TestCase
TestHandles.settings = settings(max_examples=40)


def test_a_handle_is_no_small_number_and_has_its_high_bit_set() -> None:
    handle = HandleTable[str](0x01).add("x")
    assert handle >> 63 == 1
    assert handle < 1 << 64


def test_a_truncated_handle_is_refused() -> None:
    table: HandleTable[str] = HandleTable(0x01)
    handle = table.add("x")
    assert refused(table, handle & 0xFFFF_FFFF)
    assert refused(table, handle & 0x7FFF_FFFF_FFFF_FFFF)
    assert refused(table, handle - (1 << 64))  # as a signed number


def test_a_handle_of_another_kind_is_refused() -> None:
    one: HandleTable[str] = HandleTable(0x01)
    two: HandleTable[str] = HandleTable(0x02)
    one.add("x")
    assert refused(one, two.add("y"))


def test_a_handle_of_another_generation_is_refused() -> None:
    table: HandleTable[str] = HandleTable(0x01)
    stale = table.add("old")
    table.remove(stale)
    fresh = table.add("new")
    assert fresh & 0xFFFF_FFFF == stale & 0xFFFF_FFFF  # the slot is used again
    assert table.get(fresh) == "new"
    assert refused(table, stale)


@given(st.none() | st.integers(-(1 << 64), 1 << 65))
def test_an_invented_handle_is_refused(handle: int | None) -> None:
    table: HandleTable[str] = HandleTable(0x01)
    if handle != table.add("x"):
        assert refused(table, handle)


def test_generations_start_again_and_never_at_zero() -> None:
    table: HandleTable[str] = HandleTable(0x01)
    first = table.add("x")
    table.remove(first)
    for _ in range(0xFFFF - 1):
        table.remove(table.add("x"))
    assert table.add("x") == first


def test_an_operation_goes_from_idle_over_flight_to_complete_and_again() -> None:
    core = Core()
    operation = core.create_operation()
    assert core.result(operation) == (HR.OPERATION_NOT_STARTED, None)
    for document in ("first", "second"):
        core.kick_off(operation, KIND)
        assert core.result(operation) == (HR.OPERATION_PENDING, None)
        assert not core.wait(operation, 0)
        core.complete(operation, document=document)
        assert core.result(operation) == (0, document)
        assert core.result(operation) == (0, document)  # fetched any number of times
        assert core.wait(operation, 0)


def test_an_operation_in_flight_cannot_be_started() -> None:
    core = Core()
    operation = core.create_operation()
    core.kick_off(operation, KIND)
    with pytest.raises(Fault) as caught:
        core.kick_off(operation, KIND)
    assert caught.value.hresult == HR.OPERATION_ALREADY_STARTED
    assert operation.state is OperationState.IN_FLIGHT


def test_a_start_that_was_refused_keeps_its_reason_and_nothing_else() -> None:
    core = Core()
    operation = core.create_operation()
    core.kick_off(operation, KIND)
    fault = Fault(HR.INVALID_STATE, "not now")
    core.refuse(operation, fault)
    assert operation.type == HCS_OPERATION_TYPE.HcsOperationTypeNone
    assert core.result(operation) == (HR.OPERATION_NOT_STARTED, fault.document)


def test_a_failure_replaces_what_an_earlier_use_left() -> None:
    core = Core()
    operation = core.create_operation()
    core.kick_off(operation, KIND)
    core.complete(operation, document="good", process_info=lambda: (1, 0, 0, 0))
    core.kick_off(operation, KIND)
    fault = Fault(HR.INVALID_STATE, "not now")
    core.complete(operation, fault)
    assert core.result(operation) == (HR.INVALID_STATE, fault.document)
    assert operation.process_info is None


def test_a_completion_calls_back_once_with_handle_and_context() -> None:
    core = Core()
    operation = core.create_operation()
    calls: list[tuple[int, int | None]] = []
    operation.callback, operation.context = lambda *call: calls.append(call), 5
    core.kick_off(operation, KIND)
    assert calls == []
    core.complete(operation)
    assert calls == [(operation.handle, 5)]


def test_a_closed_operation_calls_nobody_back() -> None:
    core = Core()
    operation = core.create_operation()
    operation.callback = lambda *_: pytest.fail("called back after the close")
    core.kick_off(operation, KIND)
    core.close_operation(operation.handle)
    core.complete(operation)
    assert len(core.operations) == 0
