"""How processes and systems end, as far as HCS can tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.hcs.errors import DocumentError
from hcsd.hcs.schema import ProcessStatus, SystemExitStatus

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """How a process ended.

    Attributes:
        exit_code: 0 to 2**32-1; None if nobody can tell.
        signal: Number of the signal that ended it, when the engine can tell; else 0.
        hresult: Why the code is unknown; 0 if it is known.
        message: The same in words.
        with_system: Whether it ended with its system, or after that was told to end.
        out_of_memory: Whether the host killed it because its system had used up its memory.
        time: When it ended, in nanoseconds since 1970; 0 if nobody can tell. Equal ends may have another.
    """

    exit_code: int | None
    signal: int = 0
    hresult: int = 0
    message: str = ""
    with_system: bool = False
    out_of_memory: bool = False
    time: int = field(default=0, compare=False)

    @classmethod
    def of(cls, status: ProcessStatus) -> Self:
        """Read the end out of a status of an exited process."""
        if status.exit_code is None:
            reason = status.last_wait_result or HR.E_UNEXPECTED  # it has a code it cannot tell
            return cls.unknown(reason, "the service cannot tell the exit code")
        return cls(
            status.exit_code,
            status.signal,
            out_of_memory=status.out_of_memory,
            time=status.exit_time,
        )

    @classmethod
    def read(cls, text: str | None) -> Self:
        """Read the document of an exit event; from one that cannot be read comes an unknown end."""
        try:
            return cls.of(ProcessStatus.parse(text))
        except DocumentError as error:
            return cls.unknown(HR.E_UNEXPECTED, str(error))

    @classmethod
    def unknown(cls, hresult: int, message: str) -> Self:
        """Return the end of a process whose exit code nobody can tell."""
        return cls(None, 0, hresult, message)


@dataclass(frozen=True, slots=True)
class SystemEnd:
    """How a system ended.

    Attributes:
        hresult: Status of the exit, unsigned; 0 if nothing went wrong.
        exit_type: By HCS's names, such as ``ForcedExit``; empty if HCS did not say.
        attribution: Why: an AttributionRecord array as JSON; empty if HCS gave none.
    """

    hresult: int
    exit_type: str = ""
    attribution: str = ""

    @classmethod
    def of(cls, text: str | None) -> Self:
        """Read a SystemExitStatus document; without a readable one nothing is known."""
        try:
            status = SystemExitStatus.parse(text)
        except DocumentError:
            return cls(HR.E_UNEXPECTED, "Unknown")
        return cls(status.status, status.exit_type, status.attribution)
