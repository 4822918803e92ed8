"""Files and directories that nobody but the daemon's user may touch; `permissions` says who else may.

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
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hcsd.errors import HcsdError
from hcsd.private import permissions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
        NotPrivateError: It is not.
    """
    try:
        permissions.make_directory(path)
        others = permissions.others(path)
    except OSError as error:
        msg = f"directory '{path}' cannot be used: {error.strerror}"
        raise NotPrivateError(msg) from error
    if others:
        msg = f"{others} may enter directory '{path}'"
        raise NotPrivateError(msg)


def private_folder_for(name: str, beside: Path) -> Path | None:
    """Return a folder where a private file of this name can be; None if none is known.

    It is private, or is not there, and will be when `make_private_directory` has made it.

    Args:
        name: Of the file.
        beside: The folder where it cannot be.
    """
    for folder in (beside / permissions.OWN_FOLDER, *permissions.own_folders()):
        with contextlib.suppress(OSError):
            if os.path.lexists(folder):
                taken = folder.is_symlink() or (folder / name).exists()
                good = not taken and not permissions.others(folder)
            else:
                good = not permissions.takers(folder.parent) and os.access(
                    folder.parent, os.W_OK | os.X_OK
                )
            if good:
                return folder
    return None


def make_private_file(path: Path, text: str) -> None:
    """Make a file that is the user's alone, unless there is one.

    Raises:
        OSError: It cannot be written.
    """
    with _draft(path, text) as draft, contextlib.suppress(FileExistsError):
        permissions.put(draft, path)


def make_public_file(path: Path, text: str) -> None:
    """Make a file that everybody may read, unless there is one.

    Raises:
        OSError: It cannot be written.
    """
    with _draft(path, text) as draft, contextlib.suppress(FileExistsError):
        draft.chmod(PUBLIC)
        permissions.put(draft, path)


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
    _check_folders(path)

    def check(descriptor: int) -> None:
        if others := permissions.others(descriptor):
            msg = f"{others} may read '{path}'; {permissions.remedy(path, made_by_us=made_by_us)}"
            raise NotPrivateError(msg)

    return read_file(path, check)


def read_trusted_file(path: Path, most: int) -> bytes:
    """Read a file that others may read, but that nobody else may change.

    Args:
        path: The file.
        most: How many bytes it may have.

    Raises:
        NotPrivateError: Others may change it, with the remedy; or it is no regular file, or too large.
        OSError: It cannot be read.
    """

    def check(descriptor: int) -> None:
        if others := permissions.writers(descriptor):
            msg = f"{others} may change it, and so what the daemon does; {permissions.trust_remedy(path)}"
            raise NotPrivateError(msg)

    data = _read(path, check, most)
    _check_folders(path)
    return data


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
    return _read(path, check, MAX_BYTES).decode("ascii")


def _check_folders(path: Path) -> None:
    """Refuse a file in whose place others may put another.

    Raises:
        NotPrivateError: They may.
    """
    # Two, if it is a symbolic link. Unlike Path.resolve, realpath bears one that leads to itself.
    for folder in {path.parent, Path(os.path.realpath(path)).parent}:
        if takers := permissions.takers(folder):
            msg = (
                f"{takers} may replace files in '{folder}'; keep '{path.name}' in a folder that is"
                " yours alone"
            )
            raise NotPrivateError(msg)


def _read(path: Path, check: Callable[[int], None], most: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | NO_WAITING)
    except FileNotFoundError as error:
        if path.is_symlink():
            msg = f"'{path}' is a symbolic link to '{path.readlink()}', which is not there"
            raise NotPrivateError(msg) from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            msg = f"'{path}' is no regular file; name another"
            raise NotPrivateError(msg)
        check(descriptor)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(most + 1)
    finally:
        os.close(descriptor)
    if len(data) > most:
        msg = f"'{path}' has more than {most} bytes; name another"
        raise NotPrivateError(msg)
    return data


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
    descriptor = permissions.make_file(draft)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # else a power cut could leave an empty file in its place
        yield draft
    finally:
        draft.unlink(missing_ok=True)
