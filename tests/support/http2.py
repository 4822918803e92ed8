"""HTTP/2 by hand, for what no gRPC client would send: frames, and headers without compression.

    with connected_to(address) as peer:
        peer.open(1, headers("/hcsd.v1.HostService/GetHost"))
        frame = peer.until(HEADERS, stream=1)

Nothing here is a client: it sends what it is told, and reads what comes.
"""

import contextlib
import itertools
import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
PATIENCE = 20.0

Header = tuple[bytes, bytes]


class Frame(NamedTuple):
    """A frame as it came."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Lay out a frame."""
    head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return head + payload


def _text(value: bytes) -> bytes:
    """Lay out a text of HPACK without Huffman coding (RFC 7541, 5.2)."""
    if len(value) < 127:
        return bytes((len(value),)) + value
    rest, size = len(value) - 127, b""
    while rest >= 128:
        size += bytes((rest % 128 + 128,))
        rest //= 128
    return bytes((127,)) + size + bytes((rest,)) + value


def message(data: bytes) -> bytes:
    """Lay out a message of gRPC."""
    return b"\0" + len(data).to_bytes(4, "big") + data


def literal(*fields: Header) -> bytes:
    """Lay out headers; none of them is put into the peer's table."""
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in fields)


def headers(path: str | bytes, *more: Header, method: bytes = b"POST") -> bytes:
    """Lay out the headers of a call."""
    path = path.encode() if isinstance(path, str) else path
    return literal(
        (b":method", method),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", b"localhost"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        *more,
    )


class Peer:
    """A connection to a daemon.

    Attributes:
        socket: Its socket.
        credentials: Headers that a test adds to its calls.
        admitted: Whether the daemon admits them, as far as the test knows.
        last: The frame that came last.
        ended: The calls that have ended, by stream, with the status of each, or "reset".
    """

    def __init__(self, connection: socket.socket, address: str, ca: Path | None) -> None:
        self.socket = connection
        self.credentials: tuple[Header, ...] = ()
        self.admitted = True
        self.last = Frame(0, 0, 0, b"")
        self.ended: dict[int, str] = {}
        self._address = address
        self._ca = ca
        self._streams = itertools.count(1, 2)

    @property
    def is_unix(self) -> bool:
        return self._ca is None

    @contextlib.contextmanager
    def another(self) -> Iterator["Peer"]:
        """Connect as this one did, with the same credentials."""
        with connected_to(self._address, self._ca) as peer:
            peer.credentials, peer.admitted = self.credentials, self.admitted
            peer.begin()
            yield peer

    def next_stream(self) -> int:
        """Return a number for a stream."""
        return next(self._streams)

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def begin(self, *settings: tuple[int, int]) -> None:
        """Send the preface, and settings, with no table: what comes is then written out in full."""
        pairs = b"".join(
            key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in ((1, 0), *settings)
        )
        self.send(PREFACE + frame(SETTINGS, 0, 0, pairs))

    def open(self, stream: int, block: bytes, *, end: bool = False) -> None:
        """Begin a call."""
        self.send(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block))

    def frames(self) -> Iterator[Frame]:
        """Read frames until the daemon hangs up; answers its settings and pings."""
        while (head := self._read(9)) is not None:
            size = int.from_bytes(head[:3], "big")
            payload = self._read(size)
            if payload is None:
                return
            got = Frame(head[3], head[4], int.from_bytes(head[5:], "big") & 0x7FFFFFFF, payload)
            if got.kind in {SETTINGS, PING} and not got.flags & ACK:
                with contextlib.suppress(OSError):
                    self.send(frame(got.kind, ACK, 0, b"" if got.kind == SETTINGS else payload))
            self._note(got)
            yield got

    def _note(self, got: Frame) -> None:
        self.last = got
        if got.kind == RST_STREAM:
            self.ended.setdefault(got.stream, "reset")
        elif got.kind == HEADERS and got.flags & END_STREAM:
            found = re.search(rb"grpc-status(?:\x01|\x02)(\d+)", got.payload)
            self.ended[got.stream] = found[1].decode() if found else f"nothing in {got.payload!r}"

    def until(self, *kinds: int, stream: int | None = None) -> Frame | None:
        """Read up to a frame of these kinds; None if the daemon hangs up before."""
        for got in self.frames():
            if got.kind in kinds and stream in {None, got.stream}:
                return got
        return None

    def take(self) -> None:
        """Throw away what has come by now."""
        self.socket.settimeout(0)
        with contextlib.suppress(OSError):  # SSLWantReadError is one
            while self.socket.recv(65536):
                pass
        self.socket.settimeout(PATIENCE)

    def wait_for_end(self) -> None:
        """Read until the daemon hangs up."""
        for _ in self.frames():
            pass

    def _read(self, size: int) -> bytes | None:
        data = b""
        while len(data) < size:
            try:
                part = self.socket.recv(size - len(data))
            except ConnectionError:
                return None
            if not part:
                return None
            data += part
        return data


@contextlib.contextmanager
def connected_to(address: str, ca: Path | None = None) -> Iterator[Peer]:
    """Connect to a daemon, by TLS if there is a CA, without a preface."""
    if address.startswith("unix://"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(address.removeprefix("unix://"))
    else:
        host, _, port = address.rpartition(":")
        connection = socket.create_connection((host, int(port)), PATIENCE)
        if ca is not None:
            context = ssl.create_default_context(cafile=str(ca))
            context.set_alpn_protocols(["h2"])
            connection = context.wrap_socket(connection, server_hostname=host)
    with connection:
        yield Peer(connection, address, ca)


def status_of(peer: Peer, stream: int) -> str:
    """Read up to the end of a call, as far as that was not read; returns its status, or "reset"."""
    frames = peer.frames()
    while stream not in peer.ended and next(frames, None):
        pass
    return peer.ended.get(stream, "hung up")
