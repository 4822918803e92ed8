"""Every row as a C function: called through its address, nothing is lost either way.

The callee is Python, as in the embedded engine, and the caller sees a bare address, as it does in a
library. Both sides are made from the row, so what they agree on here is the C calling convention;
that the row itself is right is the matter of the other tests.
"""

import ctypes
from itertools import permutations

import pytest

from hcsd.abi import types as abi
from hcsd.abi.functions import BY_NAME, FUNCTIONS, Function, Param

HIGH = 0xFFFF_FFFF_8000_0001
TEXT = "a€😀\ud800"
FAILURE = 0x8037010E
CALLBACKS = (abi.HCS_OPERATION_COMPLETION, abi.HCS_EVENT_CALLBACK)
HANDLES = (abi.HCS_OPERATION, abi.HCS_SYSTEM, abi.HCS_PROCESS, abi.HCS_CALLBACK, abi.HANDLE)

every_row = pytest.mark.parametrize("row", FUNCTIONS, ids=lambda row: row.name)


class Callee:
    """The far side of a row: records what arrives and fills in what is asked for."""

    def __init__(self, row: Function) -> None:
        self.row = row
        self.received: list[object] = []
        self.thunk = row.prototype(self.serve)

    def call(self, *arguments: object) -> object:
        """Call by address. The thunk must outlive the call, so this is a method of its owner."""
        address = ctypes.cast(self.thunk, ctypes.c_void_p).value
        return self.row.prototype(address)(*arguments)

    def serve(self, *arguments: object) -> int | None:
        for param, value in zip(self.row.params, arguments, strict=True):
            self.received.append(received(param, value))
        return result_of(self.row)


def result_of(row: Function) -> int | None:
    if row.result is None:
        return None
    return HIGH if ctypes.sizeof(row.result) == 8 else FAILURE


def is_pointer(param: Param) -> bool:
    return param.out or param.ctype not in {abi.DWORD, abi.FLAGS}


def is_null(pointer: object) -> bool:
    return not pointer


def argument(param: Param) -> object:
    """Make what a caller passes for a parameter."""
    if param.out:
        return ctypes.byref(param.ctype())
    if param.ctype is abi.PCWSTR:
        return TEXT
    if param.ctype in CALLBACKS:
        return param.ctype(HIGH)
    if not is_pointer(param):
        return 0xFFFF_FFFE
    return param.ctype(HIGH)


def expected(param: Param) -> object:
    if param.out:
        return "asked for"
    if param.ctype is abi.PCWSTR:
        return TEXT
    if not is_pointer(param):
        return 0xFFFF_FFFE
    return HIGH


def received(param: Param, value: object) -> object:
    """Reduce what a callee was given to something comparable, None for NULL."""
    if param.out:
        assert isinstance(value, ctypes.POINTER(param.ctype))
        if is_null(value):
            return None
        fill(value.contents)
        return "asked for"
    if isinstance(value, abi.PCWSTR):
        return value.text
    if isinstance(value, CALLBACKS):
        return ctypes.cast(value, ctypes.c_void_p).value
    return value.value if isinstance(value, ctypes.c_void_p) else value


def fill(target: object) -> None:
    if isinstance(target, ctypes.c_void_p):
        target.value = HIGH
    else:
        assert isinstance(target, abi.HCS_PROCESS_INFORMATION)
        target.ProcessId = 0xFFFF_FFFE
        target.StdError = HIGH


@every_row
def test_arguments_and_result_survive_the_call(row: Function) -> None:
    callee = Callee(row)
    result = callee.call(*(argument(p) for p in row.params))
    assert callee.received == [expected(p) for p in row.params]
    answered = result.value if isinstance(result, ctypes.c_void_p) else result
    sent = result_of(row)
    assert answered == (sent - (1 << 32) if sent == FAILURE else sent)


@every_row
def test_every_pointer_may_be_null(row: Function) -> None:
    callee = Callee(row)
    callee.call(*(None if is_pointer(p) else 7 for p in row.params))
    assert callee.received == [None if is_pointer(p) else 7 for p in row.params]


@pytest.mark.parametrize(
    ("row", "param"),
    [(row, p) for row in FUNCTIONS for p in row.params if p.out],
    ids=lambda value: value.name,
)
def test_out_value_reaches_the_caller(row: Function, param: Param) -> None:
    target = param.ctype()
    Callee(row).call(
        *(ctypes.byref(target) if p is param else None if is_pointer(p) else 0 for p in row.params)
    )
    if param.ctype is abi.HCS_PROCESS_INFORMATION:
        assert (target.ProcessId, target.StdInput.value) == (0xFFFF_FFFE, None)
        assert target.StdError.value == HIGH
    else:
        assert target.value == HIGH


def test_completion_receives_operation_and_context() -> None:
    received: list[tuple[int | None, int | None]] = []
    completion = abi.HCS_OPERATION_COMPLETION(
        lambda op, context: received.append((op.value, context))
    )
    caller = abi.FUNCTYPE(None, abi.HCS_OPERATION_COMPLETION)(lambda callback: callback(HIGH, HIGH))
    caller(completion)
    assert received == [(HIGH, HIGH)]


def test_event_callback_receives_the_event() -> None:
    received: list[tuple[int, str | None, int | None, int | None]] = []

    def on_event(event: "ctypes._Pointer[abi.HCS_EVENT]", context: int | None) -> None:
        e = event.contents
        received.append((e.Type, e.EventData.text, e.Operation.value, context))

    text = ctypes.create_string_buffer(abi.wide("{}"))
    event = abi.HCS_EVENT(0xC0000001, ctypes.addressof(text), HIGH)
    callback = abi.HCS_EVENT_CALLBACK(on_event)
    address = ctypes.cast(callback, ctypes.c_void_p).value
    assert address is not None
    abi.HCS_EVENT_CALLBACK(address)(ctypes.byref(event), None)
    abi.HCS_EVENT_CALLBACK(address)(ctypes.byref(abi.HCS_EVENT()), 5)
    assert received == [(0xC0000001, "{}", HIGH, None), (0, None, None, 5)]


@pytest.mark.parametrize("kind", CALLBACKS, ids=lambda k: k.__name__)
def test_null_callback_is_false(kind: type[abi.HCS_EVENT_CALLBACK]) -> None:
    truths: list[bool] = []
    callee = abi.FUNCTYPE(None, kind)(lambda callback: truths.append(bool(callback)))
    callee(None)
    callee(kind())
    callee(kind(lambda *_: None))
    assert truths == [False, False, True]


@pytest.mark.parametrize("value", [0, print, abi.HCS_EVENT_CALLBACK(), "text"])
def test_only_its_own_kind_is_a_completion(value: object) -> None:
    callee = abi.FUNCTYPE(None, abi.HCS_OPERATION_COMPLETION)(lambda _: None)
    with pytest.raises(ctypes.ArgumentError, match="expected HCS_OPERATION_COMPLETION or None"):
        callee(value)


@pytest.mark.parametrize(
    ("wanted", "given"), list(permutations(HANDLES, 2)), ids=lambda handle: handle.__name__
)
def test_one_handle_does_not_pass_for_another(
    wanted: type[ctypes.c_void_p], given: type[ctypes.c_void_p]
) -> None:
    callee = abi.FUNCTYPE(None, wanted)(lambda _: None)
    with pytest.raises(ctypes.ArgumentError, match=f"expected {wanted.__name__}, not"):
        callee(given(HIGH))


@pytest.mark.parametrize(
    "value", ["text", b"bytes", 1.0, ctypes.c_void_p(1), (ctypes.c_char * 4)()]
)
def test_what_is_no_handle_does_not_pass_for_one(value: object) -> None:
    with pytest.raises(ctypes.ArgumentError, match="expected HCS_SYSTEM"):
        Callee(BY_NAME["HcsCloseComputeSystem"]).call(value)


def test_pointer_to_one_handle_does_not_pass_for_another() -> None:
    with pytest.raises(ctypes.ArgumentError, match="LP_HCS_PROCESS"):
        Callee(BY_NAME["HcsOpenProcess"]).call(None, 1, 0, ctypes.byref(abi.HCS_SYSTEM()))


class Holder:
    """An object that stands for the handle it holds."""

    def __init__(self, handle: object) -> None:
        self._as_parameter_ = handle


def test_holder_of_a_handle_passes_for_it_and_for_no_other() -> None:
    callee = Callee(BY_NAME["HcsCloseProcess"])
    callee.call(Holder(Holder(abi.HCS_PROCESS(HIGH))))
    assert callee.received == [HIGH]
    with pytest.raises(ctypes.ArgumentError, match="expected HCS_PROCESS, not HCS_SYSTEM"):
        callee.call(Holder(abi.HCS_SYSTEM(HIGH)))


def test_strings_that_were_given_out_may_be_freed_and_handles_may_not() -> None:
    callee = Callee(BY_NAME["LocalFree"])
    callee.call(abi.PWSTR(HIGH))
    callee.call(abi.PCWSTR(HIGH))
    callee.call(HIGH)
    assert callee.received == [HIGH, HIGH, HIGH]
    with pytest.raises(ctypes.ArgumentError, match="expected HLOCAL, not HCS_SYSTEM"):
        callee.call(abi.HCS_SYSTEM(HIGH))
