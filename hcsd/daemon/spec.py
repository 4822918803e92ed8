"""What a process is to be: what was asked for, the defaults that apply, and what HCS is told.

    asked for ──the limits in force──▶ resolved ──the guest──▶ ProcessParameters document

A spec is a value: nothing changes one once it is made. How the daemon keeps the process is beside it, in
`hcsd.daemon.options`. Who writes a document instead of a spec: `hcsd.daemon.raw_document`.
"""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from hcsd.daemon.idempotency import NO_KEY, RequestKey
from hcsd.daemon.options import NO_OPTIONS, Options
from hcsd.daemon.process_shape import NO_SHAPE, Shape
from hcsd.daemon.streams import Stream
from hcsd.daemon.windows_command import quote_windows
from hcsd.daemon.windows_environment import merge
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
    """A spec and options with nothing left open, and what the daemon does by them.

    Attributes:
        shown: The spec with the defaults in the place of what was left open.
        options: The options, likewise.
        drain_timeout: Seconds to wait for pipes that outlive the process.
        run_timeout: Seconds that it may run; 0 is without limit.
        ring_bytes: Capacity of each output ring.
        overflow: What gives way when a ring is full.
        owner_grace: Seconds that it lives without an owner; None if it needs none.
    """

    shown: ProcessSpec
    options: Options
    drain_timeout: float
    run_timeout: float
    ring_bytes: int
    overflow: Overflow
    owner_grace: float | None


@dataclass(frozen=True, slots=True)
class ProcessRequest:
    """A process that somebody wants.

    Attributes:
        system_id: Where.
        spec: What it is to be; None if `document` says it.
        document: ProcessParameters document of the caller; None to make it of the spec.
        options: How to keep it.
        process_id: Its id; "" to let the daemon choose.
        labels: Its labels.
        owned: Whether the caller reads its output and owns it: then output blocks by default, as a
            pipe would, and the process may die with its owner.
        key: What tells the request from others.
    """

    system_id: str
    spec: ProcessSpec | None = None
    document: str | None = None
    options: Options = NO_OPTIONS
    process_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    owned: bool = False
    key: RequestKey = NO_KEY


# Of a process that runs already, and of which the daemon reads nothing.
OPENED = ResolvedSpec(
    shown=ProcessSpec(),
    options=NO_OPTIONS,
    drain_timeout=0.0,
    run_timeout=0.0,
    ring_bytes=1,  # the least there is
    overflow=Overflow.DROP_OLDEST,
    owner_grace=None,
)


def resolve(asked: ProcessSpec, options: Options, limits: Limits, *, owned: bool) -> ResolvedSpec:
    """Put the defaults in the place of what was left open.

    Args:
        asked: What was asked for.
        options: How to keep it.
        limits: Defaults.
        owned: Whether somebody who reads its output owns it: then output blocks by default, as a
            pipe would.
    """
    console, stdin_mode = asked.console, asked.stdin_mode
    if console is not None:
        console = ConsoleSize(console.columns or COLUMNS, console.rows or ROWS)
    if stdin_mode is None:
        stdin_mode = StdinMode.CLOSED if console is None else StdinMode.PIPE
    shown = replace(asked, console=console, stdin_mode=stdin_mode)
    return in_force(shown, options.filled(limits, owned=owned))


def in_force(shown: ProcessSpec, options: Options) -> ResolvedSpec:
    """Return what the daemon does by a spec and options with nothing left open."""
    return ResolvedSpec(
        shown=shown,
        options=options,
        drain_timeout=options.drain_timeout.seconds if options.drain_timeout else 0.0,
        run_timeout=options.run_timeout.seconds if options.run_timeout else 0.0,
        ring_bytes=options.ring_bytes or 1,
        overflow=options.overflow or Overflow.DROP_OLDEST,
        owner_grace=_owner_grace(options),
    )


def _owner_grace(options: Options) -> float | None:
    if not options.kills_orphan:
        return None
    return options.owner_grace.seconds if options.owner_grace else 0.0


def parameters(
    spec: ProcessSpec, guest: Guest, options: Options = NO_OPTIONS, tag: str = ""
) -> str:
    """Return the ProcessParameters document of a spec, with the pipes that its options ask for.

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
        environment=merge(spec.env) if guest.ignores_case_of_variables else dict(spec.env),
        restricted_token=spec.restricted_token,
        emulate_console=console is not None,
        create_std_in_pipe=console is not None or spec.stdin_mode is StdinMode.PIPE,
        create_std_out_pipe=options.has_pipe(Stream.STDOUT),
        create_std_err_pipe=console is None and options.has_pipe(Stream.STDERR),
        std_err_to_std_out=console is None and options.stderr_to_stdout,
        console_size=[console.rows, console.columns] if console else [],
        tag=tag,
    )
    return spec.shape.put_into(plain).to_json()


def _command(spec: ProcessSpec, guest: Guest) -> tuple[str, list[str]]:
    """Return the command line or the arguments, whichever the guest takes."""
    if spec.command_line is not None:
        return spec.command_line, []
    args = list(spec.argv)
    return ("", args) if guest.takes_arguments else (quote_windows(args), [])
