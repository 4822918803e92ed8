"""Creates that may be repeated: the same request id with the same request is one and the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import grpc

from hcsd.hcs.latch import Latch
from hcsd.service.errors import RequestError

if TYPE_CHECKING:
    from google.protobuf.message import Message

T = TypeVar("T")


class _Known(NamedTuple, Generic[T]):
    body: bytes
    outcome: Latch[T | RequestError]


class Requests(Generic[T]):
    """Creates by their request ids. A request without an id is known to nobody."""

    def __init__(self) -> None:
        self._known: dict[str, _Known[T]] = {}

    def join(self, request_id: str, request: Message) -> tuple[Latch[T | RequestError], bool]:
        """Return where the outcome will be, and whether an earlier request is to give it.

        If not, it is the caller's to set.

        Raises:
            RequestError: ALREADY_EXISTS; the id was used for another request.
        """
        body = request.SerializeToString(deterministic=True)
        known = self._known.get(request_id)
        if known is None:
            outcome: Latch[T | RequestError] = Latch()
            if request_id:
                self._known[request_id] = _Known(body, outcome)
            return outcome, False
        if known.body != body:
            raise RequestError(
                grpc.StatusCode.ALREADY_EXISTS,
                "REQUEST_ID_REUSED",
                f"request id {request_id} was used for another request",
                metadata={"request_id": request_id},
            )
        return known.outcome, True

    def forget(self, request_id: str) -> None:
        """Let the id be used again; idempotent."""
        self._known.pop(request_id, None)
