"""The rules of the contract, as a table: what every request must hold before it is looked at.

`RULES` maps a message type to its rules; `check` applies those of a message and of the messages in
it that have rules of their own, and reports all that is broken at once. Rule ids are those of
protovalidate, which could take this table's place.

What depends on the state of the daemon (does the process exist?) is not decided here.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, NamedTuple

from hcsd.config import Limits
from hcsd.service.errors import Violation
from hcsd.service.names import ANY_SYSTEM, PROCESS_ID, PROCESS_NAME, SYSTEM_NAME
from hcsd.v1 import compute_system_pb2 as system_pb2
from hcsd.v1 import (
    compute_system_service_pb2 as system_pb,
)
from hcsd.v1 import (
    event_service_pb2 as event_pb,
)
from hcsd.v1 import host_service_pb2 as host_pb
from hcsd.v1 import (
    process_pb2,
)
from hcsd.v1 import (
    process_service_pb2 as process_pb,
)

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator

    from google.protobuf.message import Message

MAX_UINT16 = 0xFFFF
MAX_LABELS = 64
STDIO_HANDLES = set(process_pb.StdioHandle.values()) - {process_pb.STDIO_HANDLE_UNSPECIFIED}
LIMITS = Limits()


class Rule(NamedTuple):
    """One rule for one field.

    Attributes:
        field: Name of the field; of a oneof for rules about which member is set.
        id: Rule id as protovalidate names it.
        holds: Whether a message obeys it.
        message: What would be right; the value is put in front.
    """

    field: str
    id: str
    holds: Callable[[Message], bool]
    message: str


def _value(message: Message, field: str) -> object:
    return getattr(message, field)


def _required(field: str, what: str) -> Rule:
    return Rule(field, "required", lambda m: bool(_value(m, field)), f"is required: {what}")


def _matches(field: str, pattern: re.Pattern[str], what: str) -> Rule:
    """An empty value passes: whether it may be empty is `_required`'s to say."""
    return Rule(
        field,
        "string.pattern",
        lambda m: not _value(m, field) or bool(pattern.fullmatch(str(_value(m, field)))),
        f"must be {what}",
    )


def _chosen(oneof: str, what: str) -> Rule:
    return Rule(
        oneof, "required", lambda m: m.WhichOneof(oneof) is not None, f"must be set: {what}"
    )


def _at_most(field: str, limit: int, kind: str = "uint32") -> Rule:
    def holds(message: Message) -> bool:
        value = _value(message, field)
        return not isinstance(value, int) or value <= limit

    return Rule(field, f"{kind}.lte", holds, f"must be at most {limit}")


def _not_negative(field: str) -> Rule:
    def holds(message: Message) -> bool:
        value = getattr(message, field)
        return not message.HasField(field) or (value.seconds >= 0 and value.nanos >= 0)

    return Rule(field, "duration.gte", holds, "must not be negative")


def _no_nul(field: str) -> Rule:
    return Rule(
        field,
        "string.not_contains",
        lambda m: "\0" not in str(_value(m, field)),
        "must not contain a NUL character",
    )


def _defined(field: str, enum: object) -> Rule:
    def holds(message: Message) -> bool:
        return _value(message, field) in enum.values()  # type: ignore[attr-defined]  # enum wrapper

    return Rule(field, "enum.defined_only", holds, "is not a value of its enum")


def _is_uuid(message: Message) -> bool:
    text = str(_value(message, "request_id"))
    try:
        return not text or str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


SYSTEM = "a system name such as 'systems/host'"
PROCESS = "a process name such as 'systems/host/processes/build-1'"

_name_of_process = (_required("name", PROCESS), _matches("name", PROCESS_NAME, PROCESS))
_parent = (_required("parent", SYSTEM), _matches("parent", SYSTEM_NAME, SYSTEM))
_one_parent = (
    *_parent,
    Rule(
        "parent",
        "string.not_in",
        lambda m: _value(m, "parent") != f"systems/{ANY_SYSTEM}",
        "must name one system",
    ),
)
_process_id = _matches(
    "process_id",
    PROCESS_ID,
    "a letter or digit, then at most 127 of letters, digits, '.', '_' and '-'",
)
_chunk = _at_most("max_chunk_bytes", LIMITS.max_chunk_bytes)
_one_per_stream = Rule(
    "cursors",
    "repeated.unique",
    lambda m: len({cursor.stream for cursor in m.cursors}) == len(m.cursors),  # type: ignore[attr-defined]
    "must not name a stream twice",
)
_page_size = Rule(
    "page_size",
    "int32.gte",
    lambda m: int(str(_value(m, "page_size"))) >= 0,
    "must not be negative",
)

_one_system = Rule(
    "name",
    "string.not_in",
    lambda m: _value(m, "name") != f"systems/{ANY_SYSTEM}",
    "must name one system",
)
_name_of_system = (_required("name", SYSTEM), _matches("name", SYSTEM_NAME, SYSTEM), _one_system)
_request_id = Rule("request_id", "string.uuid", _is_uuid, "must be a UUID")
SYSTEM_TYPES = set(system_pb2.ComputeSystemType.values()) - {
    system_pb2.COMPUTE_SYSTEM_TYPE_UNSPECIFIED
}

RULES: dict[type[Message], tuple[Rule, ...]] = {
    process_pb.CreateProcessRequest: (
        *_one_parent,
        _chosen("source", "either 'spec' or 'parameters_json'"),
        _no_nul("parameters_json"),
        _process_id,
        _request_id,
        Rule(
            "labels",
            "map.max_pairs",
            lambda m: len(m.labels) <= MAX_LABELS,  # type: ignore[attr-defined]
            f"must have at most {MAX_LABELS} entries",
        ),
    ),
    process_pb.OpenProcessRequest: (
        *_one_parent,
        _required("pid", "the pid of a running process"),
        _process_id,
    ),
    process_pb.GetProcessRequest: _name_of_process,
    process_pb.ListProcessesRequest: (*_parent, _page_size),
    process_pb.WaitProcessRequest: (
        *_name_of_process,
        _defined("wait_for", process_pb.WaitFor),
        _not_negative("timeout"),
    ),
    process_pb.SignalProcessRequest: (
        *_name_of_process,
        Rule("signal", "required", lambda m: m.HasField("signal"), "is required"),
    ),
    process_pb.TerminateProcessRequest: (
        *_name_of_process,
        _defined("scope", process_pb.TerminateScope),
        _not_negative("grace_period"),
    ),
    process_pb.ModifyProcessRequest: (
        *_name_of_process,
        _chosen("modification", "one of 'console_size', 'close_handles' and 'modification_json'"),
        _no_nul("modification_json"),
    ),
    process_pb.GetProcessPropertiesRequest: (*_name_of_process, _no_nul("property_query_json")),
    process_pb.DeleteProcessRequest: _name_of_process,
    process_pb.ReadOutputRequest: (
        *_name_of_process,
        _one_per_stream,
        _defined("gap_policy", process_pb2.GapPolicy),
        _chunk,
    ),
    process_pb.WriteInputRequest: _name_of_process,
    process_pb.StreamInputRequest: (_chosen("request", "'start', then 'data' and 'close'"),),
    process_pb.StreamInputStart: _name_of_process,
    process_pb.RunProcessRequest: (_chosen("request", "one step of the run"),),
    process_pb.RunAttach: (
        *_name_of_process,
        _one_per_stream,
        _defined("gap_policy", process_pb2.GapPolicy),
        _chunk,
    ),
    process_pb.CloseHandles: (
        Rule(
            "handles",
            "repeated.min_items",
            lambda m: len(m.handles) > 0,  # type: ignore[attr-defined]
            "must name at least one handle",
        ),
        Rule(
            "handles",
            "enum.in",
            lambda m: set(m.handles) <= STDIO_HANDLES,  # type: ignore[attr-defined]
            "must hold nothing but STDIO_HANDLE_STDIN, _STDOUT, _STDERR and _ALL",
        ),
    ),
    process_pb2.ProcessSpec: (
        _chosen("command", "either 'argv' or 'command_line'"),
        _no_nul("command_line"),
        _no_nul("working_directory"),
        _no_nul("user"),
        _defined("stdin_mode", process_pb2.StdinMode),
        _defined("orphan_policy", process_pb2.OrphanPolicy),
        _not_negative("run_timeout"),
        _not_negative("drain_timeout"),
    ),
    process_pb2.Argv: (
        Rule(
            "args",
            "repeated.min_items",
            lambda m: len(m.args) > 0 and bool(m.args[0]),  # type: ignore[attr-defined]
            "must start with the program to run",
        ),
        Rule(
            "args",
            "string.not_contains",
            lambda m: not any("\0" in arg for arg in m.args),  # type: ignore[attr-defined]
            "must not contain a NUL character",
        ),
    ),
    process_pb2.EnvironmentVariable: (
        _required("name", "the name of the variable"),
        Rule(
            "name",
            "string.not_contains",
            lambda m: not {"=", "\0"} & set(str(_value(m, "name"))),
            "must not contain '=' or a NUL character",
        ),
        _no_nul("value"),
    ),
    process_pb2.Console: (_at_most("columns", MAX_UINT16), _at_most("rows", MAX_UINT16)),
    process_pb2.OutputOptions: (
        _at_most("ring_bytes", LIMITS.max_ring_bytes, "uint64"),
        _defined("overflow", process_pb2.OverflowPolicy),
    ),
    process_pb2.OutputCursor: (
        Rule(
            "stream",
            "enum.not_in",
            lambda m: _value(m, "stream") in {1, 2},
            "must be OUTPUT_STREAM_STDOUT or OUTPUT_STREAM_STDERR",
        ),
    ),
    process_pb2.ProcessSignal: (
        _chosen("signal", "a name, a number, a console event or a document"),
        _no_nul("options_json"),
    ),
    system_pb.CreateComputeSystemRequest: (
        _no_nul("system_id"),
        Rule(
            "system_id",
            "string.not_in",
            lambda m: _value(m, "system_id") != ANY_SYSTEM,
            f"must not be '{ANY_SYSTEM}', which stands for all systems",
        ),
        _required("configuration_json", "a ComputeSystem document"),
        _no_nul("configuration_json"),
        _request_id,
    ),
    system_pb.GetComputeSystemRequest: _name_of_system,
    system_pb.ListComputeSystemsRequest: (
        Rule(
            "types",
            "enum.in",
            lambda m: set(m.types) <= SYSTEM_TYPES,  # type: ignore[attr-defined]
            "must hold nothing but COMPUTE_SYSTEM_TYPE_CONTAINER and _VIRTUAL_MACHINE",
        ),
        _page_size,
    ),
    **dict.fromkeys(
        (
            system_pb.StartComputeSystemRequest,
            system_pb.TerminateComputeSystemRequest,
            system_pb.PauseComputeSystemRequest,
            system_pb.ResumeComputeSystemRequest,
            system_pb.SaveComputeSystemRequest,
        ),
        (*_name_of_system, _no_nul("options_json")),
    ),
    system_pb.ShutDownComputeSystemRequest: (
        *_name_of_system,
        _not_negative("timeout"),
        _no_nul("options_json"),
    ),
    system_pb.ModifyComputeSystemRequest: (
        *_name_of_system,
        _required("settings_json", "a ModifySettingRequest document"),
        _no_nul("settings_json"),
    ),
    system_pb.GetComputeSystemPropertiesRequest: (
        *_name_of_system,
        _no_nul("property_query_json"),
        Rule(
            "property_query_json",
            "cel",
            lambda m: not (_value(m, "property_query_json") and _value(m, "property_types")),
            "must not be set together with 'property_types'",
        ),
    ),
    system_pb.WaitComputeSystemRequest: (*_name_of_system, _not_negative("timeout")),
    host_pb.GetServicePropertiesRequest: (_no_nul("property_query_json"),),
    host_pb.ModifyServiceSettingsRequest: (
        _required("settings_json", "the settings to change"),
        _no_nul("settings_json"),
    ),
    event_pb.WatchEventsRequest: (
        _matches("parent", SYSTEM_NAME, SYSTEM),
        Rule(
            "after_revision",
            "field.exclusive",
            lambda m: not (m.HasField("after_revision") and _value(m, "send_snapshot")),
            "must not be set with 'send_snapshot'",
        ),
        Rule(
            "incarnation",
            "required",
            lambda m: not _value(m, "after_revision") or bool(_value(m, "incarnation")),
            "is required with an 'after_revision' above 0",
        ),
    ),
}


def check(message: Message, path: str = "") -> list[Violation]:
    """Return every rule that a request breaks, in the order of the table.

    Args:
        message: The request or a message in it.
        path: Where it is in the request, with a trailing dot; "" for the request itself.
    """
    found = [
        Violation(f"{path}{rule.field}", rule.id, rule.message)
        for rule in RULES.get(type(message), ())
        if not rule.holds(message)
    ]
    for name, child in _children(message):
        found += check(child, f"{path}{name}.")
    return found


def _children(message: Message) -> Iterator[tuple[str, Message]]:
    """Walk the messages inside that have rules."""
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        if field.is_repeated:
            for index, item in enumerate(value):
                if type(item) in RULES:
                    yield f"{field.name}[{index}]", item
        elif type(value) in RULES:
            yield field.name, value
