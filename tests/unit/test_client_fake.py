"""A daemon that answers from a script, over a real socket, and the tests of the script itself.

A test says what a method does; what it does not mention is UNIMPLEMENTED, except that GetHost says which
run of the daemon this is. Handlers get what gRPC gives them: a request or an iterator of requests, and the
context.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from hcsd.v1 import (
    compute_system_service_pb2,
    event_service_pb2,
    host_service_pb2,
)
from hcsd.v1 import (
    process_pb2 as pb,
)
from hcsd.v1 import (
    process_service_pb2 as service_pb,
)
from hcsd_client import Client, UnimplementedError
from tests.support.tls import LOOPBACK, Authority

SERVICES = [
    compute_system_service_pb2.DESCRIPTOR.services_by_name["ComputeSystemService"],
    event_service_pb2.DESCRIPTOR.services_by_name["EventService"],
    host_service_pb2.DESCRIPTOR.services_by_name["HostService"],
    service_pb.DESCRIPTOR.services_by_name["ProcessService"],
]
NAME = "systems/host/processes/one"
INCARNATION = "boot"

Context: TypeAlias = "grpc.aio.ServicerContext[Message, Message]"
Unary = Callable[[Message, Context], Awaitable[Message]]
Requests = AsyncIterator[service_pb.RunProcessRequest]
RunHandler = Callable[[Requests, Context], AsyncGenerator[service_pb.RunProcessResponse]]
ReadHandler = Callable[
    [service_pb.ReadOutputRequest, Context], AsyncGenerator[service_pb.ReadOutputResponse]
]
RunDriver = Callable[[Requests, Context], Awaitable[None]]


class FakeDaemon:
    """What a test has scripted, and what its client has sent.

    Attributes:
        requests: All unary requests to methods that a test has mentioned, in order.
        metadata: That of the last call, by key.
        target: Where it listens, as clients take it.
    """

    def __init__(self, target: str) -> None:
        self.requests: list[Message] = []
        self.metadata: dict[str, str] = {}
        self.target = target
        self.server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._unary: dict[str, Unary] = {}
        self._output: list[service_pb.ReadOutputResponse] = []
        self._read: ReadHandler | None = None
        self._run: RunDriver | None = None
        self.server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(
                    service.full_name,
                    {method.name: self._handler(method) for method in service.methods},
                )
                for service in SERVICES
            ]
        )

    def answers(self, method: str, *responses: Message) -> None:
        """Answer calls of a unary method with these, one after the other; the last stays."""
        rest = list(responses)

        async def answer(request: Message, context: Context) -> Message:
            return rest.pop(0) if len(rest) > 1 else rest[0]

        self._unary[method] = answer

    def does(self, method: str, handler: Unary) -> None:
        """Serve a method, unary or ReadOutput, by a function."""
        self._unary[method] = handler

    def method_names(self) -> list[str]:
        """The names of all methods."""
        return [method.name for service in SERVICES for method in service.methods]

    def runs(self, handler: RunHandler) -> None:
        """Serve RunProcess by a generator of events."""

        async def drive(requests: Requests, context: Context) -> None:
            async with contextlib.aclosing(handler(requests, context)) as events:
                async for event in events:
                    await context.write(event)

        self._run = drive

    def drives(self, handler: RunDriver) -> None:
        """Serve RunProcess by a function that writes to the context."""
        self._run = handler

    def reads(self, handler: ReadHandler) -> None:
        """Serve ReadOutput by a generator of events."""
        self._read = handler

    def outputs(self, *events: service_pb.ReadOutputResponse) -> None:
        """Answer ReadOutput with these events."""
        self._output = list(events)

    def _handler(self, method: MethodDescriptor) -> "grpc.RpcMethodHandler[Message, Message]":
        kinds = {
            "request_deserializer": GetMessageClass(method.input_type).FromString,
            "response_serializer": lambda message: message.SerializeToString(),
        }
        if method.client_streaming and method.server_streaming:
            return grpc.stream_stream_rpc_method_handler(self._serve_run, **kinds)
        if method.client_streaming:
            return grpc.stream_unary_rpc_method_handler(_unserved, **kinds)
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(self._serve_output, **kinds)

        async def serve(request: Message, context: Context) -> Message:
            if method.name == "GetHost" and method.name not in self._unary:
                return host_service_pb2.GetHostResponse(incarnation=INCARNATION)
            self._note(request, context)
            handler = self._unary.get(method.name)
            return await (handler(request, context) if handler else _unserved(request, context))

        return grpc.unary_unary_rpc_method_handler(serve, **kinds)

    async def _serve_output(
        self, request: Message, context: Context
    ) -> AsyncIterator[service_pb.ReadOutputResponse]:
        self._note(request, context)
        if self._read is not None:
            assert isinstance(request, service_pb.ReadOutputRequest)
            async for event in self._read(request, context):
                yield event
        for event in self._output:
            yield event
        handler = self._unary.get("ReadOutput")
        if handler is not None:
            await handler(request, context)

    async def _serve_run(self, requests: Requests, context: Context) -> None:
        self._note(None, context)
        await (self._run(requests, context) if self._run else _unserved(None, context))

    def _note(self, request: Message | None, context: Context) -> None:
        if request is not None:
            self.requests.append(request)
        self.metadata = {key: str(value) for key, value in context.invocation_metadata() or ()}


async def _unserved(request: object, context: Context) -> Message:
    await refuse(context, grpc.StatusCode.UNIMPLEMENTED, "not served", "NOT_SERVED")
    raise AssertionError


@contextlib.asynccontextmanager
async def fake_daemon(folder: Path, *, tcp: bool = False) -> AsyncIterator[FakeDaemon]:
    """Run a fake daemon, on a socket in this folder; or on a free port, with `server.pem` in it."""
    daemon = FakeDaemon(f"unix://{folder}/hcsd.sock")
    if tcp:
        port = daemon.server.add_secure_port("127.0.0.1:0", _identity(folder))
        daemon.target = f"127.0.0.1:{port}"
    else:
        daemon.server.add_insecure_port(daemon.target)
    await daemon.server.start()
    yield daemon
    await daemon.server.stop(None)


def _identity(folder: Path) -> grpc.ServerCredentials:
    """Make a certificate, and the authority of it where a daemon would have it."""
    pair = Authority(folder, "server").issue("leaf", *LOOPBACK)
    return grpc.ssl_server_credentials([(pair.key.read_bytes(), pair.certificate.read_bytes())])


def make_status(
    code: grpc.StatusCode,
    message: str,
    reason: str = "",
    *details: Message,
    metadata: dict[str, str] | None = None,
) -> status_pb2.Status:
    """A status as the daemon makes it."""
    status = status_pb2.Status(code=code.value[0], message=message)
    info = error_details_pb2.ErrorInfo(reason=reason, domain="hcsd", metadata=metadata)
    for detail in (info, *details) if reason else details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status


async def refuse(
    context: Context,
    code: grpc.StatusCode,
    message: str,
    reason: str = "",
    *details: Message,
    metadata: dict[str, str] | None = None,
) -> None:
    """End a call as the daemon does."""
    status = rpc_status.to_status(make_status(code, message, reason, *details, metadata=metadata))
    await context.abort(code, message, status.trailing_metadata)


def run_events(
    *events: service_pb.RunProcessResponse, name: str = NAME, ended: pb.ProcessExit | None = None
) -> list[service_pb.RunProcessResponse]:
    """The events of a run: `started` first, then these, then the exit and `end`."""
    process = pb.Process(name=name, pid=7, state=pb.PROCESS_STATE_RUNNING)
    return [
        service_pb.RunProcessResponse(started=pb.OutputStarted(process=process)),
        *events,
        service_pb.RunProcessResponse(exit=ended or pb.ProcessExit(exit_code=0)),
        service_pb.RunProcessResponse(end=pb.OutputEnd()),
    ]


def chunks(
    pieces: Iterable[bytes], stream: pb.OutputStream = pb.OUTPUT_STREAM_STDOUT
) -> list[service_pb.RunProcessResponse]:
    """These bytes as events."""
    events: list[service_pb.RunProcessResponse] = []
    offset = 0
    for piece in pieces:
        chunk = pb.OutputChunk(stream=stream, offset=offset, data=piece)
        events.append(service_pb.RunProcessResponse(chunk=chunk))
        offset += len(piece)
    return events


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[FakeDaemon]:
    async with fake_daemon(tmp_path) as daemon:
        yield daemon


async def test_what_is_not_scripted_is_unimplemented(daemon: FakeDaemon) -> None:
    async with Client(daemon.target) as client:
        with pytest.raises(UnimplementedError):
            await client.get_process(NAME)
        with pytest.raises(UnimplementedError):
            async with client.run_process(["x"]) as run:
                await anext(run)
