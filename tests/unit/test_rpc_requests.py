"""What a request must hold before anybody looks at it: names, rules, pages."""

import contextlib
import string

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from hcsd.daemon.errors import InvalidRequestError, RequestError
from hcsd.daemon.names import (
    PROCESS_ID,
    PROCESS_NAME,
    SYSTEM_NAME,
    ProcessKey,
    parse_process,
    parse_system,
    system_name,
)
from hcsd.daemon.settings import Limits
from hcsd.rpc.paging import fill_page
from hcsd.rpc.sizes import MAX_BYTES, PAGE_BYTES, sendable
from hcsd.rpc.validate import Validator, rules_of
from hcsd.v1 import compute_system_service_pb2 as system_pb
from hcsd.v1 import event_service_pb2 as event_pb
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb

LIMITS = Limits()
RULES = rules_of(LIMITS)
VALIDATOR = Validator(LIMITS)

# --- names ---

ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
process_ids = st.from_regex(PROCESS_ID, fullmatch=True)


@given(ids, process_ids)
def test_every_id_that_hcs_may_have_survives_in_a_name(system_id: str, process_id: str) -> None:
    assert SYSTEM_NAME.fullmatch(system_name(system_id))
    assert parse_system(system_name(system_id)) == system_id
    name = ProcessKey(system_id, process_id).name
    assert PROCESS_NAME.fullmatch(name)
    assert parse_process(name) == (system_id, process_id)


@given(st.text(string.ascii_letters + string.digits + "._~@-", min_size=1))
def test_an_id_of_plain_characters_is_written_as_it_is(system_id: str) -> None:
    assert system_name(system_id) == f"systems/{system_id}"


@pytest.mark.parametrize("name", ["systems/a%00", "systems/%", "systems/%a", "systems/a b", "x/a"])
def test_a_name_that_no_id_gives_is_none(name: str) -> None:
    assert not SYSTEM_NAME.fullmatch(name)


# --- rules ---

# For each rule of the table a request that breaks this rule and no other.
NAME = "systems/host/processes/a"
ARGV = pb.Argv(args=["true"])


def spec(**fields: object) -> service_pb.CreateProcessRequest:
    made = pb.ProcessSpec(**({"argv": ARGV} | fields))  # type: ignore[arg-type]  # by name
    return service_pb.CreateProcessRequest(parent="systems/host", spec=made)


def create(**fields: object) -> service_pb.CreateProcessRequest:
    base = {"parent": "systems/host", "spec": pb.ProcessSpec(argv=ARGV)}
    return service_pb.CreateProcessRequest(**(base | fields))  # type: ignore[arg-type]  # by name


BROKEN: list[tuple[Message, str, str]] = [
    (create(parent=""), "parent", "required"),
    (create(parent="host"), "parent", "string.pattern"),
    (create(parent="systems/-"), "parent", "string.not_in"),
    (service_pb.CreateProcessRequest(parent="systems/a"), "source", "required"),
    (create(spec=None, parameters_json="\0"), "parameters_json", "string.not_contains"),
    (create(process_id="-a"), "process_id", "string.pattern"),
    (create(process_id="a" * 129), "process_id", "string.pattern"),
    (create(request_id="1234"), "request_id", "string.uuid"),
    (create(request_id="6a3a0b5c2b444a5b9a050d5ea0c0a001"), "request_id", "string.uuid"),
    (create(labels={str(n): "" for n in range(65)}), "labels", "map.max_pairs"),
    (create(labels={"k" * 129: ""}), "labels", "map.keys"),
    (create(labels={"k": "é" * 2049}), "labels", "map.values"),
    (create(labels={str(n): "v" * 4096 for n in range(4)}), "labels", "map.max_bytes"),
    # What is in what is too much is not looked at, or the daemon would do nothing else for seconds.
    (spec(env=[pb.EnvironmentVariable()] * 16_385), "spec.env", "repeated.max_items"),
    (
        service_pb.ReadOutputRequest(name=NAME, cursors=[pb.OutputCursor()] * 1_000_000),
        "cursors",
        "repeated.unique",
    ),
    (create(spec={"env": [{}] * 600_000}), "source", "bytes.max_len"),
    (
        spec(argv=pb.Argv(args=["x" * LIMITS.max_create_bytes])),
        "source",
        "bytes.max_len",
    ),
    (
        system_pb.CreateComputeSystemRequest(system_id="é" * 513, configuration_json="{}"),
        "system_id",
        "string.max_bytes",
    ),
    (
        system_pb.CreateComputeSystemRequest(
            configuration_json=" " * (LIMITS.max_create_bytes + 1)
        ),
        "configuration_json",
        "string.max_bytes",
    ),
    (service_pb.OpenProcessRequest(parent="systems/a"), "pid", "required"),
    (service_pb.GetProcessRequest(), "name", "required"),
    (service_pb.GetProcessRequest(name="a"), "name", "string.pattern"),
    (service_pb.ListProcessesRequest(parent="systems/-", page_size=-1), "page_size", "int32.gte"),
    (service_pb.SignalProcessRequest(name=NAME), "signal", "required"),
    (
        service_pb.SignalProcessRequest(name=NAME, signal=pb.ProcessSignal()),
        "signal.signal",
        "required",
    ),
    (service_pb.ModifyProcessRequest(name=NAME), "modification", "required"),
    (
        service_pb.ModifyProcessRequest(name=NAME, close_handles=service_pb.CloseHandles()),
        "close_handles.handles",
        "repeated.min_items",
    ),
    (
        service_pb.ModifyProcessRequest(
            name=NAME,
            close_handles=service_pb.CloseHandles(handles=[service_pb.STDIO_HANDLE_UNSPECIFIED]),
        ),
        "close_handles.handles",
        "enum.in",
    ),
    (
        service_pb.ReadOutputRequest(name=NAME, max_chunk_bytes=LIMITS.max_chunk_bytes + 1),
        "max_chunk_bytes",
        "uint32.lte",
    ),
    (
        service_pb.ReadOutputRequest(name=NAME, cursors=[pb.OutputCursor()]),
        "cursors[0].stream",
        "enum.not_in",
    ),
    (
        service_pb.RunAttach(
            name=NAME, cursors=[pb.OutputCursor(stream=pb.OUTPUT_STREAM_STDOUT)] * 2
        ),
        "cursors",
        "repeated.unique",
    ),
    (service_pb.RunProcessRequest(), "request", "required"),
    (spec(argv=None), "spec.command", "required"),
    (spec(argv=None, command_line="a\0"), "spec.command_line", "string.not_contains"),
    (spec(argv=pb.Argv()), "spec.argv.args", "repeated.min_items"),
    (spec(argv=pb.Argv(args=[""])), "spec.argv.args", "repeated.min_items"),
    (spec(argv=pb.Argv(args=["a", "\0"])), "spec.argv.args", "string.not_contains"),
    (spec(working_directory="\0"), "spec.working_directory", "string.not_contains"),
    (spec(user="\0"), "spec.user", "string.not_contains"),
    (spec(env=[pb.EnvironmentVariable()]), "spec.env[0].name", "required"),
    (
        spec(env=[pb.EnvironmentVariable(name="a=b")]),
        "spec.env[0].name",
        "string.not_contains",
    ),
    (
        spec(env=[pb.EnvironmentVariable(name="a", value="\0")]),
        "spec.env[0].value",
        "string.not_contains",
    ),
    (spec(console=pb.Console(columns=65536)), "spec.console.columns", "uint32.lte"),
    (spec(console=pb.Console(rows=65536)), "spec.console.rows", "uint32.lte"),
    (
        spec(output=pb.OutputOptions(ring_bytes=LIMITS.max_ring_bytes + 1)),
        "spec.output.ring_bytes",
        "uint64.lte",
    ),
    (
        service_pb.WaitProcessRequest(name=NAME, timeout={"seconds": -1}),
        "timeout",
        "duration.gte_lte",
    ),
    (
        service_pb.WaitProcessRequest(name=NAME, timeout={"seconds": 2**63 - 1}),
        "timeout",
        "duration.gte_lte",
    ),
    (
        service_pb.WaitProcessRequest(name=NAME, timeout={"nanos": 2_000_000_000}),
        "timeout",
        "duration.gte_lte",
    ),
    *(
        (made(name=NAME, timeout={"seconds": -1}), "timeout", "duration.gte_lte")
        for made in (service_pb.TerminateProcessRequest, service_pb.WriteInputRequest)
    ),
    *(
        (
            service_pb.ReadOutputRequest(name=NAME, heartbeat_interval=interval),
            "heartbeat_interval",
            "duration.gte_lte",
        )
        for interval in (
            {"nanos": 99_999_999},
            {"nanos": -1},
            {"seconds": 1, "nanos": -900_000_000},
            {"seconds": 3600, "nanos": 1},
            {"seconds": -1},
            {"seconds": 2**63 - 1},
        )
    ),
    (
        service_pb.RunProcessRequest(
            attach=service_pb.RunAttach(name=NAME), heartbeat_interval={"nanos": 1}
        ),
        "heartbeat_interval",
        "duration.gte_lte",
    ),
    (
        event_pb.WatchEventsRequest(heartbeat_interval={"seconds": 3601}),
        "heartbeat_interval",
        "duration.gte_lte",
    ),
    (system_pb.GetComputeSystemRequest(), "name", "required"),
    (system_pb.GetComputeSystemRequest(name="a"), "name", "string.pattern"),
    (system_pb.ListComputeSystemsRequest(page_size=-1), "page_size", "int32.gte"),
]


@pytest.mark.parametrize(("request_", "field", "rule"), BROKEN, ids=range(len(BROKEN)))
def test_a_request_that_breaks_one_rule_is_told_that_one(
    request_: Message, field: str, rule: str
) -> None:
    assert [(found.field, found.rule) for found in VALIDATOR.check(request_)] == [(field, rule)]


@pytest.mark.parametrize(
    "request_",
    [
        create(),
        create(process_id="a" * 128, request_id="6A3A0B5C-2B44-4A5B-9A05-0D5EA0C0A001"),
        create(labels={str(n): "" for n in range(64)}),
        create(labels={"k" * 128: "v" * 4096}),
        spec(console=pb.Console(columns=65535, rows=65535), working_directory="", user=""),
        spec(env=[pb.EnvironmentVariable(name="a")], argv=pb.Argv(args=["a", ""])),
        service_pb.ReadOutputRequest(name=NAME, max_chunk_bytes=LIMITS.max_chunk_bytes),
        service_pb.ListProcessesRequest(parent="systems/-"),
        service_pb.WaitProcessRequest(name=NAME),
    ],
    ids=range(9),
)
def test_a_request_at_the_edge_of_the_rules_passes(request_: Message) -> None:
    assert VALIDATOR.check(request_) == []


@pytest.mark.parametrize("message", RULES, ids=lambda kind: kind.DESCRIPTOR.name)
def test_every_rule_names_a_field_that_there_is(message: type[Message]) -> None:
    for rule in RULES[message]:
        *path, last = rule.field.split(".")
        inner = message.DESCRIPTOR
        for name in path:
            found = inner.fields_by_name[name].message_type
            assert found is not None, rule.field
            inner = found
        assert last in {*inner.fields_by_name, *inner.oneofs_by_name}, rule.field


def test_the_rules_follow_the_limits_in_force() -> None:
    request = service_pb.ReadOutputRequest(name=NAME, max_chunk_bytes=100)
    assert VALIDATOR.check(request) == []
    (found,) = Validator(Limits(max_chunk_bytes=99)).check(request)
    assert (found.field, found.message) == ("max_chunk_bytes", "must be at most 99")


# --- pages ---


def page(
    items: list[int], size: int, token: str, limit: int, name: str = ""
) -> tuple[list[int], str]:
    """A page of processes that have a pid and a name, and its token."""
    answer = service_pb.ListProcessesResponse()

    def fill(process: pb.Process, item: int) -> None:
        process.pid, process.name = item, name

    request = service_pb.ListProcessesRequest(page_size=size, page_token=token)
    token = fill_page(
        answer.processes, items, fill, lambda item: item, request, limit=limit, kind=int
    )
    return [process.pid for process in answer.processes], token


@pytest.mark.parametrize(("size", "expected"), [(1, 4), (10, 1), (100, 1)])
def test_a_page_ends_before_it_is_too_large_but_has_an_entry(size: int, expected: int) -> None:
    found, token = page(list(range(5)), 10, "", 100, name="x" * (size * PAGE_BYTES // 5 + 1))
    assert found == list(range(expected))
    following, _ = page(list(range(5)), 10, token, 100)
    assert following == list(range(expected, 5))


def test_an_answer_too_large_for_a_message_is_refused_by_name() -> None:
    answer = service_pb.GetProcessPropertiesResponse(properties_json="x" * MAX_BYTES)
    with pytest.raises(RequestError) as caught:
        sendable(answer, "ask for less")
    assert caught.value.reason == "ANSWER_TOO_LARGE"
    assert "ask for less" in caught.value.message
    answer.properties_json = answer.properties_json[: MAX_BYTES - 10]
    assert sendable(answer, "ask for less") is answer


@given(st.integers(0, 30), st.integers(0, 10), st.integers(1, 8))
def test_pages_are_the_list_in_pieces(count: int, size: int, limit: int) -> None:
    items = list(range(0, 3 * count, 3))
    pages, token = [], ""
    while True:
        found, token = page(items, size, token, limit)
        pages.append(found)
        if not token:
            break
    assert [item for found in pages for item in found] == items
    assert all(len(found) == min(size or 100, limit) for found in pages[:-1])
    assert pages[-1] or not items


@given(st.text(min_size=1))
def test_a_token_of_somebody_else_is_refused_or_harmless(token: str) -> None:
    with contextlib.suppress(InvalidRequestError):
        found, _ = page([1, 2, 3], 1, token, 10)
        assert found in ([], [1], [2], [3])
