"""Owned handles: closed once, never while a call is using them, never used after.

    OPEN ──close()──▶ CLOSED                 no call under way: closed at once
    OPEN ──close()──▶ CLOSING ──last use──▶ CLOSED

`use()` is legal in OPEN only; CLOSING and CLOSED refuse it. The raw value is cleared before the
native close, because the value may be handed out again the moment the close returns.

Thread: the event loop's, all of it; so no state here needs a lock. The native close itself may
drain callbacks, and is therefore given to `closer`, which makes it where blocking is allowed.
"""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING, Generic, TypeVar

from hcsd.abi.types import HCS_PROCESS, HCS_SYSTEM
from hcsd.hcs.errors import HandleClosedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

H = TypeVar("H", HCS_SYSTEM, HCS_PROCESS)


class OwnedHandle(Generic[H]):
    """A native handle that this object closes.

    Args:
        raw: The handle; owned from here on.
        closer: Makes the native close; what else must be done before may be set until then.
    """

    __slots__ = ("_closing", "_raw", "_uses", "closer", "on_closed")

    def __init__(self, raw: H, closer: Callable[[H], None]) -> None:
        self._raw: H | None = raw
        self.closer: Callable[[H], None] = closer
        self._uses = 0
        self._closing = False
        # Called when the native close has been handed over; frees what its callbacks needed.
        self.on_closed: Callable[[], object] | None = None

    @property
    def closed(self) -> bool:
        """Whether close was called."""
        return self._closing

    @property
    def null(self) -> bool:
        """Whether HCS gave none out, as it may for a create that fails later."""
        return not self._raw

    @contextlib.contextmanager
    def use(self) -> Iterator[H]:
        """Lend the raw handle for the duration of a call or an operation.

        Raises:
            HandleClosedError: It was closed.
        """
        if self._closing or self._raw is None:
            msg = f"{type(self).__name__} was closed"
            raise HandleClosedError(msg)
        self._uses += 1
        try:
            yield self._raw
        finally:
            self._uses -= 1
            if self._closing and not self._uses:
                self._close_now()

    def close(self) -> None:
        """Close the handle, now or when the last call that uses it has ended; idempotent."""
        if self._closing:
            return
        self._closing = True
        if not self._uses:
            self._close_now()

    def _close_now(self) -> None:
        raw, self._raw = self._raw, None
        if raw:
            self.closer(raw)
        if self.on_closed is not None:
            self.on_closed()

    def __del__(self) -> None:
        """Warn about a handle that nobody closed; closing it here would be on any thread."""
        if getattr(self, "_raw", None) is not None:
            warnings.warn(f"{type(self).__name__} was never closed", ResourceWarning, stacklevel=2)


class SystemHandle(OwnedHandle[HCS_SYSTEM]):
    """Owns an HCS_SYSTEM."""


class ProcessHandle(OwnedHandle[HCS_PROCESS]):
    """Owns an HCS_PROCESS."""
