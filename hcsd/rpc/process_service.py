"""hcsd.v1.ProcessService: each RPC in a few lines over the daemon's processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio

from hcsd.daemon import modify
from hcsd.daemon.errors import ProcessNotFoundError, RequestError
from hcsd.daemon.kills import Scope
from hcsd.daemon.names import ANY_SYSTEM, parse_process, parse_system
from hcsd.daemon.output import OutputFeed
from hcsd.daemon.reasons import Reason
from hcsd.daemon.statistics import statistics_of
from hcsd.hcs.schema import ProcessStatus
from hcsd.rpc.convert import (
    console_from,
    fill_killed,
    fill_process,
    fill_statistics,
    process_request_from,
    scope_from,
    seconds,
    signal_from,
    status_message,
    timeout_of,
)
from hcsd.rpc.enums import DELIVERIES, PROCESS_STATES, STDIO_HANDLES
from hcsd.rpc.exec_process import exec_process
from hcsd.rpc.input import stream_input, write_input
from hcsd.rpc.output import wanted_from, write_events
from hcsd.rpc.paging import fill_page
from hcsd.rpc.run import run_process
from hcsd.rpc.sizes import sendable
from hcsd.v1 import process_service_pb2 as service_pb
from hcsd.v1.process_service_pb2_grpc import ProcessServiceServicer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hcsd.daemon.daemon import Daemon
    from hcsd.daemon.process import Process
    from hcsd.rpc.calls import Context
    from hcsd.rpc.validate import Validator


R = TypeVar(
    "R",
    service_pb.CreateProcessResponse,
    service_pb.OpenProcessResponse,
    service_pb.GetProcessResponse,
    service_pb.WaitProcessResponse,
    service_pb.SignalProcessResponse,
    service_pb.TerminateProcessResponse,
    service_pb.ModifyProcessResponse,
)


class ProcessService(ProcessServiceServicer):
    """Serves processes. What a request must hold is checked before it comes here.

    Args:
        daemon: The daemon.
        validator: Holds the rules of the contract, for requests that come in a stream.
    """

    def __init__(self, daemon: Daemon, validator: Validator) -> None:
        self._daemon = daemon
        self._validator = validator
        self._processes = daemon.processes

    def _get(self, name: str) -> Process:
        return self._processes.get(parse_process(name))

    async def CreateProcess(
        self, request: service_pb.CreateProcessRequest, context: Context
    ) -> service_pb.CreateProcessResponse:
        process, replayed = await self._processes.create(process_request_from(request, owned=False))
        return _with(service_pb.CreateProcessResponse(replayed=replayed), process)

    async def OpenProcess(
        self, request: service_pb.OpenProcessRequest, context: Context
    ) -> service_pb.OpenProcessResponse:
        process = await self._processes.open(
            parse_system(request.parent), request.pid, request.process_id
        )
        return _with(service_pb.OpenProcessResponse(), process)

    async def GetProcess(
        self, request: service_pb.GetProcessRequest, context: Context
    ) -> service_pb.GetProcessResponse:
        return _with(service_pb.GetProcessResponse(), self._get(request.name))

    async def ListProcesses(
        self, request: service_pb.ListProcessesRequest, context: Context
    ) -> service_pb.ListProcessesResponse:
        system_id = parse_system(request.parent)
        if system_id != ANY_SYSTEM and not self._processes.of_system(system_id):
            await self._daemon.systems.find(system_id)  # it must be there, or have been there
        response = service_pb.ListProcessesResponse()
        response.next_page_token = fill_page(
            response.processes,
            (process for process in self._processes if _matches(process, request, system_id)),
            lambda message, process: fill_process(message, process.view()),
            lambda process: process.number,
            request,
            limit=self._daemon.limits.max_page_size,
            kind=int,
        )
        return response

    async def WaitProcess(
        self, request: service_pb.WaitProcessRequest, context: Context
    ) -> service_pb.WaitProcessResponse:
        process = self._get(request.name)
        complete = request.wait_for == service_pb.WAIT_FOR_OUTPUT_COMPLETE
        awaited = process.ended if complete else process.exited
        if not awaited.is_set:  # else a timeout of zero would come first
            with anyio.move_on_after(timeout_of(request)):
                await awaited.wait()
            if process.deleted and (complete or process.exit is None):
                raise ProcessNotFoundError(process.name)
        return _with(service_pb.WaitProcessResponse(timed_out=not awaited.is_set), process)

    async def SignalProcess(
        self, request: service_pb.SignalProcessRequest, context: Context
    ) -> service_pb.SignalProcessResponse:
        process = self._get(request.name)
        delivery = await process.signal(signal_from(request.signal))
        return _with(service_pb.SignalProcessResponse(delivery=DELIVERIES[delivery]), process)

    async def TerminateProcess(
        self, request: service_pb.TerminateProcessRequest, context: Context
    ) -> service_pb.TerminateProcessResponse:
        process = self._get(request.name)
        scope = scope_from(request.scope, Scope.PROCESS)
        response = service_pb.TerminateProcessResponse(timed_out=True)
        with anyio.move_on_after(timeout_of(request)):
            killed = await process.terminate(seconds(request.grace_period), scope)
            response.timed_out = False
            fill_killed(response, killed)
        return _with(response, process)

    async def ModifyProcess(
        self, request: service_pb.ModifyProcessRequest, context: Context
    ) -> service_pb.ModifyProcessResponse:
        process = self._get(request.name)
        kind = request.WhichOneof("modification")
        if kind == "console_size":
            await modify.resize(process, console_from(request.console_size))
        elif kind == "close_handles":
            for handle in request.close_handles.handles:
                await modify.close_stdio(process, STDIO_HANDLES[handle])
        else:
            await modify.modify(process, request.modification_json)
        return _with(service_pb.ModifyProcessResponse(), process)

    async def GetProcessProperties(
        self, request: service_pb.GetProcessPropertiesRequest, context: Context
    ) -> service_pb.GetProcessPropertiesResponse:
        engine = self._get(request.name).engine
        assert engine is not None  # noqa: S101  (no process is found before it runs)
        statistics = await statistics_of(engine) if request.include_stats else None
        document = await engine.properties(request.property_query_json or None)
        status = ProcessStatus.parse(document)
        response = service_pb.GetProcessPropertiesResponse(
            properties_json=document or "", status=status_message(status)
        )
        if statistics is not None and not status.exited:
            response.stats.SetInParent()
            fill_statistics(response.stats, statistics)
        return sendable(response, "ask for less with 'property_query_json'")

    async def DeleteProcess(
        self, request: service_pb.DeleteProcessRequest, context: Context
    ) -> service_pb.DeleteProcessResponse:
        try:
            process = self._get(request.name)
        except ProcessNotFoundError:
            if request.allow_missing:
                return service_pb.DeleteProcessResponse()
            raise
        if process.running and not request.force:
            raise StillRunningError(process.name)
        scope = scope_from(request.scope, Scope.TREE_BEST_EFFORT)
        killed = await process.delete(scope if request.force else None)
        response = service_pb.DeleteProcessResponse()
        fill_killed(response, killed)
        return response

    async def ReadOutput(  # type: ignore[override]  # a coroutine that writes is legal, too
        self, request: service_pb.ReadOutputRequest, context: Context
    ) -> None:
        feed: OutputFeed[service_pb.ReadOutputResponse] = OutputFeed(
            self._get(request.name),
            self._daemon.stalls,
            wanted_from(request, self._daemon.limits, request.heartbeat_interval),
            follow=request.follow,
        )
        try:
            await write_events(feed, service_pb.ReadOutputResponse, context)
        finally:
            feed.close()

    async def WriteInput(
        self, request: service_pb.WriteInputRequest, context: Context
    ) -> service_pb.WriteInputResponse:
        return await write_input(self._processes, request)

    async def StreamInput(
        self, request_iterator: AsyncIterator[service_pb.StreamInputRequest], context: Context
    ) -> service_pb.StreamInputResponse:
        return await stream_input(self._processes, self._validator, request_iterator)

    async def ExecProcess(
        self, request: service_pb.ExecProcessRequest, context: Context
    ) -> service_pb.ExecProcessResponse:
        return await exec_process(self._daemon, request)

    async def RunProcess(  # type: ignore[override]  # a coroutine that writes is legal, too
        self,
        request_iterator: AsyncIterator[service_pb.RunProcessRequest],
        context: Context,
    ) -> None:
        await run_process(self._daemon, self._validator, request_iterator, context)


class StillRunningError(RequestError):
    """A running process cannot be deleted without force."""

    def __init__(self, name: str) -> None:
        super().__init__(
            Reason.PROCESS_RUNNING,
            f"process '{name}' is running: terminate it first, or delete it with 'force'",
            metadata={"process": name},
        )


def _with(response: R, process: Process) -> R:
    """Fill in the process of an answer, in place: a message that is passed in would be copied."""
    fill_process(response.process, process.view())
    return response


def _matches(process: Process, request: service_pb.ListProcessesRequest, system_id: str) -> bool:
    labels = process.identity.labels
    return (
        system_id in {ANY_SYSTEM, process.key.system_id}
        and (not request.states or PROCESS_STATES[process.life] in request.states)
        and all(labels.get(key) == value for key, value in request.labels.items())
    )
