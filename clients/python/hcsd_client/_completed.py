"""A process that has ended, and whether that is what its caller wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcsd.v1.process_pb2 import EXIT_REASON_RUN_TIMEOUT
from hcsd_client._errors import HcsdClientError

if TYPE_CHECKING:
    from typing import Self

    from hcsd.v1.process_pb2 import ProcessExit

_SHOWN = 200  # bytes of an output, or characters of stderr, in a message


@dataclass(frozen=True, slots=True)
class Completed:
    """A process that has ended, and its output.

    Attributes:
        name: Its resource name.
        exit: How it ended.
        stdout: What it wrote to stdout; with a console, all output.
        stderr: What it wrote to stderr.
        truncated: Whether the beginning of an output is missing, since it was too long for one answer.
    """

    name: str
    exit: ProcessExit
    stdout: bytes
    stderr: bytes
    truncated: bool = False

    def __repr__(self) -> str:
        """Show the exit code, or what else is known of the end, and the end of each output."""
        code = self.exit_code
        end = f"exit_code={code}" if code is not None else f"exit={ending(self.exit)!r}"
        outputs = f"stdout={_shown(self.stdout)}, stderr={_shown(self.stderr)}"
        return f"Completed({self.name!r}, {end}, {outputs}, truncated={self.truncated})"

    @property
    def exit_code(self) -> int | None:
        """Its exit code, 0 to 2**32-1; None if it is not known."""
        return self.exit.exit_code if self.exit.HasField("exit_code") else None

    @property
    def text(self) -> str:
        """Its stdout as text. Bytes that are not UTF-8 become U+FFFD."""
        return self.stdout.decode(errors="replace")

    @property
    def error_text(self) -> str:
        """Its stderr as text, in the same way."""
        return self.stderr.decode(errors="replace")

    def check(self) -> Self:
        """Return this if the exit code is 0.

        Raises:
            ProcessTimeoutError: It was killed, since its time was up.
            ProcessFailedError: It ended with another exit code, or with none that is known.
        """
        if self.exit_code != 0 or self.timed_out:
            raise (ProcessTimeoutError if self.timed_out else ProcessFailedError)(self)
        return self

    @property
    def timed_out(self) -> bool:
        """Whether it was killed, since its time was up."""
        return self.exit.reason == EXIT_REASON_RUN_TIMEOUT


class ProcessFailedError(HcsdClientError):
    """A process has not ended with 0.

    Attributes:
        completed: How it ended, and what it wrote.
    """

    def __init__(self, completed: Completed) -> None:
        self.completed = completed
        said = completed.error_text.strip()[-_SHOWN:]
        super().__init__(f"'{completed.name}' {self._why()}{f': {said}' if said else ''}")

    def _why(self) -> str:
        return ending(self.completed.exit)

    def __reduce__(self) -> tuple[type[ProcessFailedError], tuple[Completed]]:
        """Let it be pickled, for pools of processes."""
        return type(self), (self.completed,)


class ProcessTimeoutError(ProcessFailedError, TimeoutError):
    """A process was killed with what it had started, since its time was up."""


class OutputTruncatedError(ProcessFailedError):
    """A process wrote more than one answer holds; `Client.run` and `communicate` have no such limit."""

    def _why(self) -> str:
        return "wrote more than one answer holds: use Client.run and communicate"


def _shown(data: bytes) -> str:
    """Show the end of an output."""
    return (
        repr(data) if len(data) <= _SHOWN else f"<{len(data)} bytes, ending in {data[-_SHOWN:]!r}>"
    )


def ending(end: ProcessExit) -> str:
    """Say how a process ended."""
    if end.reason == EXIT_REASON_RUN_TIMEOUT:
        return "was killed, since its time was up"
    if end.HasField("exit_code"):
        return f"exited with code {end.exit_code}"
    return "has ended, and nobody can tell how"
