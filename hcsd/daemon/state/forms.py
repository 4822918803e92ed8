"""How each type of the daemon is kept: one line for each member. See `codec` for what may change."""

from __future__ import annotations

from hcsd.daemon.events import (
    Event,
    HcsEvent,
    ProcessEvent,
    ProcessEventKind,
    SystemEvent,
    SystemEventKind,
)
from hcsd.daemon.idempotency import RequestKey
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
from hcsd.daemon.state.codec import (
    FLAG,
    FLOAT,
    TEXT,
    WHOLE,
    Among,
    Hex,
    Labels,
    Member,
    Optional,
    Pair,
    Record,
    Row,
    members,
)
from hcsd.daemon.state.rows import SavedProcess, SavedState, SavedSystem
from hcsd.daemon.streams import Stream
from hcsd.daemon.system import SystemEnding, SystemView
from hcsd.daemon.system_life import Life as SystemLife
from hcsd.hcs.schema import SystemProperties
from hcsd.hcs.system_limits import SystemLimits
from hcsd.io import Overflow

KEY = Record(ProcessKey, system_id=TEXT, process_id=TEXT)
REQUEST = Record(RequestKey, id=TEXT, fingerprint=Hex())
STREAMS = Among(Member(Stream))
SPAN = Record(Span, nanoseconds=WHOLE)

SHAPE = Record(
    Shape,
    uid=Optional(WHOLE),
    gid=Optional(WHOLE),
    supplementary_groups=Row(WHOLE),
    resource_limits=Row(Record(ResourceLimit, name=TEXT, soft=WHOLE, hard=WHOLE)),
    umask=Optional(WHOLE),
    oom_score_adj=Optional(WHOLE),
    no_new_privileges=FLAG,
)

SPEC = Record(
    ProcessSpec,
    command_line=Optional(TEXT),
    argv=Row(TEXT),
    working_directory=TEXT,
    env=Row(Pair(TEXT)),
    user=TEXT,
    console=Optional(Record(ConsoleSize, columns=WHOLE, rows=WHOLE)),
    stdin_mode=Optional(Member(StdinMode)),
    restricted_token=FLAG,
    shape=SHAPE,
)

OPTIONS = Record(
    Options,
    ring_bytes=Optional(WHOLE),
    overflow=Optional(Member(Overflow)),
    stderr_to_stdout=FLAG,
    discard=STREAMS,
    run_timeout=Optional(SPAN),
    drain_timeout=Optional(SPAN),
    orphan_policy=Optional(Member(OrphanPolicy)),
    owner_grace=Optional(SPAN),
    pin=FLAG,
    in_spec=Among(TEXT),
)

IDENTITY = Record(
    Identity,
    given=("name", "cached"),  # the name is that of the key
    key=KEY,
    uid=TEXT,
    incarnation=TEXT,
    spec=Optional(SPEC),
    options=Optional(OPTIONS),
    labels=Labels(),
    origin=Member(Origin),
    create_time=WHOLE,
)

FAILURE = Record(Failure, hresult=WHOLE, message=TEXT, stage=TEXT, errno=WHOLE)

EXIT = Record(
    Exit,
    code=Optional(WHOLE),
    start_error=Optional(FAILURE),
    unknown=Optional(FAILURE),
    signal=WHOLE,
    time=WHOLE,
    reason=Optional(Member(ExitReason)),
    output_complete=FLAG,
)

STATE = Record(
    SavedState,
    life=Member(Life),
    output_complete=FLAG,
    pid=WHOLE,
    created=Pair(FLOAT),
    start_time=WHOLE,
    reason=Optional(Member(ExitReason)),
    exit=Optional(EXIT),
    closed=STREAMS,
    forced=STREAMS,
    stdin_committed=Optional(WHOLE),
)

STREAM_STATUS = Record(
    StreamStatus,
    start_offset=WHOLE,
    end_offset=WHOLE,
    closed=FLAG,
    dropped_bytes=WHOLE,
    readers=WHOLE,
)

PROCESS_VIEW = Record(
    ProcessView,
    given=("identity",),  # kept once for all that tell of the process
    life=Member(Life),
    pid=WHOLE,
    start_time=WHOLE,
    stdin=Optional(STREAM_STATUS),
    stdout=STREAM_STATUS,
    stderr=STREAM_STATUS,
    exit=Optional(EXIT),
)

SYSTEM_LIMITS = Record(
    SystemLimits,
    memory_bytes=WHOLE,
    processor_millis=WHOLE,
    processor_weight=WHOLE,
    max_tasks=WHOLE,
)

PROPERTIES = Record(
    SystemProperties,
    id=TEXT,
    system_type=TEXT,
    runtime_os_type=TEXT,
    name=TEXT,
    owner=TEXT,
    runtime_id=TEXT,
    state=TEXT,
    exit_type=TEXT,
    limits=Optional(SYSTEM_LIMITS),
)

ENDING = Record(SystemEnding, status=WHOLE, exit_type=TEXT, attribution=TEXT, time=WHOLE)

SYSTEM = Record(
    SavedSystem,
    id=TEXT,
    runtime_id=TEXT,
    create_time=Optional(WHOLE),
    request=REQUEST,
    limits=Optional(SYSTEM_LIMITS),
    properties=PROPERTIES,
    life=Member(SystemLife),
    exit=Optional(ENDING),
)

SYSTEM_VIEW = Record(
    SystemView,
    properties=PROPERTIES,
    limits=Optional(SYSTEM_LIMITS),
    create_time=Optional(WHOLE),
    exit=Optional(ENDING),
    kills_trees=FLAG,
    pauses=FLAG,
)

SYSTEM_EVENT = Record(
    SystemEvent,
    system_id=TEXT,
    hcs=Record(HcsEvent, value=WHOLE, document=TEXT),
    kind=Optional(Member(SystemEventKind)),
    system=Optional(SYSTEM_VIEW),
)

EVENT = Record(Event, given=("what",), revision=WHOLE, time=WHOLE, system_id=TEXT, weight=WHOLE)
EVENT_KIND = Member(ProcessEventKind)


def encode_process(process: SavedProcess) -> object:
    """Return a process as a document."""
    return {
        "identity": IDENTITY.encode(process.identity),
        "number": process.number,
        "request": REQUEST.encode(process.request),
    }


def decode_process(document: object) -> SavedProcess:
    """Return the process of a document.

    Raises:
        CodecError: It is none.
    """
    found = members(document)
    identity = members(found.get("identity"))
    name = KEY.decode(identity.get("key")).name
    return SavedProcess(
        IDENTITY.decode(identity, name=name),
        WHOLE.decode(found.get("number")),
        REQUEST.decode(found.get("request", {})),
    )


def encode_event(event: Event, row: int | None) -> object:
    """Return an event as a document.

    Args:
        event: The event.
        row: Where the identity of its process is; None if it tells of none.
    """
    document = EVENT.encode(event)
    what = event.what
    if isinstance(what, ProcessEvent):
        document["row"] = row
        document["kind"] = what.kind.name
        document["process"] = PROCESS_VIEW.encode(what.process)
    else:
        document["system"] = SYSTEM_EVENT.encode(what)
    return document


def row_of(document: object) -> int | None:
    """Return where the identity of the process is that the document of an event tells of.

    Raises:
        CodecError: It is no such document.
    """
    row = members(document).get("row")
    return None if row is None else WHOLE.decode(row)


def decode_event(document: object, identity: Identity | None) -> Event:
    """Return the event of a document.

    Args:
        document: Of an event.
        identity: The process that it names; None if it names none.

    Raises:
        CodecError: It is no event.
    """
    found = members(document)
    what: ProcessEvent | SystemEvent
    if identity is None:
        what = SYSTEM_EVENT.decode(found.get("system"))
    else:
        view = PROCESS_VIEW.decode(found.get("process"), identity=identity)
        what = ProcessEvent(EVENT_KIND.decode(found.get("kind")), view)
    return EVENT.decode(found, what=what)
