"""hcsd.v1.ProcessService: each RPC in a few lines over the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import grpc

from hcsd.hcs.schema import ProcessStatus
from hcsd.service.control import Control
from hcsd.service.errors import (
    ProcessNotFoundError,
    RequestError,
)
from hcsd.service.figures import stats_of
from hcsd.service.input import stream_input, write_input
from hcsd.service.names import ANY_SYSTEM, parse_system
from hcsd.service.output import OutputFeed
from hcsd.service.paging import page
from hcsd.service.run import run_process
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from hcsd.v1.process_service_pb2_grpc import ProcessServiceServicer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hcsd.service.interceptor import Context
    from hcsd.service.registry import Registry
    from hcsd.service.served import ServedProcess


class ProcessService(ProcessServiceServicer):
    """Serves processes. What a request must hold is checked before it comes here."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def CreateProcess(
        self, request: service_pb.CreateProcessRequest, context: Context
    ) -> service_pb.CreateProcessResponse:
        process, replayed = await self._registry.create(request, owned=False)
        return service_pb.CreateProcessResponse(process=process.message(), replayed=replayed)

    async def OpenProcess(
        self, request: service_pb.OpenProcessRequest, context: Context
    ) -> service_pb.OpenProcessResponse:
        process = await self._registry.open(request)
        return service_pb.OpenProcessResponse(process=process.message())

    async def GetProcess(
        self, request: service_pb.GetProcessRequest, context: Context
    ) -> service_pb.GetProcessResponse:
        return service_pb.GetProcessResponse(process=self._registry.get(request.name).message())

    async def ListProcesses(
        self, request: service_pb.ListProcessesRequest, context: Context
    ) -> service_pb.ListProcessesResponse:
        system_id = parse_system(request.parent)
        if system_id != ANY_SYSTEM:
            await self._registry.system(system_id)
        found, token = page(
            [process for process in self._registry if _matches(process, request, system_id)],
            lambda process: process.number,
            request.page_size,
            request.page_token,
            self._registry.limits.max_page_size,
            kind=int,
        )
        return service_pb.ListProcessesResponse(
            processes=[process.message() for process in found], next_page_token=token
        )

    async def WaitProcess(
        self, request: service_pb.WaitProcessRequest, context: Context
    ) -> service_pb.WaitProcessResponse:
        process = self._registry.get(request.name)
        timeout = None
        if request.HasField("timeout"):
            timeout = request.timeout.ToNanoseconds() / 1e9
        complete = request.wait_for == service_pb.WAIT_FOR_OUTPUT_COMPLETE
        awaited = process.ended if complete else process.exited
        if not awaited.is_set:  # else a timeout of zero would come first
            with anyio.move_on_after(timeout):
                await awaited.wait()
            if process.deleted and (complete or process.was_dropped):
                raise ProcessNotFoundError(process.name)
        return service_pb.WaitProcessResponse(
            process=process.message(), timed_out=not awaited.is_set
        )

    async def SignalProcess(
        self, request: service_pb.SignalProcessRequest, context: Context
    ) -> service_pb.SignalProcessResponse:
        process = self._registry.get(request.name)
        delivery = await Control(self._registry, process).signal(request.signal)
        return service_pb.SignalProcessResponse(delivery=delivery, process=process.message())

    async def TerminateProcess(
        self, request: service_pb.TerminateProcessRequest, context: Context
    ) -> service_pb.TerminateProcessResponse:
        process = self._registry.get(request.name)
        grace = request.grace_period.ToNanoseconds() / 1e9
        tree = request.scope == service_pb.TERMINATE_SCOPE_TREE
        await Control(self._registry, process).terminate(grace, tree=tree)
        return service_pb.TerminateProcessResponse(process=process.message())

    async def ModifyProcess(
        self, request: service_pb.ModifyProcessRequest, context: Context
    ) -> service_pb.ModifyProcessResponse:
        process = self._registry.get(request.name)
        await Control(self._registry, process).modify(request)
        return service_pb.ModifyProcessResponse(process=process.message())

    async def GetProcessProperties(
        self, request: service_pb.GetProcessPropertiesRequest, context: Context
    ) -> service_pb.GetProcessPropertiesResponse:
        engine = self._registry.get(request.name).engine
        assert engine is not None  # noqa: S101  (the registry shows no process before it runs)
        stats = await stats_of(engine) if request.include_stats else None
        document = await engine.properties(request.property_query_json or None)
        status = ProcessStatus.parse(document)
        return service_pb.GetProcessPropertiesResponse(
            properties_json=document or "",
            status=pb.ProcessStatus(
                pid=status.process_id,
                exited=status.exited,
                exit_code=status.exit_code,
                last_wait_result=status.last_wait_result,
                signal=status.signal or None,
            ),
            stats=None if status.exited else stats,
        )

    async def DeleteProcess(
        self, request: service_pb.DeleteProcessRequest, context: Context
    ) -> service_pb.DeleteProcessResponse:
        try:
            process = self._registry.get(request.name)
        except ProcessNotFoundError:
            if request.allow_missing:
                return service_pb.DeleteProcessResponse()
            raise
        if process.running and not request.force:
            raise StillRunningError(process.name)
        await Control(self._registry, process).delete()
        return service_pb.DeleteProcessResponse()

    async def ReadOutput(  # type: ignore[override]  # a coroutine that writes is legal, too
        self, request: service_pb.ReadOutputRequest, context: Context
    ) -> None:
        feed = OutputFeed(
            self._registry.get(request.name),
            service_pb.ReadOutputResponse,
            self._registry.stalls,
            cursors=request.cursors,
            follow=request.follow,
            gap_policy=request.gap_policy,
            max_chunk_bytes=request.max_chunk_bytes or self._registry.limits.default_chunk_bytes,
        )
        try:
            await feed.pump(context.write)
        finally:
            feed.close()

    async def WriteInput(
        self, request: service_pb.WriteInputRequest, context: Context
    ) -> service_pb.WriteInputResponse:
        return await write_input(self._registry, request)

    async def StreamInput(
        self, request_iterator: AsyncIterator[service_pb.StreamInputRequest], context: Context
    ) -> service_pb.StreamInputResponse:
        return await stream_input(self._registry, request_iterator)

    async def RunProcess(  # type: ignore[override]  # a coroutine that writes is legal, too
        self,
        request_iterator: AsyncIterator[service_pb.RunProcessRequest],
        context: Context,
    ) -> None:
        await run_process(self._registry, request_iterator, context)


class StillRunningError(RequestError):
    """A running process cannot be deleted without force."""

    def __init__(self, name: str) -> None:
        super().__init__(
            grpc.StatusCode.FAILED_PRECONDITION,
            "PROCESS_RUNNING",
            f"process '{name}' is running: terminate it first, or delete it with 'force'",
            metadata={"process": name},
        )


def _matches(
    process: ServedProcess, request: service_pb.ListProcessesRequest, system_id: str
) -> bool:
    labels = process.plan.labels
    return (
        system_id in {ANY_SYSTEM, process.key.system_id}
        and (not request.states or process.state in request.states)
        and all(labels.get(key) == value for key, value in request.labels.items())
    )
