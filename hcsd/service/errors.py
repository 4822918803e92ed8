"""Errors with a meaning to clients, and how every error becomes a `google.rpc.Status`.

One way: whatever an RPC raises is turned into a status by `to_status`, in the interceptor, and
nowhere else.

    raised                              code                     reason
    RequestError and subclasses         its own                  its own
    HcsError                            from the HRESULT table   the symbol of the HRESULT
    anything else                       INTERNAL                 INTERNAL, with an incident id

The daemon logs the last one with its traceback under the incident id; clients see only the id.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from hcsd.abi.hresult import HR
from hcsd.errors import HcsdError
from hcsd.hcs.errors import HcsError
from hcsd.v1 import error_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf.message import Message

DOMAIN = "hcsd"

# A client takes 8 KiB of trailers unless told otherwise, and of more than that it gets nothing but
# that it was too much. So all that a request can make long is bounded, in bytes. The message is
# there twice, once with three bytes for each that HTTP would not take.
MESSAGE_BYTES = 1024
TEXT_BYTES = 256
DOCUMENT_BYTES = 1024
VIOLATIONS_BYTES = 3072
MAX_EVENTS = 2

logger = logging.getLogger(__name__)


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


class RequestError(HcsdError):
    """A request that cannot be served, with the code and reason that the client gets.

    Args:
        code: Code of the status.
        reason: Machine-readable reason, upper snake case.
        message: Prose, lower case, with the subject.
        metadata: Further machine-readable facts.
        details: Further details of `google.rpc.Status`.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        details: Iterable[Message] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = shorten(message, MESSAGE_BYTES)
        self.metadata = {key: shorten(text, TEXT_BYTES) for key, text in (metadata or {}).items()}
        self.details = tuple(details)


class InvalidRequestError(RequestError):
    """A request breaks rules of the contract; it lists all of them, or as many as there is room for.

    Args:
        violations: What is wrong. Their number is in the metadata.
    """

    def __init__(self, violations: Iterable[Violation]) -> None:
        found = list(violations)
        bad = error_details_pb2.BadRequest()
        for item in found:
            bad.field_violations.add(field=item.field, description=item.message, reason=item.rule)
            if bad.ByteSize() > VIOLATIONS_BYTES:
                del bad.field_violations[-1]
                break
        text = "; ".join(f"{item.field} {item.message}" for item in found)
        super().__init__(
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID_REQUEST",
            f"the request is not valid: {text}",
            metadata={"violations": str(len(found))},
            details=[bad],
        )


class ProcessNotFoundError(RequestError):
    """The daemon has no process of that name."""

    def __init__(self, name: str) -> None:
        resource = error_details_pb2.ResourceInfo(
            resource_type="hcsd.v1.Process",
            resource_name=shorten(name, TEXT_BYTES),
            description="unknown, deleted, or no longer kept",
        )
        super().__init__(
            grpc.StatusCode.NOT_FOUND,
            "PROCESS_NOT_FOUND",
            f"no process '{name}'",
            metadata={"process": name},
            details=[resource],
        )


class StoppingError(RequestError):
    """The daemon is stopping."""

    def __init__(self) -> None:
        super().__init__(
            grpc.StatusCode.UNAVAILABLE, "DAEMON_STOPPING", "the hcsd daemon is stopping"
        )


class RestartedError(RequestError):
    """The call is for an earlier run of the daemon, whose processes are gone."""

    def __init__(self, incarnation: str) -> None:
        super().__init__(
            grpc.StatusCode.FAILED_PRECONDITION,
            "DAEMON_RESTARTED",
            "the daemon was started anew since, and its processes ended with it",
            metadata={"incarnation": incarnation},
        )


class CreateFailedError(RequestError):
    """HCS did not start a process; tells a missing program from a missing system.

    Args:
        error: What HCS said.
        system: Resource name of the system.
    """

    REASONS: ClassVar = {
        int(HR.ERROR_FILE_NOT_FOUND): "EXECUTABLE_NOT_FOUND",
        int(HR.ERROR_PATH_NOT_FOUND): "EXECUTABLE_NOT_FOUND",
        int(HR.ERROR_DIRECTORY): "WORKING_DIRECTORY_NOT_FOUND",
    }

    def __init__(self, error: HcsError, system: str) -> None:
        status = describe(error)
        super().__init__(
            status.code,
            self.REASONS.get(error.hresult, status.reason),
            str(error),
            metadata={**status.metadata, "system": system},
            details=status.details,
        )
        self.hresult = error.hresult


def describe(error: BaseException) -> RequestError:
    """Return what a client is told of an error; logs those that are nobody's request's fault."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, HcsError):
        return _describe_hcs(error)
    incident = secrets.token_hex(8)
    logger.error("incident %s", incident, exc_info=error)
    return RequestError(
        grpc.StatusCode.INTERNAL,
        "INTERNAL",
        f"the daemon failed; its log has the details under incident {incident}",
        metadata={"incident": incident},
    )


def shorten(text: str, limit: int) -> str:
    """Cut a text to so many bytes of UTF-8; a character that UTF-8 does not have becomes `?`."""
    encoded = text.encode(errors="replace")
    if len(encoded) > limit:
        return encoded[: limit - len("…".encode())].decode(errors="ignore") + "…"
    return encoded.decode()


def _describe_hcs(error: HcsError) -> RequestError:
    code = grpc.StatusCode[error.code.grpc]
    document = error.document or ""
    details: list[Message] = [
        error_pb2.HcsErrorDetail(
            hresult=error.hresult,
            symbol=error.code.symbol,
            function=error.function,
            # Half a document is of no use.
            document=document if shorten(document, DOCUMENT_BYTES) == document else "",
            events=[
                error_pb2.ErrorEvent(
                    message=shorten(event.message, TEXT_BYTES),
                    provider=shorten(event.provider, TEXT_BYTES),
                    event_id=event.event_id,
                    source=shorten(event.source, TEXT_BYTES),
                )
                for event in error.events[:MAX_EVENTS]
            ],
        )
    ]
    if code is grpc.StatusCode.UNAVAILABLE:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromSeconds(1)
        details.append(retry)
    return RequestError(
        code,
        error.code.symbol,
        str(error),
        metadata={"hresult": f"0x{error.hresult:08X}", "function": error.function},
        details=details,
    )


def to_status(error: BaseException) -> status_pb2.Status:
    """Turn whatever an RPC raised into the status that its client gets."""
    described = describe(error)
    info = error_details_pb2.ErrorInfo(
        reason=described.reason, domain=DOMAIN, metadata=described.metadata
    )
    status = status_pb2.Status(code=described.code.value[0], message=described.message)
    for detail in (info, *described.details):
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status
