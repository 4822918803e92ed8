"""Where lines end: a stream that the program was started with, or a file of bounded size."""

from __future__ import annotations

import contextlib
import io
import os
import selectors
import stat
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

FILE_BYTES = 10 * 1024 * 1024  # of a log file, and as much of the one before it (arbitrary)


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all, and wait for as long as that takes.

    Raises:
        OSError: It cannot be written.
    """
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:  # somebody else made it so, or it is a pipe that was opened here
            with selectors.DefaultSelector() as waiting:
                waiting.register(descriptor, selectors.EVENT_WRITE)
                waiting.select()


class StreamSink:
    """A stream, past its buffer, whose lock the end of Python could not have from a thread that waits.

    Args:
        stream: The stream. One without a descriptor is written as it is.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        try:
            self._descriptor: int | None = stream.fileno()
        except (OSError, io.UnsupportedOperation):
            self._descriptor = None

    def write(self, text: str) -> bool:
        """Write lines; nobody else could be told that it fails."""
        try:
            if self._descriptor is None:
                self._stream.write(text)
                self._stream.flush()
            else:
                _write_all(self._descriptor, text.encode(errors="backslashreplace"))
        except (OSError, ValueError):  # ValueError: somebody has closed the stream
            return False
        return True


class FileSink:
    """A log file that only its owner can read. When it is full it becomes PATH.1.

    A symbolic link is followed, also when the file becomes PATH.1. What is no regular file, as a pipe
    or a device, has no limit of size. A pipe may wait for its reader: until it has one, lines are
    missing. That a file cannot be written, as on a full disk, is said once on standard error.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._name = path
        self._path = os.path.realpath(path)
        self._descriptor = -1
        self._stale = False
        self._torn = False  # the last line there is not whole
        self._said = False
        if not stat.S_ISFIFO(_mode(self._path)):
            self._open()

    def reopen(self) -> None:
        """Open the file again before the next line: somebody may have renamed it. Thread: any."""
        self._stale = True

    def write(self, text: str) -> bool:
        """Write lines; False if they are lost."""
        data = text.encode(errors="backslashreplace")
        if self._torn:
            data = b"\n" + data
        try:
            if self._stale:
                self._stale = False
                self._close()
                self._path = os.path.realpath(self._name)
            if self._descriptor < 0:
                self._open()
            self._make_room(len(data))
            _write_all(self._descriptor, data)
        except OSError as error:
            self._failed(error)
            return False
        self._torn = self._said = False
        return True

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        for name in ("O_CLOEXEC", "O_NOCTTY", "O_NONBLOCK", "O_BINARY", "O_NOINHERIT"):
            flags |= getattr(os, name, 0)  # each of them on some platforms only
        self._descriptor = os.open(self._path, flags, 0o600)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _make_room(self, count: int) -> None:
        """Begin a new file if this one would be too large."""
        now = os.fstat(self._descriptor)
        if not stat.S_ISREG(now.st_mode) or now.st_size + count <= FILE_BYTES:
            return
        self._close()  # Windows renames no file that is open
        try:
            os.replace(self._path, f"{self._path}.1")
        except OSError:  # the folder cannot be written
            os.truncate(self._path, 0)
        self._open()

    def _failed(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):  # the next reader of the pipe may come
            self._close()
        self._torn = self._descriptor >= 0 and stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        if self._said or stat.S_ISFIFO(_mode(self._path)):
            return
        self._said = True
        with contextlib.suppress(OSError):
            print(  # noqa: T201  (the log is what has failed)
                f"hcsd: cannot write the log file '{self._name}': {error.strerror};"
                " what it lacks is lost",
                file=sys.stderr,
                flush=True,
            )


def _mode(path: str) -> int:
    """Return what kind of file there is; 0 if there is none."""
    try:
        return os.stat(path).st_mode
    except OSError:
        return 0
