"""What is run in a guest: members of a ProcessParameters document, and what must come of them.

For Windows there is nothing but `cmd`, which every image has, and its own commands.
"""

from __future__ import annotations

from typing import Protocol

Parameters = dict[str, object]


class Programs(Protocol):
    """Programs of a kind of guest."""

    exit_codes: tuple[int, ...]
    line_end: bytes

    def greet(self) -> Parameters:
        """Print the line `hello` on stdout and on stderr."""

    def count(self, last: int) -> Parameters:
        """Print the numbers from 1 to `last`, one a line."""

    def leave(self, code: int) -> Parameters:
        """End with an exit code."""

    def echo(self) -> Parameters:
        """Read a line from stdin and print it; until it comes, wait."""

    def signal(self) -> str | int:
        """Return the signal that ends `echo` while it waits."""


class WindowsPrograms:
    """Programs of a Windows guest."""

    exit_codes: tuple[int, ...] = (0, 1, 7, 259, 0xC000013A, 0xFFFFFFFF)
    line_end = b"\r\n"

    def greet(self) -> Parameters:
        return self._cmd("echo hello&echo hello>&2")

    def count(self, last: int) -> Parameters:
        return self._cmd(f"for /l %i in (1,1,{last}) do @echo %i")

    def leave(self, code: int) -> Parameters:
        return self._cmd(f"exit {code - (1 << 32) if code >= 1 << 31 else code}")

    def echo(self) -> Parameters:
        return self._cmd("set /p line=&echo !line!")

    def signal(self) -> str | int:
        return "CtrlShutdown"

    def _cmd(self, script: str) -> Parameters:
        return {"CommandLine": f"cmd.exe /q /d /v:on /c {script}"}


class PosixPrograms:
    """Programs of a POSIX guest."""

    exit_codes: tuple[int, ...] = (0, 1, 7, 255)
    line_end = b"\n"

    def greet(self) -> Parameters:
        return self._sh("echo hello; echo hello >&2")

    def count(self, last: int) -> Parameters:
        return {"CommandArgs": ["seq", str(last)]}

    def leave(self, code: int) -> Parameters:
        return self._sh(f"exit {code}")

    def echo(self) -> Parameters:
        return self._sh('read -r line; echo "$line"')

    def signal(self) -> str | int:
        return 15

    def _sh(self, script: str) -> Parameters:
        return {"CommandArgs": ["sh", "-c", script]}
