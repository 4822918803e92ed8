"""The table of exports: complete, consistent, and callable as C functions in both directions."""

import ast
import ctypes
from pathlib import Path

import pytest

from hcsd import abi as abi_package
from hcsd.abi import types as abi
from hcsd.abi.functions import BY_NAME, FUNCTIONS, Check, Function, Param

ROOT = Path(str(abi_package.__file__)).parents[1]

# Name and number of parameters, written down from Microsoft's reference and not from the table.
# The second number is what HcsGetOperationType says of an operation that the call starts.
EXPORTS: dict[str, tuple[int, int | None]] = {
    "HcsCreateOperation": (2, None),
    "HcsCloseOperation": (1, None),
    "HcsGetOperationContext": (1, None),
    "HcsSetOperationContext": (2, None),
    "HcsGetOperationType": (1, None),
    "HcsGetOperationId": (1, None),
    "HcsGetOperationResult": (2, None),
    "HcsGetOperationResultAndProcessInfo": (3, None),
    "HcsWaitForOperationResult": (3, None),
    "HcsWaitForOperationResultAndProcessInfo": (4, None),
    "HcsSetOperationCallback": (3, None),
    "HcsCancelOperation": (1, None),
    "HcsEnumerateComputeSystems": (2, 0),
    "HcsCreateComputeSystem": (5, 1),
    "HcsOpenComputeSystem": (3, None),
    "HcsCloseComputeSystem": (1, None),
    "HcsStartComputeSystem": (3, 2),
    "HcsShutDownComputeSystem": (3, 3),
    "HcsTerminateComputeSystem": (3, 7),
    "HcsPauseComputeSystem": (3, 4),
    "HcsResumeComputeSystem": (3, 5),
    "HcsSaveComputeSystem": (3, 6),
    "HcsGetComputeSystemProperties": (3, 9),
    "HcsModifyComputeSystem": (4, 8),
    "HcsSetComputeSystemCallback": (4, None),
    "HcsCreateProcess": (5, 10),
    "HcsOpenProcess": (4, None),
    "HcsCloseProcess": (1, None),
    "HcsTerminateProcess": (3, 11),
    "HcsSignalProcess": (3, 11),
    "HcsGetProcessInfo": (2, 12),
    "HcsGetProcessProperties": (3, 13),
    "HcsModifyProcess": (3, 14),
    "HcsSetProcessCallback": (4, None),
    "HcsGetServiceProperties": (2, None),
    "HcsModifyServiceSettings": (2, None),
    "LocalFree": (1, None),
}

# Without these a library is refused: the reason is what nobody could do then.
REQUIRED = {
    "HcsCreateOperation": "ask for anything that takes time",
    "HcsCloseOperation": "give an operation back",
    "HcsGetOperationResult": "learn how an operation ended, and read documents",
    "HcsGetOperationResultAndProcessInfo": "have the pid and the pipes of a new process",
    "HcsEnumerateComputeSystems": "list systems",
    "HcsOpenComputeSystem": "reach a system",
    "HcsCloseComputeSystem": "give a system back",
    "HcsGetComputeSystemProperties": "tell what a system is, and which processes it has",
    "HcsSetComputeSystemCallback": "hear of the end of a system",
    "HcsCreateProcess": "run a process",
    "HcsOpenProcess": "kill one, which opens it anew, and find it after a restart of the service",
    "HcsCloseProcess": "give a process back",
    "HcsGetProcessProperties": "read how a process ended whose event is lost",
    "HcsSetProcessCallback": "hear of the end of a process",
    "HcsTerminateProcess": "kill a process",
    "LocalFree": "free what HCS gives out",
}

RELEASED_BY = {
    abi.PWSTR: "LocalFree",
    abi.PCWSTR: "LocalFree",
    abi.HCS_OPERATION: "HcsCloseOperation",
    abi.HCS_SYSTEM: "HcsCloseComputeSystem",
    abi.HCS_PROCESS: "HcsCloseProcess",
    abi.HCS_PROCESS_INFORMATION: "CloseHandle",
}

FIXED_WIDTH = {ctypes.c_int32, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p}

every_row = pytest.mark.parametrize("row", FUNCTIONS, ids=lambda row: row.name)


def ctypes_of(row: Function) -> list[type[object]]:
    """Every type in a row, the result included."""
    return [p.ctype for p in row.params] + ([row.result] if row.result else [])


def test_table_holds_every_export_once_and_no_other() -> None:
    assert {row.name: len(row.params) for row in FUNCTIONS} == {
        name: arity for name, (arity, _) in EXPORTS.items()
    }
    assert len(FUNCTIONS) == len(EXPORTS) == len(BY_NAME)


def test_operation_types_are_those_of_the_reference() -> None:
    assert {row.name: row.operation for row in FUNCTIONS} == {
        name: kind for name, (_, kind) in EXPORTS.items()
    }


def test_required_are_those_that_hcsd_cannot_live_without() -> None:
    assert {row.name for row in FUNCTIONS if row.required} == REQUIRED.keys()


def names_in(package: str) -> set[str]:
    """Every name, attribute and string in the code of a package."""
    found: set[str] = set()
    for file in Path(package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            found |= {str(getattr(node, field, "")) for field in ("attr", "name", "value")}
    return found


def test_every_row_is_called_by_the_engine_or_offered_to_programs_in_c() -> None:
    called = names_in(str(ROOT / "hcs")) | {"LocalFree"}  # by the name in the row
    offered = names_in(str(ROOT / "embedded" / "exports"))
    assert BY_NAME.keys() - called - offered == set()
    assert REQUIRED.keys() - called == set()


@every_row
def test_row_names_its_source_module_and_parameters(row: Function) -> None:
    assert row.source
    assert row.since
    assert row.module == ("kernel32" if row.name == "LocalFree" else "computecore")
    names = [p.name for p in row.params]
    assert len(set(names)) == len(names)


@every_row
def test_error_rule_fits_the_result(row: Function) -> None:
    assert (row.check is Check.HRESULT) == (
        row.result is abi.HRESULT and row.name != "HcsGetOperationType"
    )
    assert (row.check is Check.NULL) == (row.name == "HcsCreateOperation")


@every_row
def test_what_starts_an_operation_takes_one(row: Function) -> None:
    takes = [p for p in row.params if p.ctype is abi.HCS_OPERATION]
    if row.operation is not None:
        assert [p.name for p in takes] == ["operation"]
        assert len(row.params) > 1
        assert row.check is Check.HRESULT
    elif takes:
        assert row.params[0] is takes[0], "a function of the operation takes it first"


@every_row
def test_every_value_given_out_says_who_releases_it(row: Function) -> None:
    for param in row.params:
        assert param.release == (RELEASED_BY[param.ctype] if param.out else None)
    if row.result in RELEASED_BY:
        assert row.release == RELEASED_BY[row.result]
    releases = {p.release for p in row.params} | {row.release}
    assert releases <= BY_NAME.keys() | {"CloseHandle", None}


@every_row
def test_types_have_the_same_width_everywhere(row: Function) -> None:
    for ctype in ctypes_of(row):
        assert ctype in FIXED_WIDTH or ctype.__module__ == abi.__name__


def test_the_layer_never_names_a_type_of_varying_width() -> None:
    varying = {"wintypes", "c_long", "c_ulong", "c_int", "c_uint", "c_wchar", "c_wchar_p", "c_bool"}
    for file in Path(str(abi_package.__file__)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            named = {getattr(node, field, None) for field in ("id", "attr", "name", "module")}
            assert not named & varying, f"{file.name}:{getattr(node, 'lineno', 0)}"


@every_row
def test_prototype_is_made_once_from_the_row(row: Function) -> None:
    assert row.prototype is row.prototype
    assert row.prototype._restype_ is row.result
    for param, given in zip(row.params, row.prototype._argtypes_, strict=True):
        assert given is (ctypes.POINTER(param.ctype) if param.out else param.ctype)


def test_null_check_keeps_the_last_error() -> None:
    use_last_error = 0x10
    assert BY_NAME["HcsCreateOperation"].prototype._flags_ & use_last_error
    assert not BY_NAME["HcsCloseOperation"].prototype._flags_ & use_last_error


def test_rows_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Param("name", abi.DWORD).name = "other"  # type: ignore[misc]
    assert not isinstance(BY_NAME, dict)
