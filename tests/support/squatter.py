"""Something else that listens where a client takes a daemon to be, and keeps every byte that it gets.

    async with squatting(folder, "tls") as squatter:
        ...  # a client that goes to squatter.address
        assert not squatter.heard[0].problems(["a secret"])

What it answers:

    nothing   it takes everything and stays silent
    clear     it answers as a server of HTTP without TLS does
    tls       it completes the handshake as far as the client lets it, with a certificate of its own
"""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.support.tls import LOOPBACK, Authority

HANDSHAKE = 0x16  # the first byte of a record of TLS with a handshake in it
PREFACE = "PRI * HTTP/2.0"
PIECE_BYTES = 64 * 1024
PLAIN_ANSWER = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Answers = Literal["nothing", "clear", "tls"]


@dataclass
class Heard:
    """What one connection has brought.

    Attributes:
        raw: The bytes on the wire.
        inside: What was in them behind a handshake that the client has completed.
    """

    raw: bytearray = field(default_factory=bytearray)
    inside: bytearray = field(default_factory=bytearray)

    def problems(self, secrets: Sequence[str]) -> list[str]:
        """Return what the client should not have said, one line each."""
        problems = []
        if self.raw and self.raw[0] != HANDSHAKE:
            problems.append(f"a connection begins with {bytes(self.raw[:24])!r}, not with TLS")
        if self.inside:
            problems.append(f"a stranger was trusted with {bytes(self.inside[:24])!r}")
        return problems + [
            f"{secret!r} was sent in clear"
            for secret in (PREFACE, *secrets)
            if secret.encode() in self.raw
        ]


class Squatter:
    """Listens on TCP.

    Attributes:
        address: Where, as clients take it.
        heard: What each connection has brought, in their order.
    """

    def __init__(self, answers: Answers, identity: ssl.SSLContext) -> None:
        self.address = ""
        self.heard: list[Heard] = []
        self._answers = answers
        self._identity = identity
        self._open: set[StreamWriter] = set()
        self._tasks: set[asyncio.Task[object] | None] = set()

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Listen to one connection until its end."""
        self._tasks.add(asyncio.current_task())
        self._open.add(writer)
        heard = Heard()
        self.heard.append(heard)
        answer = self._answer(heard)
        with suppress(ConnectionError):
            while data := await reader.read(PIECE_BYTES):
                heard.raw += data
                writer.write(answer(data))
        writer.transport.abort()

    async def end(self) -> None:
        """End all connections."""
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*(task for task in self._tasks if task is not None))

    def _answer(self, heard: Heard) -> Callable[[bytes], bytes]:
        if self._answers == "nothing":
            return lambda _: b""
        if self._answers == "clear":
            return lambda _: PLAIN_ANSWER
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = self._identity.wrap_bio(incoming, outgoing, server_side=True)

        def shake_hands(data: bytes) -> bytes:
            incoming.write(data)
            with suppress(ssl.SSLError):  # it wants more, or the client has turned away
                session.do_handshake()
                heard.inside += session.read(PIECE_BYTES)
            return outgoing.read()

        return shake_hands


@asynccontextmanager
async def squatting(folder: Path, answers: Answers) -> AsyncIterator[Squatter]:
    """Run one on a port of loopback; its authority has its files in this folder."""
    pair = Authority(folder, "squatter").issue("squatting", *LOOPBACK)
    identity = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    identity.load_cert_chain(pair.certificate, pair.key)
    identity.set_alpn_protocols(["h2"])
    squatter = Squatter(answers, identity)
    async with await asyncio.start_server(squatter.serve, "127.0.0.1", 0) as server:
        squatter.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield squatter
        server.close()
        await squatter.end()
