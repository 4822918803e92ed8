"""hcsd.v1.ComputeSystemService: each RPC in a few lines over the systems that the daemon knows."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import anyio

from hcsd.daemon.names import parse_system
from hcsd.daemon.shutdown import Outcome, shut_down
from hcsd.daemon.statistics import read_statistics
from hcsd.daemon.system_errors import about
from hcsd.daemon.system_life import Trigger
from hcsd.hcs.schema import SystemQuery
from hcsd.rpc.convert import fill_statistics, seconds, system_message, system_request_from
from hcsd.rpc.enums import SYSTEM_TYPES
from hcsd.rpc.paging import fill_page
from hcsd.rpc.sizes import sendable
from hcsd.v1 import compute_system_service_pb2 as service_pb
from hcsd.v1 import process_pb2
from hcsd.v1.compute_system_service_pb2_grpc import ComputeSystemServiceServicer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from hcsd.daemon.daemon import Daemon
    from hcsd.daemon.system import System
    from hcsd.hcs.system import ComputeSystem
    from hcsd.rpc.calls import Context
    from hcsd.v1 import compute_system_pb2 as pb

SHUTDOWN_TIMEOUT = 30.0  # seconds if the caller does not say, as in hcsshim


class ComputeSystemService(ComputeSystemServiceServicer):
    """Serves compute systems. What a request must hold is checked before it comes here."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._systems = daemon.systems

    async def CreateComputeSystem(
        self, request: service_pb.CreateComputeSystemRequest, context: Context
    ) -> service_pb.CreateComputeSystemResponse:
        system, replayed = await self._systems.create(system_request_from(request))
        with about(system.id):
            return service_pb.CreateComputeSystemResponse(
                system=await self._now(system), replayed=replayed
            )

    async def GetComputeSystem(
        self, request: service_pb.GetComputeSystemRequest, context: Context
    ) -> service_pb.GetComputeSystemResponse:
        async with self._found(request.name) as system:
            return service_pb.GetComputeSystemResponse(system=await self._now(system))

    async def ListComputeSystems(
        self, request: service_pb.ListComputeSystemsRequest, context: Context
    ) -> service_pb.ListComputeSystemsResponse:
        query = SystemQuery(
            ids=list(request.ids),
            names=list(request.names),
            types=[name for name, value in SYSTEM_TYPES.items() if value in request.types],
            owners=list(request.owners),
        )
        systems = await self._daemon.host.systems(query)
        response = service_pb.ListComputeSystemsResponse()
        response.next_page_token = fill_page(
            response.systems,
            sorted(systems, key=lambda system: system.id),
            lambda message, system: message.CopyFrom(system_message(self._systems.view(system))),
            lambda system: system.id,
            request,
            limit=self._daemon.limits.max_page_size,
            kind=str,
        )
        return response

    async def StartComputeSystem(
        self, request: service_pb.StartComputeSystemRequest, context: Context
    ) -> service_pb.StartComputeSystemResponse:
        system = await self._change(
            request.name, lambda system: self._systems.start(system, request.options_json or None)
        )
        return service_pb.StartComputeSystemResponse(system=system)

    async def ShutDownComputeSystem(
        self, request: service_pb.ShutDownComputeSystemRequest, context: Context
    ) -> service_pb.ShutDownComputeSystemResponse:
        timeout = SHUTDOWN_TIMEOUT
        if request.HasField("timeout"):
            timeout = seconds(request.timeout)
        async with self._found(request.name) as system:
            outcome = Outcome(forced=False, timed_out=False)
            if not system.ended:

                async def end() -> Outcome:
                    with system.in_use():  # also if the caller leaves
                        return await shut_down(
                            system.engine,
                            lambda: self._systems.step(
                                system,
                                Trigger.SHUTTING_DOWN,
                                lambda: system.engine.shut_down(request.options_json or None),
                            ),
                            timeout,
                            force=request.force,
                        )

                outcome = await self._daemon.background.run(end, f"shut down {system.name}")
            return service_pb.ShutDownComputeSystemResponse(
                system=await self._now(system), forced=outcome.forced, timed_out=outcome.timed_out
            )

    async def TerminateComputeSystem(
        self, request: service_pb.TerminateComputeSystemRequest, context: Context
    ) -> service_pb.TerminateComputeSystemResponse:
        async with self._found(request.name) as system:
            if not system.ended:
                await system.engine.terminate(request.options_json or None)
            return service_pb.TerminateComputeSystemResponse(system=await self._now(system))

    async def PauseComputeSystem(
        self, request: service_pb.PauseComputeSystemRequest, context: Context
    ) -> service_pb.PauseComputeSystemResponse:
        system = await self._step(
            request.name,
            Trigger.PAUSED,
            lambda engine: engine.pause(request.options_json or None),
        )
        return service_pb.PauseComputeSystemResponse(system=system)

    async def ResumeComputeSystem(
        self, request: service_pb.ResumeComputeSystemRequest, context: Context
    ) -> service_pb.ResumeComputeSystemResponse:
        system = await self._step(
            request.name,
            Trigger.RESUMED,
            lambda engine: engine.resume(request.options_json or None),
        )
        return service_pb.ResumeComputeSystemResponse(system=system)

    async def SaveComputeSystem(
        self, request: service_pb.SaveComputeSystemRequest, context: Context
    ) -> service_pb.SaveComputeSystemResponse:
        system = await self._change(
            request.name, lambda system: system.engine.save(request.options_json or None)
        )
        return service_pb.SaveComputeSystemResponse(system=system)

    async def ModifyComputeSystem(
        self, request: service_pb.ModifyComputeSystemRequest, context: Context
    ) -> service_pb.ModifyComputeSystemResponse:
        system = await self._change(
            request.name, lambda system: system.engine.modify(request.settings_json)
        )
        return service_pb.ModifyComputeSystemResponse(system=system)

    async def GetComputeSystemProperties(
        self, request: service_pb.GetComputeSystemPropertiesRequest, context: Context
    ) -> service_pb.GetComputeSystemPropertiesResponse:
        query = request.property_query_json or None
        if request.property_types:
            query = json.dumps({"PropertyTypes": list(request.property_types)})
        async with self._open(request.name) as system:
            document = await system.engine.raw_properties(query) or ""
        statistics, processes = read_statistics(document)
        response = service_pb.GetComputeSystemPropertiesResponse(
            properties_json=document,
            process_list=[fill_statistics(process_pb2.ProcessStats(), it) for it in processes],
        )
        if statistics is not None:
            response.statistics.SetInParent()
            fill_statistics(response.statistics, statistics)
        return sendable(response, "ask for fewer 'property_types'")

    async def WaitComputeSystem(
        self, request: service_pb.WaitComputeSystemRequest, context: Context
    ) -> service_pb.WaitComputeSystemResponse:
        timeout = None
        if request.HasField("timeout"):
            timeout = seconds(request.timeout)
        async with self._found(request.name) as system:
            if not system.ended:  # else a timeout of zero would come first
                with anyio.move_on_after(timeout):
                    await system.engine.exited.wait()
            timed_out = not system.ended
            return service_pb.WaitComputeSystemResponse(
                system=await self._now(system), timed_out=timed_out
            )

    @contextlib.asynccontextmanager
    async def _found(self, name: str) -> AsyncIterator[System]:
        """Find a system, which may have ended, and name it in the errors of what is done inside."""
        system_id = parse_system(name)
        with about(system_id), (await self._systems.find(system_id)).in_use() as system:
            yield system

    @contextlib.asynccontextmanager
    async def _open(self, name: str) -> AsyncIterator[System]:
        """The same of a system that must not have ended."""
        system_id = parse_system(name)
        with about(system_id), (await self._systems.open(system_id)).in_use() as system:
            yield system

    async def _change(
        self, name: str, work: Callable[[System], Awaitable[None]]
    ) -> pb.ComputeSystem:
        """Do something to a system and return what it is then."""
        async with self._open(name) as system:
            await work(system)
            return await self._now(system)

    async def _step(
        self, name: str, trigger: Trigger, work: Callable[[ComputeSystem], Awaitable[None]]
    ) -> pb.ComputeSystem:
        """Do what is a step in the life of a system, and return what it is then."""
        return await self._change(
            name, lambda system: self._systems.step(system, trigger, lambda: work(system.engine))
        )

    async def _now(self, system: System) -> pb.ComputeSystem:
        await self._systems.refresh(system)
        return system_message(self._systems.view(system.properties))
