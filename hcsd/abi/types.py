"""Define the C types of computecore.dll in a form that is the same ABI on every platform.

* Scalars have a fixed width. The integer types of `ctypes.wintypes` and C's `long` are 8 bytes on
  64-bit POSIX and 4 on Windows, so they do not occur here.
* Every pointer is its own class, so that a process handle cannot be passed for a system handle.
  As the argument of a Python callback, the result of a call or a structure's field it arrives as
  an instance whose `value` is the unsigned address, or None for NULL. A Python callback returns
  the bare address or None. `PVOID` alone is plain `c_void_p`: it arrives as an int or None.
* Strings are UTF-16LE units on every platform; C's `wchar_t` is 32 bits wide on POSIX.

Enum values travel as 4-byte integers, `ENUM` (signed) or `FLAGS` (unsigned).

Source: `computecore.h` and `computedefs.h` (Windows SDK; public domain copy in mingw-w64).
"""

import codecs
import ctypes
from _ctypes import CFuncPtr  # the base of all prototypes, for which ctypes has a private name only
from enum import IntEnum, IntFlag
from typing import Any, Self

HRESULT = ctypes.c_int32
DWORD = ctypes.c_uint32
UINT32 = ctypes.c_uint32
UINT64 = ctypes.c_uint64
ENUM = ctypes.c_int32
FLAGS = ctypes.c_uint32
PVOID = ctypes.c_void_p

INFINITE = 0xFFFFFFFF
GENERIC_ALL = 0x10000000
INVALID_HANDLE_VALUE = (1 << 8 * ctypes.sizeof(ctypes.c_void_p)) - 1
HCS_INVALID_OPERATION_ID = (1 << 64) - 1

FUNCTYPE: Any = getattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE)

# Units: bytes. The smallest page of any supported platform, hence a divisor of every page size.
_PAGE = 4096
# Units: bytes. Covers most identifiers and short documents in one copy; arbitrary.
_FIRST_CHUNK = 512

_Decoder = codecs.getincrementaldecoder("utf-16-le")


def wide(text: str) -> bytes:
    """Encode text as NUL-terminated UTF-16LE.

    Lone surrogates are passed through as the units they are: Windows file names and command lines
    may hold them, and on POSIX they carry the bytes of a name that is no UTF-8.

    Raises:
        ValueError: The text holds a NUL, which would silently cut it short. The message gives the
            position and not the text, which may be a secret.
    """
    position = text.find("\0")
    if position >= 0:
        raise ValueError(f"cannot pass a string with an embedded NUL (at index {position}) to HCS")
    return (text + "\0").encode("utf-16-le", "surrogatepass")


def read_wide(address: int) -> str:
    """Copy a NUL-terminated UTF-16LE string out of memory.

    Reads in chunks that end at a page boundary at the latest: the next page is touched only when
    the terminator has not been met, so it must exist. The decoder keeps what a boundary cuts in
    two, a unit at an odd address or a surrogate pair.

    Ownership: the memory stays the caller's; the returned text is a copy.

    Raises:
        ValueError: The address is NULL.
    """
    if not address:
        raise ValueError("cannot read a wide string at NULL")
    decoder = _Decoder("surrogatepass")
    pieces: list[str] = []
    limit = _FIRST_CHUNK
    while True:
        size = min(limit, _PAGE - address % _PAGE)
        piece, terminator, _ = decoder.decode(ctypes.string_at(address, size)).partition("\0")
        pieces.append(piece)
        if terminator:
            return "".join(pieces)
        address += size
        limit = _PAGE


class _Pointer(ctypes.c_void_p):
    """Accept only its own kind: None, an instance, its holder, or a bare address.

    A holder is an object with `_as_parameter_`. Plain `c_void_p` would also take text, bytes,
    arrays and every other handle.
    """

    @classmethod
    def from_param(cls, value: Any, /) -> Any:
        """Convert an argument; ctypes reports the TypeError as `ctypes.ArgumentError`."""
        if value is None or isinstance(value, (int, cls)):
            return super().from_param(value)
        held = getattr(value, "_as_parameter_", None)
        if held is None:
            raise TypeError(f"expected {cls.__name__}, not {type(value).__name__}")
        return cls.from_param(held)


class HCS_OPERATION(_Pointer):
    """Handle of a tracked request. Ownership: `HcsCloseOperation`, also inside its callback."""


class HCS_SYSTEM(_Pointer):
    """Handle of a compute system. Ownership: `HcsCloseComputeSystem`, which does not stop it."""


class HCS_PROCESS(_Pointer):
    """Handle of a process in a system. Ownership: `HcsCloseProcess`, which does not end it."""


class HCS_CALLBACK(_Pointer):
    """Handle of a vmcompute registration; declared by the header, used by no current export."""


class HANDLE(_Pointer):
    """Object handle. On POSIX the provider says what stands for one; NULL is none everywhere."""


class PSECURITY_DESCRIPTOR(_Pointer):
    """Pointer to a security descriptor. Reserved in HCS: always NULL."""


class _WidePointer(_Pointer):
    """Address of a NUL-terminated UTF-16LE string."""

    @property
    def text(self) -> str | None:
        """A copy of the string, None for NULL."""
        return read_wide(self.value) if self.value else None


class PWSTR(_WidePointer):
    """String that the library hands out. Ownership: the receiver frees it with `LocalFree`."""


class PCWSTR(_WidePointer):
    """String that is only read. A `str` argument is encoded and lives as long as the call."""

    @classmethod
    def from_param(cls, value: Any, /) -> Any:
        """Convert an argument: `str`, None, an address, PCWSTR or PWSTR.

        Raises:
            ValueError: A `str` holds a NUL. Out of a foreign call ctypes raises it as
                `ctypes.ArgumentError` with the same text.
        """
        if isinstance(value, str):
            return wide(value)
        return value if isinstance(value, PWSTR) else super().from_param(value)


class HLOCAL(_Pointer):
    """Memory block of the local heap: what `LocalFree` takes."""

    @classmethod
    def from_param(cls, value: Any, /) -> Any:
        """Convert an argument; strings that the library handed out are such blocks."""
        return value if isinstance(value, _WidePointer) else super().from_param(value)


class _OpenEnum(IntEnum):
    """Enum that newer builds extend: an unknown 32-bit value becomes a nameless member."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int) or not -(1 << 31) <= value < 1 << 32:
            return None
        member = int.__new__(cls, value)
        member._name_ = f"{cls.__name__}_0x{value & 0xFFFFFFFF:08X}"
        member._value_ = value
        return member


class HCS_OPERATION_TYPE(_OpenEnum):
    """What an operation tracks; None until it is used."""

    HcsOperationTypeNone = -1
    HcsOperationTypeEnumerate = 0
    HcsOperationTypeCreate = 1
    HcsOperationTypeStart = 2
    HcsOperationTypeShutdown = 3
    HcsOperationTypePause = 4
    HcsOperationTypeResume = 5
    HcsOperationTypeSave = 6
    HcsOperationTypeTerminate = 7
    HcsOperationTypeModify = 8
    HcsOperationTypeGetProperties = 9
    HcsOperationTypeCreateProcess = 10
    HcsOperationTypeSignalProcess = 11
    HcsOperationTypeGetProcessInfo = 12
    HcsOperationTypeGetProcessProperties = 13
    HcsOperationTypeModifyProcess = 14
    HcsOperationTypeCrash = 15


class HCS_EVENT_TYPE(_OpenEnum):
    """What an event tells. ServiceDisconnect differs from vmcompute's value (0x01000000)."""

    HcsEventInvalid = 0x00000000
    HcsEventSystemExited = 0x00000001
    HcsEventSystemCrashInitiated = 0x00000002
    HcsEventSystemCrashReport = 0x00000003
    HcsEventSystemRdpEnhancedModeStateChanged = 0x00000004
    HcsEventSystemSiloJobCreated = 0x00000005
    HcsEventSystemGuestConnectionClosed = 0x00000006
    HcsEventProcessExited = 0x00010000
    HcsEventOperationCallback = 0x01000000
    HcsEventServiceDisconnect = 0x02000000
    HcsEventGroupVmLifecycle = 0x80000002
    HcsEventGroupLiveMigration = 0x80000003
    HcsEventGroupOperationInfo = 0xC0000001


class HCS_EVENT_OPTIONS(IntFlag):
    """How events of a handle are delivered."""

    HcsEventOptionNone = 0x00000000
    HcsEventOptionEnableOperationCallbacks = 0x00000001


class HCS_EVENT(ctypes.Structure):
    """Event handed to a callback. Ownership: HCS; valid, with its text, only inside the call."""

    _fields_ = [
        ("Type", FLAGS),  # HCS_EVENT_TYPE; groups above 0x7FFFFFFF exist
        ("EventData", PCWSTR),  # JSON; may be NULL for any type
        ("Operation", HCS_OPERATION),  # for HcsEventOperationCallback, else NULL
    ]


class _Callback(CFuncPtr):
    """Function pointer type that takes None for NULL, which plain prototypes refuse.

    An instance made from a callable owns the thunk: keep it until the last call is over.
    An instance received as an argument is false if NULL.
    """

    _flags_ = FUNCTYPE(None)._flags_

    @classmethod
    def from_param(cls, value: Any, /) -> Any:
        """Convert an argument; ctypes reports the TypeError as `ctypes.ArgumentError`."""
        if value is None or isinstance(value, cls):
            return value
        raise TypeError(f"expected {cls.__name__} or None, not {type(value).__name__}")


class HCS_OPERATION_COMPLETION(_Callback):
    """`void (HCS_OPERATION operation, void *context)`. Thread: one that HCS owns."""

    _flags_ = _Callback._flags_
    _restype_ = None
    _argtypes_ = (HCS_OPERATION, PVOID)


class HCS_EVENT_CALLBACK(_Callback):
    """`void (HCS_EVENT *event, void *context)`. Thread: one that HCS owns."""

    _flags_ = _Callback._flags_
    _restype_ = None
    _argtypes_ = (ctypes.POINTER(HCS_EVENT), PVOID)


class HCS_PROCESS_INFORMATION(ctypes.Structure):
    """Result of a process creation.

    Ownership: the receiver closes each handle that is neither NULL nor INVALID_HANDLE_VALUE.
    """

    _fields_ = [
        ("ProcessId", DWORD),
        ("Reserved", DWORD),
        ("StdInput", HANDLE),
        ("StdOutput", HANDLE),
        ("StdError", HANDLE),
    ]
