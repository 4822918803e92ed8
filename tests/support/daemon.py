"""A real daemon: `hcsd serve` in a process of its own, on a private socket in a fresh directory.

It is forked from the server of tests/support/commands.py, unless a test needs a start of Python.

    with serving() as daemon:
        channel = grpc.aio.insecure_channel(daemon.address)

Everything here blocks, so make a fixture of it that is not async, or take a worker thread. Nothing
sleeps: the start waits for the daemon's ready line, the end for the end of its process.
"""

import contextlib
import os
import re
import signal as signals
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from tests.support.census import MARK
from tests.support.commands import Command

# For a daemon that is killed, and is to leave nothing to the next one.
FORGETFUL = ("--restore-window", "0")
HCSD = (sys.executable, "-m", "hcsd", "serve")
READY = "hcsd: ready at "
# As text, or as JSON.
READY_LINE = re.compile(rf'(?:{READY}|{{"event": "ready at )(?P<addresses>[^;"\n]+)')
# Far more than a loaded machine needs: who waits this long has a daemon that hangs.
PATIENCE = 40.0


class DaemonFailedError(AssertionError):
    """The daemon did not start, or not end, as it should; says what it logged."""

    def __init__(self, what: str, log: str) -> None:
        super().__init__(f"{what}; its log:\n{log or '(empty)'}")


class Daemon:
    """A daemon that is ready.

    Attributes:
        directory: Its private directory, removed at the end.
        addresses: Where it listens, as its ready line says: the socket first.
        token_file: The token for TCP clients; there only if it listens on TCP.
        ca_file: The CA of the certificate that it makes itself for TCP; there only then.
        may_be_outlived: What it started may go on without it, and hold its output.
    """

    def __init__(
        self, process: Command | subprocess.Popen[bytes], log: TextIO, directory: Path
    ) -> None:
        self.directory = directory
        self.token_file = directory / "token"
        self.ca_file = directory / "server.pem"
        self.addresses: list[str] = []
        self.may_be_outlived = False
        self._lines: list[str] = []
        self._spoken = threading.Event()  # it is ready, or nothing more can come
        self._stopped = False
        self._process = process
        self._reader = threading.Thread(
            target=self._read, args=(log,), name="daemon log", daemon=True
        )
        self._reader.start()

    @property
    def address(self) -> str:
        """Its socket, as gRPC and every client takes it: unix:///path."""
        return self.addresses[0]

    @property
    def socket(self) -> Path:
        return Path(self.address.removeprefix("unix://"))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has printed so far; all of it once it has ended."""
        return "".join(self._lines)

    def signal(self, number: int) -> None:
        """Send it a signal; if that should end it, `wait` next."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end.

        Returns:
            The exit code as subprocess has it: negative for a signal.

        Raises:
            DaemonFailedError: It went on and was killed, or something it started outlives it.
        """
        self._stopped = True
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise DaemonFailedError(f"the daemon did not end in {PATIENCE} s", self.log) from None
        if self.may_be_outlived:
            return code
        self._reader.join(PATIENCE)
        if self._reader.is_alive():
            raise DaemonFailedError(
                "something that holds the daemon's output outlives it", self.log
            )
        return code

    def stop(self, number: signals.Signals = signals.SIGTERM) -> None:
        """End it by a signal and expect exit code 0; nothing if its end was waited for.

        Raises:
            DaemonFailedError: It ended in another way, or by itself before.
        """
        if self._stopped:
            return
        ended_before = self._process.poll() is not None
        if not ended_before:
            self._process.send_signal(number)
        code = self.wait()
        if ended_before:
            raise DaemonFailedError(f"the daemon ended by itself with {code}", self.log)
        if code != 0:
            name = number.name
            raise DaemonFailedError(f"the daemon ended on {name} with {code}", self.log)

    def kill(self) -> None:
        """End it by SIGKILL, for a test about what it leaves behind."""
        self._process.kill()
        self.wait()

    def await_ready(self, patience: float = PATIENCE) -> None:
        """Wait for the ready line, for so many seconds.

        Raises:
            DaemonFailedError: It ended, or hangs; it was killed.
        """
        if self._spoken.wait(patience) and self.addresses:
            return
        self.kill()
        raise DaemonFailedError("the daemon did not become ready", self.log)

    def _read(self, log: TextIO) -> None:
        with log:
            for line in log:
                self._lines.append(line)
                if found := READY_LINE.match(line):
                    self.addresses = found["addresses"].split(", ")
                    self._spoken.set()
        self._spoken.set()


def started(
    options: Sequence[str],
    environment: Mapping[str, str],
    directory: Path,
    *,
    command: Sequence[str] | None,
    own_group: bool = False,
) -> Daemon:
    """Start a daemon, which is not ready yet.

    Args:
        options: Options of `hcsd serve`.
        environment: All variables that it has.
        directory: Its private directory.
        command: What to run; None forks a daemon that is loaded already.
        own_group: Make it the leader of a process group; needs a command.
    """
    reads, writes = os.pipe()
    log = os.fdopen(reads, encoding="utf-8", errors="backslashreplace")
    with os.fdopen(writes, "wb") as output, Path(os.devnull).open("rb") as nothing:
        process: Command | subprocess.Popen[bytes]
        if command is None:
            streams = (nothing.fileno(), output.fileno(), output.fileno())
            process = Command(["serve", *options], environment, streams)
        else:
            process = subprocess.Popen(
                [*command, *options],
                stdin=nothing,
                stdout=output,
                stderr=output,
                env=environment,
                process_group=0 if own_group else None,
            )
    return Daemon(process, log, directory)


@contextlib.contextmanager
def serving(
    *options: str,
    tcp: bool = False,
    environment: Mapping[str, str] | None = None,
    command: Sequence[str] | None = None,
    own_group: bool = False,
    again: Daemon | None = None,
) -> Iterator[Daemon]:
    """Run a daemon while the block runs; then stop it, which must end with code 0.

    Args:
        options: More options of `hcsd serve`.
        tcp: Listen on a free loopback port, too.
        environment: Added to ours; what would configure the daemon is taken out of that. The
            daemon has it from its start, as /proc shows.
        command: What to run instead of `hcsd serve`; `HCSD` for a start of Python.
        own_group: Keep Ctrl-C at the terminal from it. Then it also outlives us if our group is
            killed, so it is for who ends in order on any signal.
        again: A daemon that has ended, and whose block still runs: start it again in its directory,
            with its socket, its token and its state.

    Raises:
        DaemonFailedError: It did not start, or did not end, as it should.
    """
    # A short path, wherever TMPDIR points: that of a Unix socket has at most 107 bytes.
    with contextlib.ExitStack() as resources:
        if again:
            directory = again.directory
        else:
            folder = tempfile.TemporaryDirectory(prefix="hcsd-", dir="/tmp")
            directory = Path(resources.enter_context(folder))
        # So that a census sees what it starts.
        options = ("--pass-env", MARK, *options)
        listen = ["--listen", f"unix://{directory}/hcsd.sock", "--token-file", f"{directory}/token"]
        if tcp:
            listen += ["--listen", "127.0.0.1:0"]
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("HCSD_")}
        if command is None and (environment is not None or own_group):
            command = HCSD
        daemon = started(
            [*listen, *options],
            inherited | dict(environment or {}),
            directory,
            command=command,
            own_group=own_group,
        )
        try:
            daemon.await_ready()
            yield daemon
        except BaseException:
            with contextlib.suppress(DaemonFailedError):  # what went wrong first is what counts
                daemon.stop()
            raise
        daemon.stop()
