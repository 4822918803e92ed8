"""Documents about processes at the embedded engine: what it accepts, and the status that it words."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcsd.abi.extensions import MAX_TAG
from hcsd.abi.hresult import HR
from hcsd.embedded.documents import (
    invalid,
    is_bool,
    is_object,
    is_string,
    is_strings,
    parse,
    refuse,
)
from hcsd.embedded.faults import Fault
from hcsd.embedded.shape_documents import NO_SHAPE, SHAPE, Shape, parse_shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.embedded.documents import Check

MAX_UINT16 = 0xFFFF
DEFAULT_CONSOLE = (25, 80)  # rows, columns: what a pseudo console of Windows starts with
MAX_SIGNAL = 64

# Control events of Windows guests as the signals that come closest; each goes to the whole process
# group, as a terminal's would.
CONTROL_EVENTS = {
    "CtrlC": 2,  # SIGINT
    "CtrlBreak": 3,  # SIGQUIT
    "CtrlClose": 1,  # SIGHUP
    "CtrlLogOff": 1,  # SIGHUP
    "CtrlShutdown": 15,  # SIGTERM
}


def _is_uint16(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_UINT16


def _is_environment(value: object) -> bool:
    return isinstance(value, dict) and all(
        is_string(name) and name and "=" not in name and is_string(item)
        for name, item in value.items()
    )


def _is_size_array(value: object) -> bool:
    return isinstance(value, list) and len(value) in {0, 2} and all(map(_is_uint16, value))


# Known members of each document and what their value must be.
PROCESS_PARAMETERS: dict[str, Check] = {
    "ApplicationName": is_string,
    "CommandLine": is_string,
    "CommandArgs": is_strings,
    "User": is_string,
    "WorkingDirectory": is_string,
    "Environment": _is_environment,
    "RestrictedToken": is_bool,
    "EmulateConsole": is_bool,
    "CreateStdInPipe": is_bool,
    "CreateStdOutPipe": is_bool,
    "CreateStdErrPipe": is_bool,
    "ConsoleSize": _is_size_array,
    "UseExistingLogin": is_bool,
    "UseLegacyConsole": is_bool,
    "StdErrToStdOut": is_bool,  # only this engine has it, and the next
    "Tag": lambda value: isinstance(value, str) and len(value) <= MAX_TAG,
    **SHAPE,
}
# Members of it that mean nothing on a POSIX host; asking for one is refused.
UNSUPPORTED_PARAMETERS = ("RestrictedToken", "UseExistingLogin", "UseLegacyConsole")

MODIFY_REQUEST: dict[str, Check] = {
    "Operation": is_string,
    "ConsoleSize": is_object,
    "CloseHandle": is_object,
}
CONSOLE_SIZE: dict[str, Check] = {"Height": _is_uint16, "Width": _is_uint16}
CLOSE_HANDLE: dict[str, Check] = {
    "Handle": lambda value: value in ("StdIn", "StdOut", "StdErr", "All")  # may be unhashable
}
SIGNAL_OPTIONS: dict[str, Check] = {
    "Signal": lambda value: (
        value in CONTROL_EVENTS
        if isinstance(value, str)
        else type(value) is int and 0 <= value <= MAX_SIGNAL
    )
}
# HCS reserves the options of HcsTerminateProcess; what is here only this engine knows.
TERMINATE_OPTIONS: dict[str, Check] = {"Tree": is_bool}


@dataclass(frozen=True, slots=True)
class Launch:
    """What a ProcessParameters document asks the engine to start.

    Attributes:
        argv: Program and arguments.
        environment: Members to add to, or override in, the environment of the system.
        directory: Working directory, or "" for the home of the user.
        user: As `keeper.accounts` reads it, or "" for the daemon's.
        console: (rows, columns) if it gets a console, else None.
        stdin: Whether a pipe to it was asked for; likewise stdout and stderr.
        joined: Whether stderr goes where stdout goes.
        tag: What its caller calls this start; "" for nothing.
        shape: What else it is to be.
    """

    argv: list[str]
    environment: dict[str, str]
    directory: str
    user: str
    console: tuple[int, int] | None
    stdin: bool
    stdout: bool
    stderr: bool
    joined: bool = False
    tag: str = ""
    shape: Shape = NO_SHAPE


@dataclass(frozen=True, slots=True)
class Resize:
    """Set the size of the console."""

    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class CloseStdio:
    """Close the service's copy of a stdio handle: StdIn, StdOut, StdErr or All."""

    handle: str


def parse_process_parameters(text: str | None) -> Launch:
    """Read what `HcsCreateProcess` takes.

    `CommandLine` is split as a shell would, without a shell; `CommandArgs` goes through unchanged.

    Raises:
        Fault: The document is malformed, or asks for something this engine cannot do.
    """
    members = parse(text, "ProcessParameters", PROCESS_PARAMETERS)
    refuse(members, "ProcessParameters", UNSUPPORTED_PARAMETERS)
    shape = parse_shape(members)
    directory = str(members.get("WorkingDirectory", ""))
    if directory and not directory.startswith("/"):
        raise Fault(HR.E_INVALIDARG, f"working directory '{directory}': it must be absolute")
    size = members.get("ConsoleSize")
    console = members.get("EmulateConsole") is True
    if size and not console:
        raise invalid("ProcessParameters.ConsoleSize needs EmulateConsole")
    joined = members.get("StdErrToStdOut") is True
    if joined and members.get("CreateStdErrPipe") is True:
        raise invalid("ProcessParameters has both StdErrToStdOut and CreateStdErrPipe")
    rows, columns = size if isinstance(size, list) and size else (0, 0)
    return Launch(
        argv=_argv(members),
        environment=_environment(members.get("Environment")),
        directory=directory,
        user=str(members.get("User", "")),
        shape=shape,
        console=(rows or DEFAULT_CONSOLE[0], columns or DEFAULT_CONSOLE[1]) if console else None,
        stdin=members.get("CreateStdInPipe") is True,
        stdout=members.get("CreateStdOutPipe") is True,
        stderr=members.get("CreateStdErrPipe") is True,
        joined=joined,
        tag=str(members.get("Tag", "")),
    )


def _argv(members: Mapping[str, object]) -> list[str]:
    line = str(members.get("CommandLine", ""))
    args = members.get("CommandArgs")
    argv = [str(arg) for arg in args] if isinstance(args, list) else []
    if line and argv:
        raise invalid("ProcessParameters has both CommandLine and CommandArgs")
    if line:
        try:
            argv = shlex.split(line)
        except ValueError as error:
            raise invalid(f"ProcessParameters.CommandLine cannot be split: {error}") from None
    program = str(members.get("ApplicationName", ""))
    if program:
        argv = [program, *argv[1:]]
    if not argv or not argv[0]:
        raise invalid("ProcessParameters names no program")
    return argv


def _environment(value: object) -> dict[str, str]:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def parse_modify_request(text: str | None) -> Resize | CloseStdio:
    """Read what `HcsModifyProcess` takes.

    Raises:
        Fault: The document is malformed; `Operation` is required.
    """
    members = parse(text, "ProcessModifyRequest", MODIFY_REQUEST)
    operation = members.get("Operation")
    body = json.dumps(members.get(str(operation)) or {})
    if operation == "ConsoleSize":
        size = parse(body, "ProcessModifyRequest.ConsoleSize", CONSOLE_SIZE)
        height, width = size.get("Height"), size.get("Width")
        if not (isinstance(height, int) and isinstance(width, int) and height and width):
            raise invalid("ProcessModifyRequest.ConsoleSize needs a Height and a Width above 0")
        return Resize(height, width)
    if operation == "CloseHandle":
        close = parse(body, "ProcessModifyRequest.CloseHandle", CLOSE_HANDLE)
        if "Handle" not in close:
            raise invalid("ProcessModifyRequest.CloseHandle names no Handle")
        return CloseStdio(str(close["Handle"]))
    raise invalid("ProcessModifyRequest.Operation must be ConsoleSize or CloseHandle")


def parse_signal_options(text: str | None) -> tuple[int, bool]:
    """Read what `HcsSignalProcess` takes.

    Returns:
        Signal number, and whether it goes to the whole process group. Without a signal, or with 0,
        it is SIGKILL, as Linux guests have it.

    Raises:
        Fault: The document is malformed.
    """
    signal = parse(text, "SignalProcessOptions", SIGNAL_OPTIONS).get("Signal", 0)
    if isinstance(signal, str):
        return CONTROL_EVENTS[signal], True
    return (signal if isinstance(signal, int) and signal else 9), False


def parse_terminate_options(text: str | None) -> bool:
    """Read what `HcsTerminateProcess` takes.

    Returns:
        Whether all that descends from the process is to be killed with it.

    Raises:
        Fault: The document is malformed.
    """
    return parse(text, "TerminateOptions", TERMINATE_OPTIONS).get("Tree") is True


def terminate_result(killed: object) -> str | None:
    """Word what `HcsTerminateProcess` answers to the kill of a tree; only this engine has that.

    Args:
        killed: How many were killed besides the process, as the keeper says it.
    """
    return json.dumps({"DescendantsKilled": killed}) if isinstance(killed, int) else None


def process_status(
    pid: int,
    *,
    exited: bool,
    exit_code: int | None = 0,
    signal: int = 0,
    out_of_memory: bool = False,
    exit_time: int = 0,
) -> str:
    """Word a ProcessStatus document.

    `Signal`, `OutOfMemory` and `ExitTime` are extra members that only this engine sends. An exit code
    of None is one that nobody can tell: the wait has failed. An exit time of 0 is not known.
    """
    status: dict[str, object] = {"ProcessId": pid, "Exited": exited}
    if exited and exit_code is None:
        status["LastWaitResult"] = HR.ERROR_NOT_FOUND - (1 << 32)
    elif exited:
        status |= {"ExitCode": exit_code, "LastWaitResult": 0}
    if signal:
        status["Signal"] = signal
    if out_of_memory:
        status["OutOfMemory"] = True
    if exited and exit_time:
        status["ExitTime"] = exit_time
    return json.dumps(status)
