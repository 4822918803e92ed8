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

    def floods(self, count: int, text: str) -> Parameters:
        """Write so many zero bytes to stderr, then a line to stdout."""

    def ticks(self) -> Parameters:
        """Print lines without end, until nobody reads them."""

    def closes_stdin(self, text: str) -> Parameters:
        """Close it, print a line, then sleep."""

    def leaves(self, early: str, late: str) -> Parameters:
        """Print a line and end; a child prints the other one when a line comes in."""

    def goes_by(self, name: str, out: str) -> Parameters:
        """Print, by a program that is called otherwise in its own first argument."""

    def catches(self, text: str, code: int) -> Parameters:
        """Print a line, then sleep; end with the code when interrupted, after the line "caught"."""

    def endures(self, text: str) -> Parameters:
        """Print a line, then sleep; no signal or console event ends it."""

    def tells_sizes(self) -> Parameters:
        """Print "[1: ROWS COLUMNS]" of the console now, and again for every line of input.

        The first number counts them: a console that is sized anew may be drawn anew, with what it
        has shown before.
        """

    def checks_console(self) -> Parameters:
        """End with 0 if all three streams are the console that controls the process."""

    @property
    def interrupted(self) -> set[int]:
        """Codes with which a program ends that leaves an interrupt to the system."""

    def plain(self, shown: bytes) -> bytes:
        """What a console showed, without what it says about itself."""


class PosixGuest:
    """A guest with a shell and the core utilities."""

    missing_program = "no-such-program"
    missing_directory = "/no/such/directory"
    directory = "/usr"
    interrupted = {130}  # noqa: RUF012

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

    def floods(self, count: int, text: str) -> Parameters:
        return self.sh('head -c "$1" /dev/zero >&2; echo "$2"', str(count), text)

    def ticks(self) -> Parameters:
        return {"CommandArgs": ["yes", "tick"]}

    def closes_stdin(self, text: str) -> Parameters:
        return self.sh('exec <&-; echo "$1"; exec sleep 1000', text)

    def leaves(self, early: str, late: str) -> Parameters:
        return self.sh('exec 3<&0; (read line <&3; echo "$2") & echo "$1"', early, late)

    def goes_by(self, name: str, out: str) -> Parameters:
        return {"ApplicationName": "printf", "CommandLine": f"{name} {out}"}

    def catches(self, text: str, code: int) -> Parameters:
        script = 'trap \'echo caught; exit "$2"\' INT; echo "$1"; while :; do sleep 0.01; done'
        return self.sh(script, text, str(code))

    def endures(self, text: str) -> Parameters:
        script = "trap '' INT TERM HUP QUIT; echo \"$1\"; while :; do sleep 1000; done"
        return self.sh(script, text)

    def tells_sizes(self) -> Parameters:
        return self.sh(
            'stty -echo; tell() { n=$((n+1)); echo "[$n: $(stty size)]"; }; n=0; tell;'
            " while read line; do tell; done"
        )

    def checks_console(self) -> Parameters:
        return self.sh("test -t 0 && test -t 1 && test -t 2 && : </dev/tty")

    def plain(self, shown: bytes) -> bytes:
        return shown


class WindowsGuest:
    """A guest with the program of tests/windows/guest.c, which is where HCSD_GUEST says."""

    missing_program = "C:\\no-such-program.exe"
    missing_directory = "C:\\no\\such\\directory"
    directory = "C:\\windows"
    interrupted = {0xC000013A, 0}  # noqa: RUF012  (0: under Wine)

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

    def floods(self, count: int, text: str) -> Parameters:
        return self.does("flood", str(count), text)

    def ticks(self) -> Parameters:
        return self.does("tick")

    def closes_stdin(self, text: str) -> Parameters:
        return self.does("deaf", text)

    def leaves(self, early: str, late: str) -> Parameters:
        return self.does("early", early, late)

    def goes_by(self, name: str, out: str) -> Parameters:
        line = quote_windows([name, "print", out])
        return {"ApplicationName": os.environ["HCSD_GUEST"], "CommandLine": line}

    def catches(self, text: str, code: int) -> Parameters:
        return self.does("catch", text, str(code))

    def endures(self, text: str) -> Parameters:
        return self.does("stubborn", text)

    def tells_sizes(self) -> Parameters:
        return self.does("sizes")

    def checks_console(self) -> Parameters:
        return self.does("console")

    def plain(self, shown: bytes) -> bytes:
        return re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07", b"", shown)
