"""Beginnings of TLS that are nearly right, and what is not TLS at all."""

import random
import ssl
import struct
from typing import TYPE_CHECKING

from tests.fuzz.connection import connect, converse, mutated
from tests.fuzz.frames import PREFACE

if TYPE_CHECKING:
    from collections.abc import Callable

ALERT, HANDSHAKE, APPLICATION, CHANGE_CIPHER = 21, 22, 23, 20
OTHERS = [
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /hcsd.v1.HostService/GetHost HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
    PREFACE,
    b"SSH-2.0-x\r\n",
    b"\0",
    b"",
    b"\x80\x2e\x01\0\x02",  # SSL 2
]


def hello(choose: random.Random) -> bytes:
    """The first record of a client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(choose.choice([["h2"], ["http/1.1"], ["h2", "x" * 200], []]))
    sends = ssl.MemoryBIO()
    name = choose.choice(["localhost", "example.org", "a" * 60 + ".b", None])
    client = context.wrap_bio(ssl.MemoryBIO(), sends, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return sends.read()
    raise AssertionError("a handshake is over before it was answered")


def record(kind: int, payload: bytes, length: int | None = None, version: int = 0x0301) -> bytes:
    """A record; `length` is what it says of itself."""
    return struct.pack(">BHH", kind, version, len(payload) if length is None else length) + payload


def beginning(choose: random.Random) -> bytes:
    """What one client begins with."""
    first = hello(choose)
    body = first[5:]
    half = choose.randrange(len(body))
    ways: list[Callable[[], bytes]] = [
        lambda: mutated(choose, first),
        lambda: mutated(choose, first),
        lambda: mutated(choose, first),
        lambda: record(HANDSHAKE, mutated(choose, body)),
        lambda: first[: choose.randrange(len(first))],
        lambda: record(HANDSHAKE, body[:half]) + record(HANDSHAKE, body[half:]),
        lambda: b"".join(record(HANDSHAKE, body[i : i + 1]) for i in range(len(body))),
        lambda: record(HANDSHAKE, b"") * 200 + first,
        lambda: record(ALERT, b"\x01\0") * 200 + first,
        lambda: first + record(CHANGE_CIPHER, b"\x01") * 200,
        lambda: first * 3,
        lambda: first + record(APPLICATION, choose.randbytes(2**14)),
        lambda: record(choose.randrange(256), body, choose.randrange(2**16)),
        lambda: record(HANDSHAKE, body, version=choose.randrange(2**16)),
        lambda: record(HANDSHAKE, b"\x01\xff\xff\xff" + bytes(2**14 - 4)) * 5,
        lambda: choose.choice(OTHERS),
        lambda: choose.randbytes(choose.randrange(2000)),
    ]
    return choose.choice(ways)()


def shake_hands(address: tuple[str, int], seed: int, cases: int) -> None:
    """Begin, one after the other, with what listens at a port."""
    for case in range(cases):
        choose = random.Random(f"{seed}/{case}")
        with connect(address) as connection:
            converse(connection, beginning(choose), choose, f"case {case}")
