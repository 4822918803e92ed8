"""Name every result code once, with all its spellings and the kind of failure that it is.

A condition arrives in several dresses: the HRESULT of computecore (0x8037010E), the code of
vmcompute and of guests (0xC037010E), a Win32 error, bare (1168) or wrapped (0x80070490), and each
of them signed or unsigned. `normalise` maps them all to the one value that `HR` holds; compare
nothing else. Arithmetic alone will not do: pending (0xC0370103) would become a code that does not
exist, so odd spellings are written in the rows.

Facility 0x37 is shared with the hypervisor: only 0x803701xx and 0xC03701xx are the service's.

Source: Microsoft's HCS reference, page HCSHResult; winerror.h; hcsshim `internal/hcs/errors.go`
and `internal/hcs/v2/errors.go`. The kind is a decision of this project.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, auto, unique
from types import MappingProxyType
from typing import Self

_FAILURE = 0x80000000
_WIN32 = 0x80070000
_SERVICE = 0x80370100
_LEGACY = 0xC0370100


@unique
class Kind(Enum):
    """What a caller can do about a failure, whoever tells of it and by which protocol.

    The daemon's own reasons have a kind, too (`hcsd.daemon.reasons`). A protocol turns kinds into
    its status codes, as `hcsd.rpc.status` does.
    """

    SUCCESS = auto()
    INVALID = auto()  # the request is wrong, and stays wrong
    NOT_FOUND = auto()
    EXISTS = auto()  # the name is taken
    WRONG_STATE = auto()  # the request is right, but not now
    OUT_OF_RANGE = auto()  # an offset or a revision that there is no more, or not yet
    EXHAUSTED = auto()  # a limit is reached
    ABORTED = auto()  # ended on behalf of somebody else
    CANCELLED = auto()
    TOO_LATE = auto()  # the time is up; the effect may still happen
    UNREACHABLE = auto()  # who is to answer is away; it may come back
    UNSUPPORTED = auto()  # this build, engine or guest has no such thing
    DENIED = auto()  # the caller is known, and may not
    UNAUTHENTICATED = auto()  # the caller is not known
    FAULT = auto()  # somebody has made a mistake, and it is not the caller
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Code:
    """What is known of a result code.

    Attributes:
        symbol: Microsoft's name, or `HRESULT_0x...` for a code without a row.
        value: The HRESULT, unsigned.
        meaning: Short prose for a message.
        kind: What a caller can do about it.
        aliases: Other values that mean the same, unsigned.
    """

    symbol: str
    value: int
    meaning: str
    kind: Kind
    aliases: tuple[int, ...] = ()


@unique
class HR(IntEnum):
    """The table. A row: value, kind, meaning, odd aliases; a member is the unsigned value.

    Members of the service's own range go without the `HCS_E_` of their symbol. Their twin
    0xC03701xx is an alias by rule.
    """

    code: Code

    def __new__(cls, value: int, kind: Kind, meaning: str, *aliases: int) -> Self:
        """Make the member, an int."""
        member = int.__new__(cls, value)
        member._value_ = value
        return member

    def __init__(self, value: int, kind: Kind, meaning: str, *aliases: int) -> None:
        symbol = self.name
        if value & ~0xFF == _SERVICE:
            symbol = f"HCS_E_{symbol}"
            aliases = (_LEGACY | value & 0xFF, *aliases)
        self.code = Code(symbol, value, meaning, kind, aliases)

    S_OK = 0x00000000, Kind.SUCCESS, "success"
    S_FALSE = 0x00000001, Kind.SUCCESS, "success, but nothing to do"

    # The service. 0x80370103 and 0x80370104 are not defined.
    TERMINATED_DURING_START = 0x80370100, Kind.ABORTED, "the compute system exited while starting"
    IMAGE_MISMATCH = 0x80370101, Kind.WRONG_STATE, "the image does not match the host's system"
    HYPERV_NOT_INSTALLED = 0x80370102, Kind.WRONG_STATE, "a required feature is not installed"
    INVALID_STATE = 0x80370105, Kind.WRONG_STATE, "not valid in the current state"
    UNEXPECTED_EXIT = 0x80370106, Kind.FAULT, "the compute system exited unexpectedly"
    TERMINATED = 0x80370107, Kind.ABORTED, "the compute system was terminated"
    CONNECT_FAILED = 0x80370108, Kind.UNREACHABLE, "no connection to the guest"
    CONNECTION_TIMEOUT = 0x80370109, Kind.TOO_LATE, "the guest did not answer in time"
    CONNECTION_CLOSED = 0x8037010A, Kind.UNREACHABLE, "the connection to the guest was closed"
    UNKNOWN_MESSAGE = 0x8037010B, Kind.UNSUPPORTED, "the guest does not know the request"
    UNSUPPORTED_PROTOCOL_VERSION = 0x8037010C, Kind.WRONG_STATE, "no common protocol version"
    INVALID_JSON = 0x8037010D, Kind.INVALID, "the document is not valid"
    SYSTEM_NOT_FOUND = 0x8037010E, Kind.NOT_FOUND, "no compute system has this id"
    SYSTEM_ALREADY_EXISTS = 0x8037010F, Kind.EXISTS, "a compute system has this id already"
    SYSTEM_ALREADY_STOPPED = 0x80370110, Kind.WRONG_STATE, "the compute system is not running"
    PROTOCOL_ERROR = 0x80370111, Kind.FAULT, "host and guest broke their protocol"
    INVALID_LAYER = 0x80370112, Kind.WRONG_STATE, "the format of a layer is not known"
    WINDOWS_INSIDER_REQUIRED = 0x80370113, Kind.WRONG_STATE, "the image needs an insider build"
    # In spite of its name a feature that is missing for good: a retry does not help.
    SERVICE_NOT_AVAILABLE = 0x80370114, Kind.WRONG_STATE, "a required feature is not installed"
    OPERATION_NOT_STARTED = 0x80370115, Kind.FAULT, "the operation was not started"
    OPERATION_ALREADY_STARTED = 0x80370116, Kind.FAULT, "the operation was started before"
    # Where an operation is started it is a success; as a result it says to go on waiting.
    # 0xC0370103 is what vmcompute says instead.
    OPERATION_PENDING = 0x80370117, Kind.FAULT, "the operation is not complete", 0xC0370103
    OPERATION_TIMEOUT = 0x80370118, Kind.TOO_LATE, "not complete in time"
    OPERATION_SYSTEM_CALLBACK_ALREADY_SET = 0x80370119, Kind.FAULT, "a callback is already set"
    OPERATION_RESULT_ALLOCATION_FAILED = 0x8037011A, Kind.EXHAUSTED, "no memory for a result"
    ACCESS_DENIED = 0x8037011B, Kind.DENIED, "the daemon may not use the service"
    GUEST_CRITICAL_ERROR = 0x8037011C, Kind.FAULT, "the guest stopped after a critical error"
    PROCESS_INFO_NOT_AVAILABLE = 0x8037011D, Kind.WRONG_STATE, "no such information"
    SERVICE_DISCONNECT = 0x8037011E, Kind.UNREACHABLE, "the service went away"
    PROCESS_ALREADY_STOPPED = 0x8037011F, Kind.WRONG_STATE, "the process has exited"
    SYSTEM_NOT_CONFIGURED_FOR_OPERATION = 0x80370120, Kind.WRONG_STATE, "not configured for it"
    OPERATION_ALREADY_CANCELLED = 0x80370121, Kind.CANCELLED, "the operation was cancelled before"
    ERROR_VMCOMPUTE_TOO_MANY_NOTIFICATIONS = 0xC0370104, Kind.EXHAUSTED, "too many notices"

    # Codes of Windows that the service returns.
    E_NOTIMPL = 0x80004001, Kind.UNSUPPORTED, "not implemented"
    E_POINTER = 0x80004003, Kind.FAULT, "a pointer is not valid"
    E_FAIL = 0x80004005, Kind.UNKNOWN, "failed without a specific reason"
    E_UNEXPECTED = 0x8000FFFF, Kind.FAULT, "failed unexpectedly"
    ERROR_FILE_NOT_FOUND = 0x80070002, Kind.NOT_FOUND, "the file was not found"
    ERROR_PATH_NOT_FOUND = 0x80070003, Kind.NOT_FOUND, "the path was not found"
    E_ACCESSDENIED = 0x80070005, Kind.DENIED, "access is denied"
    # From statistics of a stopping system it means gone, else it is our own fault.
    ERROR_INVALID_HANDLE = 0x80070006, Kind.FAULT, "a handle is not valid"
    ERROR_INVALID_DATA = 0x8007000D, Kind.INVALID, "the data is not valid"
    E_OUTOFMEMORY = 0x8007000E, Kind.EXHAUSTED, "out of memory"
    ERROR_SHARING_VIOLATION = 0x80070020, Kind.ABORTED, "a file is in use"
    ERROR_NOT_SUPPORTED = 0x80070032, Kind.UNSUPPORTED, "not supported"
    E_INVALIDARG = 0x80070057, Kind.INVALID, "an argument is not valid"
    ERROR_BROKEN_PIPE = 0x8007006D, Kind.WRONG_STATE, "the other end of the stream is closed"
    # Never to be read as "the process is gone".
    ERROR_PROC_NOT_FOUND = 0x8007007F, Kind.UNSUPPORTED, "this build lacks the function"
    ERROR_ALREADY_EXISTS = 0x800700B7, Kind.EXISTS, "exists already"
    ERROR_BAD_EXE_FORMAT = 0x800700C1, Kind.INVALID, "the file is not a program"
    # Not UNKNOWN_MESSAGE (0x8037010B), which it resembles.
    ERROR_DIRECTORY = 0x8007010B, Kind.INVALID, "the working directory is not valid"
    ERROR_OPERATION_ABORTED = 0x800703E3, Kind.CANCELLED, "the operation was aborted"
    ERROR_NOT_FOUND = 0x80070490, Kind.NOT_FOUND, "not found, or no longer there"
    ERROR_LOGON_FAILURE = 0x8007052E, Kind.INVALID, "the user is unknown or may not log on"
    ERROR_NO_SYSTEM_RESOURCES = 0x800705AA, Kind.EXHAUSTED, "the host is out of resources"
    # Waits were seen to answer WAIT_TIMEOUT, even unwrapped: formally a success (unverified).
    ERROR_TIMEOUT = 0x800705B4, Kind.TOO_LATE, "the time is up", 0x80070102, 0x00000102
    RPC_S_SERVER_UNAVAILABLE = 0x800706BA, Kind.UNREACHABLE, "the service is not running"
    RPC_S_CALL_FAILED = 0x800706BE, Kind.UNREACHABLE, "the service stopped during the call"
    RPC_S_CALL_FAILED_DNE = 0x800706BF, Kind.UNREACHABLE, "the service stopped before the call"
    RPC_X_SS_IN_NULL_CONTEXT = 0x800706EF, Kind.FAULT, "a handle outlived its service"
    ERROR_NOT_A_REPARSE_POINT = 0x80071126, Kind.INVALID, "the storage path is no volume path"
    ERROR_INVALID_STATE = 0x8007139F, Kind.WRONG_STATE, "not valid in the current state"


_BY_VALUE: Mapping[int, HR] = MappingProxyType(
    {value: row for row in HR for value in (row.code.value, *row.code.aliases)}
)


def unsigned(hr: int) -> int:
    """Return the 32 bits of a code, which ctypes delivers as a signed number."""
    return hr & 0xFFFFFFFF


def from_win32(code: int) -> int:
    """Wrap a Win32 error, as the macro HRESULT_FROM_WIN32 does: 0 and HRESULTs stay as they are."""
    value = unsigned(code)
    return value if value == 0 or value & _FAILURE else _WIN32 | value & 0xFFFF


def normalise(hr: int, *, win32: bool = False) -> int:
    """Return the one value for the condition that a code expresses.

    Args:
        hr: A code in any dress, signed or unsigned.
        win32: The code comes from where bare Win32 errors do, such as `GetLastError`. It must be
            said, since a small number is a success as an HRESULT.

    Returns:
        The value of a member of `HR`, or the unsigned code itself where no row fits.
    """
    value = from_win32(hr) if win32 else unsigned(hr)
    known = _BY_VALUE.get(value)
    if known is not None:
        return known.code.value
    return _SERVICE | value & 0xFF if value & ~0xFF == _LEGACY else value


def succeeded(hr: int) -> bool:
    """Tell whether a code is a success: its sign bit is clear, and it is no bare WAIT_TIMEOUT."""
    return not normalise(hr) & _FAILURE


def is_pending(hr: int) -> bool:
    """Tell whether a code says that the work goes on: a success at the start of an operation."""
    return normalise(hr) == HR.OPERATION_PENDING


def describe(hr: int) -> Code:
    """Return the row of a code in any dress; a code without one answers UNKNOWN, never an error."""
    value = normalise(hr)
    known = _BY_VALUE.get(value)
    if known is not None:
        return known.code
    error = f"windows error {value & 0xFFFF}" if value & ~0xFFFF == _WIN32 else "unknown result"
    return Code(f"HRESULT_0x{value:08X}", value, error, Kind.UNKNOWN)
