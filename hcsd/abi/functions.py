"""List every export: what it takes, what it answers, and who frees what it gave.

A row reads: name, then the result or the operation's type where there is one, then the parameters
in Microsoft's order. `_out` marks a value that the callee writes through a pointer and names the
export that releases it; NULL may be passed for a string that is not wanted. What a row does not
say is usual: an HRESULT, optional, Windows 10 1809. Prototypes, error checks, the embedded thunks
and the tests are all derived from these rows.

Required are the exports without which hcsd cannot find a system, run a process in it, read how it
ends or kill it. A build that lacks another one is served all the same: what needs that export is
refused, by its name. Builds differ from their documentation, so `since` decides nothing.

Listed is what the engine calls, and what a program in C needs to drive the embedded engine. Exports
of virtual machines, of crash reports and of live migration are not listed: nothing here calls them.

Ownership: an out value may be set on failure too, so it is released on every path. `CloseHandle`
stands for each standard handle of a process; closing those is stream I/O and no row of this table.

Source: parameter names and types from `computecore.h` and `computedefs.h`; builds, ownership and
error rules from Microsoft's reference page named after the function.
"""

import ctypes
import enum
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from hcsd.abi.types import (
    DWORD,
    ENUM,
    FLAGS,
    FUNCTYPE,
    HANDLE,
    HCS_EVENT_CALLBACK,
    HCS_OPERATION,
    HCS_OPERATION_COMPLETION,
    HCS_OPERATION_TYPE,
    HCS_PROCESS,
    HCS_PROCESS_INFORMATION,
    HCS_SYSTEM,
    HLOCAL,
    HRESULT,
    PCWSTR,
    PSECURITY_DESCRIPTOR,
    PVOID,
    PWSTR,
    UINT64,
)


class Check(enum.Enum):
    """How a result says that the call failed."""

    HRESULT = "a negative result is the failure's code"
    NULL = "a NULL result is a failure; the reason is in the thread's last error (Windows)"
    NONE = "the call cannot fail, or no result of it is a failure"


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter. For an out value `ctype` is the type pointed to and `release` what frees it."""

    name: str
    ctype: type[Any]
    out: bool = False
    release: str | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """An export.

    Attributes:
        name: Export name, in Microsoft's spelling.
        result: Result type, None for void.
        params: Parameters in order.
        check: What a failure looks like.
        required: Whether a library without it is refused.
        module: Library that exports it on Windows.
        operation: What the operation it takes becomes; None for a call that completes at once.
        since: First Windows release with the export, as its reference page says.
        source: Where the row comes from.
        release: Export that releases the result; None for a borrowed or plain value.
    """

    name: str
    result: type[Any] | None
    params: tuple[Param, ...]
    check: Check
    required: bool
    module: str
    operation: HCS_OPERATION_TYPE | None
    since: str
    source: str
    release: str | None = None

    @property
    def prototype(self) -> type[Any]:
        """The C function type; the same class at every access.

        It is stdcall on Windows. Where a NULL result is a failure the last error is kept, for
        `ctypes.get_last_error` on Windows.
        """
        return _prototype(self)


@functools.cache
def _prototype(row: Function) -> type[Any]:
    types = (ctypes.POINTER(p.ctype) if p.out else p.ctype for p in row.params)
    made: type[Any] = FUNCTYPE(row.result, *types, use_last_error=row.check is Check.NULL)
    return made


_REFERENCE = "computecore.h; Microsoft's HCS reference, page of this name"
_T = HCS_OPERATION_TYPE

_1809 = "Windows 10 1809"

_REQUIRED = frozenset(
    {
        # Every other call is an operation, or closes a handle.
        "HcsCreateOperation", "HcsCloseOperation", "HcsGetOperationResult",
        "HcsGetOperationResultAndProcessInfo",
        # Find a system, hear of its end.
        "HcsEnumerateComputeSystems", "HcsOpenComputeSystem", "HcsCloseComputeSystem",
        "HcsGetComputeSystemProperties", "HcsSetComputeSystemCallback",
        # Run a process, hear of its end, find it again, kill it.
        "HcsCreateProcess", "HcsOpenProcess", "HcsCloseProcess", "HcsGetProcessProperties",
        "HcsSetProcessCallback", "HcsTerminateProcess",
    }
)  # fmt: skip


def _call(
    name: str,
    *params: Param,
    operation: HCS_OPERATION_TYPE | None = None,
    since: str = _1809,
) -> Function:
    """Make the row of a call that answers an HRESULT and is over when it returns."""
    return Function(
        name, HRESULT, params, Check.HRESULT, name in _REQUIRED, "computecore", operation, since,
        _REFERENCE,
    )  # fmt: skip


def _start(
    name: str, operation: HCS_OPERATION_TYPE, *params: Param, since: str = _1809
) -> Function:
    """Make the row of a call that answers an HRESULT and goes on in the operation it takes."""
    return _call(name, *params, operation=operation, since=since)


def _value(
    name: str,
    result: type[Any] | None,
    *params: Param,
    check: Check = Check.NONE,
    release: str | None = None,
) -> Function:
    """Make the row of a call that answers a value or nothing."""
    return Function(
        name, result, params, check, name in _REQUIRED, "computecore", None, _1809, _REFERENCE,
        release,
    )  # fmt: skip


def _out(name: str, ctype: type[Any], release: str) -> Param:
    return Param(name, ctype, out=True, release=release)


_OPERATION = Param("operation", HCS_OPERATION)
_SYSTEM = Param("computeSystem", HCS_SYSTEM)
_PROCESS = Param("process", HCS_PROCESS)
_ID = Param("id", PCWSTR)
_CONFIGURATION = Param("configuration", PCWSTR)
_OPTIONS = Param("options", PCWSTR)
_QUERY = Param("query", PCWSTR)
_PROPERTY_QUERY = Param("propertyQuery", PCWSTR)
_SETTINGS = Param("settings", PCWSTR)
_ACCESS = Param("requestedAccess", DWORD)
_TIMEOUT = Param("timeoutMs", DWORD)
_CONTEXT = Param("context", PVOID)
_COMPLETION = Param("callback", HCS_OPERATION_COMPLETION)
_CALLBACK_OPTIONS = Param("callbackOptions", FLAGS)
_CALLBACK = Param("callback", HCS_EVENT_CALLBACK)
_SECURITY = Param("securityDescriptor", PSECURITY_DESCRIPTOR)

# A row is one line, or a line for each group of parameters where one does not hold it.
# fmt: off
FUNCTIONS: tuple[Function, ...] = (
    # Operations.
    _value("HcsCreateOperation",               HCS_OPERATION, _CONTEXT, _COMPLETION,
           check=Check.NULL, release="HcsCloseOperation"),
    _value("HcsCloseOperation",                None,          _OPERATION),
    _value("HcsGetOperationContext",           PVOID,         _OPERATION),
    _value("HcsGetOperationType",              ENUM,          _OPERATION),
    _value("HcsGetOperationId",                UINT64,        _OPERATION),
    _call("HcsSetOperationContext",            _OPERATION, _CONTEXT),
    _call("HcsSetOperationCallback",           _OPERATION, _CONTEXT, _COMPLETION),
    _call("HcsCancelOperation",                _OPERATION),  # best effort at most
    _call("HcsGetOperationResult",             _OPERATION,
          _out("resultDocument", PWSTR, "LocalFree")),
    _call("HcsGetOperationResultAndProcessInfo", _OPERATION,
          _out("processInformation", HCS_PROCESS_INFORMATION, "CloseHandle"),
          _out("resultDocument", PWSTR, "LocalFree")),
    _call("HcsWaitForOperationResult",         _OPERATION, _TIMEOUT,
          _out("resultDocument", PWSTR, "LocalFree")),
    _call("HcsWaitForOperationResultAndProcessInfo", _OPERATION, _TIMEOUT,
          _out("processInformation", HCS_PROCESS_INFORMATION, "CloseHandle"),
          _out("resultDocument", PWSTR, "LocalFree")),

    # Compute systems. A new handle is given out at once, before the operation is complete.
    _start("HcsEnumerateComputeSystems",  _T.HcsOperationTypeEnumerate, _QUERY, _OPERATION),
    _start("HcsCreateComputeSystem",      _T.HcsOperationTypeCreate,
           _ID, _CONFIGURATION, _OPERATION, _SECURITY,
           _out("computeSystem", HCS_SYSTEM, "HcsCloseComputeSystem")),
    _call("HcsOpenComputeSystem",         _ID, _ACCESS,
          _out("computeSystem", HCS_SYSTEM, "HcsCloseComputeSystem")),
    _value("HcsCloseComputeSystem",       None, _SYSTEM),
    _start("HcsStartComputeSystem",     _T.HcsOperationTypeStart, _SYSTEM, _OPERATION, _OPTIONS),
    _start("HcsShutDownComputeSystem",  _T.HcsOperationTypeShutdown, _SYSTEM, _OPERATION, _OPTIONS),
    _start("HcsTerminateComputeSystem", _T.HcsOperationTypeTerminate,
           _SYSTEM, _OPERATION, _OPTIONS),
    _start("HcsPauseComputeSystem",     _T.HcsOperationTypePause, _SYSTEM, _OPERATION, _OPTIONS),
    _start("HcsResumeComputeSystem",    _T.HcsOperationTypeResume, _SYSTEM, _OPERATION, _OPTIONS),
    _start("HcsSaveComputeSystem",      _T.HcsOperationTypeSave, _SYSTEM, _OPERATION, _OPTIONS),
    _start("HcsGetComputeSystemProperties", _T.HcsOperationTypeGetProperties,
           _SYSTEM, _OPERATION, _PROPERTY_QUERY),
    _start("HcsModifyComputeSystem",      _T.HcsOperationTypeModify,
           _SYSTEM, _OPERATION, _CONFIGURATION, Param("identity", HANDLE)),
    _call("HcsSetComputeSystemCallback",  _SYSTEM, _CALLBACK_OPTIONS, _CONTEXT, _CALLBACK),

    # Processes.
    _start("HcsCreateProcess",            _T.HcsOperationTypeCreateProcess,
           _SYSTEM, Param("processParameters", PCWSTR), _OPERATION, _SECURITY,
           _out("process", HCS_PROCESS, "HcsCloseProcess")),
    _call("HcsOpenProcess",               _SYSTEM, Param("processId", DWORD), _ACCESS,
          _out("process", HCS_PROCESS, "HcsCloseProcess")),
    _value("HcsCloseProcess",             None, _PROCESS),
    # Terminate has no type of its own in the enum; what it reports is unverified.
    _start("HcsTerminateProcess",         _T.HcsOperationTypeSignalProcess,
           _PROCESS, _OPERATION, _OPTIONS),
    _start("HcsSignalProcess",            _T.HcsOperationTypeSignalProcess,
           _PROCESS, _OPERATION, _OPTIONS),
    _start("HcsGetProcessInfo",           _T.HcsOperationTypeGetProcessInfo, _PROCESS, _OPERATION),
    _start("HcsGetProcessProperties",     _T.HcsOperationTypeGetProcessProperties,
           _PROCESS, _OPERATION, _PROPERTY_QUERY),
    _start("HcsModifyProcess",            _T.HcsOperationTypeModifyProcess,
           _PROCESS, _OPERATION, _SETTINGS),
    _call("HcsSetProcessCallback",        _PROCESS, _CALLBACK_OPTIONS, _CONTEXT, _CALLBACK),

    # Service.
    _call("HcsGetServiceProperties",      _PROPERTY_QUERY, _out("result", PWSTR, "LocalFree")),
    _call("HcsModifyServiceSettings",     _SETTINGS, _out("result", PWSTR, "LocalFree")),

    # Answers NULL for a freed block and the block itself otherwise, which nobody can mend.
    Function("LocalFree", HLOCAL, (Param("memory", HLOCAL),), Check.NONE, True, "kernel32", None,
             "Windows XP", "winbase.h; Microsoft's Win32 reference, page LocalFree"),
)
# fmt: on

BY_NAME: Mapping[str, Function] = MappingProxyType({row.name: row for row in FUNCTIONS})
