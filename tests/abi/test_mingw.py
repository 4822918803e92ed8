"""The table against an independent reading: the public-domain headers of mingw-w64.

A C file made from our types and rows is compiled against `computecore.h`. A function pointer of our
signature must take the address of the declared function, and sizes, offsets and values are static
assertions, so the compiler is the judge. That it can say no is tested with wrong rows.
"""

import ctypes
import enum
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from hcsd.abi import types as abi
from hcsd.abi.functions import BY_NAME, FUNCTIONS, Check, Function, Param
from hcsd.abi.hresult import HR

COMPILER = shutil.which("x86_64-w64-mingw32-gcc") or ""
pytestmark = pytest.mark.skipif(
    not COMPILER, reason="needs x86_64-w64-mingw32-gcc (Debian: gcc-mingw-w64-x86-64)"
)

STRUCTURES = (abi.HCS_EVENT, abi.HCS_PROCESS_INFORMATION)
ENUMS: tuple[type[enum.IntEnum | enum.IntFlag], ...] = (
    abi.HCS_OPERATION_TYPE,
    abi.HCS_EVENT_TYPE,
    abi.HCS_EVENT_OPTIONS,
)
CALLBACKS = (abi.HCS_OPERATION_COMPLETION, abi.HCS_EVENT_CALLBACK)

NOT_IN_HEADER = {"LocalFree": "it is a function of the Windows heap, declared in winbase.h"}
NOT_IN_TABLE = {
    "HcsGetComputeSystemFromOperation": "called by nobody: the kickoff gives the handle out",
    "HcsGetProcessFromOperation": "called by nobody: the kickoff gives the handle out",
    "HcsEnumerateComputeSystemsInNamespace": "called by nobody; its page was withdrawn",
    "HcsCreateComputeSystemInNamespace": "called by nobody; its page was withdrawn",
    "HcsOpenComputeSystemInNamespace": "called by nobody; its page was withdrawn",
    "HcsWaitForComputeSystemExit": "called by nobody: it blocks a thread, and older builds lack it",
    "HcsWaitForProcessExit": "called by nobody: it blocks a thread, and older builds lack it",
    "HcsCrashComputeSystem": "called by nobody: of virtual machines",
    "HcsCreateEmptyGuestStateFile": "called by nobody: of virtual machines",
    "HcsCreateEmptyRuntimeStateFile": "called by nobody: of virtual machines",
    "HcsGetProcessorCompatibilityFromSavedState": "called by nobody: of virtual machines",
    "HcsGrantVmAccess": "called by nobody: of virtual machines",
    "HcsGrantVmGroupAccess": "called by nobody: of virtual machines",
    "HcsRevokeVmAccess": "called by nobody: of virtual machines",
    "HcsRevokeVmGroupAccess": "called by nobody: of virtual machines",
    "HcsSubmitWerReport": "called by nobody: crash reports",
}
NOT_DECLARED = {
    "HcsEnumerateVmWorkerProcesses": "in the import library only, undocumented",
    "HcsFindVmWorkerProcesses": "in the import library only, undocumented",
    "HcsGetWorkerProcessJob": "in the import library only, undocumented",
    "HcsStartVmWorkerProcess": "in the import library only, undocumented",
}
NEWER = dict.fromkeys(
    ("HcsEventGroupVmLifecycle", "HcsEventGroupLiveMigration", "HcsEventGroupOperationInfo"),
    "of later SDKs: hcsd shows it by its name to those who watch a system",
)
NOT_MIRRORED = {
    "HCS_CREATE_OPTIONS": "of HcsCreateComputeSystemInNamespace",
    "HCS_CREATE_OPTIONS_1": "of HcsCreateComputeSystemInNamespace",
    "HCS_NOTIFICATIONS": "of vmcompute, which builds before 1809 have instead of computecore",
    "HCS_NOTIFICATION_FLAGS": "of vmcompute",
}

# How our types are spelt in C, where not by their own name. ctypes knows neither `const` nor any
# difference between types of one width and sign; the exceptions are told apart by where they stand.
SPELLING: dict[object, str] = {
    abi.PVOID: "const void *",
    abi.PSECURITY_DESCRIPTOR: "const SECURITY_DESCRIPTOR *",
    abi.DWORD: "DWORD",
    abi.UINT64: "UINT64",
    abi.HRESULT: "HRESULT",
    None: "void",
    ctypes.POINTER(abi.HCS_EVENT): "HCS_EVENT *",
}
EXCEPTIONS = {
    ("HcsSetProcessCallback", "context"): "void *",
    ("HcsSetProcessCallback", "callbackOptions"): "HCS_EVENT_OPTIONS",
    ("HcsSetComputeSystemCallback", "callbackOptions"): "HCS_EVENT_OPTIONS",
    ("HcsGetOperationType", "result"): "HCS_OPERATION_TYPE",
    ("HcsGetOperationContext", "result"): "void *",
}


def spell(function: str, place: str, ctype: object) -> str:
    named = str(getattr(ctype, "__name__", ""))
    return EXCEPTIONS.get((function, place)) or SPELLING.get(ctype) or named


def signature(row: Function) -> str:
    """A pointer of the row's type to the function that the header declares."""
    params = [spell(row.name, p.name, p.ctype) + " *" * p.out for p in row.params]
    result = spell(row.name, "result", row.result)
    return f"{result} (WINAPI *p_{row.name})({', '.join(params)}) = &{row.name};"


def holds(condition: str) -> str:
    return f'_Static_assert({condition}, "{condition}");'


def layout(structure: type[ctypes.Structure]) -> Iterable[str]:
    name = structure.__name__
    yield holds(f"sizeof({name}) == {ctypes.sizeof(structure)}")
    for field, *_ in structure._fields_:
        place = getattr(structure, field)
        yield holds(f"offsetof({name}, {field}) == {place.offset}")
        yield holds(f"sizeof((({name} *)0)->{field}) == {place.size}")


def values(kind: type[enum.IntEnum | enum.IntFlag]) -> Iterable[str]:
    yield holds(f"sizeof({kind.__name__}) == 4")
    for name, member in kind.__members__.items():
        if name in NEWER:
            continue
        yield holds(f"{name} == {int(member)}")


def callback(kind: type[abi._Callback]) -> str:
    name = kind.__name__
    argtypes: tuple[object, ...] = getattr(kind, "_argtypes_", ())
    params = ["void *" if ctype is abi.PVOID else spell(name, "", ctype) for ctype in argtypes]
    return f"void (CALLBACK *f_{name})({', '.join(params)}); {name} *p_{name} = &f_{name};"


def code(row: HR) -> str:
    symbol = row.code.symbol
    value = f"__HRESULT_FROM_WIN32({symbol})" if symbol.startswith(("ERROR_", "RPC_")) else symbol
    return holds(f"(unsigned long){value} == {int(row):#x}UL")


def compile_c(statements: Iterable[str], folder: Path) -> tuple[int, str]:
    """Compile against the headers; return the exit code and the complaints."""
    lines = ["#include <stddef.h>", "#include <windows.h>", "#include <computecore.h>"]
    source = folder / "table.c"
    source.write_text("\n".join([*lines, *statements, ""]), encoding="ascii")
    flags = ["-std=c11", "-DWIN32_LEAN_AND_MEAN", "-Wall", "-Werror", "-c", "-MD"]
    done = subprocess.run(
        [COMPILER, *flags, "-o", str(folder / "table.o"), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The text of the headers that the compiler reads, by file name."""
    folder = tmp_path_factory.mktemp("headers")
    assert compile_c([], folder) == (0, "")
    words = (folder / "table.d").read_text(encoding="ascii").replace("\\\n", " ").split()
    paths = [Path(word) for word in words if Path(word).name.startswith("compute")]
    return {path.name: path.read_text(encoding="ascii") for path in paths}


def test_every_signature_is_the_headers(tmp_path: Path) -> None:
    assert compile_c(map(signature, FUNCTIONS), tmp_path) == (0, "")


def test_every_layout_value_and_callback_is_the_headers(tmp_path: Path) -> None:
    statements = [line for s in STRUCTURES for line in layout(s)]
    statements += [line for k in ENUMS for line in values(k)]
    statements += [callback(k) for k in CALLBACKS]
    statements += [
        holds(f"INFINITE == {abi.INFINITE:#x}"),
        holds(f"GENERIC_ALL == {abi.GENERIC_ALL:#x}"),
        holds(f"HCS_INVALID_OPERATION_ID == {abi.HCS_INVALID_OPERATION_ID:#x}ULL"),
        holds(f"sizeof(HANDLE) == {ctypes.sizeof(abi.HANDLE)}"),
        holds("sizeof(WCHAR) == 2"),
        holds(f"(UINT_PTR)INVALID_HANDLE_VALUE == {abi.INVALID_HANDLE_VALUE:#x}ULL"),
    ]
    assert compile_c(statements, tmp_path) == (0, "")


def test_every_windows_code_is_that_of_winerror(tmp_path: Path) -> None:
    windows = [row for row in HR if "HCS_E_" not in row.code.symbol and "VMCOMPUTE" not in row.name]
    assert compile_c(map(code, windows), tmp_path) == (0, "")


def test_header_and_table_hold_the_same_functions(headers: dict[str, str]) -> None:
    declared = set(re.findall(r"\bWINAPI (\w+) \(", headers["computecore.h"]))
    assert len(declared) == headers["computecore.h"].count("WINAPI Hcs") > 50
    assert BY_NAME.keys() - declared == NOT_IN_HEADER.keys()
    assert declared - BY_NAME.keys() == NOT_IN_TABLE.keys()


def test_parameters_have_the_headers_names(headers: dict[str, str]) -> None:
    declared = {
        name: [text.split()[-1].lstrip("*") for text in params.split(",")]
        for name, params in re.findall(r"WINAPI (\w+) \(([^)]*)\)", headers["computecore.h"])
    }
    table = {row.name: [p.name for p in row.params] for row in FUNCTIONS}
    declared |= {name: table[name] for name in NOT_IN_HEADER}
    assert table == {name: declared[name] for name in table}


def test_every_row_is_an_export_of_the_import_library(tmp_path: Path) -> None:
    done = subprocess.run(
        [COMPILER, "-print-file-name=libcomputecore.a"], capture_output=True, text=True, check=True
    )
    archive = Path(done.stdout.strip()).read_bytes()
    exported = {name.decode() for name in re.findall(rb"__imp_(Hcs\w+)", archive)}
    assert exported - BY_NAME.keys() == NOT_IN_TABLE.keys() | NOT_DECLARED.keys()
    assert BY_NAME.keys() - exported == NOT_IN_HEADER.keys()


def test_every_enum_and_structure_of_the_header_is_mirrored(headers: dict[str, str]) -> None:
    text = headers["computedefs.h"]
    declared = re.findall(r"typedef enum (\w+) \{([^}]*)\}", text)
    mirrored = {kind.__name__: set(kind.__members__) - NEWER.keys() for kind in ENUMS}
    assert {name for name, _ in declared} - NOT_MIRRORED.keys() == mirrored.keys()
    for name, body in declared:
        if name in mirrored:
            assert set(re.findall(r"(\w+) *=", body)) == mirrored[name]
    structures = re.findall(r"typedef struct \w* ?\{[^}]*\} (\w+);", text)
    assert set(structures) - NOT_MIRRORED.keys() == {s.__name__ for s in STRUCTURES}
    handles = re.findall(r"DECLARE_HANDLE\((\w+)\)", text)
    assert all(issubclass(getattr(abi, name), ctypes.c_void_p) for name in handles)


def wrong(name: str, position: int, **changes: object) -> Function:
    """The row with one parameter changed."""
    params = list(BY_NAME[name].params)
    param = params[position]
    params[position] = replace(param, **changes)  # type: ignore[arg-type]
    return replace(BY_NAME[name], params=tuple(params))


OPEN = BY_NAME["HcsOpenProcess"]
WRONG_ROWS = {
    "other handle": wrong("HcsOpenProcess", 0, ctype=abi.HCS_PROCESS),
    "other width": wrong("HcsOpenProcess", 1, ctype=abi.UINT64),
    "in for out": wrong("HcsOpenProcess", 3, out=False),
    "out for in": wrong("HcsGetServiceProperties", 0, out=True),
    "other string": wrong("HcsGetServiceProperties", 1, ctype=abi.PCWSTR),
    "other callback": wrong("HcsSetOperationCallback", 2, ctype=abi.HCS_EVENT_CALLBACK),
    "order": replace(OPEN, params=OPEN.params[::-1]),
    "too few": replace(OPEN, params=OPEN.params[:-1]),
    "too many": replace(OPEN, params=(*OPEN.params, Param("more", abi.DWORD))),
    "result": replace(BY_NAME["HcsGetOperationId"], result=abi.DWORD),
    "void": replace(BY_NAME["HcsCloseProcess"], result=abi.HRESULT, check=Check.HRESULT),
}


@pytest.mark.parametrize("mistake", WRONG_ROWS)
def test_compiler_refuses_a_wrong_row(mistake: str, tmp_path: Path) -> None:
    status, complaints = compile_c([signature(WRONG_ROWS[mistake])], tmp_path)
    assert status == 1
    assert "-Werror=incompatible-pointer-types" in complaints


def test_compiler_refuses_a_name_that_is_not_declared(tmp_path: Path) -> None:
    row = replace(BY_NAME["HcsShutDownComputeSystem"], name="HcsShutdownComputeSystem")
    status, complaints = compile_c([signature(row)], tmp_path)
    assert status == 1
    assert "HcsShutdownComputeSystem" in complaints


def test_compiler_refuses_a_wrong_layout_value_callback_or_code(tmp_path: Path) -> None:
    class HCS_EVENT(ctypes.Structure):  # noqa: N801
        _fields_ = (("Type", abi.UINT64), ("Operation", abi.PVOID), ("EventData", abi.PVOID))

    class HCS_EVENT_TYPE(enum.IntEnum):  # noqa: N801
        HcsEventServiceDisconnect = 0x01000000

    class HCS_EVENT_CALLBACK(abi._Callback):  # noqa: N801
        _flags_ = abi._Callback._flags_
        _argtypes_ = (abi.HCS_OPERATION, abi.PVOID)

    statements = [*layout(HCS_EVENT), *values(HCS_EVENT_TYPE), callback(HCS_EVENT_CALLBACK)]
    statements.append(holds("__HRESULT_FROM_WIN32(ERROR_NOT_FOUND) == 0x80070491"))
    status, complaints = compile_c(statements, tmp_path)
    assert status == 1
    # Three of the structure (size of Type, two offsets), one of the enum, one code; one pointer.
    assert complaints.count("static assertion failed") == 5
    assert complaints.count("-Werror=incompatible-pointer-types") == 1
