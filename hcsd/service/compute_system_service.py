"""hcsd.v1.ComputeSystemService: each RPC in a few lines over the systems that the daemon knows."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import anyio

from hcsd.hcs.schema import SystemQuery
from hcsd.service.figures import read_figures
from hcsd.service.names import parse_system
from hcsd.service.paging import page
from hcsd.service.served_system import TYPES
from hcsd.service.shutdown import Outcome, shut_down
from hcsd.service.systems import about
from hcsd.v1 import compute_system_service_pb2 as service_pb
from hcsd.v1.compute_system_service_pb2_grpc import ComputeSystemServiceServicer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from hcsd.hcs.system import ComputeSystem
    from hcsd.service.interceptor import Context
    from hcsd.service.registry import Registry
    from hcsd.service.served_system import ServedSystem
    from hcsd.v1 import compute_system_pb2 as pb

SHUTDOWN_TIMEOUT = 30.0  # seconds if the caller does not say, as in hcsshim


class ComputeSystemService(ComputeSystemServiceServicer):
    """Serves compute systems. What a request must hold is checked before it comes here."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._systems = registry.systems

    async def CreateComputeSystem(
        self, request: service_pb.CreateComputeSystemRequest, context: Context
    ) -> service_pb.CreateComputeSystemResponse:
        served, replayed = await self._systems.create(request)
        with about(served.id):
            return service_pb.CreateComputeSystemResponse(
                system=await self._now(served), replayed=replayed
            )

    async def GetComputeSystem(
        self, request: service_pb.GetComputeSystemRequest, context: Context
    ) -> service_pb.GetComputeSystemResponse:
        async with self._found(request.name) as served:
            return service_pb.GetComputeSystemResponse(system=await self._now(served))

    async def ListComputeSystems(
        self, request: service_pb.ListComputeSystemsRequest, context: Context
    ) -> service_pb.ListComputeSystemsResponse:
        query = SystemQuery(
            ids=list(request.ids),
            names=list(request.names),
            types=[name for name, value in TYPES.items() if value in request.types],
            owners=list(request.owners),
        )
        systems = await self._registry.host.systems(query)
        found, token = page(
            sorted(systems, key=lambda system: system.id),
            lambda system: system.id,
            request.page_size,
            request.page_token,
            self._registry.limits.max_page_size,
            kind=str,
        )
        return service_pb.ListComputeSystemsResponse(
            systems=[self._systems.message(system) for system in found], next_page_token=token
        )

    async def StartComputeSystem(
        self, request: service_pb.StartComputeSystemRequest, context: Context
    ) -> service_pb.StartComputeSystemResponse:
        system = await self._change(
            request.name, lambda system: system.start(request.options_json or None)
        )
        return service_pb.StartComputeSystemResponse(system=system)

    async def ShutDownComputeSystem(
        self, request: service_pb.ShutDownComputeSystemRequest, context: Context
    ) -> service_pb.ShutDownComputeSystemResponse:
        timeout = SHUTDOWN_TIMEOUT
        if request.HasField("timeout"):
            timeout = request.timeout.ToNanoseconds() / 1e9
        async with self._found(request.name) as served:
            outcome = Outcome(forced=False, timed_out=False)
            if not served.ended:

                async def end() -> Outcome:
                    with self._systems.using(served):  # also if the caller leaves
                        return await shut_down(
                            served.system,
                            request.options_json or None,
                            timeout,
                            force=request.force,
                        )

                outcome = await self._registry.finish(end, f"shut down {served.name}")
            return service_pb.ShutDownComputeSystemResponse(
                system=await self._now(served), forced=outcome.forced, timed_out=outcome.timed_out
            )

    async def TerminateComputeSystem(
        self, request: service_pb.TerminateComputeSystemRequest, context: Context
    ) -> service_pb.TerminateComputeSystemResponse:
        async with self._found(request.name) as served:
            if not served.ended:
                await served.system.terminate(request.options_json or None)
            return service_pb.TerminateComputeSystemResponse(system=await self._now(served))

    async def PauseComputeSystem(
        self, request: service_pb.PauseComputeSystemRequest, context: Context
    ) -> service_pb.PauseComputeSystemResponse:
        system = await self._change(
            request.name, lambda system: system.pause(request.options_json or None)
        )
        return service_pb.PauseComputeSystemResponse(system=system)

    async def ResumeComputeSystem(
        self, request: service_pb.ResumeComputeSystemRequest, context: Context
    ) -> service_pb.ResumeComputeSystemResponse:
        system = await self._change(
            request.name, lambda system: system.resume(request.options_json or None)
        )
        return service_pb.ResumeComputeSystemResponse(system=system)

    async def SaveComputeSystem(
        self, request: service_pb.SaveComputeSystemRequest, context: Context
    ) -> service_pb.SaveComputeSystemResponse:
        system = await self._change(
            request.name, lambda system: system.save(request.options_json or None)
        )
        return service_pb.SaveComputeSystemResponse(system=system)

    async def ModifyComputeSystem(
        self, request: service_pb.ModifyComputeSystemRequest, context: Context
    ) -> service_pb.ModifyComputeSystemResponse:
        system = await self._change(
            request.name, lambda system: system.modify(request.settings_json)
        )
        return service_pb.ModifyComputeSystemResponse(system=system)

    async def GetComputeSystemProperties(
        self, request: service_pb.GetComputeSystemPropertiesRequest, context: Context
    ) -> service_pb.GetComputeSystemPropertiesResponse:
        query = request.property_query_json or None
        if request.property_types:
            query = json.dumps({"PropertyTypes": list(request.property_types)})
        async with self._open(request.name) as served:
            document = await served.system.raw_properties(query) or ""
        statistics, processes = read_figures(document)
        return service_pb.GetComputeSystemPropertiesResponse(
            properties_json=document, statistics=statistics, process_list=processes
        )

    async def WaitComputeSystem(
        self, request: service_pb.WaitComputeSystemRequest, context: Context
    ) -> service_pb.WaitComputeSystemResponse:
        timeout = None
        if request.HasField("timeout"):
            timeout = request.timeout.ToNanoseconds() / 1e9
        async with self._found(request.name) as served:
            if not served.ended:  # else a timeout of zero would come first
                with anyio.move_on_after(timeout):
                    await served.system.exited.wait()
            timed_out = not served.ended
            return service_pb.WaitComputeSystemResponse(
                system=await self._now(served), timed_out=timed_out
            )

    @contextlib.asynccontextmanager
    async def _found(self, name: str) -> AsyncIterator[ServedSystem]:
        """Find a system, which may have ended, and name it in the errors of what is done inside."""
        system_id = parse_system(name)
        with about(system_id), self._systems.using(await self._systems.find(system_id)) as served:
            yield served

    @contextlib.asynccontextmanager
    async def _open(self, name: str) -> AsyncIterator[ServedSystem]:
        """The same of a system that must not have ended."""
        system_id = parse_system(name)
        with about(system_id), self._systems.using(await self._systems.open(system_id)) as served:
            yield served

    async def _change(
        self, name: str, work: Callable[[ComputeSystem], Awaitable[None]]
    ) -> pb.ComputeSystem:
        """Do something to a system and return what it is then."""
        async with self._open(name) as served:
            await work(served.system)
            return await self._now(served)

    async def _now(self, served: ServedSystem) -> pb.ComputeSystem:
        await self._systems.refresh(served)
        return self._systems.message(served.properties)
