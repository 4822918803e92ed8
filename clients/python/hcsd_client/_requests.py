"""From what callers write to the messages of the contract."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration

from hcsd.v1.process_pb2 import (
    ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT,
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
    from collections.abc import Sequence
    from typing import TypeAlias

    from hcsd.v1.process_pb2 import OutputCursor, ProcessOptions
    from hcsd.v1.process_service_pb2 import StdioHandle

    Path: TypeAlias = str | os.PathLike[str]
    Command: TypeAlias = ProcessSpec | Sequence[Path] | str


def make_create(
    command: Command | None,
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
        TypeError: Not exactly one of `command` and `parameters_json` is given, or a value is of another kind.
    """
    if (command is None) == (parameters_json is None):
        raise TypeError("give either a command or parameters_json")
    request = CreateProcessRequest(
        parent=parent,
        process_id=process_id,
        labels={
            text_of(key, "a name in labels"): text_of(value, f"labels[{key!r}]")
            for key, value in mapping_of(labels, "labels", "{'job': 'nightly'}").items()
        },
        request_id=request_id,
        options=options if options and options.ByteSize() else None,
    )
    if command is not None:
        request.spec.CopyFrom(spec_of(command))
    else:
        request.parameters_json = parameters_json or ""
    return request


def spec_of(command: Command) -> ProcessSpec:
    """Return a spec of our own: of a text as a command line, of several words as program and arguments.

    Raises:
        TypeError: It is neither, or a word is no text.
    """
    spec = ProcessSpec()
    if isinstance(command, ProcessSpec):
        spec.CopyFrom(command)
    elif isinstance(command, str):
        spec.command_line = command
    elif isinstance(command, (bytes, os.PathLike)):
        raise TypeError(f"the command is {command!r}; give a list, as [{os.fsdecode(command)!r}]")
    elif not isinstance(command, Iterable):
        raise TypeError(
            f"the command is {command!r}, of type {type(command).__name__}; give a list of words"
        )
    else:
        words = [
            text_of(word, f"word {number} of the command") for number, word in enumerate(command)
        ]
        spec.argv.CopyFrom(Argv(args=words))
    return spec


def text_of(value: object, what: str) -> str:
    """Return a text, or the path that an object stands for.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise TypeError(f"{what} is {value!r}, of type {type(value).__name__}; give text")
    return value


def mapping_of(value: object, what: str, example: str) -> Mapping[object, object]:
    """Return a mapping; none at all is an empty one.

    Raises:
        TypeError: It is no mapping.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(
            f"{what} is {value!r}, of type {type(value).__name__}; give a mapping, as {example}"
        )
    return value


def number_of(value: object, what: str) -> int:
    """Return a number of bytes.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is negative, or more than any message can say.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(
            f"{what} is {value!r}, of type {type(value).__name__}; give bytes, as 65536"
        )
    if value < 0:
        raise ValueError(f"{what} is {value}; give 0 or more bytes")
    return value


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
        try:
            columns, rows = console_size
            request.console_size.CopyFrom(Console(columns=columns, rows=rows))
        except (TypeError, ValueError):
            raise TypeError(f"console_size is {console_size!r}; give (columns, rows)") from None
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


def make_duration(seconds: float | timedelta | None) -> Duration | None:
    """Return a duration; None stays None, which is an unset field.

    Raises:
        TypeError: It is neither a number nor a timedelta.
    """
    if seconds is None:
        return None
    if isinstance(seconds, timedelta):
        seconds = seconds.total_seconds()
    if not isinstance(seconds, (int, float)):
        raise TypeError(
            f"a time is {seconds!r}, of type {type(seconds).__name__}; give seconds or a timedelta"
        )
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration
