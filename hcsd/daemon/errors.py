"""Failures with a meaning to whoever asks: a reason, a message, and further facts.

    HcsdError
    └── RequestError                  a reason of `hcsd.daemon.reasons`, or the symbol of an HRESULT
        ├── InvalidRequestError       the request breaks rules; it lists all of them
        ├── NotFoundError             with what is not there
        ├── LimitError                a limit of the daemon is reached
        ├── HostLimitError            a limit of the host is reached
        ├── StoppingError
        ├── RestartedError
        └── HcsFailureError           the Host Compute Service refused; `cause` is what it said
            └── CreateFailedError     it did not start a process

A failure says what kind it is and never which status code it becomes: that is the protocol's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from hcsd.abi.hresult import HR, Kind
from hcsd.daemon.reasons import Reason
from hcsd.errors import HcsdError
from hcsd.hcs.errors import DocumentError, HcsError
from hcsd.host_limits import limit_behind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

    from hcsd.abi.hresult import Code
    from hcsd.host_limits import HostLimit


class Violation(NamedTuple):
    """What is wrong with one field of a request.

    Attributes:
        field: Path of the field, such as ``spec.argv.args``.
        rule: Id of the rule that is broken, named as protovalidate names its rules.
        message: What is wrong and what would be right.
    """

    field: str
    rule: str
    message: str


class Resource(NamedTuple):
    """What was not found.

    Attributes:
        type: ``Process`` or ``ComputeSystem``.
        name: Its resource name.
        description: What may have become of it; may be empty.
    """

    type: str
    name: str
    description: str = ""


class RequestError(HcsdError):
    """A request that cannot be served.

    Args:
        reason: Why: one of the daemon's own reasons, or what HCS answered.
        message: Prose, lower case, with the subject.
        metadata: Further facts by name, for programs.
        violations: What is wrong with fields of the request. Their number is in the metadata.

    Attributes:
        reason: Name of the reason, upper snake case, or symbol of the HRESULT.
        kind: What a caller can do about it.
        retryable: Whether the same call, repeated later, may succeed.
        message: As given.
        metadata: As given.
        violations: As given.
    """

    def __init__(
        self,
        reason: Reason | Code,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Iterable[Violation] = (),
    ) -> None:
        super().__init__(message)
        self.kind: Kind = reason.kind
        if isinstance(reason, Reason):
            self.reason, self.retryable = reason.name, reason.retryable
        else:
            self.reason, self.retryable = reason.symbol, reason.kind is Kind.UNREACHABLE
        self.message = message
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        if self.violations:
            self.metadata["violations"] = str(len(self.violations))

    def within(self, place: str) -> Self:
        """Return the same error about a request that is a field of another one.

        It is a new error, since several calls may wait for what failed.

        Args:
            place: Path of that field.
        """
        moved = type(self).__new__(type(self), *self.args)
        moved.__dict__.update(self.__dict__)
        moved.violations = tuple(
            item._replace(field=f"{place}.{item.field}") for item in self.violations
        )
        return moved


class InvalidRequestError(RequestError):
    """A request breaks rules of the contract; it lists all of them.

    Args:
        violations: What is wrong.
    """

    def __init__(self, violations: Iterable[Violation]) -> None:
        found = tuple(violations)
        super().__init__(Reason.INVALID_REQUEST, _listed(found), violations=found)

    def within(self, place: str) -> Self:
        """Return the same error, with the fields in its text, too."""
        moved = super().within(place)
        moved.message = _listed(moved.violations)
        moved.args = (moved.message,)
        return moved


def _listed(violations: Iterable[Violation]) -> str:
    text = "; ".join(f"{item.field} {item.message}" for item in violations)
    return f"the request is not valid: {text}"


class NotFoundError(RequestError):
    """The daemon does not know what the request names.

    Args:
        reason: Why.
        message: Prose.
        resource: What was not found.
        metadata: Further facts.
    """

    def __init__(
        self, reason: Reason, message: str, resource: Resource, metadata: Mapping[str, str]
    ) -> None:
        super().__init__(reason, message, metadata=metadata)
        self.resource = resource


class ProcessNotFoundError(NotFoundError):
    """The daemon has no process of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            Reason.PROCESS_NOT_FOUND,
            f"no process '{name}'",
            Resource("Process", name, "unknown, deleted, or no longer kept"),
            {"process": name},
        )


class StoppingError(RequestError):
    """The daemon is stopping."""

    def __init__(self) -> None:
        super().__init__(Reason.DAEMON_STOPPING, "the hcsd daemon is stopping")


class RestartedError(RequestError):
    """The call is for an earlier state of the daemon, whose processes are gone.

    Args:
        incarnation: That of the present state.
        remedy: What the caller can do instead; "" for nothing.
    """

    def __init__(self, incarnation: str, remedy: str = "") -> None:
        text = "the daemon was restarted without its state, and its processes are gone"
        super().__init__(
            Reason.DAEMON_RESTARTED,
            f"{text}; {remedy}" if remedy else text,
            metadata={"incarnation": incarnation},
        )


class ConfigurationError(RequestError):
    """The configuration cannot be read again; nothing has changed.

    Args:
        problems: What is wrong, each for people.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__(Reason.CONFIGURATION_UNUSABLE, "; ".join(problems))


class LimitError(RequestError):
    """There are as many of something as there may be.

    Args:
        limit: Name of the setting: ``max_`` and what is limited.
        value: How many there may be.
        remedy: What makes room.
    """

    def __init__(self, limit: str, value: int, remedy: str) -> None:
        kind = limit.removeprefix("max_")
        option = limit.replace("_", "-")
        super().__init__(
            Reason[f"TOO_MANY_{kind.upper()}"],
            f"there are {value} {kind.replace('_', ' ')} already, the most that may be: {remedy},"
            f" or serve with a higher '--{option}'",
            metadata={"limit": limit, "value": str(value)},
        )


class HostLimitError(RequestError):
    """The daemon itself has met a limit of its host.

    Args:
        limit: Which one.
    """

    def __init__(self, limit: HostLimit) -> None:
        super().__init__(
            limit.hresult.code, f"the daemon has no room: {limit}", metadata={"limit": limit.name}
        )


class HcsFailureError(RequestError):
    """The Host Compute Service refused or failed.

    Args:
        cause: What it said.
        reason: A reason of the daemon's own that says it better than the HRESULT does.
        message: Prose that says it better than HCS does.
        metadata: Further facts.
        resource: What was not found, if that is it.
        violations: What is wrong with fields of the request.
    """

    def __init__(
        self,
        cause: HcsError,
        *,
        reason: Reason | None = None,
        message: str = "",
        metadata: Mapping[str, str] | None = None,
        resource: Resource | None = None,
        violations: Iterable[Violation] = (),
    ) -> None:
        facts = {"hresult": f"0x{cause.hresult:08X}"}
        if cause.function:  # else it was not asked
            facts["function"] = cause.function
        if cause.limit:
            facts["limit"] = cause.limit
        super().__init__(
            reason or cause.code,
            message or str(cause),
            metadata={**facts, **(metadata or {})},
            violations=violations,
        )
        self.cause = cause
        self.resource = resource


class CreateFailedError(HcsFailureError):
    """HCS did not start a process; a missing program has a reason of its own.

    Args:
        cause: What HCS said.
        system: Resource name of the system.
        reason: A reason of the daemon's own, if not that of the HRESULT.
        violations: What is wrong with fields of the request: see `hcsd.daemon.start_errors`.
    """

    REASONS: ClassVar[Mapping[int, Reason]] = {
        HR.ERROR_FILE_NOT_FOUND: Reason.EXECUTABLE_NOT_FOUND,
        HR.ERROR_PATH_NOT_FOUND: Reason.EXECUTABLE_NOT_FOUND,
        HR.ERROR_DIRECTORY: Reason.WORKING_DIRECTORY_NOT_FOUND,
        HR.ERROR_SHARING_VIOLATION: Reason.EXECUTABLE_BUSY,
    }

    def __init__(
        self,
        cause: HcsError,
        system: str,
        *,
        reason: Reason | None = None,
        violations: Iterable[Violation] = (),
    ) -> None:
        facts = {"system": system}
        if cause.stage:
            facts |= {"stage": cause.stage, "errno": str(cause.errno)}
        super().__init__(
            cause,
            reason=reason or self.REASONS.get(cause.hresult),
            metadata=facts,
            violations=violations,
        )


def as_request_error(error: Exception) -> RequestError | None:
    """Return what a failure means to whoever asked; None for a fault of the daemon itself."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, HcsError):
        return HcsFailureError(error)
    if isinstance(error, DocumentError):
        subject = "read what the Host Compute Service answered"
        return HcsFailureError(HcsError(HR.E_UNEXPECTED, "", subject=subject, text=str(error)))
    limit = limit_behind(error)
    return HostLimitError(limit) if limit else None
