"""Where messages of the contract meet the daemon's own types: the one such place.

    spec_from, signal_from, starts_from, ...    a valid message becomes what the daemon takes
    process_message, system_message, ...        what the daemon has becomes a message

Options of a create have two places in the contract, so that they have a module: `hcsd.rpc.options`.

What never changes of a process is made into a message once and kept with it (`Identity.cached`),
since processes are asked for often.
"""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from hcsd.daemon.events import ProcessEvent
from hcsd.daemon.idempotency import RequestKey
from hcsd.daemon.names import parse_system, system_name
from hcsd.daemon.output_events import Start
from hcsd.daemon.process_shape import NO_SHAPE, ResourceLimit, Shape
from hcsd.daemon.setting import Unit
from hcsd.daemon.settings import SETTINGS
from hcsd.daemon.signals import Signal, signal_name
from hcsd.daemon.spans import Span
from hcsd.daemon.spec import ConsoleSize, ProcessRequest, ProcessSpec
from hcsd.daemon.system import SystemRequest
from hcsd.rpc.enums import (
    CONSOLE_EVENTS,
    EXIT_REASONS,
    EXIT_TYPES,
    ORIGINS,
    PROCESS_EVENTS,
    PROCESS_STATES,
    STDIN_MODES,
    STREAMS,
    SYSTEM_EVENTS,
    SYSTEM_STATES,
    SYSTEM_TYPES,
    TERMINATE_SCOPES,
)
from hcsd.rpc.options import fill_options, fill_shared, options_from
from hcsd.v1 import compute_system_pb2 as system_pb
from hcsd.v1 import event_pb2
from hcsd.v1 import host_service_pb2 as host_pb
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hcsd.daemon.events import Event
    from hcsd.daemon.kills import Killed, Scope
    from hcsd.daemon.output_events import Position
    from hcsd.daemon.process_view import Exit, Failure, Identity, ProcessView, StreamStatus
    from hcsd.daemon.settings import Limits
    from hcsd.daemon.streams import Stream
    from hcsd.daemon.system import SystemView
    from hcsd.hcs.schema import ProcessStatus
    from hcsd.v1 import compute_system_service_pb2 as system_service_pb

M = TypeVar("M", bound=Message)

# From the wire; what is not there is left open.
_STDIN_MODES = {value: mode for mode, value in STDIN_MODES.items()}
_STREAMS: Mapping[int, Stream] = {value: stream for stream, value in STREAMS.items()}
_SCOPES: Mapping[int, Scope] = {value: scope for scope, value in TERMINATE_SCOPES.items()}

# --- requests ---


def seconds(duration: Duration) -> float:
    """Return a length of time in seconds."""
    return duration.ToNanoseconds() / 1e9


def spec_from(spec: pb.ProcessSpec) -> ProcessSpec:
    """Read a spec."""
    return ProcessSpec(
        command_line=spec.command_line if spec.WhichOneof("command") == "command_line" else None,
        argv=tuple(spec.argv.args),
        working_directory=spec.working_directory,
        env=tuple((variable.name, variable.value) for variable in spec.env),
        user=spec.user,
        console=console_from(spec.console) if spec.HasField("console") else None,
        stdin_mode=_STDIN_MODES.get(spec.stdin_mode),
        restricted_token=spec.restricted_token,
        shape=_shape_from(spec),
    )


def _shape_from(spec: pb.ProcessSpec) -> Shape:
    """Read what most specs have nothing of; those share one."""
    shape = Shape(
        uid=spec.uid if spec.HasField("uid") else None,
        gid=spec.gid if spec.HasField("gid") else None,
        supplementary_groups=tuple(spec.supplementary_groups),
        resource_limits=tuple(
            ResourceLimit(
                limit.name, limit.soft, limit.hard if limit.HasField("hard") else limit.soft
            )
            for limit in spec.resource_limits
        ),
        umask=spec.umask if spec.HasField("umask") else None,
        oom_score_adj=spec.oom_score_adj if spec.HasField("oom_score_adj") else None,
        no_new_privileges=spec.no_new_privileges,
    )
    return NO_SHAPE if shape == NO_SHAPE else shape


def console_from(console: pb.Console) -> ConsoleSize:
    """Read the size of a console."""
    return ConsoleSize(console.columns, console.rows)


def timeout_of(
    request: service_pb.WaitProcessRequest
    | service_pb.TerminateProcessRequest
    | service_pb.ExecProcessRequest,
) -> float | None:
    """Return how many seconds the answer has; None for as long as it takes."""
    return seconds(request.timeout) if request.HasField("timeout") else None


def process_request_from(
    request: service_pb.CreateProcessRequest, *, owned: bool
) -> ProcessRequest:
    """Read a create.

    Args:
        request: The request.
        owned: Whether the call owns the process.
    """
    raw = request.WhichOneof("source") == "parameters_json"
    return ProcessRequest(
        system_id=parse_system(request.parent),
        spec=None if raw else spec_from(request.spec),
        document=request.parameters_json if raw else None,
        options=options_from(request),
        process_id=request.process_id,
        labels=dict(request.labels),
        owned=owned,
        key=key_from(request, request.request_id),
    )


def system_request_from(request: system_service_pb.CreateComputeSystemRequest) -> SystemRequest:
    """Read a create of a system."""
    return SystemRequest(
        system_id=request.system_id,
        configuration=request.configuration_json,
        start=request.start,
        key=key_from(request, request.request_id),
    )


def key_from(request: Message, request_id: str) -> RequestKey:
    """Return what tells a request from others."""
    if not request_id:
        return RequestKey()
    whole = request.SerializeToString(deterministic=True)
    return RequestKey(request_id, hashlib.sha256(whole).digest())


def signal_from(signal: pb.ProcessSignal) -> Signal:
    """Read a signal."""
    kind = signal.WhichOneof("signal")
    if kind == "console_event":
        return Signal(console_event=CONSOLE_EVENTS.get(signal.console_event, ""))
    if kind == "signal_name":
        return Signal(signal_name=signal.signal_name)
    if kind == "signal_number":
        return Signal(signal_number=signal.signal_number)
    return Signal(options_json=signal.options_json)


def scope_from(scope: service_pb.TerminateScope, default: Scope) -> Scope:
    """Read what a kill is to reach."""
    return _SCOPES.get(scope, default)


def starts_from(cursors: Iterable[pb.OutputCursor]) -> list[Start]:
    """Read where a reader begins."""
    return [
        Start(
            _STREAMS[cursor.stream],
            cursor.offset,
            cursor.last_bytes if cursor.WhichOneof("position") == "last_bytes" else None,
        )
        for cursor in cursors
    ]


# --- processes ---


def process_message(view: ProcessView) -> pb.Process:
    """Return a process as a message of its own, which may be changed."""
    message = pb.Process()
    fill_process(message, view)
    return message


def fill_killed(
    message: service_pb.TerminateProcessResponse | service_pb.DeleteProcessResponse, killed: Killed
) -> None:
    """Fill in what a kill has done; nothing if there was nothing to kill."""
    if killed.found:
        message.scope_applied = TERMINATE_SCOPES[killed.scope]
        message.descendants_killed = killed.descendants


def fill_process(message: pb.Process, view: ProcessView) -> None:
    """Fill in an empty message: one that is passed to another would be copied."""
    message.CopyFrom(_base(view.identity))
    message.state = PROCESS_STATES[view.life]
    if view.pid:
        message.pid = view.pid
    if view.start_time:
        message.start_time.FromNanoseconds(view.start_time)
    if view.stdin is not None:
        _fill_stream(message.stdin, view.stdin)
    _fill_stream(message.stdout, view.stdout)
    _fill_stream(message.stderr, view.stderr)
    if view.exit is not None:
        fill_exit(message.exit, view.exit)


def _base(identity: Identity) -> pb.Process:
    """Return what never changes of a process; made once."""
    for cached in identity.cached:
        if isinstance(cached, pb.Process):
            return cached
    base = pb.Process(
        name=identity.name,
        uid=identity.uid,
        incarnation=identity.incarnation,
        spec=None if identity.spec is None else _spec_message(identity.spec),
        labels=identity.labels,
        origin=ORIGINS[identity.origin],
    )
    if identity.options is not None:
        fill_shared(base.spec, identity.options)
        fill_options(base.options, identity.options)
    base.create_time.FromNanoseconds(identity.create_time)
    identity.cached.append(base)
    return base


def _spec_message(spec: ProcessSpec) -> pb.ProcessSpec:
    message = pb.ProcessSpec(
        command_line=spec.command_line,
        working_directory=spec.working_directory,
        env=[pb.EnvironmentVariable(name=name, value=value) for name, value in spec.env],
        user=spec.user,
        restricted_token=spec.restricted_token,
    )
    if spec.shape is not NO_SHAPE:
        _fill_shape(message, spec.shape)
    if spec.argv:
        message.argv.args.extend(spec.argv)
    if spec.console is not None:
        message.console.columns, message.console.rows = spec.console
    if spec.stdin_mode is not None:
        message.stdin_mode = STDIN_MODES[spec.stdin_mode]
    return message


def _fill_shape(message: pb.ProcessSpec, shape: Shape) -> None:
    for name in ("uid", "gid", "umask", "oom_score_adj"):
        if (value := getattr(shape, name)) is not None:
            setattr(message, name, value)
    message.supplementary_groups.extend(shape.supplementary_groups)
    for name, soft, hard in shape.resource_limits:
        message.resource_limits.add(name=name, soft=soft, hard=hard)
    message.no_new_privileges = shape.no_new_privileges


def duration(seconds: float) -> Duration:
    """Return a length of time."""
    found = Duration()
    found.FromNanoseconds(round(seconds * 1e9))
    return found


def _fill_stream(message: pb.StreamStatus, status: StreamStatus) -> None:
    message.SetInParent()
    if status.start_offset:
        message.start_offset = status.start_offset
    if status.end_offset:
        message.end_offset = status.end_offset
    if status.closed:
        message.closed = True
    if status.dropped_bytes:
        message.dropped_bytes = status.dropped_bytes
    if status.readers:
        message.readers = status.readers


def fill_exit(message: pb.ProcessExit, exit_: Exit) -> None:
    """Fill in how a process ended."""
    if exit_.code is not None:
        message.exit_code = exit_.code
    elif exit_.unknown is not None:
        _fill_failure(message.unknown, exit_.unknown)
    elif exit_.start_error is not None:
        _fill_failure(message.start_error, exit_.start_error)
    if exit_.signal:
        message.signal = exit_.signal
        message.signal_name = signal_name(exit_.signal)
    if exit_.time:
        message.exit_time.FromNanoseconds(exit_.time)
    if exit_.reason is not None:
        message.reason = EXIT_REASONS[exit_.reason]
    if exit_.output_complete:
        message.output_complete = True


def _fill_failure(message: pb.UnknownExit | pb.StartError, failure: Failure) -> None:
    message.hresult = failure.hresult
    message.message = failure.message
    if failure.stage and isinstance(message, pb.StartError):
        message.stage, message.error_number = failure.stage, failure.errno


def status_message(status: ProcessStatus) -> pb.ProcessStatus:
    """Return what HCS says of a process."""
    return pb.ProcessStatus(
        pid=status.process_id,
        exited=status.exited,
        exit_code=status.exit_code,
        last_wait_result=status.last_wait_result,
        signal=status.signal or None,
    )


def cursor_messages(positions: Iterable[Position]) -> list[pb.OutputCursor]:
    """Return how far a reader has come."""
    return [
        pb.OutputCursor(stream=STREAMS[position.stream], offset=position.offset)
        for position in positions
    ]


# --- systems, events, the host ---


def system_message(view: SystemView) -> system_pb.ComputeSystem:
    """Return a compute system."""
    properties = view.properties
    guest_os = properties.runtime_os_type or "Windows"  # absent before Windows 10 1809
    message = system_pb.ComputeSystem(
        name=system_name(properties.id),
        system_id=properties.id,
        system_type=SYSTEM_TYPES.get(properties.system_type),
        owner=properties.owner,
        runtime_id=properties.runtime_id,
        state=SYSTEM_STATES.get(properties.state),
        capabilities=system_pb.ComputeSystemCapabilities(
            signals=True,
            console=True,
            open_by_pid=True,
            pause=view.pauses,
            tree_terminate=view.kills_trees,
            guest_os=guest_os.lower(),
        ),
    )
    if view.create_time is not None:
        message.create_time.FromNanoseconds(view.create_time)
    if view.exit is not None:
        message.state = system_pb.COMPUTE_SYSTEM_STATE_STOPPED
        message.exit.status = view.exit.status
        message.exit.exit_type = EXIT_TYPES.get(
            view.exit.exit_type, system_pb.COMPUTE_SYSTEM_EXIT_TYPE_UNSPECIFIED
        )
        message.exit.attribution_json = view.exit.attribution
        message.exit.exit_time.FromNanoseconds(view.exit.time)
    if view.limits is not None:
        message.limits.SetInParent()
        for field in dataclasses.fields(view.limits):  # both have the same names
            setattr(message.limits, field.name, getattr(view.limits, field.name))
    return message


def event_message(event: Event, incarnation: str) -> event_pb2.Event:
    """Return an event."""
    message = event_pb2.Event(revision=event.revision, incarnation=incarnation)
    message.event_time.FromNanoseconds(event.time)
    what = event.what
    if isinstance(what, ProcessEvent):
        message.process.type = PROCESS_EVENTS[what.kind]
        fill_process(message.process.process, what.process)
    else:
        message.system.system = system_name(what.system_id)
        message.system.type = what.hcs.name
        message.system.type_value = what.hcs.value
        message.system.document = what.hcs.document
        if what.kind is not None:
            message.system.event_type = SYSTEM_EVENTS[what.kind]
        if what.system is not None:
            message.system.compute_system.CopyFrom(system_message(what.system))
    return message


def limits_message(limits: Limits) -> host_pb.Limits:
    """Return the limits in force."""
    message = host_pb.Limits()
    for setting in SETTINGS:
        if setting.shown:
            value = getattr(limits, setting.name)
            if setting.unit is Unit.SECONDS:
                getattr(message, setting.shown).CopyFrom(duration(value))
            else:
                setattr(message, setting.shown, value)
    return message


def fill_statistics(message: M, statistics: object) -> M:
    """Fill in what a Properties document tells, field by field: both have the same names."""
    for field in dataclasses.fields(statistics):  # type: ignore[arg-type]  # of hcsd.daemon.statistics
        value = getattr(statistics, field.name)
        if isinstance(value, Span):
            getattr(message, field.name).FromNanoseconds(value.nanoseconds)
        elif isinstance(value, datetime):
            getattr(message, field.name).FromDatetime(value)
        elif isinstance(value, (int, str)):
            setattr(message, field.name, value)
        elif value is not None:
            part = getattr(message, field.name)
            part.SetInParent()
            fill_statistics(part, value)
    return message
