"""The file in which the readings of a process outlive this one; see `reading_order`.

    NONE    the first reading                         OPEN: records are written behind each other
    OPEN    close()                                   CLOSED: all of them are in the file
    CLOSED  one more reading                          OPEN
    any     the file system refuses                   GIVEN UP: what is in the file stays as it is
    any     remove()                                  NONE

A record is the code of a reading and its time, 16 bytes. Half a record at the end, left by a kill, is
ignored. To forget records a new file takes the place of the old one, in one step.

Thread: one.
"""

import contextlib
import os
import struct
from array import array
from itertools import chain

from hcsd.io import linux

RECORD = struct.Struct("=QQ")
TWO_RECORDS = struct.Struct("=QQQQ")


class ReadingFile:
    """The records of one file.

    Args:
        path: Of the file; its folder is made with it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = -1
        self._gave_up = False

    def load(self) -> tuple["array[int]", "array[int]"]:
        """Return the codes and the times of all records; none if there is no file."""
        data = b""
        with contextlib.suppress(OSError), open(self._path, "rb") as file:
            data = file.read()
        values = array("Q", data[: len(data) - len(data) % RECORD.size])
        return values[0::2], array("q", values[1::2])

    def begin(self, ends: "array[int]", times: "array[int]") -> None:
        """Write the newest record, and the one before it as it has become."""
        if self._gave_up:
            return
        count = len(ends)
        try:
            file = self._file if self._file != -1 else self._open()
            if count == 1:
                linux.write_at(file, RECORD.pack(ends[0], times[0]), 0)
            else:
                data = TWO_RECORDS.pack(ends[-2], times[-2], ends[-1], times[-1])
                linux.write_at(file, data, (count - 2) * RECORD.size)
        except OSError:
            self._give_up()

    def rewrite(self, ends: "array[int]", times: "array[int]") -> None:
        """Have these records and no others."""
        if self._gave_up:
            return
        self._close()
        if not ends:
            self.remove()
            return
        values = array("Q", chain.from_iterable(zip(ends, times, strict=True)))
        new = f"{self._path}.new"
        try:
            with open(new, "wb", opener=_open_private) as file:
                file.write(values)
            os.replace(new, self._path)
        except OSError:
            self._give_up()
            with contextlib.suppress(OSError):
                os.unlink(new)

    def close(self, ends: "array[int]", times: "array[int]") -> None:
        """Write how the newest record has become, and close the file; idempotent."""
        if self._file != -1 and ends:
            self.begin(ends, times)
        self._close()

    def remove(self) -> None:
        """Remove the file; idempotent."""
        self._close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def _open(self) -> int:
        try:
            self._file = _open_private(self._path, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self._path), 0o700, exist_ok=True)
            self._file = _open_private(self._path, os.O_RDWR | os.O_CREAT)
        return self._file

    def _close(self) -> None:
        file, self._file = self._file, -1
        if file != -1:
            os.close(file)

    def _give_up(self) -> None:
        self._gave_up = True
        self._close()


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
