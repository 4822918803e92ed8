"""From what callers write to the messages of the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration

from hcsd.v1.process_pb2 import (
    ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT,
    STDIN_MODE_PIPE,
    Argv,
    Console,
    ProcessSignal,
    ProcessSpec,
)
from hcsd.v1.process_service_pb2 import (
    CloseHandles,
    CreateProcessRequest,
    ModifyProcessRequest,
    RunProcessRequest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hcsd.v1.process_pb2 import OutputCursor, ProcessOptions
    from hcsd.v1.process_service_pb2 import StdioHandle


def make_create(
    command: ProcessSpec | Sequence[str] | str | None,
    parent: str,
    *,
    parameters_json: str | None,
    process_id: str,
    labels: Mapping[str, str] | None,
    request_id: str,
    options: ProcessOptions | None,
) -> CreateProcessRequest:
    """Return the request for a process; see `Client.create_process`.

    Raises:
        TypeError: Not exactly one of `command` and `parameters_json` is given.
    """
    if (command is None) == (parameters_json is None):
        raise TypeError("give either a command or parameters_json")
    request = CreateProcessRequest(
        parent=parent,
        process_id=process_id,
        labels=labels,
        request_id=request_id,
        options=options if options and options.ByteSize() else None,
    )
    if command is not None:
        request.spec.CopyFrom(make_spec(command))
    else:
        request.parameters_json = parameters_json or ""
    return request


def make_spec(command: ProcessSpec | Sequence[str] | str) -> ProcessSpec:
    """Return a spec: of a string as a command line, of several as program and arguments."""
    if isinstance(command, ProcessSpec):
        return command
    if isinstance(command, str):
        return ProcessSpec(command_line=command)
    return ProcessSpec(argv=Argv(args=command))


def copy_spec(command: ProcessSpec | Sequence[str] | str) -> ProcessSpec:
    """Return a spec of our own; the caller's is not changed."""
    spec = ProcessSpec()
    spec.CopyFrom(make_spec(command))
    return spec


def with_stdin(command: ProcessSpec | Sequence[str] | str) -> ProcessSpec:
    """Return a spec of our own for a process that is written to."""
    spec = copy_spec(command)
    spec.stdin_mode = STDIN_MODE_PIPE
    return spec


def attach_again(
    first: RunProcessRequest, name: str, cursors: Iterable[OutputCursor], *, take_over: bool
) -> RunProcessRequest:
    """Return the first message of a call that goes on for one that was lost.

    Args:
        first: That of the lost one.
        name: The process.
        cursors: Where to go on.
        take_over: Whether the present writer of stdin may be the lost call.
    """
    request = RunProcessRequest()
    attach = request.attach
    if first.HasField("attach"):
        attach.CopyFrom(first.attach)
    else:
        policies = (first.create.options.orphan_policy, first.create.spec.orphan_policy)
        attach.owner = ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT in policies
    attach.name = name
    del attach.cursors[:]
    attach.cursors.extend(cursors)
    attach.take_over = attach.take_over or take_over
    if first.HasField("heartbeat_interval"):
        request.heartbeat_interval.CopyFrom(first.heartbeat_interval)
    return request


def make_modify(
    name: str,
    console_size: tuple[int, int] | None,
    close_handles: Iterable[StdioHandle] | None,
    modification_json: str | None,
) -> ModifyProcessRequest:
    """Return the request for a change; see `Client.modify_process`.

    Raises:
        TypeError: Not exactly one of the changes is given.
    """
    if [console_size, close_handles, modification_json].count(None) != 2:
        raise TypeError("give one of console_size, close_handles and modification_json")
    request = ModifyProcessRequest(name=name, modification_json=modification_json)
    if console_size is not None:
        columns, rows = console_size
        request.console_size.CopyFrom(Console(columns=columns, rows=rows))
    elif close_handles is not None:
        request.close_handles.CopyFrom(CloseHandles(handles=close_handles))
    return request


def make_signal(signal: str | int | ProcessSignal) -> ProcessSignal:
    """Return a signal by its name or number."""
    if isinstance(signal, ProcessSignal):
        return signal
    if isinstance(signal, str):
        return ProcessSignal(signal_name=signal)
    return ProcessSignal(signal_number=signal)


def make_duration(seconds: float | None) -> Duration | None:
    """Return a duration; None stays None, which is an unset field."""
    if seconds is None:
        return None
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration
