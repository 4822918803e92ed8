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
from google.rpc import error_details_pb2, status_pb2

from hcsd.abi.hresult import Kind
from hcsd.daemon.errors import (
    HcsFailureError,
    NotFoundError,
    RequestError,
    Resource,
    as_request_error,
)
from hcsd.daemon.reasons import Reason
from hcsd.daemon.shorten import shorten
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
# that it was too much. So all that a request can make long is bounded, in bytes. Where it is too
# much together, each bound is halved until it fits. The message is there twice, once with three
# bytes for each that HTTP would not take; details have four bytes for three.
TRAILERS_BYTES = 8192 - 512  # less what is in every answer: the code, the request id, the names
MAX_EVENTS = 2
ESCAPE = ord("%")


class _Bounds:
    """How long each part may be, in bytes.

    Args:
        divisor: What the bounds are divided by.
    """

    def __init__(self, divisor: int) -> None:
        self.message = max(1024 // divisor, 128)
        self.text = max(256 // divisor, 32)
        self.document = 1024 // divisor
        self.violations = 3072 // divisor


logger = logging.getLogger(__name__)


def to_status(error: Exception) -> status_pb2.Status:
    """Turn whatever a call raised into the status that its client gets."""
    failure = as_request_error(error) or _incident(error)
    divisor = 1
    while True:
        status = _status(failure, divisor)
        if trailers_size(status) <= TRAILERS_BYTES:
            return status
        divisor *= 2


def trailers_size(status: status_pb2.Status) -> int:
    """Return how many bytes a status takes in the trailers of its call."""
    message = status.message.encode()
    escaped = sum(1 if 0x20 <= byte <= 0x7E and byte != ESCAPE else 3 for byte in message)
    return escaped + 4 * -(-status.ByteSize() // 3)


def _status(failure: RequestError, divisor: int) -> status_pb2.Status:
    """Make a status whose bounds are divided."""
    bounds = _Bounds(divisor)
    details = list(_details(failure, bounds))
    metadata = {key: shorten(text, bounds.text) for key, text in failure.metadata.items()}
    note = ""
    if failure.violations:
        bad = _bad_request(failure, bounds)
        details.insert(0, bad)
        if left_out := len(failure.violations) - len(bad.field_violations):
            metadata["violations_left_out"] = str(left_out)
            note = f" ({left_out} of {len(failure.violations)} violations are left out of the list)"
    info = error_details_pb2.ErrorInfo(reason=failure.reason, domain=DOMAIN, metadata=metadata)
    status = status_pb2.Status(
        code=CODES[failure.kind].value[0],
        message=shorten(failure.message, bounds.message - len(note)) + note,
    )
    for detail in (info, *details):
        status.details.add().Pack(detail)
    return status


def _incident(error: Exception) -> RequestError:
    """Log a fault of the daemon itself, and return what its client gets."""
    incident = secrets.token_hex(8)
    logger.error("incident %s", incident, exc_info=error)
    return RequestError(
        Reason.INTERNAL,
        f"the daemon failed; its log has the details under incident {incident}",
        metadata={"incident": incident},
    )


def _details(failure: RequestError, bounds: _Bounds) -> Iterator[Message]:
    if isinstance(failure, HcsFailureError):
        if failure.cause.function:  # else HCS was not asked
            yield _hcs_detail(failure.cause, bounds)
        if failure.retryable:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromSeconds(1)
            yield retry
    if isinstance(failure, (NotFoundError, HcsFailureError)) and failure.resource is not None:
        yield _resource(failure.resource, bounds)


def _bad_request(failure: RequestError, bounds: _Bounds) -> error_details_pb2.BadRequest:
    """List the violations, or as many as there is room for."""
    bad = error_details_pb2.BadRequest()
    for item in failure.violations:
        bad.field_violations.add(
            field=shorten(item.field, bounds.text),
            description=shorten(item.message, bounds.text),
            reason=shorten(item.rule, bounds.text),
        )
        if bad.ByteSize() > bounds.violations:
            del bad.field_violations[-1]
            break
    return bad


def _hcs_detail(error: HcsError, bounds: _Bounds) -> error_pb2.HcsErrorDetail:
    document = error.document or ""
    return error_pb2.HcsErrorDetail(
        hresult=error.hresult,
        symbol=error.code.symbol,
        function=error.function,
        # Half a document is of no use.
        document=document if shorten(document, bounds.document) == document else "",
        events=[
            error_pb2.ErrorEvent(
                message=shorten(event.message, bounds.text),
                provider=shorten(event.provider, bounds.text),
                event_id=event.event_id,
                source=shorten(event.source, bounds.text),
            )
            for event in error.events[:MAX_EVENTS]
        ],
    )


def _resource(resource: Resource, bounds: _Bounds) -> error_details_pb2.ResourceInfo:
    return error_details_pb2.ResourceInfo(
        resource_type=f"hcsd.v1.{resource.type}",
        resource_name=shorten(resource.name, bounds.text),
        description=resource.description,
    )
