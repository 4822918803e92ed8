"""A proxy in front of a daemon, which cuts connections, or falls silent, when it is told to.

    async with proxying(daemon.socket, folder) as proxy:
        async with Client(proxy.address) as client:
            proxy.cut_after(up=1000)

It counts bytes of the transport, so a cut falls anywhere: into a frame, a message, an answer.

As some proxies do, it can also cut a connection over which nothing goes for a while (`idle`), and pass
nothing on, though all connections stay (`freeze`).
"""

import asyncio
import contextlib
import math
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

NEVER = 1 << 62
PIECE_BYTES = 64 * 1024


class Proxy:
    """Passes connections on, as long as it may.

    Attributes:
        address: Where it listens, as clients take it.
        target: The socket of the daemon, or its `host:port`; may be changed, for connections that come later.
        cuts: How many connections it has cut.
        idle: Seconds without a byte in either direction after which it cuts; None for never.
    """

    def __init__(self, address: str, target: Path | str) -> None:
        self.address = address
        self._flows = asyncio.Event()
        self._flows.set()
        self.target = target
        self.cuts = 0
        self.idle: float | None = None
        self._limits = (NEVER, NEVER)
        self._up, self._down = self._limits
        self._times = 0
        self._open: set[StreamWriter] = set()
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
        for end in self._open:
            end.transport.abort()

    def freeze(self) -> None:
        """Pass nothing on any more, read nothing, and keep what is connected, until `thaw`."""
        self._flows.clear()

    def thaw(self) -> None:
        """Pass on what has come since `freeze`."""
        self._flows.set()

    async def end(self) -> None:
        """Cut everything, and wait until nothing of it is left."""
        self.thaw()
        self.cut()
        await asyncio.gather(*(task for task in self._tasks if task is not None))

    async def serve(self, client: StreamReader, to_client: StreamWriter) -> None:
        """Pass one connection on until it ends or is cut."""
        self._tasks.add(asyncio.current_task())
        try:
            daemon, to_daemon = await self._connect()
        except OSError:  # no daemon there: the client sees a connection that ends
            to_client.transport.abort()
            return
        ends = (to_client, to_daemon)
        self._open.update(ends)
        async with anyio.create_task_group() as tasks:
            idle = anyio.CancelScope()
            self._put_off(idle)
            tasks.start_soon(self._pump, client, to_daemon, True, idle)
            with idle:
                await self._pump(daemon, to_client, False, idle)
            self.cuts += idle.cancelled_caught
            for end in ends:
                end.transport.abort()
        self._open.difference_update(ends)

    def _put_off(self, idle: anyio.CancelScope) -> None:
        """Begin the time without a byte anew."""
        idle.deadline = math.inf if self.idle is None else anyio.current_time() + self.idle

    async def _connect(self) -> tuple[StreamReader, StreamWriter]:
        if isinstance(self.target, Path):
            return await asyncio.open_unix_connection(self.target)
        host, _, port = self.target.rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def _pump(
        self,
        source: StreamReader,
        sink: StreamWriter,
        up: bool,  # task groups pass arguments by position
        idle: anyio.CancelScope,
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(PIECE_BYTES):
                await self._flows.wait()
                self._put_off(idle)
                allowed = self._up if up else self._down
                sink.write(data[:allowed])
                await sink.drain()
                if len(data) >= allowed:
                    self.cut()
                elif up:
                    self._up -= len(data)
                else:
                    self._down -= len(data)
        sink.transport.abort()


@asynccontextmanager
async def proxying(target: Path, folder: Path) -> AsyncIterator[Proxy]:
    """Run a proxy with its socket in this folder."""
    socket = folder / "proxy.sock"
    proxy = Proxy(f"unix://{socket}", target)
    async with await asyncio.start_unix_server(proxy.serve, socket) as server:
        yield proxy
        server.close()
        await proxy.end()


@asynccontextmanager
async def proxying_tcp(target: str) -> AsyncIterator[Proxy]:
    """Run a proxy at a free port of this machine, for a daemon at `host:port`."""
    proxy = Proxy("", target)
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
        proxy.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield proxy
        server.close()
        await proxy.end()
