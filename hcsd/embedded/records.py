"""What is written down of a system, so that another engine can take it over.

    write() ──▶ CREATED: a file ──listen()──▶ STARTED: a file and a socket ──remove()──▶ nothing
                   └──remove()──▶ nothing               └──its keeper has died: the socket refuses

The file goes first when a system has stopped: a socket alone stands for nothing. So a file without a
socket is a system that was never started.

The file is replaced as a whole, so it is there as it was or as it is. A system whose file cannot be
written runs all the same. It ends with this engine, and the log says so.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from hcsd.embedded.configuration import Configuration, Limits
from hcsd.embedded.keeper.groups import Places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcsd.embedded.restoring import Restore

BACKLOG = 16
FILE, SOCKET, NEW = ".json", ".sock", ".new"
NO_LOCK = -1

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is written down.

    Attributes:
        id: Of the system. Likewise the runtime id.
        configuration: What it was created from.
        mark: Its keeper's.
        places: Its control groups, without the lock; None without any, or before the start.
        limits_tasks: Whether these limit how many tasks there may be.
        ending: Whether it was told to end.
    """

    id: str
    runtime_id: str
    configuration: Configuration
    mark: str
    places: Places | None = None
    limits_tasks: bool = False
    ending: bool = False

    def to_json(self) -> str:
        """Write them down."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Facts:
        """Read them.

        Raises:
            ValueError: Those are none. Likewise KeyError and TypeError.
        """
        members = json.loads(text)
        configuration = dict(members.pop("configuration"))
        configuration["limits"] = Limits(**configuration["limits"])
        places = members.pop("places")
        return cls(
            configuration=Configuration(**configuration),
            places=None if places is None else Places(*places)._replace(lock=NO_LOCK),
            **members,
        )


class Record:
    """What is written down of one system.

    Thread: the worker's, but for `write` at the creation.

    Args:
        restore: Where, and for how long systems are kept; None to write nothing.
        facts: What is written.
    """

    def __init__(self, restore: Restore | None, facts: Facts) -> None:
        self.facts = facts
        self._restore = restore

    @property
    def window(self) -> float:
        """For how many seconds the system waits for another engine; 0 if it does not."""
        return self._restore.window if self._restore is not None else 0.0

    def write(self, facts: Facts) -> None:
        """Write facts down, in place of those before. From a failure on nothing is written any more."""
        self.facts = facts
        if self._restore is None:
            return
        path = self._path(FILE)
        try:
            with open(path + NEW, "w", encoding="utf-8") as file:
                file.write(self.facts.to_json())
            os.rename(path + NEW, path)
        except OSError as error:
            self._give_up(error)

    def listen(self) -> socket.socket | None:
        """Return the socket at which another engine asks; None if there is to be none.

        Ownership: the caller's, who gives it to the keeper and closes it.
        """
        if self._restore is None:
            return None
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.fchmod(sock.fileno(), 0o600)  # which the file has from its first moment (Linux)
            with address(self._restore.directory, self.facts.runtime_id + SOCKET) as path:
                sock.bind(path)
            sock.listen(BACKLOG)
        except OSError as error:
            sock.close()
            self._give_up(error)
            return None
        return sock

    def unlisten(self) -> None:
        """Remove the socket: the system has not started."""
        _unlink(self._path(SOCKET))

    def remove(self) -> None:
        """Remove all: the system has stopped."""
        for suffix in (FILE, FILE + NEW, SOCKET):
            _unlink(self._path(suffix))

    def _give_up(self, error: OSError) -> None:
        logger.warning(
            "system '%s' will end with this daemon, for its state cannot be written: %s",
            self.facts.id,
            error,
        )
        self.remove()
        self._restore = None

    def _path(self, suffix: str) -> str:
        directory = self._restore.directory if self._restore is not None else ""
        return os.path.join(directory, self.facts.runtime_id + suffix) if directory else ""


def read_records(restore: Restore) -> list[tuple[Record, bool]]:
    """Read what an earlier engine has written down, oldest first.

    Returns:
        The records, and of each whether the system was started.

    What cannot be read is removed, and the log says so. So is a socket alone.
    """
    found: list[tuple[float, Record, bool]] = []
    names = set(os.listdir(restore.directory))
    for name in sorted(names):
        stem, suffix = os.path.splitext(name)
        path = os.path.join(restore.directory, name)
        if suffix == NEW or (suffix == SOCKET and stem + FILE not in names):
            _unlink(path)
        if suffix != FILE:
            continue
        try:
            with open(path, encoding="utf-8") as file:
                record = Record(restore, Facts.of(file.read()))
                changed = os.fstat(file.fileno()).st_mtime
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.error("%s cannot be read, and its system is not restored: %s", path, error)  # noqa: TRY400
            _unlink(path)
            _unlink(os.path.join(restore.directory, stem + SOCKET))
            continue
        found.append((changed, record, stem + SOCKET in names))
    return [(record, started) for _, record, started in sorted(found, key=lambda item: item[0])]


@contextlib.contextmanager
def address(directory: str, name: str) -> Iterator[str]:
    """Give a path of a socket that is short enough, however long that of the directory is."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


def _unlink(path: str) -> None:
    if path:
        with contextlib.suppress(OSError):  # it is not there, or cannot be removed
            os.unlink(path)
