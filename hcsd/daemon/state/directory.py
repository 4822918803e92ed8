"""The state directory: whose it is, what is in it, and when it begins anew.

    open ─▶ private? ─▶ LOCKED ─▶ of this boot? ──no──▶ emptied ─▶ READY ──close()──▶ left for the next one
                                        └────yes────────────────▶   └─────discard()──▶ emptied

Whatever else is in the folder stays: only what the daemon itself has put there is ever removed. A folder
that has other things in it and was never a state directory is refused.

A journal that is damaged is moved aside, for whoever wants to look at it, and a new one is begun. What the
engine and the streams have stays: the engine still knows what runs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from hcsd.daemon.state.database import SIDES
from hcsd.daemon.state.errors import DamagedError, JournalError, NewerError, StateError
from hcsd.daemon.state.journal import Journal
from hcsd.daemon.state.lock import Lock
from hcsd.private.files import NotPrivateError, make_private_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

JOURNAL = "journal.db"
OURS = re.compile(
    r"boot|\.boot\.new|streams|engine|journal\.db(\.damaged-\d+)?(-wal|-shm|-journal)?"
)
MAX_DAMAGED = 3  # journals that are kept for whoever wants to look at them
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
ANOTHER = "name another with --state-dir"

logger = logging.getLogger(__name__)


class StateDirectory:
    """An open state directory, which no other daemon has.

    Its methods block.

    Attributes:
        path: Where it is.
        journal: Its journal; closed with this.
        streams: Where processes have their output.
        engine: Where the engine has its files.
    """

    def __init__(self, path: Path, lock: Lock, journal: Journal) -> None:
        self.path = path
        self.journal = journal
        self.streams = path / "streams"
        self.engine = path / "engine"
        self._lock = lock

    @staticmethod
    def open(path: Path, *, wait: float = 30.0) -> StateDirectory:
        """Open a state directory, or make it.

        Args:
            path: Where it is.
            wait: Seconds to wait for another daemon that has it and is stopping.

        Raises:
            StateError: It cannot be used.
        """
        path = Path(os.path.abspath(path))
        with _told(path):
            if path.exists() and not path.is_dir():
                msg = f"state directory '{path}' is no folder; {ANOTHER}"
                raise StateError(msg)
            if not path.parent.exists():  # the socket may come to be there, too
                make_private_directory(path.parent)
            make_private_directory(path)
        lock = Lock(path, wait)
        try:
            with _told(path):
                _begin_with_boot(path)
                for name in ("streams", "engine"):
                    make_private_directory(path / name)
                return StateDirectory(path, lock, _open_journal(path))
        except BaseException:
            lock.close()
            raise

    def stopping(self) -> None:
        """Let a daemon that wants the directory wait for the end of this one."""
        self._lock.stopping()

    def close(self) -> None:
        """Leave all for the next daemon; idempotent."""
        self.journal.close()
        self._lock.close()

    def discard(self) -> None:
        """Leave nothing: there is nothing to go on with. In the place of `close`; idempotent."""
        if not self._lock.held:
            return  # it may be another daemon's by now
        self.journal.close()
        try:
            _empty(self.path)
            self._lock.remove()
        except OSError as error:
            logger.warning("state directory '%s' cannot be emptied: %s", self.path, error)
        self._lock.close()


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell in words what keeps a directory from being used."""
    try:
        yield
    except NewerError as error:
        msg = (
            f"{error}. Start that version, or {ANOTHER}; to give up what it knows, delete '{path}'"
        )
        raise StateError(msg) from error
    except JournalError as error:
        msg = (
            f"the journal in state directory '{path}' cannot be written: {error}"
            f" ({os.strerror(error.errno)}); make room there, or {ANOTHER}"
        )
        raise StateError(msg) from error
    except NotPrivateError as error:
        msg = f"state directory '{path}' cannot be used: {error}; {ANOTHER}"
        raise StateError(msg) from error
    except OSError as error:
        other = error.filename is not None and str(error.filename) != str(path)
        where = f" at '{error.filename}'" if other else ""
        msg = f"state directory '{path}' cannot be used: {error.strerror}{where}; {ANOTHER}"
        raise StateError(msg) from error


def _begin_with_boot(path: Path) -> None:
    """Empty a directory of an earlier boot of the host: nothing that it tells of is there any more."""
    mark = path / "boot"
    try:
        found = mark.read_text("ascii", errors="replace").strip()
    except FileNotFoundError:
        found = None
        if other := sorted(name for name in os.listdir(path) if not _is_ours(name)):
            msg = (
                f"'{path}' cannot be a state directory: it has other things in it, such as"
                f" '{other[0]}'; name an empty folder, or one that is not there yet, with --state-dir"
            )
            raise StateError(msg) from None
    now = _boot_id()
    if found == now:
        return
    if found is not None:
        logger.info("state directory '%s' is of an earlier boot of the host, and begins anew", path)
    _empty(path)
    draft = path / ".boot.new"
    draft.write_text(f"{now}\n", "ascii")
    draft.replace(mark)


def _boot_id() -> str:
    """Return what tells this boot of the host from others; "" where the host does not tell."""
    try:
        return BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def _is_ours(name: str) -> bool:
    return name == "lock" or OURS.fullmatch(name) is not None


def _empty(path: Path) -> None:
    """Remove all that is ours, but for the lock; the mark of the boot goes last."""
    for name in sorted(os.listdir(path), key=lambda name: name == "boot"):
        if OURS.fullmatch(name):
            place = path / name
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink()


def _open_journal(path: Path) -> Journal:
    place = path / JOURNAL
    try:
        return Journal.open(place)
    except DamagedError as error:
        aside = _move_aside(path)
        logger.error(  # noqa: TRY400  (it is the file's fault)
            "%s. It is kept as '%s', and a new one is begun: what runs is not known any more",
            error,
            aside,
        )
        return Journal.open(place)


def _move_aside(path: Path) -> Path:
    """Give the journal another name, and remove the oldest of those."""
    found = re.compile(re.escape(JOURNAL) + r"\.damaged-(\d+)")
    numbers = sorted(int(match[1]) for name in os.listdir(path) if (match := found.fullmatch(name)))
    aside = f"{JOURNAL}.damaged-{numbers[-1] + 1 if numbers else 1}"
    for side in SIDES:
        with contextlib.suppress(FileNotFoundError):
            (path / f"{JOURNAL}{side}").replace(path / f"{aside}{side}")
    for number in numbers[: len(numbers) + 1 - MAX_DAMAGED]:
        for side in SIDES:
            old = path / f"{JOURNAL}.damaged-{number}{side}"
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old)
            else:
                old.unlink(missing_ok=True)
    return path / aside
