"""The files of `segments`: how they are named, made, found and read.

Thread: any.
"""

import contextlib
import os
from typing import NamedTuple

from hcsd.io import linux

CUT = ".cut"  # ends the name of a segment behind which bytes were lost


class FoundSegment(NamedTuple):
    """A segment that is in a folder.

    Attributes:
        start: The offset of its first byte.
        cut: Whether bytes behind it were lost.
        size: How many it has.
    """

    start: int
    cut: bool
    size: int


def segment_path(folder: str, name: str, start: int) -> str:
    """Return where the segment of a stream is that begins at an offset."""
    return f"{folder}/{name}.{start:020d}"


def open_segment(folder: str, name: str, start: int) -> int:
    """Make an empty segment, and its folder if there is none, and open it for its owner alone."""
    path = segment_path(folder, name, start)
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(folder, 0o700, exist_ok=True)
        return os.open(path, flags, 0o600)


def read_segment(path: str, size: int, position: int) -> bytes:
    """Read a segment that is not open.

    Returns:
        At least a byte.

    Raises:
        OSError: it cannot be read, or has less than it had.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        data = linux.read_at(file, size, position)
    finally:
        os.close(file)
    if not data:
        raise OSError(f"a file of output has less than it had: {path}")
    return data


def found_segments(folder: str, name: str) -> list[FoundSegment]:
    """Return the segments of a stream, oldest first; none if there is no such folder."""
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            stream, _, rest = entry.name.partition(".")
            digits = rest.removesuffix(CUT)
            if stream == name and digits.isdecimal():
                found.append(FoundSegment(int(digits), rest.endswith(CUT), entry.stat().st_size))
    return sorted(found)


def first_of_run(found: list[FoundSegment]) -> int:
    """Return the index of the first segment from which on there is no hole up to the newest."""
    first = len(found) - 1
    while first and found[first - 1].start + found[first - 1].size == found[first].start:
        first -= 1
    return first
