"""A daemon to send anything to: its methods, and processes and systems in every state."""

from dataclasses import dataclass
from urllib.parse import unquote

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc import status_pb2

from hcsd.v1 import compute_system_service_pb2 as system_pb
from hcsd.v1 import compute_system_service_pb2_grpc, process_service_pb2_grpc
from hcsd.v1 import event_service_pb2 as event_pb
from hcsd.v1 import host_service_pb2 as host_pb
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.wire import HOST, sh, trailers

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


def raw(data: bytes) -> bytes:
    """Leave a message as the bytes that it is, one way or the other."""
    return data


def methods(*, streaming: bool | None = None) -> list[MethodDescriptor]:
    """The methods of the contract; all, or those with streams, or those without."""
    return [
        method
        for module in (service_pb, system_pb, event_pb, host_pb)
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if streaming in {None, method.client_streaming or method.server_streaming}
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

    def clear(self) -> None:
        """End and remove all that there is."""
        self.tidy()
        stub = process_service_pb2_grpc.ProcessServiceStub(self.channel)
        page = service_pb.ListProcessesRequest(parent=HOST, page_size=1000)
        while known := stub.ListProcesses(page, timeout=DEADLINE).processes:
            for process in known:
                stub.DeleteProcess(
                    service_pb.DeleteProcessRequest(
                        name=process.name, force=True, allow_missing=True
                    ),
                    timeout=DEADLINE,
                )

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

    def stream(self, method: MethodDescriptor, requests: list[bytes]) -> Code:
        path = f"/{method.containing_service.full_name}/{method.name}"
        call = self.channel.stream_stream(path, raw, raw)(
            iter(requests),
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
