"""How a failure of the daemon becomes the status of a call, and nowhere else.

    raised                              code                  reason
    RequestError and subclasses         by its kind           its own, or the symbol of the HRESULT
    HcsError                            by its kind           the symbol of the HRESULT
    no room on the host                 RESOURCE_EXHAUSTED    likewise (`hcsd.host_limits`)
    anything else                       INTERNAL              INTERNAL, with an incident id

The daemon logs the last one with its traceback under the incident id; clients see only the id.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from hcsd.abi.hresult import Kind
from hcsd.daemon.errors import (
    HcsFailureError,
    InvalidRequestError,
    NotFoundError,
    RequestError,
    Resource,
    as_request_error,
)
from hcsd.daemon.reasons import Reason
from hcsd.v1 import error_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.message import Message

    from hcsd.hcs.errors import HcsError

DOMAIN = "hcsd"

CODES: Mapping[Kind, grpc.StatusCode] = {
    Kind.SUCCESS: grpc.StatusCode.OK,
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Kind.WRONG_STATE: grpc.StatusCode.FAILED_PRECONDITION,
    Kind.OUT_OF_RANGE: grpc.StatusCode.OUT_OF_RANGE,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.ABORTED: grpc.StatusCode.ABORTED,
    Kind.CANCELLED: grpc.StatusCode.CANCELLED,
    Kind.TOO_LATE: grpc.StatusCode.DEADLINE_EXCEEDED,
    Kind.UNREACHABLE: grpc.StatusCode.UNAVAILABLE,
    Kind.UNSUPPORTED: grpc.StatusCode.UNIMPLEMENTED,
    Kind.DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Kind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Kind.FAULT: grpc.StatusCode.INTERNAL,
    Kind.UNKNOWN: grpc.StatusCode.UNKNOWN,
}

# A client takes 8 KiB of trailers unless told otherwise, and of more than that it gets nothing but
# that it was too much. So all that a request can make long is bounded, in bytes. The message is
# there twice, once with three bytes for each that HTTP would not take.
MESSAGE_BYTES = 1024
TEXT_BYTES = 256
DOCUMENT_BYTES = 1024
VIOLATIONS_BYTES = 3072
MAX_EVENTS = 2

logger = logging.getLogger(__name__)


def to_status(error: Exception) -> status_pb2.Status:
    """Turn whatever a call raised into the status that its client gets."""
    failure = as_request_error(error) or _incident(error)
    info = error_details_pb2.ErrorInfo(
        reason=failure.reason,
        domain=DOMAIN,
        metadata={key: shorten(text, TEXT_BYTES) for key, text in failure.metadata.items()},
    )
    status = status_pb2.Status(
        code=CODES[failure.kind].value[0], message=shorten(failure.message, MESSAGE_BYTES)
    )
    for detail in (info, *_details(failure)):
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def shorten(text: str, limit: int) -> str:
    """Cut a text to so many bytes of UTF-8; a character that UTF-8 does not have becomes `?`."""
    encoded = text.encode(errors="replace")
    if len(encoded) > limit:
        return encoded[: limit - len("…".encode())].decode(errors="ignore") + "…"
    return encoded.decode()


def _incident(error: Exception) -> RequestError:
    """Log a fault of the daemon itself, and return what its client gets."""
    incident = secrets.token_hex(8)
    logger.error("incident %s", incident, exc_info=error)
    return RequestError(
        Reason.INTERNAL,
        f"the daemon failed; its log has the details under incident {incident}",
        metadata={"incident": incident},
    )


def _details(failure: RequestError) -> Iterator[Message]:
    if isinstance(failure, InvalidRequestError):
        yield _bad_request(failure)
    if isinstance(failure, HcsFailureError):
        if failure.cause.function:  # else HCS was not asked
            yield _hcs_detail(failure.cause)
        if failure.retryable:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromSeconds(1)
            yield retry
    if isinstance(failure, (NotFoundError, HcsFailureError)) and failure.resource is not None:
        yield _resource(failure.resource)


def _bad_request(failure: InvalidRequestError) -> error_details_pb2.BadRequest:
    """List the violations, or as many as there is room for."""
    bad = error_details_pb2.BadRequest()
    for item in failure.violations:
        bad.field_violations.add(field=item.field, description=item.message, reason=item.rule)
        if bad.ByteSize() > VIOLATIONS_BYTES:
            del bad.field_violations[-1]
            break
    return bad


def _hcs_detail(error: HcsError) -> error_pb2.HcsErrorDetail:
    document = error.document or ""
    return error_pb2.HcsErrorDetail(
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


def _resource(resource: Resource) -> error_details_pb2.ResourceInfo:
    return error_details_pb2.ResourceInfo(
        resource_type=f"hcsd.v1.{resource.type}",
        resource_name=shorten(resource.name, TEXT_BYTES),
        description=resource.description,
    )
