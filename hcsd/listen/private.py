"""Files and directories that nobody but the daemon's user may touch.

On POSIX by owner and mode; on Windows by access control lists, in which administrators have their
place too (`hcsd.win32.security`).

A file is private only in a folder where nobody else can put another in its place. Others may add
files to that folder if they cannot take away ours, as in /tmp; then the owner of the file tells.

A file appears at once and whole: it is written as a draft beside its place, and then put there. So of
two daemons that make one file at the same time, both use that of the first.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hcsd.errors import HcsdError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OTHERS = 0o77  # what group and everybody else may do: nothing
OTHERS_WRITE = 0o22
REPLACE_DELAYS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4)  # seconds; a reader is gone in less
BEING_READ = frozenset({5, 32})  # ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION
PUBLIC = 0o644
MAX_BYTES = 1_048_576  # arbitrary; the CAs of a whole system are less
# Windows has no such flag, and no FIFO among its files.
NO_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class NotPrivateError(HcsdError):
    """Others may touch what must be private, or it is something else than it should be."""


def make_private_directory(path: Path) -> None:
    """Make a directory that is the user's alone, or see that the one there is.

    Raises:
        NotPrivateError: It is not, and how to mend that.
    """
    try:
        _make_directory(path)
        others = _others(path)
    except OSError as error:
        msg = f"directory '{path}' cannot be used: {error.strerror}"
        raise NotPrivateError(msg) from error
    if others:
        msg = f"{others} may enter directory '{path}'; {_remedy(path, made_by_us=True)}"
        raise NotPrivateError(msg)


def make_private_file(path: Path, text: str) -> None:
    """Make a file that is the user's alone, unless there is one.

    Raises:
        OSError: It cannot be written.
    """
    with _draft(path, text) as draft, contextlib.suppress(FileExistsError):
        _put(draft, path)


def make_public_file(path: Path, text: str) -> None:
    """Make a file that everybody may read, unless there is one.

    Raises:
        OSError: It cannot be written.
    """
    with _draft(path, text) as draft, contextlib.suppress(FileExistsError):
        draft.chmod(PUBLIC)
        _put(draft, path)


def replace_public_file(path: Path, text: str) -> None:
    """Write a file that everybody may read, in the place of the one there is.

    Windows replaces no file that somebody reads just now, so it is tried again for a second.

    Raises:
        OSError: It cannot be written.
    """
    with _draft(path, text) as draft:
        draft.chmod(PUBLIC)
        for delay in (*REPLACE_DELAYS, None):
            try:
                draft.replace(path)
            except OSError as error:
                if delay is None or getattr(error, "winerror", None) not in BEING_READ:
                    raise
                time.sleep(delay)
            else:
                return


def read_private_file(path: Path, *, made_by_us: bool = True) -> str:
    """Read a file that is the user's alone; what is checked is what is read.

    Args:
        path: The file.
        made_by_us: Whether it would be made anew if it were not there.

    Raises:
        NotPrivateError: It is not, and how to mend that.
        OSError: It cannot be read.
        UnicodeDecodeError: It is not ASCII.
    """
    # Two, if it is a symbolic link. Unlike Path.resolve, realpath bears one that leads to itself.
    for folder in {path.parent, Path(os.path.realpath(path)).parent}:
        if takers := _takers(folder):
            msg = (
                f"{takers} may replace files in '{folder}'; keep '{path.name}' in a folder that is"
                " yours alone"
            )
            raise NotPrivateError(msg)

    def check(descriptor: int) -> None:
        if others := _others(descriptor):
            msg = f"{others} may read '{path}'; {_remedy(path, made_by_us=made_by_us)}"
            raise NotPrivateError(msg)

    return read_file(path, check)


def read_file(path: Path, check: Callable[[int], None] = lambda _descriptor: None) -> str:
    """Read a small file of text; nothing else is waited for, such as the writer of a FIFO.

    Args:
        path: The file.
        check: Called with its descriptor before it is read; what it raises is passed on.

    Raises:
        NotPrivateError: It is no regular file, or too large.
        OSError: It cannot be read.
        UnicodeDecodeError: It is not ASCII.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | NO_WAITING)
    except FileNotFoundError as error:
        if path.is_symlink():
            msg = f"'{path}' is a symbolic link to '{path.readlink()}', which is not there"
            raise NotPrivateError(msg) from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            msg = f"'{path}' is no regular file"
            raise NotPrivateError(msg)
        check(descriptor)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        msg = f"'{path}' has more than {MAX_BYTES} bytes"
        raise NotPrivateError(msg)
    return data.decode("ascii")


def file_version(path: Path) -> tuple[int, ...] | None:
    """Return what tells one version of a file from the next; None if it cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return None
    # The last one also changes with owner and mode.
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@contextlib.contextmanager
def _draft(path: Path, text: str) -> Iterator[Path]:
    """Write a private file beside a path; it is removed at the end, if it is still there."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = _make_file(draft)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # else a power cut could leave an empty file in its place
        yield draft
    finally:
        draft.unlink(missing_ok=True)


if sys.platform == "win32":  # noqa: TID251  (privacy is the platform's to define)
    from hcsd.win32 import security

    _make_directory = security.make_directory
    _make_file = security.make_file

    def _put(draft: Path, path: Path) -> None:
        """Put a draft in its place; raises FileExistsError if that is taken."""
        draft.rename(path)

    def _others(what: Path | int) -> str:
        """Name who else may touch it; "" is nobody."""
        return _named(security.strangers(what))

    def _takers(folder: Path) -> str:
        """Name who else may take away files in a folder; "" is nobody."""
        return _named(security.takers(folder))

    def _named(sids: list[str]) -> str:
        return f"others ({', '.join(sids)})" if sids else ""

    def _remedy(path: Path, *, made_by_us: bool) -> str:
        """Return how to mend it: a new list alone would not keep out an owner."""
        if made_by_us:
            return "delete it, and the next start makes a new one"
        return (
            f'make it yours alone: icacls "{path}" /setowner "%USERNAME%", then'
            f' icacls "{path}" /inheritance:r /grant:r "%USERNAME%:F"'
        )

else:

    def _make_directory(path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _make_file(path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def _put(draft: Path, path: Path) -> None:
        """Put a draft in its place; raises FileExistsError if that is taken."""
        path.hardlink_to(draft)

    def _others(what: Path | int) -> str:
        """Name who else may touch it; "" is nobody."""
        status = os.stat(what)
        private = status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & OTHERS
        return "" if private else "others"

    def _takers(folder: Path) -> str:
        """Name who else may take away files in a folder; "" is nobody."""
        status = folder.stat()
        ours = status.st_uid in {os.geteuid(), 0}
        shared = status.st_mode & OTHERS_WRITE and not status.st_mode & stat.S_ISVTX
        return "" if ours and not shared else "others"

    def _remedy(path: Path, *, made_by_us: bool) -> str:
        """Return how to mend it."""
        return f"make it yours alone: chmod {'700' if path.is_dir() else '600'} '{path}'"
