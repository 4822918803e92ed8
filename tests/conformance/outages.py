"""The daemon of a case: how it goes away, and what is there afterwards.

A case with `outages` is played once for each of the ways in which a daemon goes away and comes back, with all
that it had:

    cut    it stays, and nobody listens where clients know it to be
    kill   it is killed by SIGKILL, and started again on its state
    stop   it is stopped by SIGTERM, keeps its processes, and is started again on its state

Clients come to it at `$door.address`. `suite.outage_begins` and `suite.outage_ends` bound an outage.

`suite.kill_daemon`, `suite.stop_daemon` and `suite.restart_daemon` are for a daemon without a state: one that
begins anew, with nothing of what it had. Such a case says so, by `--restore-window 0` in its `daemon`.
"""

from __future__ import annotations

import contextlib
import inspect
from typing import TYPE_CHECKING

import anyio.to_thread

from hcsd.cli.commands.serve import serve
from tests.support.daemon import serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Any

    from tests.conformance.network import Network
    from tests.support.daemon import Daemon

CUT, KILL, STOP = "cut", "kill", "stop"
WAYS = (CUT, KILL, STOP)
NO_STATE = ("--restore-window", "0")
OPTIONS = {"": (), CUT: (), KILL: (), STOP: ("--on-stop", "keep")}
# Whether `hcsd serve` can be started again on a state. Until it can, every daemon begins anew.
RESTORES = "restore_window" in inspect.signature(serve).parameters


def is_possible(outage: str) -> bool:
    """Whether a daemon of this version comes back in this way; "" is for a case without outages."""
    return RESTORES or outage in {"", CUT}


def options_of(daemon: Sequence[str], outage: str) -> tuple[str, ...]:
    """Return what to start the daemon of a case with.

    Args:
        daemon: The options that the case names.
        outage: How its daemon goes away.
    """
    named = tuple(daemon)
    if not RESTORES and named[:2] == NO_STATE:
        named = named[2:]
    return (*named, *OPTIONS[outage])


class Outages:
    """The daemon of a case.

    Args:
        daemon: The first one.
        options: What it was started with.
        network: The proxies before it.
        resources: What is started here ends with them.

    Attributes:
        daemon: The present one.
        actions: The steps, by name.
    """

    def __init__(
        self,
        daemon: Daemon,
        options: Sequence[str],
        network: Network,
        resources: contextlib.AsyncExitStack,
    ) -> None:
        self.daemon = daemon
        self._options = options
        self._network = network
        self._resources = resources
        self._way = ""
        self._is_away = False
        self.actions: dict[str, Callable[..., Awaitable[None]]] = {
            "suite.kill_daemon": self._kill,
            "suite.outage_begins": self._begin,
            "suite.outage_ends": self._end,
            "suite.restart_daemon": self._restart,
            "suite.stop_daemon": self._stop,
        }

    async def open_door(self, way: str) -> str:
        """Choose how the daemon goes away; return the address at which clients come to it."""
        self._way = way
        if way == CUT:
            return await self._network.open_door()
        self._resources.push_async_callback(self._end_what_is_kept)
        return self.daemon.address

    async def _end_what_is_kept(self) -> None:
        """Start the daemon once more and end it in order, if it has left processes for the next one."""
        if self._way == STOP or self._is_away:
            await self._stop()
            await self._start(self._options[: len(self._options) - len(OPTIONS[self._way])])
            await self._stop()

    async def _begin(self) -> None:
        """Let the daemon go away for a while."""
        self._is_away = True
        if self._way == CUT:
            self._network.shut_door()
        elif self._way == KILL:
            await self._kill()
        else:
            await self._stop()

    async def _end(self) -> None:
        """Let it come back with all that it had."""
        if self._way == CUT:
            await self._network.open_door()
        else:
            await self._restart()
        self._is_away = False

    async def _kill(self) -> None:
        await anyio.to_thread.run_sync(self.daemon.kill)

    async def _stop(self) -> None:
        await anyio.to_thread.run_sync(self.daemon.stop)

    async def _restart(self) -> None:
        """Start it again where it was."""
        await self._start(self._options)

    async def _start(self, options: Sequence[str]) -> None:
        starting = contextlib.ExitStack()
        self._resources.callback(starting.close)
        begin: Any = serving(*options, tcp=True, again=self.daemon)
        self.daemon = await anyio.to_thread.run_sync(starting.enter_context, begin)
