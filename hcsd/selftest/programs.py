"""What is run in a guest: members of a ProcessParameters document, and what must come of them.

For Windows there is nothing but `cmd`, which every image has, and its own commands.
"""

from __future__ import annotations

from typing import Protocol

Parameters = dict[str, object]


class Programs(Protocol):
    """Programs of a kind of guest."""

    of_windows: bool
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

    def interrupt(self) -> str | int:
        """Return the signal of the interrupt key."""

    def after_line(self, code: int) -> Parameters:
        """Read a line from stdin, print `bye`, and end with an exit code."""

    def leaves_child(self) -> Parameters:
        """Start a child that keeps the streams until a line comes on stdin, and end at once."""

    def counts_long(self, code: int) -> Parameters:
        """Be busy for a second or so, and end with an exit code; reads nothing."""

    def variables(self, prefix: str) -> Parameters:
        """Print the variables whose names begin with this, in any case, one a line."""

    def console_size(self) -> Parameters:
        """Print the size of the console: two numbers with words around them."""

    def no_program(self) -> Parameters:
        """Name a program that does not exist."""

    def no_directory(self) -> str:
        """Return a folder that does not exist."""


def _signed(code: int) -> int:
    """Return a code as `cmd` reads numbers."""
    return code - (1 << 32) if code >= 1 << 31 else code


class WindowsPrograms:
    """Programs of a Windows guest."""

    of_windows = True
    exit_codes: tuple[int, ...] = (0, 1, 7, 259, 0xC000013A, 0xFFFFFFFF)
    line_end = b"\r\n"

    def greet(self) -> Parameters:
        return self._cmd("echo hello&echo hello>&2")

    def count(self, last: int) -> Parameters:
        return self._cmd(f"for /l %i in (1,1,{last}) do @echo %i")

    def leave(self, code: int) -> Parameters:
        return self._cmd(f"exit {_signed(code)}")

    def echo(self) -> Parameters:
        return self._cmd("set /p line=&echo !line!")

    def signal(self) -> str | int:
        return "CtrlShutdown"

    def interrupt(self) -> str | int:
        return "CtrlC"

    def after_line(self, code: int) -> Parameters:
        return self._cmd(f"set /p line=&echo bye&exit {_signed(code)}")

    def leaves_child(self) -> Parameters:
        return self._cmd('start "" /b cmd.exe /q /d /c "set /p line="')

    def counts_long(self, code: int) -> Parameters:
        return self._cmd(f"(for /l %i in (1,1,20000) do @rem)&exit {code}")

    def variables(self, prefix: str) -> Parameters:
        return self._cmd(f"set {prefix}")

    def console_size(self) -> Parameters:
        return self._cmd("mode con")

    def no_program(self) -> Parameters:
        return {"CommandLine": r"C:\hcsd-selftest\no-such-program.exe"}

    def no_directory(self) -> str:
        return r"C:\hcsd-selftest\no-such-folder"

    def _cmd(self, script: str) -> Parameters:
        return {"CommandLine": f"cmd.exe /q /d /v:on /c {script}"}


class PosixPrograms:
    """Programs of a POSIX guest."""

    of_windows = False
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

    def interrupt(self) -> str | int:
        return 2

    def after_line(self, code: int) -> Parameters:
        return self._sh(f"read -r line; echo bye; exit {code}")

    def leaves_child(self) -> Parameters:
        return self._sh("exec 3<&0; (read -r line <&3) & exit 0")

    def counts_long(self, code: int) -> Parameters:
        return self._sh(f"sleep 0.5; exit {code}")

    def variables(self, prefix: str) -> Parameters:
        return self._sh(f"env | grep -i '^{prefix}'")

    def console_size(self) -> Parameters:
        return self._sh("stty size")

    def no_program(self) -> Parameters:
        return {"CommandArgs": ["/hcsd-selftest/no-such-program"]}

    def no_directory(self) -> str:
        return "/hcsd-selftest/no-such-folder"

    def _sh(self, script: str) -> Parameters:
        return {"CommandArgs": ["sh", "-c", script]}
