"""From what callers write to the messages of the contract."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

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
from hcsd_client._values import message, number, text, wrong_kind
from hcsd_client.names import bare_id, full_process_name, full_system_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from hcsd.v1.process_pb2 import OutputCursor, ProcessOptions
    from hcsd.v1.process_service_pb2 import StdioHandle
    from hcsd_client._values import Path

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
    request = message(
        CreateProcessRequest,
        parent=full_system_name(parent, "parent"),
        process_id=bare_id(process_id, "process_id", "process"),
        labels=labels,
        request_id=request_id,
        options=options,
    )
    if not request.options.ByteSize():
        request.ClearField("options")
    if command is not None:
        request.spec.CopyFrom(spec_of(command))
    else:
        request.parameters_json = text(parameters_json, "parameters_json")
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
        shown = [os.fsdecode(command)]
        raise wrong_kind("command", command, f"a list, as {shown!r}")
    elif not isinstance(command, Iterable):
        raise wrong_kind("command", command, "a list of words")
    else:
        words = [text(word, f"word {place} of the command") for place, word in enumerate(command)]
        spec.argv.CopyFrom(Argv(args=words))
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
    attach.ClearField("since")  # they were looked up when the output began
    attach.ClearField("last_lines")
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
    request = message(
        ModifyProcessRequest, name=full_process_name(name), modification_json=modification_json
    )
    if console_size is not None:
        request.console_size.CopyFrom(console_of(console_size, "console_size"))
    elif close_handles is not None:
        try:
            request.close_handles.CopyFrom(message(CloseHandles, handles=close_handles))
        except (TypeError, ValueError) as error:  # the keyword has another name than the field
            raise type(error)(f"close_{error}") from None
    return request


def console_of(size: object, name: str, also: str = "") -> Console:
    """Return a console of this size, columns and rows.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(size, Sequence) or len(size) != 2:
        raise wrong_kind(name, size, f"{also}(columns, rows), as (80, 24)")
    columns, rows = (
        number(cells, f"{name}[{at}]", most=2**32 - 1) for at, cells in enumerate(size)
    )
    return Console(columns=columns, rows=rows)


def make_signal(signal: str | int | ProcessSignal) -> ProcessSignal:
    """Return a signal by its name or number.

    Raises:
        TypeError: It is of another kind.
        ValueError: There is no such number.
    """
    if isinstance(signal, ProcessSignal):
        return signal
    if isinstance(signal, str):
        return ProcessSignal(signal_name=signal)
    if isinstance(signal, bool) or not isinstance(signal, int):
        raise wrong_kind("signal", signal, "a name, as 'TERM', a number, or a ProcessSignal")
    return ProcessSignal(signal_number=number(signal, "signal", most=2**31 - 1))
