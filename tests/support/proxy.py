"""A proxy in front of a daemon, which cuts connections, or falls silent, when it is told to.

    async with proxying(daemon.socket, folder) as proxy:
        async with Client(proxy.address) as client:
            proxy.cut_after(up=1000)

It counts bytes of the transport, so a cut falls anywhere: into a frame, a message, an answer.
"""

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

NEVER = 1 << 62
PIECE_BYTES = 64 * 1024


class Link:
    """One connection that is passed on.

    Attributes:
        ends: What writes to the client and to the daemon.
        passes_up: Whether what the client sends reaches the daemon; else it is thrown away.
        passes_down: Whether what the daemon sends reaches the client.
    """

    def __init__(self, to_client: StreamWriter, to_daemon: StreamWriter) -> None:
        self.ends = (to_client, to_daemon)
        self.passes_up = self.passes_down = True
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def is_swallowed(self) -> bool:
        return not (self.passes_up or self.passes_down)

    def abort(self) -> None:
        """Cut it."""
        if self._alarm:
            self._alarm.cancel()
        for end in self.ends:
            end.transport.abort()

    def set_alarm(self, seconds: float, act: Callable[["Link"], None]) -> None:
        """Act on it after so many seconds, unless the alarm is set anew before."""
        if self._alarm:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(seconds, act, self)


class Proxy:
    """Passes connections on, as long as it may.

    Attributes:
        address: Where it listens, as clients take it.
        target: The socket of the daemon, or its `host:port`; may be changed, for connections that come later.
        cuts: How many connections it has cut.
        idle: Cuts a connection on which nothing has come for so many seconds, either way; None for never.
    """

    def __init__(self, address: str, target: Path | str, idle: float | None = None) -> None:
        self.address = address
        self._flows = asyncio.Event()
        self._flows.set()
        self.target = target
        self.cuts = 0
        self.idle = idle
        self._limits = (NEVER, NEVER)
        self._up, self._down = self._limits
        self._times = 0
        self._server: asyncio.Server | None = None
        self._open: set[Link] = set()
        self._tasks: set[asyncio.Task[object] | None] = set()

    def cut_after(self, *, up: int = NEVER, down: int = NEVER, times: int = 1) -> None:
        """Cut what is connected after so many more bytes to the daemon, or to the client.

        And `times` - 1 times more, each after as many bytes again.
        """
        self._limits = self._up, self._down = up, down
        self._times = times

    def cut(self) -> None:
        """Cut what is connected now."""
        self._times -= 1
        self._up, self._down = self._limits if self._times > 0 else (NEVER, NEVER)
        self.cuts += 1
        for link in self._open:
            link.abort()

    def swallow(self) -> None:
        """Pass nothing more on of what is connected now, and keep it open: nobody learns of that."""
        for link in self._open:
            link.passes_up = link.passes_down = False

    def mute(self) -> None:
        """Pass nothing more on of what the daemon sends to those who are connected now."""
        for link in self._open:
            link.passes_down = False

    def freeze(self) -> None:
        """Pass nothing on and read nothing, until `thaw`. What is connected stays, and what comes is accepted."""
        self._flows.clear()

    def thaw(self) -> None:
        """Pass on what has come since `freeze`."""
        self._flows.set()

    async def listen(self) -> None:
        """Take connections at the address, a Unix socket, from now on."""
        path = self.address.removeprefix("unix://")
        self._server = await asyncio.start_unix_server(self.serve, path)

    def leave(self) -> None:
        """Cut what is connected, and take no connection until `listen`: as a daemon that was killed."""
        if self._server:
            self._server.close()
        self.cut()

    def _stir(self, link: Link) -> None:
        """Bytes have come."""
        if self.idle is not None:
            link.set_alarm(self.idle, self._cut_idle)

    def _cut_idle(self, link: Link) -> None:
        self.cuts += 1
        link.abort()

    async def end(self) -> None:
        """Cut everything, and wait until nothing of it is left."""
        self.thaw()
        self.leave()
        await asyncio.gather(*(task for task in self._tasks if task is not None))

    async def serve(self, client: StreamReader, to_client: StreamWriter) -> None:
        """Pass one connection on until it ends or is cut."""
        self._tasks.add(asyncio.current_task())
        try:
            daemon, to_daemon = await self._connect()
        except OSError:  # no daemon there: the client sees a connection that ends
            to_client.transport.abort()
            return
        link = Link(to_client, to_daemon)
        self._open.add(link)
        self._stir(link)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._pump, client, link, True)
            await self._pump(daemon, link, False)
            link.abort()
        self._open.remove(link)

    async def _connect(self) -> tuple[StreamReader, StreamWriter]:
        if isinstance(self.target, Path):
            return await asyncio.open_unix_connection(self.target)
        host, _, port = self.target.rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def _pump(
        self,
        source: StreamReader,
        link: Link,
        up: bool,  # task groups pass arguments by position
    ) -> None:
        sink = link.ends[up]
        with contextlib.suppress(ConnectionError):
            while data := await source.read(PIECE_BYTES):
                await self._flows.wait()
                if not (link.passes_up if up else link.passes_down):
                    continue
                self._stir(link)
                allowed = self._up if up else self._down
                sink.write(data[:allowed])
                await sink.drain()
                if len(data) >= allowed:
                    self.cut()
                elif up:
                    self._up -= len(data)
                else:
                    self._down -= len(data)
        if not link.is_swallowed:
            sink.transport.abort()


@asynccontextmanager
async def proxying(target: Path, folder: Path, idle: float | None = None) -> AsyncIterator[Proxy]:
    """Run a proxy with its socket in this folder."""
    proxy = Proxy(f"unix://{folder}/proxy.sock", target, idle)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.end()


@asynccontextmanager
async def proxying_tcp(target: str) -> AsyncIterator[Proxy]:
    """Run a proxy at a free port of this machine, for a daemon at `host:port`."""
    proxy = Proxy("", target)
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
        proxy.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield proxy
        finally:
            server.close()
            await proxy.end()
