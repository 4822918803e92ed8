"""One daemon after another on one socket and one state.

    with place() as here:
        here.start()
        here.kill()       # by SIGKILL
        here.start()      # goes on with what the first has left

Everything here blocks; see tests/support/daemon.py. Whatever the daemons start has a mark, by which the
block finds and ends it when it is left.
"""

import importlib.util
import os
import signal
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from hcsd.embedded.keeper_program import PROGRAM
from hcsd.failpoints import VARIABLE
from tests.support.census import MARK, ended_within, is_running, marked, until
from tests.support.cgroups import groups_of
from tests.support.daemon import HCSD, Daemon, DaemonFailedError, started

# Whether this daemon has the options of `restore_options` at all.
KNOWS_RESTORE = importlib.util.find_spec("hcsd.daemon.on_stop") is not None
WINDOW = "60s"


def restore_options(state: Path, *, window: str = WINDOW, on_stop: str = "") -> list[str]:
    """How a daemon is told of its state. An empty `on_stop` leaves it at its default."""
    if not KNOWS_RESTORE:
        return []
    options = ["--restore-window", window]
    if window != "0":
        options += ["--state-dir", str(state)]
    return [*options, "--on-stop", on_stop] if on_stop else options


def becomes_ready(daemon: Daemon) -> bool:
    """Wait until a daemon is ready, True, or has ended, although what it started may hold its log open."""
    until(lambda: bool(daemon.addresses) or not is_running(daemon.pid), "it is ready, or has ended")
    return bool(daemon.addresses)


class Place:
    """A folder with a socket and a state.

    Attributes:
        directory: The folder.
        state: The state directory, which the first daemon makes.
        address: Where the daemons listen.
        mark: What is in the environment of all that they start.
        daemons: Those that were started, the newest last.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.address = f"unix://{directory}/hcsd.sock"
        self.mark = uuid.uuid4().hex
        self.daemons: list[Daemon] = []
        self.groups: set[Path] = set()

    @property
    def daemon(self) -> Daemon:
        """The newest."""
        return self.daemons[-1]

    def launch(
        self,
        *options: str,
        failpoints: str = "",
        window: str = WINDOW,
        on_stop: str = "",
        state: Path | None = None,
        address: str = "",
        command: Sequence[str] | None = None,
    ) -> Daemon:
        """Start a daemon, which is not ready yet.

        Args:
            options: More options of `hcsd serve`.
            failpoints: Where it is to die, as hcsd.failpoints takes it.
            window: Its restore window.
            on_stop: What it does when it is stopped.
            state: Another state directory.
            address: Where to listen instead.
            command: What to run instead of `hcsd serve`.
        """
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("HCSD_")}
        environment = inherited | {MARK: self.mark}
        if failpoints:
            environment[VARIABLE] = failpoints
        listen = [
            "--listen",
            address or self.address,
            "--token-file",
            str(self.directory / "token"),
        ]
        restore = restore_options(state or self.state, window=window, on_stop=on_stop)
        daemon = started(
            [*listen, "--pass-env", MARK, *restore, *options],
            environment,
            self.directory,
            command=command,
        )
        daemon.may_be_outlived = True
        self.daemons.append(daemon)
        return daemon

    def start(
        self, *options: str, failpoints: str = "", window: str = WINDOW, on_stop: str = ""
    ) -> Daemon:
        """Start a daemon and wait until it is ready.

        Raises:
            DaemonFailedError: It is not.
        """
        daemon = self.launch(*options, failpoints=failpoints, window=window, on_stop=on_stop)
        daemon.await_ready()
        return daemon

    def kill(self) -> None:
        """End the newest daemon by SIGKILL."""
        self.note_groups()
        self.daemon.kill()

    def stop(self) -> None:
        """End the newest daemon in order.

        Raises:
            DaemonFailedError: It ends in another way.
        """
        self.note_groups()
        self.daemon.stop()

    def living(self) -> list[int]:
        """The pids of all that the daemons have started and that still runs, keepers too."""
        return sorted(set(marked(self.mark)) - {daemon.pid for daemon in self.daemons})

    def keepers(self) -> list[int]:
        """The pids of the keepers among them."""
        return [pid for pid in self.living() if PROGRAM.encode() in _command_line(pid)]

    def processes(self) -> list[int]:
        """The pids of the others."""
        return sorted(set(self.living()) - set(self.keepers()))

    def files(self, below: str = "") -> list[str]:
        """The paths of all files and sockets in a folder of the state, from the state on."""
        found = (self.state / below).rglob("*")
        return sorted(str(path.relative_to(self.state)) for path in found if not path.is_dir())

    def note_groups(self) -> None:
        """Remember in which control groups the processes are."""
        for pid in self.living():
            self.groups.update(groups_of(pid))

    def assert_nothing_runs(self) -> None:
        """What the daemons have started has ended, soon, and its control groups are gone."""
        until(lambda: not self.living(), f"all of {self.mark} ended: {self._told()}")
        until(
            lambda: not [path for path in self.groups if path.exists()],
            f"no control group is left of {sorted(map(str, self.groups))}",
        )

    def clear(self) -> None:
        """Kill whatever is left; for the end of a test."""
        for daemon in self.daemons:
            with suppress(DaemonFailedError):
                daemon.kill()
        # A keeper that dies makes its children ours to find: until there is nobody.
        while left := self.living():
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            ended_within(left, 30)
        for path in sorted(self.groups, reverse=True):
            with suppress(OSError):
                path.rmdir()

    def _told(self) -> str:
        lines = (f"{pid} {_command_line(pid).decode(errors='replace')}" for pid in self.living())
        return "; ".join(lines)


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    except OSError:
        return b""


@contextmanager
def place() -> Iterator[Place]:
    """Make a place; in the end kill all that is there."""
    # A short path, as for every socket.
    with tempfile.TemporaryDirectory(prefix="hcsd-", dir="/tmp") as name:
        here = Place(Path(name))
        try:
            yield here
        finally:
            here.clear()


__all__ = ["HCSD", "KNOWS_RESTORE", "Place", "becomes_ready", "place", "restore_options"]
