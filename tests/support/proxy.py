"""A proxy in front of a daemon, which cuts connections when it is told to.

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
        target: The socket of the daemon; may be changed, for connections that come later.
        cuts: How many connections it has cut.
        idle: Seconds without a byte in either direction after which it cuts; None for never.
    """

    def __init__(self, address: str, target: Path) -> None:
        self.address = address
        self.target = target
        self.cuts = 0
        self.idle: float | None = None
        self._thawed = asyncio.Event()
        self._thawed.set()
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
        """Pass nothing on, until `thaw`. What is connected stays, and what comes is accepted."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Pass on what has come since `freeze`."""
        self._thawed.set()

    async def end(self) -> None:
        """Cut everything, and wait until nothing of it is left."""
        self.thaw()
        self.cut()
        await asyncio.gather(*(task for task in self._tasks if task is not None))

    async def serve(self, client: StreamReader, to_client: StreamWriter) -> None:
        """Pass one connection on until it ends or is cut."""
        self._tasks.add(asyncio.current_task())
        try:
            daemon, to_daemon = await asyncio.open_unix_connection(self.target)
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

    async def _pump(
        self,
        source: StreamReader,
        sink: StreamWriter,
        up: bool,  # task groups pass arguments by position
        idle: anyio.CancelScope,
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(PIECE_BYTES):
                await self._thawed.wait()
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
