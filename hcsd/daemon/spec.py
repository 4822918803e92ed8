"""What a process is to be: what was asked for, the defaults that apply, and what HCS is told.

    asked for ──the limits in force──▶ resolved ──the guest──▶ ProcessParameters document
    raw document ──read leniently──▶ shown            and passed to HCS as it is

A spec is a value: nothing changes one once it is made.
"""

from __future__ import annotations

import enum
import itertools
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from hcsd.daemon.guests import quote_windows
from hcsd.daemon.idempotency import NO_KEY, RequestKey
from hcsd.daemon.process_shape import NO_SHAPE, Shape
from hcsd.daemon.spans import Span
from hcsd.hcs.schema import ProcessParameters
from hcsd.io import Overflow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hcsd.daemon.guests import Guest
    from hcsd.daemon.settings import Limits

COLUMNS, ROWS = 80, 25  # of a console whose size is left open; HCS has the same
MAX_SIDE = 0xFFFF


class StdinMode(enum.Enum):
    """Whether the process has a stdin that can be written to."""

    CLOSED = enum.auto()
    PIPE = enum.auto()


class OrphanPolicy(enum.Enum):
    """What becomes of a process whose owner leaves."""

    KEEP = enum.auto()
    KILL_ON_OWNER_DISCONNECT = enum.auto()


class ConsoleSize(NamedTuple):
    """Size of a console in character cells; 0 where it is left open."""

    columns: int
    rows: int


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What a process is to be. What is None is left open.

    Attributes:
        command_line: The command as one line; None if `argv` says it.
        argv: The program and its arguments.
        working_directory: Where it starts; empty for the default.
        env: Variables, name and value, in their order; the last of a name wins.
        user: Whom it runs as; empty for the daemon's user.
        console: Size of its console; None for none.
        stdin_mode: Whether it has a stdin.
        run_timeout: How long it may run; 0 is without limit.
        drain_timeout: How long to wait for pipes that outlive it.
        ring_bytes: Capacity of each output ring.
        overflow: What gives way when a ring is full.
        orphan_policy: What becomes of it when its owner leaves.
        restricted_token: Whether it runs with fewer rights (Windows).
        shape: What else it is to be, where the engine can.
    """

    command_line: str | None = None
    argv: tuple[str, ...] = ()
    working_directory: str = ""
    env: tuple[tuple[str, str], ...] = ()
    user: str = ""
    console: ConsoleSize | None = None
    stdin_mode: StdinMode | None = None
    run_timeout: Span | None = None
    drain_timeout: Span | None = None
    ring_bytes: int | None = None
    overflow: Overflow | None = None
    orphan_policy: OrphanPolicy | None = None
    restricted_token: bool = False
    shape: Shape = NO_SHAPE

    @property
    def texts(self) -> Iterator[str]:
        """All that was asked for in words; what is large of a spec is in here."""
        yield from (self.command_line or "", self.working_directory, self.user)
        yield from self.argv
        yield from itertools.chain.from_iterable(self.env)
        yield from self.shape.texts


@dataclass(frozen=True, slots=True)
class ResolvedSpec:
    """A spec with nothing left open, and what the daemon does by it.

    Attributes:
        shown: The spec with the defaults in the place of what was left open.
        drain_timeout: Seconds to wait for pipes that outlive the process.
        run_timeout: Seconds that it may run; 0 is without limit.
        ring_bytes: Capacity of each output ring.
        overflow: What gives way when a ring is full.
        kill_when_orphaned: Whether it dies with its owner.
    """

    shown: ProcessSpec
    drain_timeout: float
    run_timeout: float
    ring_bytes: int
    overflow: Overflow
    kill_when_orphaned: bool


@dataclass(frozen=True, slots=True)
class ProcessRequest:
    """A process that somebody wants.

    Attributes:
        system_id: Where.
        spec: What it is to be; None if `document` says it.
        document: ProcessParameters document, passed through as it is; None to make it of the spec.
        process_id: Its id; "" to let the daemon choose.
        labels: Its labels.
        owned: Whether the caller reads its output and owns it: then output blocks by default, as a
            pipe would, and the process may die with its owner.
        key: What tells the request from others.
    """

    system_id: str
    spec: ProcessSpec | None = None
    document: str | None = None
    process_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    owned: bool = False
    key: RequestKey = NO_KEY


# Of a process that runs already, and of which the daemon reads nothing.
OPENED = ResolvedSpec(
    shown=ProcessSpec(),
    drain_timeout=0.0,
    run_timeout=0.0,
    ring_bytes=1,  # the least there is
    overflow=Overflow.DROP_OLDEST,
    kill_when_orphaned=False,
)


def resolve(asked: ProcessSpec, limits: Limits, *, owned: bool) -> ResolvedSpec:
    """Put the defaults in the place of what was left open.

    Args:
        asked: What was asked for.
        limits: Defaults.
        owned: Whether somebody who reads its output owns it: then output blocks by default, as a
            pipe would.
    """
    console, stdin_mode = asked.console, asked.stdin_mode
    if console is not None:
        console = ConsoleSize(console.columns or COLUMNS, console.rows or ROWS)
    if stdin_mode is None:
        stdin_mode = StdinMode.CLOSED if console is None else StdinMode.PIPE
    drain_timeout = asked.drain_timeout or Span(round(limits.drain_timeout * 1e9))
    run_timeout = asked.run_timeout or Span(0)
    ring_bytes = asked.ring_bytes or limits.default_ring_bytes
    overflow = asked.overflow or (Overflow.BLOCK if owned else Overflow.DROP_OLDEST)
    orphan_policy = asked.orphan_policy or OrphanPolicy.KEEP
    shown = replace(
        asked,
        console=console,
        stdin_mode=stdin_mode,
        drain_timeout=drain_timeout,
        ring_bytes=ring_bytes,
        overflow=overflow,
        orphan_policy=orphan_policy,
    )
    return ResolvedSpec(
        shown=shown,
        drain_timeout=drain_timeout.seconds,
        run_timeout=run_timeout.seconds,
        ring_bytes=ring_bytes,
        overflow=overflow,
        kill_when_orphaned=orphan_policy is OrphanPolicy.KILL_ON_OWNER_DISCONNECT,
    )


def parameters(spec: ProcessSpec, guest: Guest) -> str:
    """Return the ProcessParameters document of a spec.

    A console always gets a stdin pipe: without one the console host of Windows ends at once and
    takes the process with it. It has no stderr of its own.
    """
    console = spec.console
    command_line, args = _command(spec, guest)
    plain = ProcessParameters(
        command_line=command_line,
        command_args=args,
        user=spec.user,
        working_directory=spec.working_directory,
        environment=dict(spec.env),
        restricted_token=spec.restricted_token,
        emulate_console=console is not None,
        create_std_in_pipe=console is not None or spec.stdin_mode is StdinMode.PIPE,
        create_std_out_pipe=True,
        create_std_err_pipe=console is None,
        console_size=[console.rows, console.columns] if console else [],
    )
    return spec.shape.put_into(plain).to_json()


def _command(spec: ProcessSpec, guest: Guest) -> tuple[str, list[str]]:
    """Return the command line or the arguments, whichever the guest takes."""
    if spec.command_line is not None:
        return spec.command_line, []
    args = list(spec.argv)
    return ("", args) if guest.takes_arguments else (quote_windows(args), [])


def read_document(document: str) -> ProcessSpec:
    """Read what has a place in a spec out of a raw document; HCS judges the rest.

    What is not as HCS has it is left out, since nothing is known of the process then.
    """
    try:
        members = json.loads(document)
    except (ValueError, RecursionError):
        return ProcessSpec()
    if not isinstance(members, dict):
        return ProcessSpec()
    line, args = members.get("CommandLine"), members.get("CommandArgs")
    environment = members.get("Environment")
    if not isinstance(environment, dict):
        environment = {}
    return ProcessSpec(
        command_line=_as_utf8(line) if isinstance(line, str) else None,
        argv=tuple(_as_utf8(str(arg)) for arg in args)
        if isinstance(args, list) and not isinstance(line, str)
        else (),
        working_directory=_text(members.get("WorkingDirectory")),
        user=_text(members.get("User")),
        env=tuple((_text(name), _text(value)) for name, value in environment.items()),
        restricted_token=members.get("RestrictedToken") is True,
        shape=Shape.read(members),
        console=_console(members.get("ConsoleSize"))
        if members.get("EmulateConsole") is True
        else None,
        stdin_mode=StdinMode.PIPE if members.get("CreateStdInPipe") is True else StdinMode.CLOSED,
    )


def _console(size: object) -> ConsoleSize:
    if not isinstance(size, list) or len(size) != 2:  # height and width
        return ConsoleSize(0, 0)
    rows, columns = (
        side if isinstance(side, int) and 0 <= side <= MAX_SIDE else 0 for side in size
    )
    return ConsoleSize(columns, rows)


def _text(value: object) -> str:
    return _as_utf8(value) if isinstance(value, str) else ""


def _as_utf8(text: str) -> str:
    """Put `?` for what JSON can hold and UTF-8 cannot: half a surrogate pair."""
    return text.encode(errors="replace").decode()
