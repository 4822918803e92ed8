"""The rules of the contract, as a table: what every request must hold before it is looked at.

`rules_of` maps a message type to its rules, by the limits in force. A `Validator` applies those of a
message and of the messages in it that have rules of their own, and reports all that is broken at once.

What depends on the state of the daemon (does the process exist?) is not decided here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.daemon.errors import InvalidRequestError, Violation
from hcsd.daemon.names import ANY_SYSTEM, PROCESS_ID, PROCESS_NAME, SYSTEM_NAME
from hcsd.daemon.process_shape import MAX_GROUPS, MAX_ID, MAX_LIMITS, MAX_OOM_SCORE_ADJ
from hcsd.rpc.options import conflicts
from hcsd.rpc.rules import (
    Rule,
    at_most,
    at_most_bytes,
    at_most_items,
    bytes_text,
    chosen,
    defined,
    duration_in_range,
    interval_in_range,
    is_said,
    is_uuid,
    matches,
    moment_in_range,
    no_nul,
    required,
    seconds_of,
    utf8_size,
    value_of,
)
from hcsd.rpc.sizes import MAX_CAPTURE_BYTES
from hcsd.v1 import compute_system_pb2 as system_pb2
from hcsd.v1 import compute_system_service_pb2 as system_pb
from hcsd.v1 import event_service_pb2 as event_pb
from hcsd.v1 import host_service_pb2 as host_pb
from hcsd.v1 import process_pb2
from hcsd.v1 import process_service_pb2 as process_pb

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.message import Message

    from hcsd.daemon.settings import Limits

TOO_MUCH = {"bytes.max_len", "repeated.max_items", "repeated.unique"}
MAX_UINT16 = 0xFFFF
MAX_UMASK = 0o777
OUTPUT_STREAMS = {process_pb2.OUTPUT_STREAM_STDOUT, process_pb2.OUTPUT_STREAM_STDERR}
STDIO_HANDLES = set(process_pb.StdioHandle.values()) - {process_pb.STDIO_HANDLE_UNSPECIFIED}

SYSTEM = "a system name such as 'systems/host'"
PROCESS = "a process name such as 'systems/host/processes/build-1'"

_name_of_process = (required("name", PROCESS), matches("name", PROCESS_NAME, PROCESS))
_parent = (required("parent", SYSTEM), matches("parent", SYSTEM_NAME, SYSTEM))
_one_parent = (
    *_parent,
    Rule(
        "parent",
        "string.not_in",
        lambda m: value_of(m, "parent") != f"systems/{ANY_SYSTEM}",
        "must name one system",
    ),
)
_process_id = matches(
    "process_id",
    PROCESS_ID,
    "a letter or digit, then at most 127 of letters, digits, '.', '_' and '-'",
)
_one_per_stream = Rule(
    "cursors",
    "repeated.unique",
    lambda m: len({cursor.stream for cursor in m.cursors}) == len(m.cursors),  # type: ignore[attr-defined]
    "must not name a stream twice",
)
_page_size = Rule(
    "page_size",
    "int32.gte",
    lambda m: int(str(value_of(m, "page_size"))) >= 0,
    "must not be negative",
)

_one_system = Rule(
    "name",
    "string.not_in",
    lambda m: value_of(m, "name") != f"systems/{ANY_SYSTEM}",
    "must name one system",
)
_name_of_system = (required("name", SYSTEM), matches("name", SYSTEM_NAME, SYSTEM), _one_system)
_request_id = Rule("request_id", "string.uuid", is_uuid, "must be a UUID")
SYSTEM_TYPES = set(system_pb2.ComputeSystemType.values()) - {
    system_pb2.COMPUTE_SYSTEM_TYPE_UNSPECIFIED
}


def rules_of(limits: Limits) -> Mapping[type[Message], tuple[Rule, ...]]:
    """Return the rules of each message type.

    Args:
        limits: Limits in force.
    """
    chunk = at_most("max_chunk_bytes", limits.max_chunk_bytes)
    heartbeats = interval_in_range("heartbeat_interval")
    return {
        process_pb.CreateProcessRequest: (
            *_one_parent,
            chosen("source", "either 'spec' or 'parameters_json'"),
            no_nul("parameters_json"),
            _process_id,
            _request_id,
            Rule(
                "source",
                "bytes.max_len",
                lambda m: m.ByteSize() <= limits.max_create_bytes,
                f"makes the request too large: it {bytes_text(limits.max_create_bytes, 'max_create_bytes')}",
            ),
            *_label_rules(limits),
            *conflicts(),
        ),
        process_pb.ExecProcessRequest: (
            Rule("create", "required", lambda m: is_said(m, "create"), "is required"),
            Rule(
                "create.request_id",
                "required",
                lambda m: not is_said(m, "create") or bool(m.create.request_id),  # type: ignore[attr-defined]
                "is required: a UUID, so that a call whose connection is lost can be made again",
            ),
            *(
                Rule(
                    f"create.{place}.output.overflow",
                    "enum.not_in",
                    lambda m, place=place: (  # type: ignore[misc]
                        getattr(m.create, place).output.overflow
                        != process_pb2.OVERFLOW_POLICY_BLOCK
                    ),
                    "must not be OVERFLOW_POLICY_BLOCK: nobody reads while the process runs",
                )
                for place in ("spec", "options")
            ),
            at_most("max_output_bytes", MAX_CAPTURE_BYTES),
            duration_in_range("timeout"),
        ),
        process_pb.OpenProcessRequest: (
            *_one_parent,
            required("pid", "the pid of a running process"),
            _process_id,
        ),
        process_pb.GetProcessRequest: _name_of_process,
        process_pb.ListProcessesRequest: (*_parent, _page_size),
        process_pb.WaitProcessRequest: (
            *_name_of_process,
            defined("wait_for", process_pb.WaitFor),
            duration_in_range("timeout"),
        ),
        process_pb.SignalProcessRequest: (
            *_name_of_process,
            Rule("signal", "required", lambda m: m.HasField("signal"), "is required"),
        ),
        process_pb.TerminateProcessRequest: (
            *_name_of_process,
            defined("scope", process_pb.TerminateScope),
            duration_in_range("grace_period"),
            duration_in_range("timeout"),
        ),
        process_pb.ModifyProcessRequest: (
            *_name_of_process,
            chosen(
                "modification", "one of 'console_size', 'close_handles' and 'modification_json'"
            ),
            no_nul("modification_json"),
        ),
        process_pb.GetProcessPropertiesRequest: (*_name_of_process, no_nul("property_query_json")),
        process_pb.DeleteProcessRequest: (
            *_name_of_process,
            defined("scope", process_pb.TerminateScope),
        ),
        process_pb.ReadOutputRequest: (
            *_name_of_process,
            _one_per_stream,
            defined("gap_policy", process_pb2.GapPolicy),
            chunk,
            heartbeats,
            moment_in_range("since"),
        ),
        process_pb.WriteInputRequest: (*_name_of_process, duration_in_range("timeout")),
        process_pb.StreamInputRequest: (chosen("request", "'start', then 'data' and 'close'"),),
        process_pb.StreamInputStart: _name_of_process,
        process_pb.RunProcessRequest: (chosen("request", "one step of the run"), heartbeats),
        process_pb.RunAttach: (
            *_name_of_process,
            _one_per_stream,
            defined("gap_policy", process_pb2.GapPolicy),
            chunk,
            moment_in_range("since"),
            *(
                Rule(
                    path,
                    "field.exclusive",
                    lambda m, path=path: not (value_of(m, "without_output") and is_said(m, path)),  # type: ignore[misc]
                    "must not be set with 'without_output'",
                )
                for path in ("cursors", "timestamps", "since", "last_lines")
            ),
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
            chosen("command", "either 'argv' or 'command_line'"),
            no_nul("command_line"),
            no_nul("working_directory"),
            no_nul("user"),
            defined("stdin_mode", process_pb2.StdinMode),
            defined("orphan_policy", process_pb2.OrphanPolicy),
            duration_in_range("run_timeout"),
            duration_in_range("drain_timeout"),
            at_most("umask", MAX_UMASK),
            Rule(
                "oom_score_adj",
                "sint32.lte",
                lambda m: abs(int(str(value_of(m, "oom_score_adj")))) <= MAX_OOM_SCORE_ADJ,
                f"must be from -{MAX_OOM_SCORE_ADJ} to {MAX_OOM_SCORE_ADJ}",
            ),
            at_most("uid", MAX_ID),
            at_most("gid", MAX_ID),
            Rule(
                "uid",
                "field.exclusive",
                lambda m: not (m.HasField("uid") and value_of(m, "user")),
                "must not be set with 'user'",
            ),
            at_most_items("env", limits.max_variables, ", the limit 'max_variables'"),
            at_most_items("resource_limits", MAX_LIMITS),
            at_most_items("supplementary_groups", MAX_GROUPS),
            Rule(
                "supplementary_groups",
                "uint32.lte",
                lambda m: all(group <= MAX_ID for group in m.supplementary_groups),  # type: ignore[attr-defined]
                f"must be at most {MAX_ID}",
            ),
        ),
        process_pb2.ResourceLimit: (
            required("name", "the name of a limit such as 'nofile'"),
            Rule(
                "hard",
                "uint64.gte",
                lambda m: (
                    not m.HasField("hard")
                    or int(str(value_of(m, "hard"))) >= int(str(value_of(m, "soft")))
                ),
                "must not be below 'soft'",
            ),
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
            required("name", "the name of the variable"),
            Rule(
                "name",
                "string.not_contains",
                lambda m: not {"=", "\0"} & set(str(value_of(m, "name"))),
                "must not contain '=' or a NUL character; leave out what is no variable, such as the '=C:' of"
                " Windows",
            ),
            no_nul("value"),
        ),
        process_pb2.Console: (at_most("columns", MAX_UINT16), at_most("rows", MAX_UINT16)),
        process_pb2.OutputOptions: (
            at_most("ring_bytes", limits.max_ring_bytes, "uint64"),
            defined("overflow", process_pb2.OverflowPolicy),
            Rule(
                "discard",
                "repeated.unique",
                lambda m: len(set(m.discard)) == len(m.discard),  # type: ignore[attr-defined]
                "must not name a stream twice",
            ),
            Rule(
                "discard",
                "enum.in",
                lambda m: set(m.discard) <= OUTPUT_STREAMS,  # type: ignore[attr-defined]
                "must hold nothing but OUTPUT_STREAM_STDOUT and _STDERR",
            ),
        ),
        process_pb2.ProcessOptions: (
            duration_in_range("run_timeout"),
            duration_in_range("drain_timeout"),
            defined("orphan_policy", process_pb2.OrphanPolicy),
            duration_in_range("owner_grace"),
            Rule(
                "owner_grace",
                "duration.lte",
                lambda m: seconds_of(m, "owner_grace") <= limits.max_owner_grace,
                f"must be at most {limits.max_owner_grace:g} s, the limit 'max_owner_grace'",
            ),
        ),
        process_pb2.OutputCursor: (
            Rule(
                "stream",
                "enum.not_in",
                lambda m: value_of(m, "stream") in {1, 2},
                "must be OUTPUT_STREAM_STDOUT or OUTPUT_STREAM_STDERR",
            ),
        ),
        process_pb2.ProcessSignal: (
            chosen("signal", "a name, a number, a console event or a document"),
            no_nul("options_json"),
        ),
        system_pb.CreateComputeSystemRequest: (
            no_nul("system_id"),
            at_most_bytes("system_id", limits.max_system_id_bytes, "max_system_id_bytes"),
            Rule(
                "system_id",
                "string.not_in",
                lambda m: value_of(m, "system_id") != ANY_SYSTEM,
                f"must not be '{ANY_SYSTEM}', which stands for all systems",
            ),
            required("configuration_json", "a ComputeSystem document"),
            no_nul("configuration_json"),
            at_most_bytes("configuration_json", limits.max_create_bytes, "max_create_bytes"),
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
            (*_name_of_system, no_nul("options_json")),
        ),
        system_pb.ShutDownComputeSystemRequest: (
            *_name_of_system,
            duration_in_range("timeout"),
            no_nul("options_json"),
        ),
        system_pb.ModifyComputeSystemRequest: (
            *_name_of_system,
            required("settings_json", "a ModifySettingRequest document"),
            no_nul("settings_json"),
        ),
        system_pb.GetComputeSystemPropertiesRequest: (
            *_name_of_system,
            no_nul("property_query_json"),
            Rule(
                "property_query_json",
                "cel",
                lambda m: (
                    not (value_of(m, "property_query_json") and value_of(m, "property_types"))
                ),
                "must not be set together with 'property_types'",
            ),
        ),
        system_pb.WaitComputeSystemRequest: (*_name_of_system, duration_in_range("timeout")),
        host_pb.GetServicePropertiesRequest: (no_nul("property_query_json"),),
        host_pb.ModifyServiceSettingsRequest: (
            required("settings_json", "the settings to change"),
            no_nul("settings_json"),
        ),
        event_pb.WatchEventsRequest: (
            heartbeats,
            matches("parent", SYSTEM_NAME, SYSTEM),
            Rule(
                "after_revision",
                "field.exclusive",
                lambda m: not (m.HasField("after_revision") and value_of(m, "send_snapshot")),
                "must not be set with 'send_snapshot'",
            ),
            Rule(
                "incarnation",
                "required",
                lambda m: not value_of(m, "after_revision") or bool(value_of(m, "incarnation")),
                "is required with an 'after_revision' above 0",
            ),
        ),
    }


def _label_rules(limits: Limits) -> Iterator[Rule]:
    """Bound the labels of a process: their number, each, and all together."""

    def labels(message: Message) -> Mapping[str, str]:
        return message.labels  # type: ignore[attr-defined, no-any-return]  # of a create

    key, value, whole = (
        limits.max_label_key_bytes,
        limits.max_label_value_bytes,
        limits.max_labels_bytes,
    )
    yield Rule(
        "labels",
        "map.max_pairs",
        lambda m: len(labels(m)) <= limits.max_labels,
        f"must have at most {limits.max_labels} entries, the limit 'max_labels'",
    )
    yield Rule(
        "labels",
        "map.keys",
        lambda m: all(utf8_size(text) <= key for text in labels(m)),
        f"has a key that is too long: it {bytes_text(key, 'max_label_key_bytes')}",
    )
    yield Rule(
        "labels",
        "map.values",
        lambda m: all(utf8_size(text) <= value for text in labels(m).values()),
        f"has a value that is too long: it {bytes_text(value, 'max_label_value_bytes')}",
    )
    yield Rule(
        "labels",
        "map.max_bytes",
        lambda m: sum(map(utf8_size, (*labels(m), *labels(m).values()))) <= whole,
        f"{bytes_text(whole, 'max_labels_bytes')}, keys and values together",
    )


class Validator:
    """Holds requests to the rules.

    Args:
        limits: Limits in force.
    """

    def __init__(self, limits: Limits) -> None:
        self._rules = rules_of(limits)

    def require_valid(self, message: Message) -> None:
        """Let a request pass that obeys all rules.

        Raises:
            InvalidRequestError: It breaks some; all of them are listed.
        """
        violations = self.check(message)
        if violations:
            raise InvalidRequestError(violations)

    def check(self, message: Message, path: str = "") -> list[Violation]:
        """Return every rule that a request breaks, in the order of the table.

        What is in a message that has too much in it is not looked at: that could take seconds, in
        which the daemon would do nothing else.

        Args:
            message: The request or a message in it.
            path: Where it is in the request, with a trailing dot; "" for the request itself.
        """
        found = [
            Violation(f"{path}{rule.field}", rule.id, rule.message)
            for rule in self._rules.get(type(message), ())
            if not rule.holds(message)
        ]
        if not any(violation.rule in TOO_MUCH for violation in found):
            for name, child in self._children(message):
                found += self.check(child, f"{path}{name}.")
        return found

    def _children(self, message: Message) -> Iterator[tuple[str, Message]]:
        """Walk the messages inside that have rules."""
        for field, value in message.ListFields():
            if field.message_type is None or field.message_type.GetOptions().map_entry:
                continue
            if field.is_repeated:
                for index, item in enumerate(value):
                    if type(item) in self._rules:
                        yield f"{field.name}[{index}]", item
            elif type(value) in self._rules:
                yield field.name, value
