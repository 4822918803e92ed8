"""Where the bytes of a stdin lie before the pipe takes them, so that a kill leaves no doubt.

A spool is a file in memory whose position says how much the pipe has accepted. Whoever shares its
open file description, position and all, can go on with it when this process is killed:

    data is written behind the position        nothing is accepted yet
    the system splices from there to the pipe  pipe and position move together

A terminal cannot be spliced to from a file. So a pipe, the bridge, is in between, and what is in it is not
accepted yet. Nobody may find it there later: another writer may write other bytes at that offset. So what is
left of a write that was cut off is taken back:

    the true position is noted in the file  ──▶  the bridge is emptied  ──▶  the position is set, the
    note removed

A kill at any of these points leaves a note, and the next owner does the steps again.

What is spliced into a pipe takes the place of a page there, however little it is, and a pipe has 16 such
places. So a pipe that is full of small pieces is made larger, until it holds the 64 KiB that it would
hold of bytes that were written, or 256 pieces.

Bytes in a pipe are pages of the file. So a page is freed only when the reader has read it, and bytes
before the position are never overwritten.

Thread: one. Nothing here waits.
"""

import contextlib
import os
import struct
from collections.abc import Sequence

from hcsd.io import linux

PIECE_BYTES = 64 * 1024  # what a pipe holds by default: more would lie in the file only to wait
FREE_BYTES = 64 * 1024  # consumed ones are freed together
NOTE_OFFSET = 1 << 60  # of the note; no stream comes so far
NOTE = struct.Struct("=Q")  # the true position plus one; 0 is no note
MOST_PIPE_BYTES = (
    1 << 20
)  # what a user may have without a privilege, unless the host says otherwise


class Spool:
    """The spool of one stdin; see the module.

    Args:
        descriptor: A file whose position is how much was accepted.
        bridge: The ends of the pipe in front of a terminal, reading end first; none for a pipe.

    Ownership:
        The descriptors are the object's, until `close`.
    """

    def __init__(self, descriptor: int, bridge: Sequence[int] = ()) -> None:
        self._file = descriptor
        self._bridge = tuple(bridge)
        self._grows = True  # whether the pipe may become larger
        self._position = os.lseek(descriptor, 0, os.SEEK_CUR)
        self._filled = self._position  # where the bytes end that are in the file for this write
        self._freed = 0
        for end in self._bridge:
            os.set_blocking(end, False)  # type: ignore[attr-defined, unused-ignore]  # typeshed: not in 3.11 for win32
        self.take_back()

    @property
    def bridged(self) -> bool:
        """Whether it is for a terminal."""
        return bool(self._bridge)

    @property
    def accepted(self) -> int:
        """How many bytes the other side has accepted."""
        if self._bridge:
            return self._position - linux.unread_bytes(self._bridge[0])
        return self._position

    def move(self, target: int, rest: memoryview) -> int:
        """Let the other side accept what it can of a write.

        Args:
            target: The pipe or terminal.
            rest: What it has not accepted of this write, so its first byte has the offset `accepted`.

        Returns:
            How many bytes it accepted; 0 if it is full.

        Raises:
            OSError: nobody has the other side open, or the system refuses otherwise.
        """
        before = self.accepted
        if not self._fill(rest, before):
            return self._write_past(target, rest)
        into = self._bridge[1] if self._bridge else target
        self._splice(into)
        if self._bridge:
            with contextlib.suppress(BlockingIOError):
                while linux.unread_bytes(self._bridge[0]):
                    linux.splice(self._bridge[0], target, PIECE_BYTES)
        if self._position - self._freed >= FREE_BYTES:
            self._free(into)
        return self.accepted - before

    def take_back(self) -> None:
        """Forget what is left of a write that was cut off; idempotent, also after `close`."""
        if self._bridge:
            noted = self._noted()
            if noted is None and linux.unread_bytes(self._bridge[0]):
                noted = self.accepted
                self._note(noted)
            if noted is not None:
                with contextlib.suppress(BlockingIOError):
                    while os.read(self._bridge[0], PIECE_BYTES):
                        pass
                self._position = os.lseek(self._file, noted, os.SEEK_SET)
                self._note(None)
        self._filled = self._position

    def close(self) -> None:
        """Close the descriptors; idempotent."""
        self.take_back()
        descriptors = (self._file, *self._bridge)
        self._file, self._bridge = -1, ()
        for descriptor in descriptors:
            if descriptor != -1:
                os.close(descriptor)

    def _fill(self, rest: memoryview, accepted: int) -> bool:
        """Have the next piece of a write in the file; returns False if it cannot be had there."""
        missing = rest[self._filled - accepted : PIECE_BYTES]
        try:
            while missing:
                count = linux.write_at(self._file, missing, self._filled)
                self._filled += count
                missing = missing[count:]
        except OSError:  # no memory, or a limit of this user: what is in the file goes first
            return self._filled > accepted
        return True

    def _write_past(self, target: int, rest: memoryview) -> int:
        """Write without the file; a kill before the position has followed makes it doubtful."""
        try:
            count = os.write(target, rest)
        except BlockingIOError:
            return 0
        self._position = self._filled = os.lseek(self._file, count, os.SEEK_CUR)
        return count

    def _splice(self, into: int) -> None:
        """Let a pipe take what is in the file, as far as it has room."""
        while self._filled > self._position:
            try:
                self._position += linux.splice(self._file, into, self._filled - self._position)
            except BlockingIOError:
                if not self._grow(into):
                    return

    def _grow(self, pipe: int) -> bool:
        """Make room in a pipe that is full of small pieces, though it has not what it would hold."""
        size = linux.pipe_size(pipe)
        if not self._grows or size >= MOST_PIPE_BYTES or linux.unread_bytes(pipe) >= PIECE_BYTES:
            return False
        try:
            linux.grow_pipe(pipe, min(2 * size, MOST_PIPE_BYTES))
        except OSError:  # the user has as much in pipes as is allowed
            self._grows = False
        return self._grows

    def _free(self, pipe: int) -> None:
        """Free the pages that the reader has read."""
        end = self._position - linux.unread_bytes(pipe)
        end -= end % linux.PAGE_BYTES
        if end > self._freed:
            linux.punch(self._file, self._freed, end)
            self._freed = end

    def _noted(self) -> int | None:
        note = linux.read_at(self._file, NOTE.size, NOTE_OFFSET)
        if len(note) < NOTE.size:
            return None
        (value,) = NOTE.unpack(note)
        return value - 1 if value else None

    def _note(self, position: int | None) -> None:
        linux.write_at(self._file, NOTE.pack(0 if position is None else position + 1), NOTE_OFFSET)
