"""Connections whose client sends what it likes, and bytes that are nearly right."""

import contextlib
import random
import selectors
import socket
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 10.0  # seconds until a connection that its client has ended counts as held
QUIET = (
    0.03  # seconds without an answer after which a client goes on; only pace, nothing depends on it
)
MOST_SECONDS = 2.0  # that a client sends


@contextlib.contextmanager
def connect(address: Path | tuple[str, int]) -> Iterator[socket.socket]:
    """A connection to a Unix socket, or to a host and a port."""
    family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
    with socket.socket(family) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(address) if isinstance(address, Path) else address)
        connection.setblocking(False)
        yield connection


def converse(connection: socket.socket, data: bytes, choose: random.Random, case: str) -> bytes:
    """Send bytes, read meanwhile or not, and leave in one way or the other.

    Returns:
        What was answered.

    Raises:
        AssertionError: The daemon holds the connection although the client has ended its half.
    """
    reads = choose.random() < 0.8
    answered = bytearray()
    with contextlib.suppress(ConnectionError):
        _send(connection, data, choose.choice([1_000, 1_000_000]), reads, answered)
        if not reads or choose.random() < 0.2:
            return bytes(answered)  # closed in the midst of it
        connection.settimeout(PATIENCE)
        with contextlib.suppress(OSError):  # it is closed at the other end
            connection.shutdown(socket.SHUT_WR)
        try:
            while more := connection.recv(65536):
                answered += more
        except TimeoutError:
            raise AssertionError(f"{case}: a connection that has ended is held") from None
    return bytes(answered)


def _send(
    connection: socket.socket, data: bytes, piece: int, reads: bool, answered: bytearray
) -> None:
    left, until = memoryview(data), time.monotonic() + MOST_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while time.monotonic() < until:
            wanted = selectors.EVENT_READ * reads | selectors.EVENT_WRITE * bool(left)
            if not wanted:
                return
            selector.modify(connection, wanted)
            ready = selector.select(QUIET if not left else PATIENCE)
            if not ready:
                return
            for _, events in ready:
                if events & selectors.EVENT_WRITE:
                    left = left[connection.send(left[:piece]) :]
                if events & selectors.EVENT_READ:
                    more = connection.recv(65536)
                    if not more:
                        return
                    answered += more


def mutated(choose: random.Random, data: bytes) -> bytes:
    """Bytes that differ in a few places."""
    changed = bytearray(data)
    for _ in range(choose.randint(1, 4)):
        place = choose.randint(0, len(changed))
        end = min(len(changed), place + choose.choice([1, 1, 4, 50]))
        way = choose.randrange(5)
        if way == 0:
            del changed[place:end]
        elif way == 1:
            changed[place:place] = choose.randbytes(end - place)
        elif way == 2:
            changed[place:end] = choose.randbytes(end - place)
        elif way == 3:
            changed[place:place] = changed[place:end] * choose.choice([1, 1, 20])
        elif choose.random() < 0.3:
            del changed[place:]
    return bytes(changed)
