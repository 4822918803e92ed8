"""What an export leaves to the worker: work, and how that says that it is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hcsd.embedded.faults import Fault

# Gives (pid, stdin, stdout, stderr) out, when the caller fetches it.
ProcessInfo = Callable[[], tuple[int, int, int, int]]


class Done(Protocol):
    """Completes the operation that a piece of work belongs to."""

    def __call__(
        self,
        fault: Fault | None = None,
        document: str | None = None,
        process_info: ProcessInfo | None = None,
    ) -> None:
        """Complete it; called exactly once, on the worker."""


# Runs on the worker; a `Fault` that it raises completes the operation, too.
Work = Callable[[Done], None]
