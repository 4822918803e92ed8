"""What comes of an operation, and what is to be done about a process that comes of it late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from hcsd.abi.types import INVALID_HANDLE_VALUE

if TYPE_CHECKING:
    from hcsd.abi.types import HCS_PROCESS_INFORMATION
    from hcsd.hcs.errors import HcsError
    from hcsd.hcs.library import Library


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """What HCS tells of a process that it started.

    Ownership: the three handles belong to whoever holds this; 0 means there is no such stream.
    """

    pid: int
    stdin: int
    stdout: int
    stderr: int

    @classmethod
    def of(cls, raw: HCS_PROCESS_INFORMATION) -> ProcessInfo:
        """Read the structure; NULL and INVALID_HANDLE_VALUE both mean "no stream"."""
        values = [h.value or 0 for h in (raw.StdInput, raw.StdOutput, raw.StdError)]
        return cls(raw.ProcessId, *(0 if v == INVALID_HANDLE_VALUE else v for v in values))

    @property
    def has_stdio(self) -> bool:
        """Whether there is a stream."""
        return bool(self.stdin or self.stdout or self.stderr)

    def close(self, library: Library) -> None:
        """Close every handle; for when nobody takes them over."""
        for handle in (self.stdin, self.stdout, self.stderr):
            if handle:
                library.provider.close_handle(handle)


class Fetched(NamedTuple):
    """What a completed operation gave."""

    document: str | None = None
    info: ProcessInfo | None = None
    error: HcsError | None = None


NOTHING = Fetched()
IN_DOUBT = Fetched(document="in doubt")  # known by its identity


class Late(Protocol):
    """What is done about a process whose create is late."""

    async def find(self) -> ProcessInfo | None:
        """Look for the process in another way; None if there is none yet, or nobody can tell.

        Ownership: the handles in it are the caller's.
        """

    def dispose(self, info: ProcessInfo | None) -> None:
        """Leave nothing of a process that nobody waits for any more.

        Called once. Thread: the loop's, or any when the loop has closed.

        Args:
            info: What came of it, with its handles closed; None if it failed or was given up.
        """
