"""Errors of the engine, one class per condition a caller can act on.

    HcsdError
    ├── HandleClosedError            we closed it; the caller used it afterwards
    ├── DocumentError                a document of HCS that cannot be read
    └── HcsError                     an HRESULT, with the function and the result document
        ├── SystemNotFoundError
        ├── SystemAlreadyExistsError
        ├── ElementNotFoundError     a process or element is unknown, or has already exited
        ├── InvalidStateError
        ├── AlreadyStoppedError
        ├── InvalidDocumentError
        ├── OperationTimeoutError
        │   ├── NoCompletionError    we did not wait longer for an operation
        │   └── CallsStuckError      the call was not made: those before it do not return
        ├── AccessDeniedError
        ├── NotSupportedError
        └── ServiceDisconnectedError

A code that no class stands for stays a plain `HcsError`; no code is ever swallowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR, describe, normalise
from hcsd.errors import HcsdError

if TYPE_CHECKING:
    from hcsd.abi.hresult import Code


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """One event of a ResultError document; see `hcsd.hcs.schema`."""

    message: str = ""
    provider: str = ""
    event_id: int = 0
    source: str = ""


class HandleClosedError(HcsdError):
    """A handle was used after it had been closed by us."""


class DocumentError(HcsdError):
    """A document that came from HCS is not what its schema says."""


class HcsError(HcsdError):
    """A call of the Host Compute Service failed.

    Attributes:
        hresult: The code, unsigned and normalised to its canonical spelling.
        code: The row of the HRESULT table for it.
        function: The export that answered, or that started the operation.
        subject: What was being done, as in ``create process in system 'host'``.
        document: The raw result document, if HCS gave one.
        events: The error events of that document.
        stage: How far the start of a process came, if the engine can tell; else "".
        errno: What the host answered there; else 0.
        limit: Which limit of the host is reached, if the engine can tell; else "".
    """

    def __init__(
        self,
        hresult: int,
        function: str,
        *,
        subject: str = "",
        text: str = "",
        document: str | None = None,
        events: tuple[ErrorEvent, ...] = (),
        stage: str = "",
        errno: int = 0,
        limit: str = "",
    ) -> None:
        self.hresult = normalise(hresult)
        self.code: Code = describe(self.hresult)
        self.function = function
        self.subject = subject or f"call {function}"
        self.text = text or self.code.meaning
        self.document = document
        self.events = events
        self.stage = stage
        self.errno = errno
        self.limit = limit
        super().__init__(f"cannot {self.subject}: {self.text}")

    def is_about(self, subject: str) -> None:
        """Say in other words what was being done."""
        self.subject = subject
        self.args = (f"cannot {subject}: {self.text}",)


class SystemNotFoundError(HcsError):
    """No compute system has that id."""


class SystemAlreadyExistsError(HcsError):
    """The id of a compute system is taken."""


class ElementNotFoundError(HcsError):
    """A process or element is unknown, or is already gone; HCS does not tell which."""


class InvalidStateError(HcsError):
    """The operation is not legal in the current state."""


class AlreadyStoppedError(HcsError):
    """The system or the process has stopped already."""


# How HCS says that a process or a system has ended, or is about to. hcsshim reads all of them so. The
# last two may say something else: a system is paused, or the call was never valid. So whoever is to
# act upon them asks first what the process or the system is. ERROR_PROC_NOT_FOUND is not among
# them: an export is missing. Source: hcsshim's internal/hcs/errors.go and internal/hcs/v2/process.go.
GONE = (
    AlreadyStoppedError,
    ElementNotFoundError,
    SystemNotFoundError,
    InvalidStateError,
)
MAY_BE_GONE = (SystemNotFoundError, InvalidStateError)


class InvalidDocumentError(HcsError):
    """HCS rejected a document as malformed."""


class OperationTimeoutError(HcsError):
    """HCS did not finish in time; the effect may still happen."""


class NoCompletionError(OperationTimeoutError):
    """An operation has not completed while we waited; the effect may still happen."""


class CallsStuckError(OperationTimeoutError):
    """A call was not made, because those that were made before it do not return.

    Args:
        subject: What was to be done.
        stuck: What is under way: what is being done, and for how many seconds; longest first.
    """

    def __init__(self, subject: str, stuck: list[tuple[str, float]]) -> None:
        named = [f"'{what or 'close a handle'}' for {seconds:.0f} s" for what, seconds in stuck[:3]]
        more = f" and {len(stuck) - 3} more" if len(stuck) > 3 else ""
        text = (
            "not begun, because calls to the Host Compute Service before it do not return:"
            f" {', '.join(named)}{more}"
        )
        super().__init__(HR.OPERATION_TIMEOUT, "", subject=subject, text=text)


class AccessDeniedError(HcsError):
    """The account of the daemon may not do this."""


class NotSupportedError(HcsError):
    """This build, engine or kind of system does not offer the operation."""


class ServiceDisconnectedError(HcsError):
    """The Host Compute Service went away; every handle is lost."""


CLASSES: dict[int, type[HcsError]] = {
    HR.SYSTEM_NOT_FOUND: SystemNotFoundError,
    HR.SYSTEM_ALREADY_EXISTS: SystemAlreadyExistsError,
    HR.ERROR_NOT_FOUND: ElementNotFoundError,
    HR.INVALID_STATE: InvalidStateError,
    HR.ERROR_INVALID_STATE: InvalidStateError,
    HR.SYSTEM_ALREADY_STOPPED: AlreadyStoppedError,
    HR.PROCESS_ALREADY_STOPPED: AlreadyStoppedError,
    HR.INVALID_JSON: InvalidDocumentError,
    HR.ERROR_INVALID_DATA: InvalidDocumentError,
    HR.OPERATION_TIMEOUT: OperationTimeoutError,
    HR.CONNECTION_TIMEOUT: OperationTimeoutError,
    HR.ERROR_TIMEOUT: OperationTimeoutError,
    HR.ACCESS_DENIED: AccessDeniedError,
    HR.E_ACCESSDENIED: AccessDeniedError,
    HR.E_NOTIMPL: NotSupportedError,
    HR.ERROR_NOT_SUPPORTED: NotSupportedError,
    HR.ERROR_PROC_NOT_FOUND: NotSupportedError,
    HR.UNKNOWN_MESSAGE: NotSupportedError,
    HR.SERVICE_DISCONNECT: ServiceDisconnectedError,
    HR.RPC_S_SERVER_UNAVAILABLE: ServiceDisconnectedError,
    HR.RPC_S_CALL_FAILED: ServiceDisconnectedError,
    HR.RPC_S_CALL_FAILED_DNE: ServiceDisconnectedError,
    # A handle that outlived its service: none of ours is used after its close.
    HR.RPC_X_SS_IN_NULL_CONTEXT: ServiceDisconnectedError,
}
