"""Whatever a client sends, it gets an answer that says what is wrong, soon, and the daemon goes on.

Messages are made from their descriptors, so that a field that is added later is fuzzed too. Where
any text would do, texts are preferred that have a meaning: names of processes in every state,
documents, tokens. Programs are harmless: nothing made of random letters is ever run.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hcsd.v1 import (
    compute_system_service_pb2 as system_pb,
)
from hcsd.v1 import (
    compute_system_service_pb2_grpc,
    process_service_pb2_grpc,
)
from hcsd.v1 import (
    event_service_pb2 as event_pb,
)
from hcsd.v1 import (
    host_service_pb2 as host_pb,
)
from hcsd.v1 import (
    process_pb2 as pb,
)
from hcsd.v1 import (
    process_service_pb2 as service_pb,
)
from tests.integration.wire import HOST, sh, trailers
from tests.support.daemon import Daemon

Code = grpc.StatusCode
DEADLINE = 5.0
PATIENCE = 0.5  # seconds, with what may go on for ever

NAMES = [f"{HOST}/processes/{name}" for name in ("fuzz-exited", "fuzz-running", "fuzz-console")]
# What may be done to them is done to these, and to no other: the rest of the tests need the host.
MADE = {
    "systems/fuzz-created": system_pb.CreateComputeSystemRequest(system_id="fuzz-created"),
    "systems/fuzz-running": system_pb.CreateComputeSystemRequest(
        system_id="fuzz-running", start=True
    ),
}
CONFIGURATION = '{"Owner":"fuzz","SchemaVersion":{"Major":2,"Minor":1},"Container":{}}'
READS = {"GetComputeSystem", "ListComputeSystems", "GetComputeSystemProperties"}
SYSTEMS = [HOST, "systems/-", "systems/%68ost", "systems/none", "systems/%FF"]
PROGRAMS = ["true", "false", "cat", "printf", "/no/such/program", "/etc", "/etc/passwd", "", "."]

text = st.text(max_size=20)  # any character but surrogates, which protobuf has not
words = st.one_of(
    text,
    st.sampled_from(
        [*NAMES, *SYSTEMS, "host", "TERM", "SIGKILL", "CtrlC", "\0", "%00", "-", "a/b"]
    ),
)
json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        text,
        st.sampled_from(["\ud800", "\udcff", "\0", "StdIn", "All", "CtrlC", "ConsoleSize"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    *("Signal", "Operation", "ConsoleSize", "CloseHandle", "Handle", "Height"),
                    *("Width", "User", "WorkingDirectory", "Environment", "EmulateConsole"),
                    *("CreateStdInPipe", "CreateStdOutPipe", "RestrictedToken", "\ud800", "x"),
                    *("Owner", "SchemaVersion", "Major", "Minor", "Container", "Memory"),
                    *("SizeInMB", "Processor", "Count", "Maximum", "Weight", "PropertyTypes"),
                    *("ResourcePath", "RequestType", "Settings", "Type", "Mechanism", "Force"),
                    *("ShouldTerminateOnLastHandleClosed", "SuspensionLevel", "SaveType"),
                ]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)
programs = st.fixed_dictionaries(
    {}, optional={"CommandArgs": st.lists(st.sampled_from(PROGRAMS), max_size=3)}
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """HCS documents, mostly wrong; a command, where there is one, is harmless."""
    value = draw(json_values)
    if isinstance(value, dict):
        value |= draw(programs)
    document = json.dumps(value)
    return draw(st.sampled_from([document, document, document[:-1], f"{document} ", "[" * 9999]))


def scalar(field: FieldDescriptor) -> st.SearchStrategy[object]:
    """Values of a field that is no message."""
    if field.name.endswith("_json"):
        return documents()
    if field.name == "args":
        return st.sampled_from(PROGRAMS)
    if field.name == "command_line":
        return st.text(alphabet="tr'\"\\ $\t\0é", max_size=9).map(lambda rest: f"true {rest}")
    if field.enum_type is not None:
        return st.integers(-1, max(value.number for value in field.enum_type.values) + 1)
    kinds: dict[int, st.SearchStrategy[object]] = {
        FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
        FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
        FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
        FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
        FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
        FieldDescriptor.CPPTYPE_STRING: words,
    }
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=9)
    small = st.integers(0, 9) if field.cpp_type != FieldDescriptor.CPPTYPE_STRING else words
    return kinds[field.cpp_type] if field.cpp_type == 9 else st.one_of(small, kinds[field.cpp_type])


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor) -> Message:
    """Messages of a type, with any of their fields set to anything."""
    message = GetMessageClass(descriptor)()
    if isinstance(message, Duration):
        message.seconds = draw(st.sampled_from([0, 0, 1, -1, 2**63 - 1, -(2**63)]))
        message.nanos = draw(st.sampled_from([0, 10**7, 10**9, -1, 2**31 - 1]))
        return message
    for field in descriptor.fields:
        if draw(st.integers(0, 2)) == 0:
            continue
        fill(draw, message, field)
    return message


def fill(draw: st.DrawFn, message: Message, field: FieldDescriptor) -> None:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        getattr(message, field.name).update(draw(st.dictionaries(text, text, max_size=2)))
    elif field.is_repeated:
        item = scalar(field) if kind is None else messages(kind)
        getattr(message, field.name).extend(draw(st.lists(item, max_size=3)))
    elif kind is not None:
        getattr(message, field.name).CopyFrom(draw(messages(kind)))
    elif field.name in {"name", "parent"} and draw(st.integers(0, 3)):
        choices = SYSTEMS
        if field.name == "name":
            choices = NAMES if "Process" in message.DESCRIPTOR.name else [*MADE, *SYSTEMS]
        setattr(message, field.name, draw(st.sampled_from(choices)))
    else:
        setattr(message, field.name, draw(scalar(field)))


def raw(data: bytes) -> bytes:
    """Leave a message as the bytes that it is, one way or the other."""
    return data


def methods(*, streaming: bool) -> list[MethodDescriptor]:
    return [
        method
        for module in (service_pb, system_pb, event_pb, host_pb)
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if (method.client_streaming or method.server_streaming) is streaming
    ]


@dataclass
class Target:
    """A channel to a daemon, and processes in every state to talk about."""

    channel: grpc.Channel

    def refresh(self) -> None:
        """Make the processes and the systems that the last request has ended, or removed."""
        self._refresh_systems()
        stub = process_service_pb2_grpc.ProcessServiceStub(self.channel)
        specs = {
            "fuzz-exited": pb.ProcessSpec(argv=sh("echo out; exit 3")),
            "fuzz-running": pb.ProcessSpec(
                argv=pb.Argv(args=["sleep", "1000"]), stdin_mode=pb.STDIN_MODE_PIPE
            ),
            "fuzz-console": pb.ProcessSpec(
                argv=pb.Argv(args=["sleep", "1000"]), console=pb.Console(columns=80, rows=25)
            ),
        }
        known = {
            process.name.rpartition("/")[2]: process.state
            for process in stub.ListProcesses(
                service_pb.ListProcessesRequest(parent=HOST, page_size=1000), timeout=DEADLINE
            ).processes
        }
        for process_id, spec in specs.items():
            state = known.get(process_id)
            if state == pb.PROCESS_STATE_EXITED and process_id != "fuzz-exited":
                stub.DeleteProcess(
                    service_pb.DeleteProcessRequest(name=f"{HOST}/processes/{process_id}")
                )
                state = None
            if state is None:
                stub.CreateProcess(
                    service_pb.CreateProcessRequest(parent=HOST, spec=spec, process_id=process_id),
                    timeout=DEADLINE,
                )

    def _refresh_systems(self) -> None:
        stub = compute_system_service_pb2_grpc.ComputeSystemServiceStub(self.channel)
        listed = {
            system.name
            for system in stub.ListComputeSystems(
                system_pb.ListComputeSystemsRequest(page_size=1000), timeout=DEADLINE
            ).systems
        }
        for name in listed - {*MADE, HOST}:
            self._end(name)
        for name in MADE.keys() - listed:
            request = system_pb.CreateComputeSystemRequest(configuration_json=CONFIGURATION)
            request.MergeFrom(MADE[name])
            stub.CreateComputeSystem(request, timeout=DEADLINE)

    def tidy(self) -> None:
        """End the systems."""
        self._refresh_systems()
        for name in MADE:
            self._end(name)

    def _end(self, name: str) -> None:
        stub = compute_system_service_pb2_grpc.ComputeSystemServiceStub(self.channel)
        stub.TerminateComputeSystem(
            system_pb.TerminateComputeSystemRequest(name=name), timeout=DEADLINE
        )
        stub.WaitComputeSystem(system_pb.WaitComputeSystemRequest(name=name), timeout=DEADLINE)

    def call(self, method: MethodDescriptor, request: bytes) -> Code:
        path = f"/{method.containing_service.full_name}/{method.name}"
        try:
            self.channel.unary_unary(path, raw, raw)(request, timeout=DEADLINE)
        except grpc.RpcError as error:
            return judge(method, error)
        return Code.OK

    def stream(self, method: MethodDescriptor, requests: list[Message]) -> Code:
        path = f"/{method.containing_service.full_name}/{method.name}"
        call = self.channel.stream_stream(path, raw, raw)(
            iter([request.SerializeToString() for request in requests]),
            timeout=PATIENCE if waits(method) else DEADLINE,
        )
        try:
            for count, _ in enumerate(call):
                if count == 3:  # what goes on for ever is for the caller to leave
                    call.cancel()
                    return Code.CANCELLED
        except grpc.RpcError as error:
            return judge(method, error)
        return Code.OK


def judge(method: MethodDescriptor, error: grpc.RpcError) -> Code:
    """An error that the client can do something about, as a status that it can read."""
    code = error.code()
    assert code not in {Code.INTERNAL, Code.UNKNOWN}, f"{method.name}: {error}"
    assert code is not Code.DEADLINE_EXCEEDED or waits(method), f"{method.name} hangs"
    details = trailers(error).get("grpc-status-details-bin")
    if code is not Code.DEADLINE_EXCEEDED:
        assert details, f"{method.name}: {error}"
        assert status_pb2.Status.FromString(details).code == code.value[0]
    return code


def waits(method: MethodDescriptor) -> bool:
    """Whether to wait for as long as it takes is what the method is for."""
    return method.name in {"ReadOutput", "RunProcess", "WatchEvents"}


@pytest.fixture(scope="module")
def target(shared: Daemon) -> Iterator[Target]:
    with grpc.insecure_channel(shared.address) as channel:
        target = Target(channel)
        yield target
        target.tidy()


fuzzed = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def limit(method: MethodDescriptor, request: Message) -> None:
    """A wait may last; the test may not. Nor may it end what others need."""
    if "ComputeSystem" in method.name and method.name not in READS:
        name = getattr(request, "name", "")
        if unquote(name).partition("/processes/")[0] == HOST:
            request.name = next(iter(MADE))  # type: ignore[attr-defined]  # it has one
    if isinstance(
        request,
        (
            service_pb.WaitProcessRequest,
            system_pb.WaitComputeSystemRequest,
            system_pb.ShutDownComputeSystemRequest,
        ),
    ):
        request.timeout.FromMilliseconds(10)
    elif (
        isinstance(request, service_pb.TerminateProcessRequest) and request.grace_period.seconds > 0
    ):
        request.grace_period.FromMilliseconds(10)


@pytest.mark.parametrize("method", methods(streaming=False), ids=lambda method: method.name)
def test_no_unary_request_breaks_the_daemon(
    daemon: Daemon, target: Target, method: MethodDescriptor
) -> None:
    codes = set()

    @fuzzed
    @given(messages(method.input_type))
    def check(request: Message) -> None:
        target.refresh()
        limit(method, request)
        codes.add(target.call(method, request.SerializeToString()))

    check()
    assert codes


@pytest.mark.parametrize("method", methods(streaming=True), ids=lambda method: method.name)
def test_no_stream_of_requests_breaks_the_daemon(
    daemon: Daemon, target: Target, method: MethodDescriptor
) -> None:
    @fuzzed
    @given(st.lists(messages(method.input_type), min_size=1, max_size=4))
    def check(requests: list[Message]) -> None:
        target.refresh()
        if not method.client_streaming:
            del requests[1:]
        target.stream(method, requests)

    check()


@pytest.mark.parametrize("method", methods(streaming=False), ids=lambda method: method.name)
def test_bytes_that_are_no_message_are_refused(
    daemon: Daemon, target: Target, method: MethodDescriptor
) -> None:
    path = f"/{method.containing_service.full_name}/{method.name}"
    with pytest.raises(grpc.RpcError) as error:
        target.channel.unary_unary(path, raw, raw)(b"\xff\xff\xff", timeout=DEADLINE)
    assert judge(method, error.value) is Code.INVALID_ARGUMENT


def test_bytes_that_are_no_message_in_a_stream_are_refused(daemon: Daemon, target: Target) -> None:
    run = target.channel.stream_stream("/hcsd.v1.ProcessService/RunProcess", raw, raw)
    with pytest.raises(grpc.RpcError) as error:
        next(run(iter([b"\xff\xff\xff"]), timeout=DEADLINE))
    assert error.value.code() is Code.INVALID_ARGUMENT
