"""From a request to what the engine is asked: names, rules, pages, signals, command lines."""

import contextlib
import json
import string

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from hcsd.config import Limits
from hcsd.io import Overflow
from hcsd.service.errors import InvalidRequestError
from hcsd.service.names import (
    PROCESS_ID,
    PROCESS_NAME,
    SYSTEM_NAME,
    ProcessKey,
    parse_process,
    parse_system,
    system_name,
)
from hcsd.service.paging import page
from hcsd.service.plan import make_plan, parameters, quote_windows
from hcsd.service.signals import CONSOLE_EVENTS, LINUX_SIGNALS, Kill, resolve, signal_name
from hcsd.service.validate import RULES, check
from hcsd.v1 import (
    compute_system_service_pb2 as system_pb,
)
from hcsd.v1 import (
    process_pb2 as pb,
)
from hcsd.v1 import (
    process_service_pb2 as service_pb,
)

LIMITS = Limits()
WINDOWS, LINUX = "Windows", "Linux"

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
    (system_pb.GetComputeSystemRequest(), "name", "required"),
    (system_pb.GetComputeSystemRequest(name="a"), "name", "string.pattern"),
    (system_pb.ListComputeSystemsRequest(page_size=-1), "page_size", "int32.gte"),
]


@pytest.mark.parametrize(("request_", "field", "rule"), BROKEN, ids=range(len(BROKEN)))
def test_a_request_that_breaks_one_rule_is_told_that_one(
    request_: Message, field: str, rule: str
) -> None:
    assert [(found.field, found.rule) for found in check(request_)] == [(field, rule)]


@pytest.mark.parametrize(
    "request_",
    [
        create(),
        create(process_id="a" * 128, request_id="6A3A0B5C-2B44-4A5B-9A05-0D5EA0C0A001"),
        create(labels={str(n): "" for n in range(64)}),
        spec(console=pb.Console(columns=65535, rows=65535), working_directory="", user=""),
        spec(env=[pb.EnvironmentVariable(name="a")], argv=pb.Argv(args=["a", ""])),
        service_pb.ReadOutputRequest(name=NAME, max_chunk_bytes=LIMITS.max_chunk_bytes),
        service_pb.ListProcessesRequest(parent="systems/-"),
        service_pb.WaitProcessRequest(name=NAME),
    ],
    ids=range(8),
)
def test_a_request_at_the_edge_of_the_rules_passes(request_: Message) -> None:
    assert check(request_) == []


@pytest.mark.parametrize("message", RULES, ids=lambda kind: kind.DESCRIPTOR.name)
def test_every_rule_names_a_field_that_there_is(message: type[Message]) -> None:
    known = {*message.DESCRIPTOR.fields_by_name, *message.DESCRIPTOR.oneofs_by_name}
    assert {rule.field for rule in RULES[message]} <= known


# --- pages ---


@given(st.integers(0, 30), st.integers(0, 10), st.integers(1, 8))
def test_pages_are_the_list_in_pieces(count: int, size: int, limit: int) -> None:
    items = list(range(0, 3 * count, 3))
    pages, token = [], ""
    while True:
        found, token = page(items, lambda item: item, size, token, limit, kind=int)
        pages.append(found)
        if not token:
            break
    assert [item for found in pages for item in found] == items
    assert all(len(found) == min(size or 100, limit) for found in pages[:-1])
    assert pages[-1] or not items


@given(st.text(min_size=1))
def test_a_token_of_somebody_else_is_refused_or_harmless(token: str) -> None:
    with contextlib.suppress(InvalidRequestError):
        found, _ = page([1, 2, 3], lambda item: item, 1, token, 10, kind=int)
        assert found in ([], [1], [2], [3])


# --- signals ---


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("INT", "CtrlC"),
        ("sigint", "CtrlC"),
        ("BREAK", "CtrlBreak"),
        ("QUIT", "CtrlBreak"),
        ("HUP", "CtrlClose"),
        ("TERM", "CtrlShutdown"),
        ("ctrllogoff", "CtrlLogOff"),
    ],
)
def test_windows_guests_get_events_for_names(text: str, event: str) -> None:
    options = resolve(pb.ProcessSignal(signal_name=text), WINDOWS)
    assert options == json.dumps({"Signal": event})


@pytest.mark.parametrize(
    ("number", "event"),
    [
        (0, "CtrlC"),
        (1, "CtrlBreak"),
        (2, "CtrlClose"),
        (5, "CtrlLogOff"),
        (6, "CtrlShutdown"),
        (15, "CtrlShutdown"),
    ],
)
def test_windows_guests_get_events_for_numbers(number: int, event: str) -> None:
    options = resolve(pb.ProcessSignal(signal_number=number), WINDOWS)
    assert options == json.dumps({"Signal": event})


@pytest.mark.parametrize("guest", [WINDOWS, LINUX])
def test_a_kill_is_a_kill_for_every_guest(guest: str) -> None:
    for sent in (
        pb.ProcessSignal(signal_name="KILL"),
        pb.ProcessSignal(signal_name="SIGKILL"),
        pb.ProcessSignal(signal_number=9),
    ):
        assert resolve(sent, guest) is Kill.KILL


@pytest.mark.parametrize("name", sorted(LINUX_SIGNALS.keys() - {"KILL"}))
def test_linux_guests_get_numbers_for_names(name: str) -> None:
    number = LINUX_SIGNALS[name]
    for text in (name, f"SIG{name}", name.lower()):
        options = resolve(pb.ProcessSignal(signal_name=text), LINUX)
        assert options == json.dumps({"Signal": number})
    assert signal_name(number) == name


@pytest.mark.parametrize("guest", [WINDOWS, LINUX])
@pytest.mark.parametrize("event", CONSOLE_EVENTS)
def test_console_events_go_to_every_guest_by_the_name_that_hcs_has(
    event: pb.ConsoleEvent, guest: str
) -> None:
    options = resolve(pb.ProcessSignal(console_event=event), guest)
    assert options == json.dumps({"Signal": CONSOLE_EVENTS[event]})


@pytest.mark.parametrize("guest", [WINDOWS, LINUX])
@pytest.mark.parametrize(
    "sent",
    [
        pb.ProcessSignal(signal_name="NONSENSE"),
        pb.ProcessSignal(signal_name="SIGSIGTERM"),
        pb.ProcessSignal(signal_number=-1),
        pb.ProcessSignal(signal_number=65),
        pb.ProcessSignal(console_event=pb.CONSOLE_EVENT_UNSPECIFIED),
    ],
    ids=["name", "twice", "negative", "high", "event"],
)
def test_a_signal_that_a_guest_has_not_is_refused(sent: pb.ProcessSignal, guest: str) -> None:
    with pytest.raises(InvalidRequestError):
        resolve(sent, guest)


def test_a_number_without_a_name_has_none() -> None:
    assert signal_name(0) == ""
    assert signal_name(40) == ""


# --- command lines ---


def split_windows(line: str) -> list[str]:
    """Split a command line by the rules of CommandLineToArgvW, written from their description.

    2n backslashes and a quote: n backslashes, and the quote begins or ends a quoted part.
    2n+1 backslashes and a quote: n backslashes and a quote. Other backslashes are themselves.
    """
    args: list[str] = []
    arg, quoted, there, backslashes = "", False, False, 0
    for character in [*line, " "]:
        if character == "\\":
            backslashes += 1
            there = True
            continue
        if character == '"':
            arg += "\\" * (backslashes // 2)
            if backslashes % 2:
                arg += '"'
            else:
                quoted = not quoted
            there = True
        else:
            arg += "\\" * backslashes
            if character in " \t" and not quoted:
                if there:
                    args.append(arg)
                arg, there = "", False
            else:
                arg += character
                there = True
        backslashes = 0
    return args


@given(st.lists(st.text(alphabet='ab\\" \té'), min_size=1))
def test_windows_splits_a_command_line_into_the_arguments_it_was_made_of(args: list[str]) -> None:
    assert split_windows(quote_windows(args)) == args


@pytest.mark.parametrize(
    ("arg", "quoted"),
    [("plain", "plain"), ("", '""'), ("a b", '"a b"'), ('a"b', r'"a\"b"'), ("a b\\", '"a b\\\\"')],
)
def test_an_argument_is_quoted_only_where_it_must_be(arg: str, quoted: str) -> None:
    assert quote_windows([arg]) == quoted


def test_windows_guests_get_a_command_line_and_others_their_arguments() -> None:
    made = pb.ProcessSpec(argv=pb.Argv(args=["a b", "c"]))
    assert json.loads(parameters(made, WINDOWS))["CommandLine"] == '"a b" c'
    assert "CommandArgs" not in json.loads(parameters(made, WINDOWS))
    assert json.loads(parameters(made, LINUX))["CommandArgs"] == ["a b", "c"]
    line = pb.ProcessSpec(command_line="a  b")
    for guest in (WINDOWS, LINUX):
        assert json.loads(parameters(line, guest))["CommandLine"] == "a  b"


def test_a_console_has_a_stdin_pipe_and_no_stderr() -> None:
    made = pb.ProcessSpec(argv=ARGV, console=pb.Console(columns=100, rows=30))
    document = json.loads(parameters(made, WINDOWS))
    assert document["EmulateConsole"] is True
    assert document["CreateStdInPipe"] is True
    assert "CreateStdErrPipe" not in document
    assert document["ConsoleSize"] == [30, 100]  # height first


def test_a_process_without_a_console_has_both_outputs_and_stdin_if_asked_for() -> None:
    document = json.loads(parameters(pb.ProcessSpec(argv=ARGV), LINUX))
    assert document == {
        "CommandArgs": ["true"],
        "CreateStdOutPipe": True,
        "CreateStdErrPipe": True,
    }
    piped = pb.ProcessSpec(argv=ARGV, stdin_mode=pb.STDIN_MODE_PIPE)
    assert json.loads(parameters(piped, LINUX))["CreateStdInPipe"] is True


def test_everything_that_a_spec_says_reaches_hcs() -> None:
    made = pb.ProcessSpec(
        argv=ARGV,
        working_directory="/dir",
        user="somebody",
        restricted_token=True,
        env=[
            pb.EnvironmentVariable(name="B", value="1"),
            pb.EnvironmentVariable(name="A"),
            pb.EnvironmentVariable(name="B", value="2"),
        ],
    )
    document = json.loads(parameters(made, LINUX))
    assert document["WorkingDirectory"] == "/dir"
    assert document["User"] == "somebody"
    assert document["RestrictedToken"] is True
    assert document["Environment"] == {"B": "2", "A": ""}


# --- plans ---


def test_output_blocks_for_an_owner_and_drops_for_a_log_unless_said_otherwise() -> None:
    assert make_plan(spec(), LINUX, LIMITS, owned=True).overflow is Overflow.BLOCK
    assert make_plan(spec(), LINUX, LIMITS, owned=False).overflow is Overflow.DROP_OLDEST
    for policy, overflow in (
        (pb.OVERFLOW_POLICY_BLOCK, Overflow.BLOCK),
        (pb.OVERFLOW_POLICY_DROP_OLDEST, Overflow.DROP_OLDEST),
    ):
        asked = spec(output=pb.OutputOptions(overflow=policy))
        for owned in (True, False):
            assert make_plan(asked, LINUX, LIMITS, owned=owned).overflow is overflow


def test_times_and_sizes_have_their_defaults_and_zero_is_zero_where_it_means_something() -> None:
    plan = make_plan(spec(), LINUX, LIMITS, owned=False)
    assert plan.drain_timeout == LIMITS.drain_timeout
    assert plan.run_timeout == 0
    assert plan.ring_bytes == LIMITS.default_ring_bytes
    asked = spec(output=pb.OutputOptions(ring_bytes=5))
    asked.spec.drain_timeout.FromSeconds(0)
    asked.spec.run_timeout.FromMilliseconds(1500)
    plan = make_plan(asked, LINUX, LIMITS, owned=False)
    assert (plan.drain_timeout, plan.run_timeout, plan.ring_bytes) == (0, 1.5, 5)


def defaults(overflow: pb.OverflowPolicy = pb.OVERFLOW_POLICY_DROP_OLDEST) -> pb.ProcessSpec:
    """What is shown of a request that leaves everything open."""
    shown = pb.ProcessSpec(
        stdin_mode=pb.STDIN_MODE_CLOSED,
        output=pb.OutputOptions(ring_bytes=LIMITS.default_ring_bytes, overflow=overflow),
        orphan_policy=pb.ORPHAN_POLICY_KEEP,
    )
    shown.drain_timeout.FromNanoseconds(round(LIMITS.drain_timeout * 1e9))
    return shown


def with_defaults(asked: pb.ProcessSpec) -> pb.ProcessSpec:
    shown = defaults()
    shown.MergeFrom(asked)
    return shown


def test_a_spec_is_shown_with_the_defaults_that_apply() -> None:
    asked = spec()
    before = asked.SerializeToString(deterministic=True)
    for owned, overflow in (
        (False, pb.OVERFLOW_POLICY_DROP_OLDEST),
        (True, pb.OVERFLOW_POLICY_BLOCK),
    ):
        expected = defaults(overflow)
        expected.MergeFrom(asked.spec)
        assert make_plan(asked, LINUX, LIMITS, owned=owned).spec == expected
    assert asked.SerializeToString(deterministic=True) == before
    console = make_plan(spec(console=pb.Console()), LINUX, LIMITS, owned=False).spec
    assert console is not None
    assert (console.console.columns, console.console.rows) == (80, 25)
    assert console.stdin_mode == pb.STDIN_MODE_PIPE
    chosen = pb.OutputOptions(ring_bytes=5, overflow=pb.OVERFLOW_POLICY_BLOCK)
    shown = make_plan(spec(output=chosen), LINUX, LIMITS, owned=False).spec
    assert shown is not None
    assert shown.output == chosen


def test_a_document_goes_through_unchanged_and_what_is_known_of_it_is_shown() -> None:
    console = {
        "CommandLine": "a",
        "WorkingDirectory": "/b",
        "User": "c",
        "Environment": {"D": "e", "F": ""},
        "RestrictedToken": True,
        "EmulateConsole": True,
        "ConsoleSize": [30, 90],
        "CreateStdInPipe": True,
    }
    for document, shown in (
        ('{"CommandLine": "a b"}', pb.ProcessSpec(command_line="a b")),
        ('{"CommandArgs": ["a", "b"]}', pb.ProcessSpec(argv=pb.Argv(args=["a", "b"]))),
        ('{"CommandArgs": ["a", 1]}', pb.ProcessSpec(argv=pb.Argv(args=["a", "1"]))),
        ('{"CommandLine": "\\ud800"}', pb.ProcessSpec(command_line="?")),
        ('{"CommandLine": 1, "User": 2, "Environment": [3]}', pb.ProcessSpec()),
        (
            '{"EmulateConsole": true, "ConsoleSize": [-1, "a"]}',
            pb.ProcessSpec(console=pb.Console(columns=80, rows=25)),
        ),
        (
            json.dumps(console),
            pb.ProcessSpec(
                command_line="a",
                working_directory="/b",
                user="c",
                env=[
                    pb.EnvironmentVariable(name="D", value="e"),
                    pb.EnvironmentVariable(name="F"),
                ],
                restricted_token=True,
                console=pb.Console(columns=90, rows=30),
                stdin_mode=pb.STDIN_MODE_PIPE,
            ),
        ),
        ("{", pb.ProcessSpec()),
        ("[]", pb.ProcessSpec()),
        ("[" * 100_000, pb.ProcessSpec()),
    ):
        request = service_pb.CreateProcessRequest(parent="systems/a", parameters_json=document)
        plan = make_plan(request, LINUX, LIMITS, owned=False)
        assert plan.parameters == document
        assert plan.spec == with_defaults(shown)
