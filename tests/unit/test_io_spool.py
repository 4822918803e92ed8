"""A stdin with a spool: what is accepted is known to whoever comes next."""

import os
import tty
from collections.abc import Iterator
from contextlib import suppress

import anyio
import pytest

from hcsd.io import Spool, WriteEnd
from hcsd.io.spool import NOTE, NOTE_OFFSET

pytestmark = pytest.mark.anyio


class Kept:
    """What the keeper holds of a stdin, and the end that the process reads."""

    def __init__(self, *, terminal: bool) -> None:
        self.writer, self.reader = os.openpty() if terminal else os.pipe()[::-1]
        self.bridge: list[int] = list(os.pipe()) if terminal else []
        self.spool = os.memfd_create("spool")
        if terminal:
            tty.setraw(self.reader)
        os.set_blocking(self.reader, False)

    def end(self) -> WriteEnd:
        """Give somebody the ends; the positions are shared."""
        return WriteEnd(os.dup(self.writer), self.given())

    def given(self) -> Spool:
        return Spool(os.dup(self.spool), [os.dup(end) for end in self.bridge])

    def read(self) -> bytes:
        got = bytearray()
        with suppress(BlockingIOError):
            while data := os.read(self.reader, 1 << 20):
                got += data
        return bytes(got)

    def close(self) -> None:
        for fd in (self.writer, self.reader, self.spool, *self.bridge):
            os.close(fd)


@pytest.fixture
def piped() -> Iterator[Kept]:
    kept = Kept(terminal=False)
    yield kept
    kept.close()


@pytest.fixture
def at_terminal() -> Iterator[Kept]:
    kept = Kept(terminal=True)
    yield kept
    kept.close()


async def test_the_next_one_goes_on_where_the_pipe_has_come_to(piped: Kept) -> None:
    first = piped.end()
    await first.write(b"one, ")
    second = piped.end()
    assert second.written == 5
    await second.write(b"two")
    assert (piped.read(), second.written) == (b"one, two", 8)
    first.close()
    second.close()


async def test_small_pieces_are_accepted_though_nobody_reads(piped: Kept) -> None:
    """Each takes the place of a page in the pipe; a pipe of 16 pages would be full after 16 of them."""
    end = piped.end()
    with anyio.fail_after(30):
        for number in range(100):
            await end.write(b"%d\n" % number)
    assert piped.read() == b"".join(b"%d\n" % number for number in range(100))
    end.close()


async def test_what_was_read_is_freed_and_what_was_not_is_whole(piped: Kept) -> None:
    end = piped.end()
    piece = bytes(range(250)) * 40
    for _ in range(100):
        await end.write(piece)
        assert piped.read() == piece
    for _ in range(5):
        await end.write(piece)
    assert os.fstat(piped.spool).st_blocks * 512 < 200_000
    assert piped.read() == piece * 5
    end.close()


async def test_a_write_without_room_in_the_file_arrives(piped: Kept) -> None:
    end = piped.end()
    await end.write(b"with, ")
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        await end.write(b"and without a file")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (piped.read(), end.written) == (b"with, and without a file", 24)
    await end.write(b"!")
    assert (piped.read(), end.written, piped.given().accepted) == (b"!", 25, 25)
    end.close()


async def test_a_terminal_gets_nothing_of_what_was_not_accepted(at_terminal: Kept) -> None:
    end = at_terminal.end()
    with anyio.move_on_after(0.1):
        await end.write(b"x" * 100_000)
    accepted = end.written
    assert 0 < accepted < 100_000
    came = b""
    with anyio.fail_after(30):
        while len(came) < accepted:
            await anyio.wait_readable(at_terminal.reader)
            came += at_terminal.read()
        await end.write(b"other")
        while len(came) < accepted + 5:
            await anyio.wait_readable(at_terminal.reader)
            came += at_terminal.read()
    assert came == b"x" * accepted + b"other"
    assert end.written == accepted + 5
    end.close()


@pytest.mark.parametrize("left", [b"left over", b""], ids=["before", "after"])
async def test_a_kill_while_bytes_are_taken_back_is_made_good(
    at_terminal: Kept, left: bytes
) -> None:
    """Killed after the note, before or after the bridge was emptied."""
    os.lseek(at_terminal.spool, 19, os.SEEK_SET)  # 10 were accepted, and 9 are in the bridge
    os.write(at_terminal.bridge[1], left)
    os.pwrite(at_terminal.spool, NOTE.pack(10 + 1), NOTE_OFFSET)
    for _ in range(2):
        end = at_terminal.end()
        assert end.written == 10
        end.close()
    end = at_terminal.end()
    await end.write(b"now")
    with anyio.fail_after(30):
        await anyio.wait_readable(at_terminal.reader)
    assert (at_terminal.read(), end.written) == (b"now", 13)
    end.close()


def test_a_spool_fits_what_it_is_for(piped: Kept, at_terminal: Kept) -> None:
    for fd, spool in ((piped.writer, at_terminal.given()), (at_terminal.writer, piped.given())):
        with pytest.raises(ValueError, match="a bridge in front of a terminal"):
            WriteEnd(fd, spool)
        spool.close()
