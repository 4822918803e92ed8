"""Why stdin takes no bytes."""

from __future__ import annotations

from hcsd.daemon.errors import RequestError
from hcsd.daemon.reasons import Reason


class StdinError(RequestError):
    """A write to stdin that is refused, or cut off.

    Args:
        reason: Why.
        name: Resource name of the process.
        why: What is wrong.
        committed: How many bytes the pipe has accepted, as far as this writer knows.
    """

    def __init__(self, reason: Reason, name: str, why: str, committed: int) -> None:
        super().__init__(
            reason,
            f"cannot write to stdin of '{name}': {why}",
            metadata={"process": name, "committed_offset": str(committed)},
        )


class StdinClosedError(StdinError):
    """Nothing can be written: stdin was closed, or never was a pipe."""

    def __init__(self, name: str, why: str, committed: int = 0) -> None:
        super().__init__(Reason.STDIN_CLOSED, name, why, committed)
