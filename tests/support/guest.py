"""Programs of a guest: how to print, to exit with a code, to sleep there.

What every guest can do is in `Guest`; the contract tests use nothing else, unless they are about a
trait of one kind of guest and say so by asking for that kind. Each method returns members of a
ProcessParameters document.
"""

import os
import re
from typing import Protocol

from hcsd.daemon.windows_command import quote_windows

Parameters = dict[str, object]


class Guest(Protocol):
    """What the contract tests need to be able to start."""

    @property
    def missing_program(self) -> str: ...
    @property
    def missing_directory(self) -> str: ...
    @property
    def directory(self) -> str:
        """A directory that exists and is not the one a process starts in by default."""

    def exits(self, code: int) -> Parameters: ...
    def prints(self, out: str = "", err: str = "") -> Parameters: ...
    def sleeps(self) -> Parameters:
        """Do nothing for longer than any test."""

    def says(self, text: str) -> Parameters:
        """Print a line, then sleep: for a test that needs the program itself to be running."""

    def copies_stdin(self) -> Parameters:
        """Copy stdin to stdout until its end."""

    def prints_variable(self, name: str) -> Parameters:
        """Print the value in brackets, or "unset"."""

    def prints_directory(self) -> Parameters: ...
    def prints_arguments(self, *arguments: str) -> Parameters:
        """Print each in brackets, on a line of its own."""

    def writes(self, count: int) -> Parameters:
        """Write so many zero bytes to stdout."""

    def plain(self, shown: bytes) -> bytes:
        """What a console showed, without what it says about itself."""


class PosixGuest:
    """A guest with a shell and the core utilities."""

    missing_program = "no-such-program"
    missing_directory = "/no/such/directory"
    directory = "/usr"

    def sh(self, script: str, *arguments: str) -> Parameters:
        return {"CommandArgs": ["sh", "-c", script, "sh", *arguments]}

    def exits(self, code: int) -> Parameters:
        return self.sh('exit "$1"', str(code))

    def prints(self, out: str = "", err: str = "") -> Parameters:
        return self.sh('printf %s "$1"; printf %s "$2" >&2', out, err)

    def sleeps(self) -> Parameters:
        return {"CommandArgs": ["sleep", "1000"]}

    def says(self, text: str) -> Parameters:
        return self.sh('echo "$1"; exec sleep 1000', text)

    def copies_stdin(self) -> Parameters:
        return {"CommandArgs": ["cat"]}

    def prints_variable(self, name: str) -> Parameters:
        return self.sh(
            f'if [ "${{{name}+set}}" ]; then printf "[%s]" "${name}"; else echo unset; fi'
        )

    def prints_directory(self) -> Parameters:
        return {"CommandArgs": ["pwd"]}

    def prints_arguments(self, *arguments: str) -> Parameters:
        return {"CommandArgs": ["printf", r"[%s]\n", *arguments]}

    def writes(self, count: int) -> Parameters:
        return {"CommandArgs": ["head", "-c", str(count), "/dev/zero"]}

    def plain(self, shown: bytes) -> bytes:
        return shown


class WindowsGuest:
    """A guest with the program of tests/windows/guest.c, which is where HCSD_GUEST says."""

    missing_program = "C:\\no-such-program.exe"
    missing_directory = "C:\\no\\such\\directory"
    directory = "C:\\windows"

    def does(self, *words: str) -> Parameters:
        return {"CommandLine": quote_windows([os.environ["HCSD_GUEST"], *words])}

    def exits(self, code: int) -> Parameters:
        return self.does("exit", str(code))

    def prints(self, out: str = "", err: str = "") -> Parameters:
        return self.does("print", out, err)

    def sleeps(self) -> Parameters:
        return self.does("sleep")

    def says(self, text: str) -> Parameters:
        return self.does("say", text)

    def copies_stdin(self) -> Parameters:
        return self.does("cat")

    def prints_variable(self, name: str) -> Parameters:
        return self.does("variable", name)

    def prints_directory(self) -> Parameters:
        return self.does("directory")

    def prints_arguments(self, *arguments: str) -> Parameters:
        return self.does("arguments", *arguments)

    def writes(self, count: int) -> Parameters:
        return self.does("zeros", str(count))

    def plain(self, shown: bytes) -> bytes:
        return re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07", b"", shown)
