"""The contract from the outside: raw stubs, and what holds of every stream and of every refusal."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeVar, cast

import anyio
import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status import rpc_status

from hcsd.v1 import (
    compute_system_service_pb2_grpc,
    error_pb2,
    event_service_pb2_grpc,
    host_service_pb2,
    host_service_pb2_grpc,
    process_service_pb2_grpc,
)
from hcsd.v1 import (
    process_pb2 as pb,
)
from hcsd.v1 import (
    process_service_pb2 as service_pb,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence

    from google.protobuf.message import Message

    Event = service_pb.ReadOutputResponse | service_pb.RunProcessResponse
    RunCall = grpc.aio.StreamStreamCall[service_pb.RunProcessRequest, service_pb.RunProcessResponse]
    AnyCall = (
        RunCall
        | grpc.aio.UnaryStreamCall[service_pb.ReadOutputRequest, service_pb.ReadOutputResponse]
    )

HOST = "systems/host"
STDOUT = pb.OUTPUT_STREAM_STDOUT
STDERR = pb.OUTPUT_STREAM_STDERR
REQUEST_ID = "hcsd-request-id"

Metadata = tuple[tuple[str, str], ...]
D = TypeVar("D", bound="Message")


def seconds(value: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(int(value * 1e9))
    return duration


def sh(script: str, *arguments: str) -> pb.Argv:
    return pb.Argv(args=["sh", "-c", script, "sh", *arguments])


def at(stream: pb.OutputStream, offset: int) -> pb.OutputCursor:
    return pb.OutputCursor(stream=stream, offset=offset)


def tail(stream: pb.OutputStream, last_bytes: int) -> pb.OutputCursor:
    return pb.OutputCursor(stream=stream, last_bytes=last_bytes)


class Refusal:
    """An error as a client gets it."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.code = error.code()
        self.message = error.details() or ""
        self.trailers = dict(error.trailing_metadata() or ())
        self._status = rpc_status.from_call(error)  # type: ignore[arg-type]  # it quacks

    def detail(self, kind: type[D]) -> D:
        """The one detail of that type."""
        assert self._status is not None, f"no details: {self.code} {self.message}"
        found = kind()
        packed = [item for item in self._status.details if item.Is(found.DESCRIPTOR)]
        assert len(packed) == 1, f"{len(packed)} of {kind.__name__}: {self._status}"
        assert packed[0].Unpack(found)
        return found

    @property
    def info(self) -> error_details_pb2.ErrorInfo:
        return self.detail(error_details_pb2.ErrorInfo)

    @property
    def reason(self) -> str:
        return self.info.reason

    @property
    def hcs(self) -> error_pb2.HcsErrorDetail:
        return self.detail(error_pb2.HcsErrorDetail)

    @property
    def fields(self) -> list[str]:
        """The fields that a bad request is told of, in order."""
        return [field for field, _ in self.violations]

    @property
    def violations(self) -> list[tuple[str, str]]:
        """The same with the rule that each breaks."""
        bad = self.detail(error_details_pb2.BadRequest)
        return [(violation.field, violation.reason) for violation in bad.field_violations]


class Refused:
    """Holds the refusal once the block of `refused` is over."""

    value: Refusal


@contextlib.contextmanager
def refused(code: grpc.StatusCode, reason: str | None = None) -> Iterator[Refused]:
    """Expect the daemon to refuse what is done inside, and to do it as it does all refusals."""
    box = Refused()
    try:
        yield box
    except grpc.aio.AioRpcError as error:
        box.value = Refusal(error)
    else:
        raise AssertionError(f"was not refused with {code.name}")
    assert box.value.code is code, f"{box.value.code}: {box.value.message}"
    check_refusal(box.value)
    if reason is not None:
        assert box.value.reason == reason


async def code_of(call: Awaitable[object]) -> grpc.StatusCode:
    """OK, or what a call was refused with, whoever refused it."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def check_refusal(refusal: Refusal) -> None:
    """What holds of every error that the daemon itself gives."""
    assert refusal.info.domain == "hcsd"
    assert refusal.reason == refusal.reason.upper()
    assert refusal.message[:1].islower(), refusal.message
    assert "Traceback" not in refusal.message
    assert "Error(" not in refusal.message, refusal.message  # the repr of an exception
    assert refusal.trailers.get(REQUEST_ID)


class Output:
    """What a stream of output events has told so far; refuses what the contract does not allow.

    Attributes:
        kinds: The kinds of all events, in order.
        data: The bytes of each stream.
        gaps: The gaps of each stream.
        sizes: The sizes of all chunks.
    """

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.started: pb.OutputStarted | None = None
        self.data: dict[int, bytearray] = {}
        self.gaps: dict[int, list[tuple[int, int]]] = {}
        self.sizes: list[int] = []
        self.eofs: dict[int, pb.OutputEof] = {}
        self.exit: pb.ProcessExit | None = None
        self.committed = 0
        self.stdin_closed = False
        self.op_errors: list[service_pb.OpError] = []
        self._offsets: dict[int, int] = {}
        self._sequence = 0

    @property
    def process(self) -> pb.Process:
        assert self.started is not None
        return self.started.process

    @property
    def stdout(self) -> bytes:
        return bytes(self.data[STDOUT])

    @property
    def stderr(self) -> bytes:
        return bytes(self.data[STDERR])

    @property
    def code(self) -> int:
        assert self.exit is not None
        assert self.exit.WhichOneof("outcome") == "exit_code"
        return self.exit.exit_code

    @property
    def ended(self) -> bool:
        return "end" in self.kinds

    def take(self, event: Event) -> str:
        kind: str | None = event.WhichOneof("event")
        assert kind is not None
        assert not self.ended, f"{kind} after end"
        assert (kind == "started") is (not self.kinds), f"{kind} after {self.kinds}"
        self.kinds.append(kind)
        if kind == "started":
            self._start(event.started)
        elif kind == "chunk":
            self._add(event.chunk)
        elif kind == "gap":
            self._skip(event.gap)
        elif kind == "eof":
            assert event.eof.stream not in self.eofs
            assert event.eof.end_offset == self._offsets[event.eof.stream]
            self.eofs[event.eof.stream] = event.eof
        elif kind == "exit":
            assert self.exit is None
            self.exit = event.exit
        elif kind == "end":
            assert {c.stream: c.offset for c in event.end.cursors} == self._offsets
        elif kind != "heartbeat" and isinstance(event, service_pb.RunProcessResponse):
            self._step(event)
        return kind

    def _start(self, started: pb.OutputStarted) -> None:
        self.started = started
        for cursor in started.cursors:
            assert cursor.WhichOneof("position") == "offset"
            self._offsets[cursor.stream] = cursor.offset
            self.data[cursor.stream] = bytearray()
            self.gaps[cursor.stream] = []

    def _add(self, chunk: pb.OutputChunk) -> None:
        self._sequence += 1
        assert chunk.data
        assert chunk.stream not in self.eofs
        assert chunk.offset == self._offsets[chunk.stream]
        assert chunk.sequence == self._sequence
        self._offsets[chunk.stream] += len(chunk.data)
        self.data[chunk.stream] += chunk.data
        self.sizes.append(len(chunk.data))

    def _skip(self, gap: pb.OutputGap) -> None:
        assert gap.from_offset == self._offsets[gap.stream]
        assert gap.to_offset > gap.from_offset
        self._offsets[gap.stream] = gap.to_offset
        self.gaps[gap.stream].append((gap.from_offset, gap.to_offset))

    def _step(self, event: service_pb.RunProcessResponse) -> None:
        if event.HasField("stdin_accepted"):
            assert event.stdin_accepted.committed_offset >= self.committed
            self.committed = event.stdin_accepted.committed_offset
            self.stdin_closed = event.stdin_accepted.closed
        else:
            self.op_errors.append(event.op_error)


class Feed:
    """A call whose responses are output events; `output` has what it has told so far."""

    def __init__(self, call: AnyCall) -> None:
        self.call = call
        self.output = Output()

    async def read(self) -> str:
        """Take one event; returns its kind.

        Raises:
            grpc.aio.AioRpcError: The call has ended, and not with OK.
        """
        event = await self.call.read()
        assert isinstance(event, (service_pb.ReadOutputResponse, service_pb.RunProcessResponse)), (
            f"the call ended after {self.output.kinds[-3:]}"
        )
        return self.output.take(event)

    async def until(self, kind: str) -> Output:
        """Read up to the next event of that kind."""
        while await self.read() != kind:
            pass
        return self.output

    async def until_out(self, text: bytes, stream: int = STDOUT) -> Output:
        """Read until this has been written to the stream."""
        while text not in self.output.data.get(stream, b""):
            await self.read()
        return self.output

    async def finish(self) -> Output:
        """Read up to `end`, after which the call must be over with OK."""
        if not self.output.ended:
            await self.until("end")
        assert await self.call.read() is grpc.aio.EOF
        assert await self.call.code() is grpc.StatusCode.OK
        return self.output


class Run(Feed):
    """A RunProcess call."""

    def __init__(self, call: RunCall) -> None:
        super().__init__(call)
        self._run = call
        self._sent = 0

    async def send(self, request: service_pb.RunProcessRequest) -> None:
        await self._run.write(request)

    async def done(self) -> None:
        """Send nothing more."""
        await self._run.done_writing()

    async def stdin(self, data: bytes) -> None:
        await self.send(
            service_pb.RunProcessRequest(stdin=service_pb.StdinData(offset=self._sent, data=data))
        )
        self._sent += len(data)

    async def close_stdin(self) -> None:
        await self.send(service_pb.RunProcessRequest(close_stdin=service_pb.CloseStdin()))

    async def resize(self, columns: int, rows: int) -> None:
        size = pb.Console(columns=columns, rows=rows)
        await self.send(service_pb.RunProcessRequest(resize=size))

    async def signal(self, signal: pb.ProcessSignal) -> None:
        await self.send(service_pb.RunProcessRequest(signal=signal))

    async def until_committed(self, offset: int) -> None:
        while self.output.committed < offset:
            await self.read()


class Client:
    """The stubs of one channel, and the few calls that every test begins with.

    Attributes:
        made: Names of the processes that CreateProcess has made, to be removed at the end.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.made: list[str] = []
        self._feeds: list[Feed] = []
        self.processes = process_service_pb2_grpc.ProcessServiceStub(channel)
        self.systems = compute_system_service_pb2_grpc.ComputeSystemServiceStub(channel)
        self.events = event_service_pb2_grpc.EventServiceStub(channel)
        self.hosts = host_service_pb2_grpc.HostServiceStub(channel)

    async def create(
        self,
        argv: pb.Argv,
        *,
        spec: pb.ProcessSpec | None = None,
        process_id: str = "",
        labels: dict[str, str] | None = None,
        options: pb.ProcessOptions | None = None,
    ) -> pb.Process:
        """Start a process by CreateProcess; `spec` has what is to be said besides `argv`."""
        request = service_pb.CreateProcessRequest(
            parent=HOST,
            spec=_with(argv, spec),
            process_id=process_id,
            labels=labels,
            options=options,
        )
        process = (await self.processes.CreateProcess(request)).process
        self.made.append(process.name)
        return process

    async def run(
        self,
        argv: pb.Argv,
        *,
        spec: pb.ProcessSpec | None = None,
        process_id: str = "",
        options: pb.ProcessOptions | None = None,
    ) -> Run:
        """Begin a RunProcess call that creates; the answer has not come yet."""
        create = service_pb.CreateProcessRequest(
            parent=HOST, spec=_with(argv, spec), process_id=process_id, options=options
        )
        return await self.begin(service_pb.RunProcessRequest(create=create))

    async def attach(self, attach: service_pb.RunAttach) -> Run:
        return await self.begin(service_pb.RunProcessRequest(attach=attach))

    async def begin(self, first: service_pb.RunProcessRequest) -> Run:
        run = Run(self.processes.RunProcess())
        self._feeds.append(run)
        with contextlib.suppress(grpc.aio.AioRpcError):  # refused at once: the reader is told
            await run.send(first)
        return run

    async def get_host(self) -> host_service_pb2.GetHostResponse:
        return await self.hosts.GetHost(host_service_pb2.GetHostRequest())

    async def get(self, name: str) -> pb.Process:
        return (await self.processes.GetProcess(service_pb.GetProcessRequest(name=name))).process

    async def wait(
        self, name: str, wait_for: service_pb.WaitFor = service_pb.WAIT_FOR_EXIT
    ) -> pb.Process:
        """Wait for as long as it takes."""
        request = service_pb.WaitProcessRequest(name=name, wait_for=wait_for)
        response = await self.processes.WaitProcess(request)
        assert not response.timed_out
        return response.process

    def follow(
        self,
        name: str,
        *cursors: pb.OutputCursor,
        follow: bool = True,
        gap_policy: pb.GapPolicy = pb.GAP_POLICY_UNSPECIFIED,
        max_chunk_bytes: int = 0,
        heartbeats: float = 0.0,
    ) -> Feed:
        """Begin a ReadOutput call."""
        request = service_pb.ReadOutputRequest(
            name=name,
            cursors=cursors,
            follow=follow,
            gap_policy=gap_policy,
            max_chunk_bytes=max_chunk_bytes,
            heartbeat_interval=seconds(heartbeats),
        )
        feed = Feed(self.processes.ReadOutput(request))
        self._feeds.append(feed)
        return feed

    async def read(
        self,
        name: str,
        *cursors: pb.OutputCursor,
        follow: bool = True,
        gap_policy: pb.GapPolicy = pb.GAP_POLICY_UNSPECIFIED,
    ) -> Output:
        """Read output to its end."""
        return await self.follow(name, *cursors, follow=follow, gap_policy=gap_policy).finish()

    async def signal(self, name: str, signal: pb.ProcessSignal) -> service_pb.SignalProcessResponse:
        request = service_pb.SignalProcessRequest(name=name, signal=signal)
        return await self.processes.SignalProcess(request)

    async def terminate(
        self,
        name: str,
        grace: float = 0.0,
        scope: service_pb.TerminateScope = service_pb.TERMINATE_SCOPE_UNSPECIFIED,
    ) -> pb.Process:
        return (await self.kill(name, scope, grace)).process

    async def kill(
        self,
        name: str,
        scope: service_pb.TerminateScope = service_pb.TERMINATE_SCOPE_TREE_BEST_EFFORT,
        grace: float = 0.0,
    ) -> service_pb.TerminateProcessResponse:
        """Terminate a process, and return all that the answer says."""
        request = service_pb.TerminateProcessRequest(
            name=name, grace_period=seconds(grace), scope=scope
        )
        return await self.processes.TerminateProcess(request)

    async def delete(self, name: str, *, force: bool = False, allow_missing: bool = False) -> None:
        await self.processes.DeleteProcess(
            service_pb.DeleteProcessRequest(name=name, force=force, allow_missing=allow_missing)
        )

    def check(
        self, service: str = "", metadata: Metadata = ()
    ) -> Awaitable[health_pb2.HealthCheckResponse]:
        """Ask for the health of a service once."""
        check = self.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            health_pb2.HealthCheckRequest.SerializeToString,
            health_pb2.HealthCheckResponse.FromString,
        )
        return check(health_pb2.HealthCheckRequest(service=service), metadata=metadata)

    async def list_health(self) -> dict[str, int]:
        """Ask for the health of all services."""
        ask = self.channel.unary_unary(
            "/grpc.health.v1.Health/List",
            health_pb2.HealthListRequest.SerializeToString,  # type: ignore[attr-defined]  # newer than the stubs
            health_pb2.HealthListResponse.FromString,  # type: ignore[attr-defined]
        )
        response = await ask(health_pb2.HealthListRequest())  # type: ignore[attr-defined]
        return {service: answer.status for service, answer in response.statuses.items()}

    def watch(
        self, service: str = "", metadata: Metadata = ()
    ) -> grpc.aio.UnaryStreamCall[Message, health_pb2.HealthCheckResponse]:
        """Watch the health of a service."""
        watch = self.channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            health_pb2.HealthCheckRequest.SerializeToString,
            health_pb2.HealthCheckResponse.FromString,
        )
        return watch(health_pb2.HealthCheckRequest(service=service), metadata=metadata)

    def reflect(
        self,
        *requests: reflection_pb2.ServerReflectionRequest,
        metadata: Metadata = (),
        version: str = "v1alpha",
    ) -> grpc.aio.StreamStreamCall[Message, reflection_pb2.ServerReflectionResponse]:
        """Ask by reflection."""
        reflect = self.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            reflection_pb2.ServerReflectionRequest.SerializeToString,
            reflection_pb2.ServerReflectionResponse.FromString,
        )
        return reflect(iter(requests), metadata=metadata)

    def nonsense(self, metadata: Metadata = ()) -> Awaitable[bytes]:
        """Call a method that there is not."""
        return self.channel.unary_unary("/hcsd.v1.ProcessService/Nonsense", bytes, bytes)(
            b"", metadata=metadata
        )

    async def settle(self) -> None:
        """Wait until the daemon has started all that it was asked to start before."""
        await self.wait((await self.create(pb.Argv(args=["true"]))).name)

    async def tidy(self) -> None:
        """End the calls and remove the processes that the test has left."""
        names = set(self.made)
        for feed in self._feeds:
            feed.call.cancel()
            if feed.output.started is not None:
                names.add(feed.output.process.name)
        with anyio.fail_after(30):
            for name in names:
                await self.delete(name, force=True, allow_missing=True)


@contextlib.asynccontextmanager
async def connected(
    address: str,
    credentials: grpc.ChannelCredentials | None = None,
    *,
    options: Sequence[tuple[str, int]] = (),
) -> AsyncIterator[Client]:
    """A client on a connection of its own; in clear without credentials, as to a Unix socket."""
    own = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0), *options]
    made = (
        grpc.aio.secure_channel(address, credentials, own)
        if credentials
        else grpc.aio.insecure_channel(address, own)
    )
    async with made as channel:
        yield Client(channel)


def _with(argv: pb.Argv, spec: pb.ProcessSpec | None) -> pb.ProcessSpec:
    made = pb.ProcessSpec()
    if spec is not None:
        made.CopyFrom(spec)
    made.argv.CopyFrom(argv)
    return made


def trailers(error: grpc.RpcError) -> dict[str, bytes]:
    """The trailers that an error of a synchronous call came with, those of text encoded."""
    pairs = cast("Sequence[tuple[str, str | bytes]]", error.trailing_metadata() or ())
    return {key: value.encode() if isinstance(value, str) else value for key, value in pairs}
