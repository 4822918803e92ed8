"""grpc.health.v1.Health: which services can be used.

A watcher holds nothing while its answer is on the way. So one that takes nothing holds up no other,
no change and no end of the daemon; it is told the last state once it takes again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.message import Message

    from hcsd.rpc.calls import Context


class HealthService(HealthServicer):
    """Serves the health of services."""

    def __init__(self) -> None:
        self._served: dict[str, bool] = {}
        self._changed = anyio.Event()  # at the next change; then there is another

    def set(self, service: str, *, served: bool) -> None:
        """Say whether a service can be used; "" is the daemon as a whole."""
        self._served[service] = served
        self._changed.set()
        self._changed = anyio.Event()

    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:
        if request.service not in self._served:
            await context.abort(
                grpc.StatusCode.NOT_FOUND,
                "there is no such service",
                context.trailing_metadata(),
            )
        return self._answer(request.service)

    async def List(self, request: Message, context: Context) -> Message:
        answers = {service: self._answer(service) for service in self._served}
        made: Message = health_pb2.HealthListResponse(statuses=answers)  # type: ignore[attr-defined]  # newer than the stubs
        return made

    async def Watch(
        self, request: HealthCheckRequest, context: Context
    ) -> AsyncIterator[HealthCheckResponse]:
        told = None
        while True:
            changed, answer = self._changed, self._answer(request.service)
            if answer != told:
                yield answer
                told = answer
            await changed.wait()

    def _answer(self, service: str) -> HealthCheckResponse:
        if service not in self._served:
            return HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN)
        if self._served[service]:
            return HealthCheckResponse(status=HealthCheckResponse.SERVING)
        return HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING)
