"""A proxy that knows HTTP/2: it resets streams, says that it goes away, or answers in the daemon's place.

    async with frame_proxying(daemon.socket, folder) as proxy:
        async with Client(proxy.address) as client:
            proxy.reset(INTERNAL_ERROR)

Frames are passed on as they are. The proxy reads no header, so it asks the daemon for headers without a
table (RFC 7541, 4.2): then those of a stream that was reset can be left out, and the client still understands
the others.
"""

import asyncio
import contextlib
from asyncio import IncompleteReadError, StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from tests.support.http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Frame,
    frame,
    literal,
)
from tests.support.proxy import NEVER

NO_ERROR, INTERNAL_ERROR, CANCEL = 0, 2, 8
NO_TABLE = (1).to_bytes(2, "big") + bytes(4)
BAD_GATEWAY = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n</html>\r\n"


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


async def read_frame(source: StreamReader) -> tuple[Frame, bytes] | None:
    """Read a frame, as it is and laid out; None at the end."""
    try:
        head = await source.readexactly(9)
        payload = await source.readexactly(int.from_bytes(head[:3], "big"))
    except (IncompleteReadError, ConnectionError):
        return None
    return Frame(head[3], head[4], int.from_bytes(head[5:], "big"), payload), head + payload


class Link:
    """One connection that is passed on, frame by frame."""

    def __init__(self, to_client: StreamWriter, to_daemon: StreamWriter) -> None:
        self.to_client = to_client
        self.to_daemon = to_daemon
        self._open: set[int] = set()
        self._reset: set[int] = set()
        self._newest = 0

    def abort(self) -> None:
        """Cut it."""
        for end in (self.to_client, self.to_daemon):
            end.transport.abort()

    def reset(self, code: int) -> int:
        """Reset all streams, for the client by this code; returns how many."""
        for stream in self._open:
            self.to_client.write(frame(RST_STREAM, 0, stream, number(code)))
            self.to_daemon.write(frame(RST_STREAM, 0, stream, number(CANCEL)))
        count = len(self._open)
        self._reset |= self._open
        self._open.clear()
        return count

    def go_away(self) -> None:
        """Tell the client that no further stream is taken, and hang up."""
        self.to_client.write(frame(GOAWAY, 0, 0, number(self._newest) + number(NO_ERROR)))
        self.to_client.close()
        self.to_daemon.transport.abort()

    def passes(self, got: Frame, *, up: bool) -> bool:
        """Note a frame, and return whether it is to be passed on."""
        if got.stream in self._reset:
            if got.kind == DATA and got.payload:  # or there would be ever less room for others
                back = self.to_client if up else self.to_daemon
                back.write(frame(WINDOW_UPDATE, 0, 0, number(len(got.payload))))
            return False
        if up and got.kind == HEADERS:
            self._open.add(got.stream)
            self._newest = got.stream
        elif got.kind == RST_STREAM or (not up and got.flags & END_STREAM and got.kind == HEADERS):
            self._open.discard(got.stream)
        return True


class FrameProxy:
    """Passes connections on, as long as it may.

    Attributes:
        address: Where it listens, as clients take it.
        target: The socket of the daemon; may be changed, for connections that come later.
        cuts: How many streams it has reset, calls refused and connections ended.
    """

    def __init__(self, address: str, target: Path) -> None:
        self.address = address
        self.target = target
        self.cuts = 0
        self._limit = self._left = NEVER
        self._times = 0
        self._code = NO_ERROR
        self._refusals = 0
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[object] | None] = set()

    def reset(self, code: int) -> None:
        """Reset all streams that are open now."""
        self.cuts += sum([link.reset(code) for link in self._links])

    def reset_after(self, code: int, down: int, times: int = 1) -> None:
        """Reset all streams whenever so many more bytes have gone to clients, so many times."""
        self._code, self._times = code, times
        self._limit = self._left = down

    def go_away(self) -> None:
        """Hang up, by the rules, on who is connected now."""
        self.cuts += len(self._links)
        for link in self._links:
            link.go_away()

    def refuse(self, times: int) -> None:
        """Hang up, and answer so many calls as a gateway whose server is not there."""
        self._refusals = times
        for link in self._links:
            link.abort()

    async def end(self) -> None:
        """Cut everything, and wait until nothing of it is left."""
        for task in self._tasks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*filter(None, self._tasks), return_exceptions=True)

    async def serve(self, client: StreamReader, to_client: StreamWriter) -> None:
        """Serve one connection until it ends."""
        self._tasks.add(asyncio.current_task())
        try:
            preface = await client.readexactly(len(PREFACE))
            if self._refusals > 0:
                await self._answer(client, to_client)
            else:
                await self._pass(client, to_client, preface)
        except (OSError, IncompleteReadError):
            pass  # it has hung up, or there is no daemon
        finally:
            to_client.close()

    async def _answer(self, client: StreamReader, to_client: StreamWriter) -> None:
        """Answer calls with 502, in HTML."""
        to_client.write(frame(SETTINGS, 0, 0))
        fields = literal((b":status", b"502"), (b"content-type", b"text/html"))
        newest = number(0)
        while self._refusals > 0 and (found := await read_frame(client)):
            got, _ = found
            if got.kind in {SETTINGS, PING} and not got.flags & ACK:
                to_client.write(frame(got.kind, ACK, 0, got.payload if got.kind == PING else b""))
            elif got.kind == DATA and got.payload:
                to_client.write(frame(WINDOW_UPDATE, 0, 0, number(len(got.payload))))
            elif got.kind == HEADERS:
                self._refusals -= 1
                self.cuts += 1
                to_client.write(frame(HEADERS, END_HEADERS, got.stream, fields))
                to_client.write(frame(DATA, END_STREAM, got.stream, BAD_GATEWAY))
                newest = number(got.stream)
            await to_client.drain()
        if self._refusals == 0:
            to_client.write(frame(GOAWAY, 0, 0, newest + number(NO_ERROR)))
            while await read_frame(client):  # closing at once could take the answers away
                pass

    async def _pass(self, client: StreamReader, to_client: StreamWriter, preface: bytes) -> None:
        daemon, to_daemon = await asyncio.open_unix_connection(self.target)
        link = Link(to_client, to_daemon)
        self._links.add(link)
        to_daemon.write(preface)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._pump, client, link, True)
                await self._pump(daemon, link, False)
        finally:
            self._links.remove(link)
            link.abort()

    async def _pump(
        self,
        source: StreamReader,
        link: Link,
        up: bool,  # task groups pass arguments by position
    ) -> None:
        sink = link.to_daemon if up else link.to_client
        with contextlib.suppress(ConnectionError):
            while found := await read_frame(source):
                got, data = found
                if up and got.kind == SETTINGS and not got.flags & ACK:
                    data = frame(SETTINGS, 0, 0, got.payload + NO_TABLE)
                if link.passes(got, up=up):
                    sink.write(data)
                    await sink.drain()
                if not up:
                    self._count(len(data))
        link.abort() if up else link.to_client.close()

    def _count(self, size: int) -> None:
        self._left -= size
        if self._left > 0:
            return
        self.reset(self._code)
        self._times -= 1
        self._left = self._limit if self._times > 0 else NEVER


@asynccontextmanager
async def frame_proxying(target: Path, folder: Path) -> AsyncIterator[FrameProxy]:
    """Run a proxy with its socket in this folder."""
    socket = folder / "proxy.sock"
    proxy = FrameProxy(f"unix://{socket}", target)
    async with await asyncio.start_unix_server(proxy.serve, socket) as server:
        try:
            yield proxy
        finally:
            server.close()
            await proxy.end()
