"""Run Windows programs under Wine, from Linux.

    CLOSED ──__enter__──▶ OPEN: a keeper runs in our prefix ──close()──▶ CLOSED: nothing of it runs

What Wine 8 does, and what is done about it here:

* A regular file as standard output ends Python at its start with WinError 6: always pipes.
* A terminal as standard input may be put into raw mode: always the null device, or a pipe.
* The first program in a prefix starts Wine's service processes. They inherit its pipes and linger
  for 2 s after the last program, and so would whoever reads the pipe to its end. Likewise the first
  program that has to do with a desktop (a console that somebody types into is enough) starts one.
  So a keeper that needs both is started first, and lives as long as the session; every other start
  then takes 50 ms, and its pipes close when it ends.
* Under load about one start in 1,000 fails inside Wine (error 1359, STATUS_INTERNAL_ERROR): such a
  start is made again, and counted.

Everything that is ended is ended by the process we started or by our prefix, never by a name.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Self

from tests.windows import places

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

READY = "ready"
KEEPER = f"""\
import ctypes, sys
ctypes.windll.user32.GetDesktopWindow()
print({READY!r}, flush=True)
sys.stdin.read()
"""
TRIES = 3
GRACE = 5.0  # seconds for the output of a program that has ended; Wine itself lingers for 2
# What a start that failed inside Wine leaves on stderr, and nothing else: ERROR_INTERNAL_ERROR or
# the status that it is made from.
FAILED_START = re.compile(rb"^wine: .*(?:\b1359\b|c00000e5)", re.IGNORECASE | re.MULTILINE)


class WineError(Exception):
    """A program did not start, did not end in time, or failed where that was not expected."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a program ended.

    Attributes:
        code: Exit code as Linux sees it: the low 8 bits of what the program returned.
        stdout: What it wrote there; likewise stderr.
        seconds: How long it took.
    """

    code: int
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def text(self) -> str:
        """Standard output as text, with the line ends of this side."""
        return self.stdout.decode("utf-8", "replace").replace("\r\n", "\n")


def windows_path(path: Path) -> str:
    """Name a file of ours as a Windows program would: drive Z is our root."""
    return "Z:" + str(path).replace("/", "\\")


class Wine:
    """A session in a prefix. One at a time: others wait for it to end.

    Attributes:
        failed_starts: How many starts failed inside Wine and were made again.
    """

    def __init__(self, prefix: Path = places.PREFIX, python: Path = places.PYTHON) -> None:
        loader, server = places.find_wine(), places.find_wineserver()
        if loader is None or server is None:
            raise WineError("Wine is not installed (Debian: wine64)")
        self.failed_starts = 0
        self._loader = str(loader)
        self._server = str(server)
        self._python = str(python / "python.exe")
        self._environment = _environment(prefix, server)
        self._prefix = prefix
        self._lock: IO[bytes] | None = None
        self._keeper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._prefix.parent.mkdir(parents=True, exist_ok=True)
        self._lock = places.LOCK.open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self._start_keeper()
        except BaseException:
            self.close()
            raise
        return self

    def _start_keeper(self) -> None:
        self._keeper = subprocess.Popen(
            [self._loader, self._python, "-I", "-c", KEEPER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment,
        )
        assert self._keeper.stdout is not None
        if self._keeper.stdout.read(len(READY)) != READY.encode():  # or it ended, and so does this
            raise WineError(f"Wine does not start in {self._prefix}")

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything that runs in the prefix; idempotent."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            self.control("-k")
            self.control("-w")
            keeper.wait()
            for pipe in (keeper.stdin, keeper.stdout):
                assert pipe is not None
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    def control(self, option: str) -> None:
        """Tell the server of our prefix: -k ends all, -w waits until it has ended."""
        subprocess.run(
            [self._server, option],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
        )

    @property
    def version(self) -> str:
        """What Wine calls itself, such as ``wine-8.0 (Debian 8.0~repack-4)``."""
        ran = subprocess.run(
            [self._loader, "--version"], env=self._environment, capture_output=True, check=True
        )
        return ran.stdout.decode().strip()

    @property
    def environment(self) -> dict[str, str]:
        """What programs are started with."""
        return self._environment

    def command(self, program: Path) -> list[str]:
        """What starts a Windows program, for who starts it himself."""
        return [self._loader, str(program)]

    def python_command(self, *arguments: str) -> list[str]:
        """What starts the Windows Python, for who starts it himself."""
        return [self._loader, self._python, *arguments]

    def start(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        """Start a program with pipes for its output. Ownership: the caller ends and reaps it."""
        return subprocess.Popen(
            [self._loader, *command],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self._environment, **(environment or {})},
            cwd=directory,
        )

    def start_python(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        """Start the Windows Python; otherwise as `start`."""
        return self.start(
            [self._python, *arguments], environment=environment, directory=directory, stdin=stdin
        )

    def run(
        self,
        command: Sequence[str],
        *,
        timeout: float = 60.0,
        check: bool = True,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        show: bool = False,
    ) -> Result:
        """Run a program to its end.

        Args:
            command: Program and arguments; the program is a Windows name or a path of ours.
            timeout: Seconds until it is killed.
            check: Whether an exit code other than 0 is an error.
            environment: Members to add to, or override in, ours.
            directory: Where it runs.
            show: Whether its output is passed on as it comes, too.

        Raises:
            WineError: It was killed, could not be started, or failed with `check`.
        """
        result = self._run_once(command, timeout, environment, directory, show=show)
        for _ in range(TRIES - 1):
            if not (result.code and not result.stdout and FAILED_START.search(result.stderr)):
                break
            self.failed_starts += 1
            result = self._run_once(command, timeout, environment, directory, show=show)
        if check and result.code:
            raise WineError(
                f"{' '.join(command)} ended with {result.code}\n"
                f"{result.text}{result.stderr.decode('utf-8', 'replace')}"
            )
        return result

    def python(
        self,
        *arguments: str,
        timeout: float = 60.0,
        check: bool = True,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        show: bool = False,
    ) -> Result:
        """Run the Windows Python to its end; otherwise as `run`."""
        return self.run(
            [self._python, *arguments],
            timeout=timeout,
            check=check,
            environment=environment,
            directory=directory,
            show=show,
        )

    def _run_once(
        self,
        command: Sequence[str],
        timeout: float,
        environment: Mapping[str, str] | None,
        directory: Path | None,
        *,
        show: bool,
    ) -> Result:
        started = time.monotonic()
        process = self.start(command, environment=environment, directory=directory)
        pipes = [_Pipe(process.stdout, show=show), _Pipe(process.stderr, show=show)]
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            written = b"".join(pipe.take() for pipe in pipes).decode("utf-8", "replace")
            raise WineError(
                f"{' '.join(command)} did not end within {timeout:g} s\n{written}"
            ) from None
        stdout, stderr = (pipe.take() for pipe in pipes)
        return Result(code, stdout, stderr, time.monotonic() - started)


class _Pipe:
    """Reads a pipe on a thread, until its end or until that is no longer worth waiting for.

    A child that a program left behind may hold the pipe for as long as the session lasts.
    """

    def __init__(self, pipe: IO[bytes] | None, *, show: bool) -> None:
        assert pipe is not None
        self._pipe = pipe
        self._show = show
        self._pieces: list[bytes] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._pipe:
            while piece := os.read(self._pipe.fileno(), 65536):
                self._pieces.append(piece)
                if self._show:
                    os.write(sys.stdout.fileno(), piece.replace(b"\r\n", b"\n"))

    def take(self) -> bytes:
        """Return what was written, when its writer has ended."""
        self._thread.join(GRACE)
        return b"".join(self._pieces)


def _environment(prefix: Path, server: Path) -> dict[str, str]:
    """Ours, without what would reach into the Windows side.

    Python's own variables name files of the Linux Python. Without a display there is no window
    system to wait for. `mscoree` and `mshtml` would offer downloads, `winemenubuilder` would write
    into the home folder.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "WINE", "VIRTUAL_ENV")) and name != "DISPLAY"
    }
    return kept | {
        "WINEPREFIX": str(prefix),
        "WINESERVER": str(server),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree,mshtml,winemenubuilder.exe=",
        "PYTHONUTF8": "1",
    }
