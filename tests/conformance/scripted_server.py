"""A server that answers what no daemon here could: any error, any exit code, and a contract of the future.

What it answers follows from the id of the process that is asked about:

    error-CODE-REASON   every call fails with them, and with an HRESULT if the reason is none of our own
    exit-N              a process that has exited with N
    newer               messages with fields, members and enum values that nobody knows yet
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar

import anyio
import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from hcsd.v1 import (
    error_pb2,
    event_pb2,
    event_service_pb2,
    event_service_pb2_grpc,
    process_service_pb2_grpc,
)
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb

HRESULT = 0x8037010E
UNKNOWN_VALUE = 99  # of an enum
M = TypeVar("M", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]


def unknown_field(number: int) -> bytes:
    """Return a field with a text, as it is on the wire."""
    tag, text = number << 3 | 2, b"from the future"
    encoded = bytearray()
    while tag > 0x7F:
        encoded.append(tag & 0x7F | 0x80)
        tag >>= 7
    return bytes([*encoded, tag, len(text)]) + text


def newer(message: M) -> M:
    """Add fields that nobody knows."""
    message.MergeFromString(unknown_field(1000))
    return message


def process_of(name: str) -> pb.Process:
    process = pb.Process(name=name, uid=name, incarnation="scripted", pid=7)
    action, _, number = name.rpartition("/")[2].partition("-")
    if action == "exit":
        process.state = pb.PROCESS_STATE_EXITED
        process.exit.exit_code = int(number)
        process.exit.reason = pb.EXIT_REASON_EXITED
        return process
    process.state = UNKNOWN_VALUE  # type: ignore[assignment]  # of the future
    process.exit.exit_code = 0
    process.exit.reason = UNKNOWN_VALUE  # type: ignore[assignment]
    newer(process.exit)
    return newer(process)


async def refuse(context: Context, words: str) -> NoReturn:
    """Fail as an id says: CODE, and a reason if there is one."""
    name, _, reason = words.partition("-")
    code = grpc.StatusCode[name]
    status = status_pb2.Status(code=code.value[0], message=f"scripted: {words}")
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(
            reason=reason or "SCRIPTED", domain="hcsd", metadata={"process": "scripted"}
        )
    )
    if not reason:  # HCS has said it
        status.details.add().Pack(
            error_pb2.HcsErrorDetail(hresult=HRESULT, symbol="SCRIPTED", function="HcsScripted")
        )
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        status.details.add().Pack(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(
                        field=field, reason="required", description="must be set"
                    )
                    for field in ("spec.argv.args", "parent")
                ]
            )
        )
    status.details.add().Pack(pb.Console())  # a detail that nobody expects
    context.set_trailing_metadata((("hcsd-request-id", "scripted"),))
    await context.abort_with_status(rpc_status.to_status(status))


class Processes(process_service_pb2_grpc.ProcessServiceServicer):
    """See the module."""

    async def _process(self, request: Message, context: Context) -> pb.Process:
        name: str = request.name  # type: ignore[attr-defined]  # each of them has one
        action, _, words = name.rpartition("/")[2].partition("-")
        if action == "error":
            await refuse(context, words)
        return process_of(name)

    async def GetProcess(
        self, request: service_pb.GetProcessRequest, context: Context
    ) -> service_pb.GetProcessResponse:
        return newer(service_pb.GetProcessResponse(process=await self._process(request, context)))

    async def WaitProcess(
        self, request: service_pb.WaitProcessRequest, context: Context
    ) -> service_pb.WaitProcessResponse:
        return newer(service_pb.WaitProcessResponse(process=await self._process(request, context)))

    async def SignalProcess(
        self, request: service_pb.SignalProcessRequest, context: Context
    ) -> service_pb.SignalProcessResponse:
        process = await self._process(request, context)
        return service_pb.SignalProcessResponse(
            delivery=UNKNOWN_VALUE,  # type: ignore[arg-type]
            process=process,
        )

    async def ReadOutput(
        self, request: service_pb.ReadOutputRequest, context: Context
    ) -> AsyncIterator[service_pb.ReadOutputResponse]:
        process = await self._process(request, context)
        cursors = [pb.OutputCursor(stream=pb.OUTPUT_STREAM_STDOUT, offset=0)]
        unknown = service_pb.ReadOutputResponse()
        unknown.MergeFromString(unknown_field(90))
        started = pb.OutputStarted(process=process, cursors=cursors)
        yield service_pb.ReadOutputResponse(started=newer(started))
        yield unknown
        for offset, data in ((0, b"first "), (6, b"second")):
            chunk = pb.OutputChunk(
                stream=pb.OUTPUT_STREAM_STDOUT, offset=offset, data=data, sequence=offset + 1
            )
            yield service_pb.ReadOutputResponse(chunk=newer(chunk))
            yield unknown
        eof = pb.OutputEof(stream=pb.OUTPUT_STREAM_STDOUT, end_offset=12)
        yield service_pb.ReadOutputResponse(eof=newer(eof))
        yield service_pb.ReadOutputResponse(end=pb.OutputEnd(cursors=cursors))


class Events(event_service_pb2_grpc.EventServiceServicer):
    """One message of an unknown kind, one event of an unknown type, and no end."""

    async def WatchEvents(
        self, request: event_service_pb2.WatchEventsRequest, context: Context
    ) -> AsyncIterator[event_service_pb2.WatchEventsResponse]:
        unknown = event_service_pb2.WatchEventsResponse()
        unknown.MergeFromString(unknown_field(90))
        yield unknown
        event = event_pb2.Event(revision=2**53 - 1, incarnation="scripted")
        event.process.type = UNKNOWN_VALUE  # type: ignore[assignment]
        event.process.process.CopyFrom(process_of("systems/host/processes/newer"))
        yield event_service_pb2.WatchEventsResponse(event=newer(event))
        await anyio.sleep_forever()


@asynccontextmanager
async def scripted(listen: str) -> AsyncIterator[str]:
    """Run it at an address, in clear; port 0 is a free one. Give the address that it has."""
    server = grpc.aio.server()
    process_service_pb2_grpc.add_ProcessServiceServicer_to_server(Processes(), server)  # type: ignore[abstract]  # as generated
    event_service_pb2_grpc.add_EventServiceServicer_to_server(Events(), server)
    port = server.add_insecure_port(listen)
    await server.start()
    try:
        yield listen.removesuffix(":0") + (f":{port}" if listen.endswith(":0") else "")
    finally:
        await server.stop(None)
