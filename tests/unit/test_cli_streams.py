"""Our own standard streams: written in the background, and read whatever they are."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest

from hcsd.cli.session.sink import PENDING_BYTES, Sink, write_all
from hcsd.cli.session.stdin_reader import CHUNK_BYTES, READ_AHEAD, Stdin

pytestmark = pytest.mark.skipif(os.name == "nt", reason="uses what POSIX pipes do")


class Pipes:
    """Makes pipes for a test and closes what is still open of them after it."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        self._open.update(ends)
        return ends

    def close(self, descriptor: int) -> None:
        self._open.discard(descriptor)
        os.close(descriptor)

    def close_all(self) -> None:
        for descriptor in tuple(self._open):
            self.close(descriptor)


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    with ExitStack() as stack:
        pipes = Pipes()
        stack.callback(pipes.close_all)
        yield pipes


def read_all(descriptor: int) -> bytes:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read()


async def test_a_sink_writes_in_order(pipes: Pipes) -> None:
    read, write = pipes.pipe()
    read_too, write_too = pipes.pipe()
    sink = Sink()
    for number in range(200):
        await sink.write(write if number % 3 else write_too, b"%d," % number)
    await sink.flush()
    pipes.close(write)
    pipes.close(write_too)
    assert read_all(read) == b"".join(b"%d," % number for number in range(200) if number % 3)
    assert read_all(read_too) == b"".join(b"%d," % number for number in range(0, 200, 3))


async def test_a_sink_holds_back_who_writes_too_much(pipes: Pipes) -> None:
    read, write = pipes.pipe()
    sink = Sink()
    piece = bytes(CHUNK_BYTES)
    written = 0
    with anyio.move_on_after(0.05):
        while True:
            await sink.write(write, piece)
            written += len(piece)
    assert written <= PENDING_BYTES + 2 * len(piece)

    received = 0

    def drain() -> None:
        nonlocal received
        while data := os.read(read, CHUNK_BYTES):
            received += len(data)

    reader = threading.Thread(target=drain)
    reader.start()
    await sink.flush()
    pipes.close(write)
    reader.join()
    assert received == written + len(piece)  # the one that was held back was taken, too


async def test_a_sink_whose_reader_is_gone_says_so(pipes: Pipes) -> None:
    read, write = pipes.pipe()
    pipes.close(read)
    sink = Sink()
    await sink.write(write, b"x")
    failure = await sink.failed()
    assert failure.descriptor == write
    assert isinstance(failure.error, BrokenPipeError)
    await sink.write(write, bytes(2 * PENDING_BYTES))
    await sink.flush()


def test_a_descriptor_that_does_not_block_is_written_whole(pipes: Pipes) -> None:
    read, write = pipes.pipe()
    os.set_blocking(write, False)
    pieces = [os.urandom(100_000), b"", os.urandom(50_000)]
    received = bytearray()

    def drain() -> None:
        while data := os.read(read, 4096):
            received.extend(data)

    reader = threading.Thread(target=drain)
    reader.start()
    write_all(write, pieces)
    pipes.close(write)
    reader.join()
    assert bytes(received) == b"".join(pieces)


async def read_to_end(descriptor: int) -> bytes:
    stdin = Stdin(descriptor)
    taken = bytearray()
    while data := await stdin.read():
        taken += data
    return bytes(taken)


async def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    data = os.urandom(3 * CHUNK_BYTES + 1)
    file = tmp_path / "file"
    file.write_bytes(data)
    descriptor = os.open(file, os.O_RDONLY)
    try:
        assert await read_to_end(descriptor) == data
    finally:
        os.close(descriptor)


async def test_a_pipe_is_read_as_it_comes(pipes: Pipes) -> None:
    read, write = pipes.pipe()
    os.set_blocking(read, False)  # as somebody we share it with may have done
    stdin = Stdin(read)
    for piece in (b"one", b"\0two"):
        os.write(write, piece)
        assert await stdin.read() == piece
    pipes.close(write)
    assert await stdin.read() == b""


async def test_a_read_that_is_cancelled_loses_nothing(pipes: Pipes) -> None:
    read, write = pipes.pipe()
    stdin = Stdin(read)
    with anyio.move_on_after(0.01):
        await stdin.read()
    os.write(write, b"late")
    assert await stdin.read() == b"late"


async def test_no_more_is_read_than_was_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(10 * CHUNK_BYTES))
    descriptor = os.open(file, os.O_RDONLY)
    try:
        await Stdin(descriptor).read()
        # A reader of an earlier test, whose descriptor had this number, may take one more.
        assert os.lseek(descriptor, 0, os.SEEK_CUR) <= (2 + READ_AHEAD) * CHUNK_BYTES
    finally:
        os.close(descriptor)


async def test_a_terminal_that_is_gone_has_ended() -> None:
    terminal, end = os.openpty()
    os.close(end)
    try:
        assert await read_to_end(terminal) == b""
    finally:
        os.close(terminal)


async def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(IsADirectoryError):
            await Stdin(folder).read()
    finally:
        os.close(folder)


LEAVES_TEXT = """
import sys
from hcsd.cli.main import forget_lost_readers
sys.stdout.write("nobody will read this")
forget_lost_readers()
sys.exit(7)
"""


def test_a_terminal_that_is_gone_does_not_change_the_exit_code() -> None:
    pty = pytest.importorskip("pty", reason="terminals of this kind are POSIX")
    master, slave = pty.openpty()
    command = [sys.executable, "-E", "-c", LEAVES_TEXT]  # the environment may forbid buffers
    try:
        process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
    finally:
        os.close(master)
        os.close(slave)
    assert process.wait(15) == 7


def test_output_that_does_not_fit_is_no_success() -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "hcsd", "--version"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=15, check=False)
    assert done.returncode == 1
    assert done.stderr == b"hcsd: cannot write to stdout: No space left on device\n"
