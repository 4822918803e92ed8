"""From a create request to what the engine is asked: the only reader of ProcessSpec."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcsd.hcs.schema import ProcessParameters
from hcsd.io import Overflow
from hcsd.service.errors import InvalidRequestError, Violation
from hcsd.service.names import new_ulid
from hcsd.v1 import process_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hcsd.config import Limits
    from hcsd.v1 import process_service_pb2 as service_pb

OVERFLOWS: Mapping[int, Overflow] = {
    pb.OVERFLOW_POLICY_BLOCK: Overflow.BLOCK,
    pb.OVERFLOW_POLICY_DROP_OLDEST: Overflow.DROP_OLDEST,
}
COLUMNS, ROWS = 80, 25  # of a console whose size is left open; HCS has the same
MAX_SIDE = 0xFFFF


@dataclass(frozen=True, slots=True)
class Plan:
    """What a process is to be.

    Attributes:
        uid: Unique id, never used again.
        request_id: Request id of the create, or "".
        parameters: ProcessParameters document for the engine.
        spec: What the client asked for, with the defaults that apply, to be shown; of a raw document
            the members that have a place there. None if nobody asked.
        labels: Labels.
        ring_bytes: Capacity of each output ring.
        overflow: What gives way when a ring is full.
        drain_timeout: Seconds to wait for pipes that outlive the process.
        run_timeout: Seconds the process may run; 0 is without limit.
        kill_when_orphaned: Whether it dies with the RunProcess call that made it.
        origin: How the daemon comes to know it.
    """

    uid: str
    request_id: str
    parameters: str
    spec: pb.ProcessSpec | None
    labels: Mapping[str, str]
    ring_bytes: int
    overflow: Overflow
    drain_timeout: float
    run_timeout: float
    kill_when_orphaned: bool
    origin: pb.ProcessOrigin = pb.PROCESS_ORIGIN_CREATED


def make_plan(
    request: service_pb.CreateProcessRequest, guest_os: str, limits: Limits, *, owned: bool
) -> Plan:
    """Turn a valid create request into a plan.

    Args:
        request: What the client asks for.
        guest_os: ``Windows`` or ``Linux``; decides how `argv` is passed.
        limits: Defaults.
        owned: Whether the RPC that creates it owns it (RunProcess): then output blocks by default,
            as a pipe would, and it may die with the RPC.

    Raises:
        InvalidRequestError: The request asks for what only an owner can have.
    """
    raw = request.WhichOneof("source") == "parameters_json"
    spec = _resolved(_shown(request.parameters_json) if raw else request.spec, limits, owned=owned)
    kill = spec.orphan_policy == pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT
    if kill and not owned:
        raise InvalidRequestError(
            [
                Violation(
                    "spec.orphan_policy",
                    "enum.not_in",
                    "needs an owner, which only RunProcess gives a process",
                )
            ]
        )
    return Plan(
        uid=new_ulid(),
        request_id=request.request_id,
        parameters=request.parameters_json if raw else parameters(spec, guest_os),
        spec=spec,
        labels=dict(request.labels),
        ring_bytes=spec.output.ring_bytes,
        overflow=OVERFLOWS[spec.output.overflow],
        drain_timeout=spec.drain_timeout.ToNanoseconds() / 1e9,
        run_timeout=spec.run_timeout.ToNanoseconds() / 1e9,
        kill_when_orphaned=kill,
    )


def plan_opened() -> Plan:
    """Return the plan of a process that runs already, and of which the daemon reads nothing."""
    return Plan(
        uid=new_ulid(),
        request_id="",
        parameters="",
        spec=None,
        labels={},
        ring_bytes=1,  # the least there is
        overflow=Overflow.DROP_OLDEST,
        drain_timeout=0.0,
        run_timeout=0.0,
        kill_when_orphaned=False,
        origin=pb.PROCESS_ORIGIN_OPENED,
    )


def _resolved(asked: pb.ProcessSpec, limits: Limits, *, owned: bool) -> pb.ProcessSpec:
    """Return a spec of our own, with the defaults in the place of what was left open."""
    spec = pb.ProcessSpec()
    spec.CopyFrom(asked)
    console = spec.HasField("console")
    if console:
        spec.console.columns = spec.console.columns or COLUMNS
        spec.console.rows = spec.console.rows or ROWS
    spec.stdin_mode = spec.stdin_mode or (pb.STDIN_MODE_PIPE if console else pb.STDIN_MODE_CLOSED)
    if not spec.HasField("drain_timeout"):
        spec.drain_timeout.FromNanoseconds(round(limits.drain_timeout * 1e9))
    spec.output.ring_bytes = spec.output.ring_bytes or limits.default_ring_bytes
    spec.output.overflow = spec.output.overflow or (
        pb.OVERFLOW_POLICY_BLOCK if owned else pb.OVERFLOW_POLICY_DROP_OLDEST
    )
    spec.orphan_policy = spec.orphan_policy or pb.ORPHAN_POLICY_KEEP
    return spec


def _shown(document: str) -> pb.ProcessSpec:
    """Read what has a place in a spec out of a raw document; HCS judges the rest.

    What is not as HCS has it is left out, since nothing is known of the process then.
    """
    shown = pb.ProcessSpec()
    try:
        members = json.loads(document)
    except (ValueError, RecursionError):
        return shown
    if not isinstance(members, dict):
        return shown
    line, args = members.get("CommandLine"), members.get("CommandArgs")
    if isinstance(line, str):
        shown.command_line = _as_utf8(line)
    elif isinstance(args, list):
        shown.argv.args.extend(_as_utf8(str(arg)) for arg in args)
    shown.working_directory = _text(members.get("WorkingDirectory"))
    shown.user = _text(members.get("User"))
    shown.restricted_token = members.get("RestrictedToken") is True
    environment = members.get("Environment")
    for name, value in environment.items() if isinstance(environment, dict) else ():
        shown.env.add(name=_text(name), value=_text(value))
    if members.get("EmulateConsole") is True:
        _show_console(shown.console, members.get("ConsoleSize"))
    piped = members.get("CreateStdInPipe") is True
    shown.stdin_mode = pb.STDIN_MODE_PIPE if piped else pb.STDIN_MODE_CLOSED
    return shown


def _show_console(console: pb.Console, size: object) -> None:
    console.SetInParent()
    if isinstance(size, list) and len(size) == 2:  # height and width
        console.rows, console.columns = (
            side if isinstance(side, int) and 0 <= side <= MAX_SIDE else 0 for side in size
        )


def _text(value: object) -> str:
    return _as_utf8(value) if isinstance(value, str) else ""


def _as_utf8(text: str) -> str:
    """Put `?` for what JSON can hold and UTF-8 cannot: half a surrogate pair."""
    return text.encode(errors="replace").decode()


def parameters(spec: pb.ProcessSpec, guest_os: str) -> str:
    """Return the ProcessParameters document of a spec.

    A console always gets a stdin pipe: without one the console host of Windows ends at once and
    takes the process with it. It has no stderr of its own.
    """
    console = spec.HasField("console")
    command_line, args = _command(spec, guest_os)
    return ProcessParameters(
        command_line=command_line,
        command_args=args,
        user=spec.user,
        working_directory=spec.working_directory,
        environment={variable.name: variable.value for variable in spec.env},
        restricted_token=spec.restricted_token,
        emulate_console=console,
        create_std_in_pipe=console or spec.stdin_mode == pb.STDIN_MODE_PIPE,
        create_std_out_pipe=True,
        create_std_err_pipe=not console,
        console_size=[spec.console.rows, spec.console.columns] if console else [],
    ).to_json()


def _command(spec: pb.ProcessSpec, guest_os: str) -> tuple[str, list[str]]:
    """Return the command line or the arguments; Windows guests know only command lines."""
    if spec.WhichOneof("command") == "command_line":
        return spec.command_line, []
    args = list(spec.argv.args)
    return (quote_windows(args), []) if guest_os == "Windows" else ("", args)


def quote_windows(args: Iterable[str]) -> str:
    """Join arguments into a command line that CommandLineToArgvW splits into the same ones.

    Backslashes count only in front of a quote: there each is doubled, and the quote escaped.
    """
    return " ".join(map(_quote, args))


def _quote(arg: str) -> str:
    if arg and not set(arg) & set(' \t\n\v"'):
        return arg
    quoted = ""
    backslashes = 0
    for character in arg:
        if character == "\\":
            backslashes += 1
            continue
        escaped = backslashes * 2 + 1 if character == '"' else backslashes
        quoted += "\\" * escaped + character
        backslashes = 0
    closing = "\\" * (backslashes * 2)
    return f'"{quoted}{closing}"'
