"""The servers of the daemon on its listeners, and an orderly start and end.

    start   listeners claimed ─▶ engine supervised ─▶ daemon ─▶ servers started ─▶ ready
    stop    RPCs end with UNAVAILABLE ─▶ servers stop ─▶ processes are killed ─▶ engine closes
            ─▶ sockets are removed

Each listener has a server of its own, so that who must authenticate follows from where a call came
in and not from what it says about itself.

A second request to stop shortens what is left of the grace to nothing. The engine ends what it can in
a moment, and logs what stays.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from typing import TYPE_CHECKING, cast

import anyio
import anyio.to_thread
import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from hcsd.daemon.daemon import Daemon
from hcsd.daemon.host_system import watch_host
from hcsd.rpc.calls import Calls
from hcsd.rpc.compute_system_service import ComputeSystemService
from hcsd.rpc.credentials import server_credentials
from hcsd.rpc.event_service import EventService
from hcsd.rpc.host_service import HostService
from hcsd.rpc.interceptor import Interceptor
from hcsd.rpc.process_service import ProcessService
from hcsd.rpc.validate import Validator
from hcsd.v1 import (
    compute_system_service_pb2,
    compute_system_service_pb2_grpc,
    event_service_pb2,
    event_service_pb2_grpc,
    host_service_pb2,
    host_service_pb2_grpc,
    process_service_pb2,
    process_service_pb2_grpc,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hcsd.daemon.settings import Limits
    from hcsd.hcs.host import Host
    from hcsd.listen.listener import Bind, Listener
    from hcsd.listen.tls import Tls

SERVICES = tuple(
    service.full_name
    for module in (
        process_service_pb2,
        compute_system_service_pb2,
        event_service_pb2,
        host_service_pb2,
    )
    for service in module.DESCRIPTOR.services_by_name.values()
)
PROCESS_SERVICE = process_service_pb2.DESCRIPTOR.services_by_name["ProcessService"].full_name
MAX_WAITING_CALLS = 100_000  # arbitrary; more than the processes that one machine holds
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
    """

    def __init__(
        self, host: Host, listeners: Sequence[Listener], token: str | None, limits: Limits
    ) -> None:
        self._host = host
        self._listeners = listeners
        self._token = token
        self._limits = limits
        self._incarnation = str(uuid.uuid4())
        self._calls = Calls(self._incarnation, limits.max_streams_per_client)
        self._validator = Validator(limits)
        self._stop = anyio.Event()
        self._hurry = anyio.Event()

    def stop(self) -> None:
        """Begin to stop; a second call shortens the grace, and the end of the engine."""
        if self._stop.is_set() and not self._hurry.is_set():
            logger.warning("stopping at once, as asked again")
            self._hurry.set()
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
                    await anyio.to_thread.run_sync(self._host.close)
                except RuntimeError:  # the host has no room for one
                    self._host.close()

    async def _run(self, on_ready: Callable[[list[str]], None]) -> None:
        with contextlib.ExitStack() as claims:
            # What can go wrong at a start does so before there is a task group to wrap it.
            bound = [self._bind(listener, claims) for listener in self._listeners]
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._host.supervise, name="engine")
                daemon = Daemon(self._host, self._limits, tasks, self._incarnation)
                await self._serve(
                    daemon,
                    [server for server, _ in bound],
                    lambda: on_ready([address for _, address in bound]),
                )
                await self._end(daemon)
                tasks.cancel_scope.cancel()

    def _bind(
        self, listener: Listener, claims: contextlib.ExitStack
    ) -> tuple[grpc.aio.Server, str]:
        """Make the server of a listener and bind it; it does not answer yet."""
        token = self._token if listener.needs_token else None
        server = grpc.aio.server(
            interceptors=[Interceptor(self._calls, self._validator, token)],
            options=[
                ("grpc.max_receive_message_length", self._limits.max_message_bytes),
                # Beyond this many that wait to be served, a call is cancelled without a word. By
                # default gRPC begins with that at 1,000.
                ("grpc.server.max_pending_requests", MAX_WAITING_CALLS),
                ("grpc.server.max_pending_requests_hard_limit", MAX_WAITING_CALLS),
                ("grpc.so_reuseport", 0),  # a second daemon must not share the port in silence
            ],
        )
        return server, claims.enter_context(listener.claim(_binder(server)))

    async def _serve(
        self,
        daemon: Daemon,
        servers: Sequence[grpc.aio.Server],
        on_ready: Callable[[], None],
    ) -> None:
        status = health.aio.HealthServicer()
        for server in servers:
            _add_services(server, daemon, self._validator, status)
            await server.start()
        for service in ("", *SERVICES):
            await status.set(service, health_pb2.HealthCheckResponse.SERVING)

        async def tell(*, there: bool) -> None:
            answer = health_pb2.HealthCheckResponse
            await status.set(PROCESS_SERVICE, answer.SERVING if there else answer.NOT_SERVING)

        try:
            async with anyio.create_task_group() as watching:
                if self._host.host_system:
                    watching.start_soon(
                        watch_host, daemon.systems, self._host.host_system, tell, name="host"
                    )
                on_ready()
                await self._stop.wait()
                watching.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                logger.info("stopping")
                self._calls.stop()
                await status.enter_graceful_shutdown()
                for server in servers:
                    await server.stop(SERVER_GRACE)

    async def _end(self, daemon: Daemon) -> None:
        """End the processes; a second request to stop does not wait for them."""
        async with anyio.create_task_group() as tasks:

            async def hurry() -> None:
                await self._hurry.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(hurry, name="second request")
            await daemon.close()
            tasks.cancel_scope.cancel()


class _GenericHandlers:
    """Takes handlers for a server as generated code gives them, but registers no single method.

    For each call, grpc.aio (1.85) waits anew on every method that is registered: with ours, a tenth
    of what a small call costs. Handlers serve the same methods without.

    Source: `_server_main_loop` of grpcio's aio/server.pyx.pxi; measured.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, *_: object) -> None:
        """Leave it at the generic handler, which was added before."""


def _binder(server: grpc.aio.Server) -> Bind:
    """Return what binds a server to an address, for a listener."""

    def bind(address: str, tls: Tls | None) -> int:
        if tls is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, server_credentials(tls))

    return bind


def _add_services(
    server: grpc.aio.Server,
    daemon: Daemon,
    validator: Validator,
    status: health.aio.HealthServicer,
) -> None:
    # The cast: what the stubs ask of a server is to take handlers. Reflection asks what kind it is.
    handlers = cast("grpc.aio.Server", _GenericHandlers(server))
    process_service_pb2_grpc.add_ProcessServiceServicer_to_server(
        ProcessService(daemon, validator), handlers
    )
    compute_system_service_pb2_grpc.add_ComputeSystemServiceServicer_to_server(
        ComputeSystemService(daemon),
        handlers,
    )
    event_service_pb2_grpc.add_EventServiceServicer_to_server(EventService(daemon), handlers)
    host_service_pb2_grpc.add_HostServiceServicer_to_server(
        HostService(daemon),
        handlers,
    )
    health_pb2_grpc.add_HealthServicer_to_server(status, handlers)
    reflection.enable_server_reflection(
        (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server
    )
