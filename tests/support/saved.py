"""What a daemon may have to keep: processes, systems and events, with something in every member."""

import time

from hcsd.daemon.events import (
    Event,
    HcsEvent,
    ProcessEvent,
    ProcessEventKind,
    SystemEvent,
    SystemEventKind,
)
from hcsd.daemon.idempotency import NO_KEY, RequestKey
from hcsd.daemon.names import ProcessKey
from hcsd.daemon.options import Options, OrphanPolicy
from hcsd.daemon.process_life import Life
from hcsd.daemon.process_shape import ResourceLimit, Shape
from hcsd.daemon.process_view import (
    Exit,
    ExitReason,
    Failure,
    Identity,
    Origin,
    ProcessView,
    StreamStatus,
)
from hcsd.daemon.spans import Span
from hcsd.daemon.spec import ConsoleSize, ProcessSpec, StdinMode
from hcsd.daemon.state.rows import SavedProcess, SavedState, SavedSystem
from hcsd.daemon.streams import Stream
from hcsd.daemon.system import SystemEnding, SystemView
from hcsd.daemon.system_life import Life as SystemLife
from hcsd.hcs.schema import SystemProperties
from hcsd.hcs.system_limits import SystemLimits
from hcsd.io import Overflow

# NUL, a character of its own, and lone surrogates, two of which are beside each other and stay two.
STRANGE = "\0 \U0001f600 \udc80 \ud83d\ude00 \ud800"

SPEC = ProcessSpec(
    command_line="cmd " + STRANGE,
    argv=("sh", "-c", STRANGE),
    working_directory="/" + STRANGE,
    env=(("A", STRANGE), (STRANGE, ""), ("A", "again")),
    user="nobody",
    console=ConsoleSize(80, 0),
    stdin_mode=StdinMode.PIPE,
    restricted_token=True,
    shape=Shape(
        uid=0,
        gid=1,
        supplementary_groups=(2, 3),
        resource_limits=(ResourceLimit("nofile", 1, (1 << 64) - 1), ResourceLimit("core", 0, 0)),
        umask=0,
        oom_score_adj=-1000,
        no_new_privileges=True,
    ),
)
OPTIONS = Options(
    ring_bytes=65536,
    overflow=Overflow.BLOCK,
    stderr_to_stdout=True,
    discard=frozenset({Stream.STDERR}),
    run_timeout=Span(0),
    drain_timeout=Span(10**18 + 1),
    orphan_policy=OrphanPolicy.KILL_ON_OWNER_DISCONNECT,
    owner_grace=Span(1),
    pin=True,
    in_spec=frozenset({"pin"}),
)
FAILURE = Failure(0x80070002, STRANGE, "exec", 2)
EXITS = [
    None,
    Exit(),
    Exit(code=0xFFFFFFFF, signal=9, time=1 << 62, reason=ExitReason.SIGNALED, output_complete=True),
    Exit(start_error=FAILURE),
    Exit(unknown=FAILURE._replace(stage="", errno=0)),
]
REQUEST = RequestKey(STRANGE, bytes(range(256)))
LIMITS = SystemLimits(1 << 40, 1500, 10, 4096)
PROPERTIES = SystemProperties(
    STRANGE, "Container", "Linux", "name", "owner", "runtime", "Running", "None", LIMITS
)
ENDING = SystemEnding(0xC0000001, "ForcedExit", STRANGE, 1 << 62)


def identity(number: int, spec: ProcessSpec | None = SPEC) -> Identity:
    """Return an identity, which is another one for each number."""
    key = ProcessKey("host \0 \U0001f600", f"p{number}")  # of others, a name cannot be made
    return Identity(
        key=key,
        uid=f"{number:026}",
        incarnation="i",
        spec=spec,
        options=None if spec is None else OPTIONS,
        labels={"b": STRANGE, "a": ""},
        origin=Origin.OPENED if spec is None else Origin.CREATED,
        create_time=time.time_ns(),
        name=key.name,
    )


def process(number: int, spec: ProcessSpec | None = SPEC) -> SavedProcess:
    """Return a process."""
    return SavedProcess(identity(number, spec), number, REQUEST if number % 2 else NO_KEY)


def state(variant: int = 0) -> SavedState:
    """Return where a process may be; the same for the same number."""
    lives = list(Life)
    reasons = [None, *ExitReason]
    streams = [frozenset[Stream](), frozenset({Stream.STDERR}), frozenset({Stream.STDOUT})]
    return SavedState(
        life=lives[variant % len(lives)],
        output_complete=variant % 2 == 1,
        pid=variant,
        created=(variant / 7, variant / 3),
        start_time=variant,
        reason=reasons[variant % len(reasons)],
        exit=EXITS[variant % len(EXITS)],
        closed=streams[variant % 3],
        forced=streams[variant // 3 % 3],
    )


def system(name: str = STRANGE, variant: int = 0) -> SavedSystem:
    """Return a system; the same for the same number."""
    lives = list(SystemLife)
    return SavedSystem(
        id=name,
        runtime_id="runtime",
        create_time=variant or None,
        request=REQUEST if variant % 2 else NO_KEY,
        limits=LIMITS if variant % 3 else None,
        properties=PROPERTIES if variant % 2 else SystemProperties(name),
        life=lives[variant % len(lives)],
        exit=ENDING if variant % 2 else None,
    )


def process_event(revision: int, of: Identity) -> Event:
    """Return an event of a process; the same kind of event for the same revision."""
    kinds = list(ProcessEventKind)
    lives = list(Life)
    view = ProcessView(
        identity=of,
        life=lives[revision % len(lives)],
        pid=revision,
        start_time=revision,
        stdin=StreamStatus(0, 5, True, 0, 1) if revision % 2 else None,
        stdout=StreamStatus(1, 2, False, 1, 0) if revision % 3 else StreamStatus(),
        stderr=StreamStatus(),
        exit=EXITS[revision % len(EXITS)],
    )
    what = ProcessEvent(kinds[revision % len(kinds)], view)
    return Event(revision, 1 << 60, of.key.system_id, of.weight, what)


def system_event(revision: int) -> Event:
    """Return an event of a system; the same kind of event for the same revision."""
    kinds = [None, *SystemEventKind]
    view = SystemView(
        properties=PROPERTIES,
        limits=LIMITS if revision % 3 else None,
        create_time=revision if revision % 5 else None,
        exit=ENDING if revision % 2 else None,
        kills_trees=revision % 2 == 1,
        pauses=revision % 2 == 0,
    )
    what = SystemEvent(
        STRANGE,
        HcsEvent(0x2000000, STRANGE) if revision % 2 else HcsEvent(),
        kinds[revision % len(kinds)],
        view if revision % 4 else None,
    )
    return Event(revision, 1 << 60, STRANGE, 512, what)
