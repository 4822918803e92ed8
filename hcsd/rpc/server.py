"""The servers of the daemon on its listeners, and an orderly start and end.

    start   listeners claimed ─▶ engine supervised ─▶ daemon ─▶ what an earlier run left is restored
            ─▶ servers started ─▶ ready
    stop    RPCs end with UNAVAILABLE ─▶ servers stop ─▶ processes are killed, or left to the next run
            ─▶ engine closes ─▶ sockets are removed

Each listener has a server of its own, so that who must authenticate follows from where a call came
in and not from what it says about itself. So has each its bounds: strangers at a TCP port take nothing
from those who come by the Unix socket.

A second request to stop shortens what is left of the grace to nothing. If processes are to be killed, the
engine ends what it can in a moment, and logs what stays.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from typing import TYPE_CHECKING, NamedTuple

import anyio
import anyio.to_thread

from hcsd.daemon.daemon import Daemon
from hcsd.daemon.errors import ConfigurationError
from hcsd.daemon.host_system import watch_host
from hcsd.daemon.on_stop import OnStop
from hcsd.daemon.restore import Restored
from hcsd.daemon.state.state import State
from hcsd.rpc.aio_server import AioServer
from hcsd.rpc.bounds import options_for
from hcsd.rpc.calls import Calls
from hcsd.rpc.credentials import server_credentials
from hcsd.rpc.gate import Gate
from hcsd.rpc.guards import CertificateGuard, OpenGuard, TokenGuard
from hcsd.rpc.health_service import HealthService
from hcsd.rpc.services import PROCESS_SERVICE, SERVICES, add_services
from hcsd.rpc.validate import Validator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hcsd.daemon.changed_setting import ChangedSetting
    from hcsd.daemon.settings import Limits
    from hcsd.hcs.host import Host
    from hcsd.listen.listener import Bind, Listener
    from hcsd.listen.tls import Tls
    from hcsd.listen.token import Token
    from hcsd.rpc.guards import Guard

LOOK_INTERVAL = 0.4  # seconds after which a credential that is gone is noticed at the latest
# How long the last answers may take to leave, once every RPC has been ended.
SERVER_GRACE = 1.0

logger = logging.getLogger(__name__)


class Server:
    """Serves an engine on listeners.

    Args:
        host: The engine; closed at the end.
        listeners: Where to listen.
        token: What callers must present where the transport is no guard.
        limits: Limits in force.
        state: What outlives this run.

    Attributes:
        reload: Reads the configuration again and returns what differs, or raises a `RequestError`;
            to be assigned before it runs.
        on_stop: What an orderly stop does with processes.
        restored: What an earlier run has left, once that is known.
        ended: Whether all that ran has ended with this run, or is about to.
    """

    def __init__(
        self,
        host: Host,
        listeners: Sequence[Listener],
        token: Token | None,
        limits: Limits,
        state: State | None = None,
    ) -> None:
        self._host = host
        self._listeners = listeners
        self._token = token
        self._limits = limits
        self._state = state or State.none()
        self.reload: Callable[[], Sequence[ChangedSetting]] = _no_configuration
        self.on_stop = OnStop.END
        self.ended = False
        self.restored = Restored()
        self._daemon: Daemon | None = None
        self._numbers = itertools.count(1)
        self._validator = Validator(limits)
        self._stop = anyio.Event()
        self._hurry = anyio.Event()

    def adopt(self, limits: Limits) -> None:
        """Go on with other limits, as far as they are live. Thread: the event loop's."""
        if self._daemon is None:
            self._limits.adopt(limits)
        else:
            self._daemon.adopt(limits)

    def stop(self) -> None:
        """Begin to stop; a second call shortens the grace, and the end of the engine."""
        if self._stop.is_set() and not self._hurry.is_set():
            logger.warning("stopping at once, as asked")
            self._hurry.set()
            if self.on_stop is OnStop.END:  # what is kept has not to end
                self._host.hurry()
        self._stop.set()

    async def run(self, on_ready: Callable[[list[str]], None]) -> None:
        """Serve until `stop` is called, then end all in order.

        Args:
            on_ready: Called with the addresses once calls are answered.

        Raises:
            ListenError: A listener cannot be used; nothing was served.
        """
        try:
            await self._run(on_ready)
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    # In a thread: the engine may have to wait for what it ends.
                    await anyio.to_thread.run_sync(self._close_host)
                except RuntimeError:  # the host has no room for one
                    self._close_host()

    def _close_host(self) -> None:
        self._host.close(keep=not self.ended)

    async def _run(self, on_ready: Callable[[list[str]], None]) -> None:
        with contextlib.ExitStack() as claims:
            # What can go wrong at a start does so before there is a task group to wrap it.
            doors = [self._open(listener, claims) for listener in self._listeners]
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._host.supervise, name="engine")
                daemon = Daemon(self._host, self._limits, tasks, self._state)
                self._daemon = daemon
                self.restored = await daemon.restore()
                await self._serve(daemon, doors, lambda: on_ready([door.address for door in doors]))
                self.ended = self.on_stop is OnStop.END
                await self._end(daemon)
                tasks.cancel_scope.cancel()

    def _open(self, listener: Listener, claims: contextlib.ExitStack) -> _Door:
        """Make the server of a listener and bind it; it does not answer yet."""
        limits = self._limits
        is_tcp = listener.tls is not None
        calls = Calls(self._state.journal.incarnation, self._numbers, limits, is_tcp=is_tcp)
        gate = Gate(calls, self._validator, self._guard(listener))
        server = AioServer(gate, options_for(limits, is_tcp=is_tcp))
        return _Door(claims.enter_context(listener.claim(_binder(server))), server, gate, calls)

    def _guard(self, listener: Listener) -> Guard:
        if listener.tls is None:
            return OpenGuard()
        if listener.tls.clients is not None:
            return CertificateGuard(listener.tls.clients)
        assert self._token is not None  # noqa: S101  (who opens a TCP listener loads it)
        return TokenGuard(self._token)

    async def _serve(
        self,
        daemon: Daemon,
        doors: Sequence[_Door],
        on_ready: Callable[[], None],
    ) -> None:
        status = HealthService()
        for service in ("", *SERVICES):
            status.set(service, served=True)
        for door in doors:
            add_services(door.gate, daemon, self._validator, status, self.reload)
            door.server.add_registered_method_handlers(door.gate.methods)
            await door.server.start()

        async def tell(*, there: bool) -> None:
            status.set(PROCESS_SERVICE, served=there)

        try:
            async with anyio.create_task_group() as watching:
                if self._host.host_system:
                    watching.start_soon(
                        watch_host, daemon.systems, self._host.host_system, tell, name="host"
                    )
                for door in doors:
                    watching.start_soon(_end_revoked, door.gate, name=f"keys of {door.address}")
                on_ready()
                await self._stop.wait()
                watching.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                logger.info("stopping")
                for door in doors:
                    door.calls.stop()
                for door in doors:
                    await door.server.shutdown(SERVER_GRACE)

    async def _end(self, daemon: Daemon) -> None:
        """End the processes, or leave them; a second request to stop does not wait for them."""
        if self.on_stop is OnStop.KEEP:
            await daemon.leave()
            return
        async with anyio.create_task_group() as tasks:

            async def hurry() -> None:
                await self._hurry.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(hurry, name="second request")
            await daemon.close()
            tasks.cancel_scope.cancel()


def _no_configuration() -> Sequence[ChangedSetting]:
    raise ConfigurationError("the daemon was started without a configuration file (--config)")


class _Door(NamedTuple):
    """A listener that is bound.

    Attributes:
        address: How clients name it.
        server: Serves it.
        gate: What its calls go through.
        calls: Those under way.
    """

    address: str
    server: AioServer
    gate: Gate
    calls: Calls


async def _end_revoked(gate: Gate) -> None:
    """Look again and again whether a credential is gone with which calls are under way.

    Files tell nobody that they have changed, not on every platform; a look costs one or two `stat`.
    """
    while gate.watches:
        await anyio.sleep(LOOK_INTERVAL)
        gate.end_revoked()


def _binder(server: AioServer) -> Bind:
    """Return what binds a server to an address, for a listener."""

    def bind(address: str, tls: Tls | None) -> int:
        where = address.encode()
        port: int = (
            server.add_insecure_port(where)
            if tls is None
            else server.add_secure_port(where, server_credentials(tls))
        )
        if port == 0:
            msg = f"gRPC cannot bind '{address}'"
            raise RuntimeError(msg)
        return port

    return bind
