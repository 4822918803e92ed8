"""Events as lines for people: when, what, to whom, and what more there is to say."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

from hcsd.cli.output.times import local_time
from hcsd.cli.output.units import limit_size
from hcsd.cli.output.words import (
    describe_exit,
    describe_system_exit,
    process_event,
    system_event,
)
from hcsd.cli.resource_names import id_of_system, ids_of
from hcsd.printable import printable
from hcsd.v1 import event_pb2 as pb

if TYPE_CHECKING:
    from hcsd.v1.process_pb2 import ProcessExit

LINE = "{:29}  {:23}  {:12}  {:26}  {}"
HEADER = LINE.format("TIME", "EVENT", "SYSTEM", "ID", "DETAIL")
LONGEST = 160  # characters of a document of HCS


def line_of(event: pb.Event) -> str:
    """Return an event as a line; the ids in it are those that commands take."""
    if event.HasField("system"):
        what, detail = _of_system(event.system)
        ids = id_of_system(event.system.system), ""
    else:
        what, detail = _of_process(event.process)
        ids = ids_of(event.process.process.name)
    cells = (local_time(event.event_time), what, *ids, detail)
    return LINE.format(*map(printable, cells)).rstrip()


def _of_process(event: pb.ProcessEvent) -> tuple[str, str]:
    process = event.process
    detail = ""
    if event.type == pb.PROCESS_EVENT_TYPE_CREATED:
        detail = process.spec.command_line or shlex.join(process.spec.argv.args)
    elif event.type == pb.PROCESS_EVENT_TYPE_STARTED:
        detail = f"pid {process.pid}"
    elif event.type == pb.PROCESS_EVENT_TYPE_EXITED:
        detail = _end(process.exit, describe_exit(process))
    return f"process {process_event(event)}", detail


def _end(ended: ProcessExit, described: str) -> str:
    outcome = ended.WhichOneof("outcome")
    if outcome == "exit_code":
        return f"exit code {described}"
    why = ended.start_error if outcome == "start_error" else ended.unknown
    return f"{described}: {why.message}" if why.message else described


def _of_system(event: pb.SystemEvent) -> tuple[str, str]:
    if not event.event_type:
        # Its name in HCS, as words: SystemCrashInitiated.
        words = re.sub("(?<=[a-z])(?=[A-Z])", " ", event.type).lower().removeprefix("system ")
        return f"system {words}", _shortened(event.document)
    detail = ""
    if event.event_type == pb.SYSTEM_EVENT_TYPE_EXITED:
        detail = describe_system_exit(event.compute_system)
    elif event.event_type == pb.SYSTEM_EVENT_TYPE_OUT_OF_MEMORY:
        limit = event.compute_system.limits.memory_bytes
        detail = f"limit {limit_size(limit)}" if limit else ""
    return f"system {system_event(event)}", detail


def _shortened(document: str) -> str:
    """Return the fields of a document of HCS, and of a long one the beginning."""
    text = document
    try:
        fields = json.loads(document)
    except ValueError:
        pass
    else:
        if isinstance(fields, dict):
            text = ", ".join(f"{key}: {_value(value)}" for key, value in fields.items())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
