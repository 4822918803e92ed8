"""Errors of the client, and the one place where a gRPC status becomes one of them.

    HcsdClientError
    ├── AddressError (ValueError)        text that is not an address
    ├── BadNameError (ValueError)        a name of something else than what is asked for
    ├── TokenFileError                   a token that cannot be read, or must not be sent
    ├── TlsError                         a file for TLS that cannot be used
    ├── ClientClosedError                the client is not open, or was closed during the call
    ├── RunEndedError                    a run has ended; nothing more can be sent to it
    └── CallError                        the call failed, by the daemon or on the way to it
        ├── InvalidRequestError          `violations` lists every bad field
        ├── NotFoundError                `resource` says what
        │   └── ExecutableNotFoundError
        ├── AlreadyExistsError
        │   └── RequestIdReusedError
        ├── FailedPreconditionError
        │   ├── DaemonRestartedError     the daemon has lost its state, and the process
        │   ├── StdinBusyError
        │   └── StdinClosedError
        ├── OutOfRangeError
        │   ├── OutputEvictedError
        │   └── RevisionCompactedError
        ├── AbortedError
        │   ├── StdinTakenOverError
        │   └── SubscriberStalledError
        ├── PermissionDeniedError
        ├── UnauthenticatedError
        ├── ResourceExhaustedError
        ├── UnimplementedError
        ├── DeadlineExceededError
        ├── CallCancelledError           cancelled by the other side
        ├── InternalError                a fault of the daemon, or of the contract
        └── UnavailableError             the daemon is stopping, or HCS is out of reach
            ├── DaemonUnreachableError   no daemon answers at the address
            └── ConnectionLostError      the connection was lost during the call

`CLASSES` is the table. A cancellation by the caller's own task stays what it is,
`asyncio.CancelledError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from hcsd.v1 import error_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.v1.process_pb2 import Process

DOMAIN = "hcsd"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """What is wrong with one field of a request.

    Attributes:
        field: Path of the field, as in ``spec.argv.args``.
        rule: Id of the rule that is broken, as in ``required``; "" if the daemon gave none.
        message: What would be right.
    """

    field: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Resource:
    """What an error is about.

    Attributes:
        type: Kind of the resource, as in ``hcsd.v1.Process``.
        name: Its resource name.
        description: More about it; may be empty.
    """

    type: str
    name: str
    description: str


class HcsdClientError(Exception):
    """Root of every error that this package raises on purpose."""


class AddressError(HcsdClientError, ValueError):
    """A text is not an address of a daemon.

    Attributes:
        text: The text.
    """

    def __init__(self, text: str, problem: str, remedy: str) -> None:
        super().__init__(f"'{text}' is not an address of a daemon: {problem}; {remedy}")
        self.text = text


class BadNameError(HcsdClientError, ValueError):
    """A name is given that is of something else, or an id where a name is wanted, or the reverse."""


class TokenFileError(HcsdClientError):
    """The token cannot be read from its file, or must not be sent to this address."""


class TlsError(HcsdClientError):
    """What the client was given for TLS cannot be read or used."""


class ClientClosedError(HcsdClientError):
    """The client was closed by its owner, before the call or during it, or was never opened."""


class RunEndedError(HcsdClientError):
    """A run has ended, or was left; nothing more can be sent to its process."""


class CallError(HcsdClientError):
    """A call failed, as the daemon says or on the way to it.

    Attributes:
        code: gRPC status code.
        message: Prose for people; never to be parsed.
        reason: Machine-readable reason: the symbol of an HRESULT, or the daemon's own, as in
            ``STDIN_BUSY``; "" if the daemon did not answer.
        metadata: Further machine-readable facts, by name.
        violations: Every bad field of the request.
        resource: What was not found, if the daemon says so.
        retry_delay: Seconds after which a retry is safe; None if the daemon promises nothing.
        hcs: What HCS itself said, if it was asked.
    """

    def __init__(self, status: status_pb2.Status) -> None:
        self.code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
        self.message = status.message or f"the call ended with {self.code.name}"
        super().__init__(self.message)
        info = _info(status)
        self.reason = info.reason
        self.metadata: Mapping[str, str] = dict(info.metadata)
        self.violations: tuple[FieldViolation, ...] = ()
        self.resource: Resource | None = None
        self.retry_delay: float | None = None
        self.hcs: error_pb2.HcsErrorDetail | None = None
        self._read_details(status)

    @property
    def hresult(self) -> int | None:
        """The HRESULT, unsigned; None if the failure is not one of HCS."""
        if self.hcs is not None:
            return self.hcs.hresult
        text = self.metadata.get("hresult", "")
        return int(text, 16) if text else None

    def _read_details(self, status: status_pb2.Status) -> None:
        bad = error_details_pb2.BadRequest()
        resource = error_details_pb2.ResourceInfo()
        retry = error_details_pb2.RetryInfo()
        hcs = error_pb2.HcsErrorDetail()
        for detail in status.details:
            if detail.Unpack(bad):
                self.violations = tuple(
                    FieldViolation(item.field, item.reason, item.description)
                    for item in bad.field_violations
                )
            elif detail.Unpack(resource):
                self.resource = Resource(
                    resource.resource_type, resource.resource_name, resource.description
                )
            elif detail.Unpack(retry):
                self.retry_delay = retry.retry_delay.ToNanoseconds() / 1e9
            elif detail.Unpack(hcs):
                self.hcs = hcs


class InvalidRequestError(CallError):
    """The request breaks rules of the contract; `violations` lists all of them."""


class NotFoundError(CallError):
    """The process, system or program does not exist."""


class ExecutableNotFoundError(NotFoundError):
    """There is no such program."""


class AlreadyExistsError(CallError):
    """The id is taken."""


class RequestIdReusedError(AlreadyExistsError):
    """The request id was used for another request."""


class FailedPreconditionError(CallError):
    """The process or system is not in a state for this."""


class DaemonRestartedError(FailedPreconditionError):
    """The daemon was started anew without its state, and the process ended with its earlier run.

    How it ended, and output that was not read before, cannot be known any more.
    """


class StdinBusyError(FailedPreconditionError):
    """Somebody else is writing to stdin."""


class StdinClosedError(FailedPreconditionError):
    """Stdin was closed, or the process never had one."""


class OutOfRangeError(CallError):
    """An offset lies past the end."""


class OutputEvictedError(OutOfRangeError):
    """The output asked for is no longer kept."""


class RevisionCompactedError(OutOfRangeError):
    """Events after the revision asked for are no longer kept."""


class AbortedError(CallError):
    """The daemon ended the call on behalf of somebody else."""


class StdinTakenOverError(AbortedError):
    """Another writer of stdin took over."""


class SubscriberStalledError(AbortedError):
    """The reader made no progress for too long and held up the process; this client then goes on."""


class PermissionDeniedError(CallError):
    """The daemon, or the account it runs as, may not do this."""


class UnauthenticatedError(CallError):
    """The daemon wants a token, or another one."""


class ResourceExhaustedError(CallError):
    """A limit is reached."""


class UnimplementedError(CallError):
    """This daemon, engine or guest has no such feature."""


class DeadlineExceededError(CallError):
    """The deadline of the call, or HCS's own, was up; the effect may still happen."""


class CallCancelledError(CallError):
    """The other side cancelled the call; one's own cancellation is `asyncio.CancelledError`."""


class InternalError(CallError):
    """A fault of the daemon, or an answer that is against the contract."""


class UnavailableError(CallError):
    """The daemon is stopping, HCS is out of reach, or no daemon could be reached.

    Attributes:
        may_have_arrived: Whether the daemon may have got the request all the same, and acted on it.
    """

    may_have_arrived = False


class DaemonUnreachableError(UnavailableError):
    """No daemon answers at the address."""


class ConnectionLostError(UnavailableError):
    """The connection was lost during the call: the daemon went away, or something on the way to it."""


_CODES = {code.value[0]: code for code in grpc.StatusCode}

# By code and reason. The row without a reason is for all others of its code.
CLASSES: Mapping[tuple[grpc.StatusCode, str], type[CallError]] = {
    (grpc.StatusCode.INVALID_ARGUMENT, ""): InvalidRequestError,
    (grpc.StatusCode.NOT_FOUND, ""): NotFoundError,
    (grpc.StatusCode.NOT_FOUND, "EXECUTABLE_NOT_FOUND"): ExecutableNotFoundError,
    (grpc.StatusCode.ALREADY_EXISTS, ""): AlreadyExistsError,
    (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED"): RequestIdReusedError,
    (grpc.StatusCode.FAILED_PRECONDITION, ""): FailedPreconditionError,
    (grpc.StatusCode.FAILED_PRECONDITION, "DAEMON_RESTARTED"): DaemonRestartedError,
    (grpc.StatusCode.FAILED_PRECONDITION, "STDIN_BUSY"): StdinBusyError,
    (grpc.StatusCode.FAILED_PRECONDITION, "STDIN_CLOSED"): StdinClosedError,
    (grpc.StatusCode.OUT_OF_RANGE, ""): OutOfRangeError,
    (grpc.StatusCode.OUT_OF_RANGE, "OUTPUT_EVICTED"): OutputEvictedError,
    (grpc.StatusCode.OUT_OF_RANGE, "REVISION_COMPACTED"): RevisionCompactedError,
    (grpc.StatusCode.ABORTED, ""): AbortedError,
    (grpc.StatusCode.ABORTED, "STDIN_TAKEN_OVER"): StdinTakenOverError,
    (grpc.StatusCode.ABORTED, "SUBSCRIBER_STALLED"): SubscriberStalledError,
    (grpc.StatusCode.PERMISSION_DENIED, ""): PermissionDeniedError,
    (grpc.StatusCode.UNAUTHENTICATED, ""): UnauthenticatedError,
    (grpc.StatusCode.RESOURCE_EXHAUSTED, ""): ResourceExhaustedError,
    (grpc.StatusCode.UNIMPLEMENTED, ""): UnimplementedError,
    (grpc.StatusCode.UNAVAILABLE, ""): UnavailableError,
    (grpc.StatusCode.DEADLINE_EXCEEDED, ""): DeadlineExceededError,
    (grpc.StatusCode.CANCELLED, ""): CallCancelledError,
    (grpc.StatusCode.UNKNOWN, ""): InternalError,
    (grpc.StatusCode.INTERNAL, ""): InternalError,
    (grpc.StatusCode.DATA_LOSS, ""): InternalError,
}


def error_from_status(status: status_pb2.Status) -> CallError:
    """Return the error that a status stands for, such as that of an `OpError`."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    reason = _info(status).reason
    found = CLASSES.get((code, reason)) or CLASSES.get((code, ""), InternalError)
    return found(status)


def error_of(code: grpc.StatusCode, reason: str, message: str) -> CallError:
    """Return the error for what only the client has found out, as if the daemon had said it."""
    status = status_pb2.Status(code=code.value[0], message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN))
    return error_from_status(status)


def check_same(known: Process, found: Process) -> None:
    """Refuse what the daemon says of another process, which has got the same name.

    Raises:
        NotFoundError: It is another one.
    """
    if found.uid != known.uid:
        raise error_of(
            grpc.StatusCode.NOT_FOUND,
            "PROCESS_NOT_FOUND",
            f"process '{known.name}' was deleted; there is another one of its name now",
        )


def status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """Return the status that a call ended with, with its details if it has some."""
    try:
        found: status_pb2.Status | None = rpc_status.from_call(error)  # type: ignore[arg-type]  # typed for grpc.Call only
    except (ValueError, DecodeError):  # details that contradict the status: keep the status
        found = None
    if found is not None:
        return found
    return status_pb2.Status(code=error.code().value[0], message=error.details() or "")


async def status_of_call(call: grpc.aio.Call) -> status_pb2.Status:
    """Return the status that a call ended with, for one that raised another."""
    code, details = await call.code(), await call.details()
    nothing = grpc.aio.Metadata()
    return status_of(grpc.aio.AioRpcError(code, nothing, await call.trailing_metadata(), details))


def _info(status: status_pb2.Status) -> error_details_pb2.ErrorInfo:
    """Return the daemon's `ErrorInfo`; an empty one if somebody else made the status."""
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info) and info.domain == DOMAIN:
            return info
    return error_details_pb2.ErrorInfo()
