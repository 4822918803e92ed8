"""Kills processes that drain or feed at full speed, and counts what is left, byte by byte.

    python -m tests.support.io_kills KIND,… ROUNDS SEED

A kind is one of `KINDS`. Each round is one stream, whose worker is killed at three random moments; the next
worker goes on with what it left. The ends of the pipe are held here, as the keeper holds them. A byte
that is missing, there twice or not the one of its offset ends the program with an error.

It is a program of its own because it forks, which a process with threads cannot do safely.
"""

import asyncio
import errno
import functools
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import tty
from collections.abc import Callable, Coroutine

from hcsd.io import Drain, Overflow, Ring, SegmentStore, Spool, WriteEnd

KILLS = 3  # of the workers of one stream
CAPACITY = 1 << 20
LONGEST = 0.02  # seconds that a worker lives after it has begun
PATIENCE = 30.0  # seconds until what must come is missing
NUMBERS = b"".join(number.to_bytes(4, "big") for number in range(1 << 16))
PATTERN = NUMBERS * 2

Work = Callable[[Callable[[], None]], Coroutine[None, None, None]]


def expected(offset: int, size: int) -> bytes:
    """Return the bytes of a stream at an offset, at most 256 KiB."""
    begin = offset % len(NUMBERS)
    return PATTERN[begin : begin + size]


def forked(work: Callable[[], object]) -> int:
    """Do something in a process of its own, which never returns."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), "it ended by itself"


def kill_at_random(work: Work, chance: random.Random, stream: "Stream | None" = None) -> None:
    """Let a worker begin, and kill it at a random moment after that; a stream is read until then."""
    reader, writer = os.pipe()
    pid = forked(lambda: asyncio.run(work(lambda: os.close(writer))))
    os.close(writer)
    os.read(reader, 1)  # ends when the worker has begun
    os.close(reader)
    end = time.monotonic() + chance.uniform(0, LONGEST)
    while (left := end - time.monotonic()) > 0:
        if stream is None:
            time.sleep(left)
        elif select.select([stream.fd], [], [], left)[0]:
            stream.read_some()
    kill(pid)


class Stream:
    """What is read of a pipe or terminal, each byte held against its offset."""

    def __init__(self, fd: int, offset: int) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.offset = offset

    def read_some(self) -> bool:
        """Read what is there; returns whether there was something."""
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:  # a terminal that nobody has open
                raise
            return False
        assert data == expected(self.offset, len(data)), f"wrong bytes at {self.offset}"
        self.offset += len(data)
        return bool(data)

    def read_to(self, offset: int) -> None:
        """Read up to an offset, and find nothing behind it."""
        deadline = time.monotonic() + PATIENCE
        while self.offset < offset and time.monotonic() < deadline:
            select.select([self.fd], [], [], PATIENCE)
            self.read_some()
        self.read_some()
        assert self.offset == offset, f"{self.offset} bytes came, not {offset}"


def check_kept(folder: str) -> int:
    """Hold what is in files against what was written; return where it ends."""
    store = SegmentStore(folder, "stdout", capacity=CAPACITY, restored=True)
    offset = store.start
    while offset < store.end:
        data = store.read(offset, 1 << 16)
        assert data == expected(offset, len(data)), f"wrong bytes at {offset}"
        offset += len(data)
    return offset


def write_for_ever(fd: int) -> None:
    offset = 0
    while True:
        offset += os.write(fd, expected(offset, 1 << 16))


def drain(chance: random.Random, *, terminal: bool) -> None:
    """Let workers drain a stream."""
    reader, writer = os.openpty() if terminal else os.pipe()
    bridge = os.pipe() if terminal else ()
    if terminal:
        tty.setraw(writer)
    folder = tempfile.mkdtemp()
    overflow = chance.choice(list(Overflow))
    source = forked(lambda: write_for_ever(writer))

    async def work(begun: Callable[[], None]) -> None:
        store = SegmentStore(folder, "stdout", capacity=CAPACITY, restored=True)
        ring = Ring(CAPACITY, overflow, store=store)
        woken = asyncio.Event()
        cursor = ring.open_cursor(ring.end_offset, woken.set)
        drains = Drain(reader, ring, lambda: None, bridge)
        drains.start()
        begun()
        while True:
            woken.clear()
            while cursor.take(1 << 16) is not None:
                pass
            await woken.wait()

    try:
        for _ in range(KILLS):
            kill_at_random(work, chance)
            check_kept(folder)
    finally:
        kill(source)
    os.close(writer)
    offset = check_kept(folder)
    for fd in (*bridge[:1], reader):
        rest = Stream(fd, offset)
        while rest.read_some():
            pass
        offset = rest.offset
    assert offset > 0
    for fd in (*bridge, reader):
        os.close(fd)
    shutil.rmtree(folder)


def feed(chance: random.Random, *, terminal: bool) -> None:
    """Let workers feed a stream."""
    writer, reader = os.openpty() if terminal else os.pipe()[::-1]
    bridge = os.pipe() if terminal else ()
    if terminal:
        tty.setraw(reader)
    spool = os.memfd_create("spool")
    largest = chance.choice([10, 5000, 200_000])

    async def work(begun: Callable[[], None]) -> None:
        end = WriteEnd(writer, Spool(spool, bridge))
        begun()
        while True:
            await end.write(expected(end.written, chance.randrange(1, largest)))

    stream = Stream(reader, 0)
    for _ in range(KILLS):
        kill_at_random(work, chance, stream)
        left = Spool(os.dup(spool), [os.dup(end) for end in bridge])
        stream.read_to(left.accepted)
        left.close()
    for fd in (*bridge, reader, writer, spool):
        os.close(fd)


KINDS: dict[str, Callable[[random.Random], None]] = {
    "drain-pipe": functools.partial(drain, terminal=False),
    "drain-terminal": functools.partial(drain, terminal=True),
    "feed-pipe": functools.partial(feed, terminal=False),
    "feed-terminal": functools.partial(feed, terminal=True),
}


def main(kinds: str, rounds: str, seed: str) -> None:
    """Do rounds of each kind."""
    for kind in kinds.split(","):
        chance = random.Random(seed)  # noqa: S311
        for number in range(int(rounds)):
            try:
                KINDS[kind](chance)
            except AssertionError as error:
                sys.exit(f"{kind}, seed {seed}, round {number}: {error}")
        sys.stdout.write(f"{kind}: {int(rounds) * KILLS} kills\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
