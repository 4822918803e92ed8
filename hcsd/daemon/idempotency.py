"""Creates that may be repeated: the same request id with the same request is one and the same.

    unknown ──first──▶ under way ──it succeeds──▶ known, until `forget`
                            └──it fails──▶ unknown

Whoever repeats a request gets the outcome of the first, also while that is under way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from hcsd.daemon.background import Work
from hcsd.daemon.errors import RequestError
from hcsd.daemon.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hcsd.daemon.background import Background

T = TypeVar("T")


class RequestKey(NamedTuple):
    """What tells a request from others.

    Attributes:
        id: Request id; "" for a request that is not to be repeated.
        fingerprint: Of the whole request; equal for equal requests.
    """

    id: str = ""
    fingerprint: bytes = b""


NO_KEY = RequestKey()  # of a request that is not to be repeated


class _Known(NamedTuple, Generic[T]):
    fingerprint: bytes
    work: Work[T]


class Idempotency(Generic[T]):
    """Creates by their request ids. A request without an id is known to nobody."""

    def __init__(self, background: Background) -> None:
        self._background = background
        self._known: dict[str, _Known[T]] = {}

    def start(
        self,
        key: RequestKey,
        work: Callable[[], Awaitable[T]],
        name: str,
        *,
        after: Callable[[T], Awaitable[object]] | None = None,
    ) -> tuple[Work[T], bool]:
        """Begin the work of a request, unless an equal one has begun it; see `Background.start`.

        Returns:
            The work, and whether it was begun before.

        Raises:
            RequestError: REQUEST_ID_REUSED; the id was used for another request.
        """
        known = self._known.get(key.id)
        if known is not None:
            if known.fingerprint != key.fingerprint:
                raise RequestError(
                    Reason.REQUEST_ID_REUSED,
                    f"request id {key.id} was used for another request",
                    metadata={"request_id": key.id},
                )
            return known.work, True

        async def run() -> T:
            try:
                return await work()
            except BaseException:
                self.forget(key.id)
                raise

        started = self._background.start(run, name, after=after)
        if key.id:
            self._known[key.id] = _Known(key.fingerprint, started)
        return started, False

    def restore(self, key: RequestKey, result: T) -> None:
        """Note what a request of an earlier run of the daemon has created."""
        if key.id:
            work: Work[T] = Work()
            work.succeed(result)
            self._known[key.id] = _Known(key.fingerprint, work)

    def forget(self, request_id: str) -> None:
        """Let the id be used again; idempotent."""
        self._known.pop(request_id, None)
