"""What the embedded engine reads: whatever it is given, it answers or refuses, and never breaks."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcsd.abi.hresult import HR
from hcsd.embedded.faults import Fault
from hcsd.embedded.process_documents import (
    DEFAULT_CONSOLE,
    CloseStdio,
    Launch,
    Resize,
    parse_modify_request,
    parse_process_parameters,
    parse_signal_options,
    process_status,
)
from hcsd.hcs.schema import ProcessParameters, ProcessStatus, ResultError, SignalProcessOptions

Parser = Callable[[str | None], object]
PARSERS: list[Parser] = [parse_process_parameters, parse_modify_request, parse_signal_options]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["StdIn", "All", "CtrlC", "ConsoleSize", "CloseHandle", "a 'b", "\ud800"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
names = st.sampled_from(
    [
        *("CommandLine", "CommandArgs", "ApplicationName", "User", "WorkingDirectory"),
        *("Environment", "ConsoleSize", "EmulateConsole", "CreateStdInPipe", "UseLegacyConsole"),
        *("Operation", "CloseHandle", "Handle", "Height", "Width", "Signal"),
    ]
)
objects = st.dictionaries(names, values | st.dictionaries(names, values), max_size=4)


def refusal(parse: Parser, document: object) -> Fault:
    text = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises(Fault) as caught:
        parse(text)
    return caught.value


def outcome(parse: Parser, text: str) -> int:
    """The code that reading a text ends with."""
    try:
        parse(text)
    except Fault as fault:
        return fault.hresult
    return HR.S_OK


def launch(**members: object) -> Launch:
    return parse_process_parameters(json.dumps({"CommandLine": "true"} | members))


@pytest.mark.parametrize("parse", PARSERS)
@given(document=objects | values)
def test_any_json_is_read_or_refused(parse: Parser, document: object) -> None:
    assert outcome(parse, json.dumps(document)) in {
        HR.S_OK,
        HR.INVALID_JSON,
        HR.ERROR_NOT_SUPPORTED,
        HR.E_INVALIDARG,  # a working directory that is not absolute
    }


@pytest.mark.parametrize("parse", PARSERS)
@given(
    text=st.text()
    | st.sampled_from(["[" * 100_000, "1" * 5_000, "NaN", '{"A":1,"A":2}', "\ufeff{}"])
)
def test_any_text_is_read_or_refused(parse: Parser, text: str) -> None:
    assert outcome(parse, text) in {HR.S_OK, HR.INVALID_JSON, HR.ERROR_NOT_SUPPORTED}


@given(st.builds(ProcessParameters, command_args=st.lists(st.text("ab '\"\\$*"), min_size=1)))
def test_what_our_own_side_writes_is_read_as_it_was_meant(parameters: ProcessParameters) -> None:
    if not parameters.command_args[0]:
        return
    assert parse_process_parameters(parameters.to_json()).argv == parameters.command_args


@pytest.mark.parametrize("parse", PARSERS)
def test_an_unknown_member_is_refused_by_name(parse: Parser) -> None:
    fault = refusal(parse, {"Surprise": None})
    assert fault.hresult == HR.INVALID_JSON
    assert "Surprise" in str(fault)


@pytest.mark.parametrize(
    "document",
    [
        {"CommandLine": 1},
        {"CommandLine": None},
        {"CommandLine": "a\0b"},
        {"CommandArgs": "true"},
        {"CommandArgs": ["true", 1]},
        {"CommandArgs": ["true", "\0"]},
        {"CommandArgs": []},
        {"CommandArgs": ["", "x"]},
        {"Environment": []},
        {"Environment": {"A": 1}},
        {"Environment": {"": "1"}},
        {"Environment": {"A=B": "1"}},
        {"EmulateConsole": "true"},
        {"EmulateConsole": 1},
        {"ConsoleSize": [25, 80]},
        {"EmulateConsole": True, "ConsoleSize": [25.0, 80]},
        {"EmulateConsole": True, "ConsoleSize": [True, 80]},
        {"EmulateConsole": True, "ConsoleSize": [-1, 80]},
        {"EmulateConsole": True, "ConsoleSize": [25, 65536]},
        {"EmulateConsole": True, "ConsoleSize": [25, 80, 0]},
        {"CommandLine": "'"},
        {"CommandLine": "true", "CommandArgs": ["true"]},
    ],
)
def test_a_member_of_the_wrong_kind_is_refused(document: dict[str, object]) -> None:
    complete = document if document.keys() & {"CommandLine", "CommandArgs"} else None
    fault = refusal(parse_process_parameters, complete or document | {"CommandLine": "true"})
    assert fault.hresult == HR.INVALID_JSON


@pytest.mark.parametrize("document", ["", None, "{}", '{"CommandLine":""}', '{"CommandLine":"  "}'])
def test_a_process_needs_a_program(document: str | None) -> None:
    with pytest.raises(Fault, match="names no program"):
        parse_process_parameters(document)


def test_defaults_are_what_a_plain_process_needs() -> None:
    assert launch() == Launch(["true"], {}, "", "", None, stdin=False, stdout=False, stderr=False)


def test_pipes_are_asked_for_one_by_one() -> None:
    assert launch(CreateStdInPipe=True).stdin
    assert launch(CreateStdOutPipe=True).stdout
    assert launch(CreateStdErrPipe=True).stderr
    assert not launch(CreateStdErrPipe=False).stderr


@pytest.mark.parametrize(
    ("size", "console"),
    [
        (None, DEFAULT_CONSOLE),
        ([], DEFAULT_CONSOLE),
        ([0, 0], DEFAULT_CONSOLE),
        ([0, 100], (DEFAULT_CONSOLE[0], 100)),
        ([65535, 1], (65535, 1)),
    ],
)
def test_a_console_has_rows_then_columns(size: list[int] | None, console: tuple[int, int]) -> None:
    members = {} if size is None else {"ConsoleSize": size}
    assert launch(EmulateConsole=True, **members).console == console


@pytest.mark.parametrize(
    ("document", "change"),
    [
        (
            {"Operation": "ConsoleSize", "ConsoleSize": {"Height": 40, "Width": 120}},
            Resize(rows=40, columns=120),
        ),
        ({"Operation": "CloseHandle", "CloseHandle": {"Handle": "StdIn"}}, CloseStdio("StdIn")),
        ({"Operation": "CloseHandle", "CloseHandle": {"Handle": "All"}}, CloseStdio("All")),
    ],
)
def test_a_change_is_read(document: object, change: object) -> None:
    assert parse_modify_request(json.dumps(document)) == change


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"Operation": "Operation"},
        {"Operation": "ConsoleSize"},
        {"Operation": "ConsoleSize", "CloseHandle": {"Handle": "StdIn"}},
        {"Operation": "ConsoleSize", "ConsoleSize": {"Height": 0, "Width": 80}},
        {"Operation": "ConsoleSize", "ConsoleSize": {"Height": 25, "Width": 80, "Depth": 1}},
        {"Operation": "CloseHandle", "CloseHandle": {}},
        {"Operation": "CloseHandle", "CloseHandle": {"Handle": ["StdIn"]}},
        {"Operation": "CloseHandle", "CloseHandle": {"Handle": {}}},
        {"ConsoleSize": {"Height": 25, "Width": 80}},
    ],
)
def test_a_change_without_its_members_is_refused(document: object) -> None:
    assert refusal(parse_modify_request, document).hresult == HR.INVALID_JSON


@pytest.mark.parametrize(
    ("value", "signal"),
    [
        ("CtrlC", (2, True)),
        ("CtrlBreak", (3, True)),
        ("CtrlClose", (1, True)),
        ("CtrlLogOff", (1, True)),
        ("CtrlShutdown", (15, True)),
        (15, (15, False)),
        (64, (64, False)),
        (0, (9, False)),
    ],
)
def test_a_signal_is_a_number_for_one_or_an_event_for_the_group(
    value: str | int, signal: tuple[int, bool]
) -> None:
    assert parse_signal_options(SignalProcessOptions(value).to_json()) == signal


@pytest.mark.parametrize("text", [None, "", "{}"])
def test_no_signal_is_a_kill(text: str | None) -> None:
    assert parse_signal_options(text) == (9, False)


@pytest.mark.parametrize("value", ["SIGTERM", "", "ctrlc", 65, -1, True, None, 9.0, [9], {}])
def test_any_other_signal_is_refused(value: object) -> None:
    assert refusal(parse_signal_options, {"Signal": value}).hresult == HR.INVALID_JSON


@given(st.integers(1, 2**31), st.integers(0, 255), st.integers(0, 64))
def test_a_status_is_read_as_it_was_meant(pid: int, exit_code: int, signal: int) -> None:
    running = ProcessStatus.parse(process_status(pid, exited=False))
    assert running == ProcessStatus(pid, exited=False, exit_code=None, last_wait_result=0)
    ended = ProcessStatus.parse(
        process_status(pid, exited=True, exit_code=exit_code, signal=signal)
    )
    assert ended == ProcessStatus(pid, True, exit_code, 0, signal)
    timed = json.loads(process_status(pid, exited=True, exit_code=exit_code, exit_time=1 << 60))
    assert timed["ExitTime"] == 1 << 60
    assert "ExitTime" not in json.loads(process_status(pid, exited=True, exit_code=exit_code))
    lost = ProcessStatus.parse(process_status(pid, exited=True, exit_code=None))
    assert (lost.exit_code, lost.last_wait_result) == (None, HR.ERROR_NOT_FOUND)


@given(st.sampled_from(list(HR)), st.text())
def test_a_fault_says_its_code_signed_and_its_reason(hresult: HR, message: str) -> None:
    document = json.loads(Fault(hresult, message).document)
    assert document["Error"] & 0xFFFFFFFF == hresult
    assert document["Error"] < 0 or not hresult & 0x80000000
    assert document["ErrorMessage"] == document["ErrorEvents"][0]["Message"] == message
    assert ResultError.parse(Fault(hresult, message).document).text == message


def test_stderr_goes_where_stdout_goes_and_to_no_pipe_of_its_own() -> None:
    joined = launch(CreateStdOutPipe=True, StdErrToStdOut=True)
    assert (joined.stdout, joined.stderr, joined.joined) == (True, False, True)
    both = {"CommandLine": "true", "StdErrToStdOut": True, "CreateStdErrPipe": True}
    assert refusal(parse_process_parameters, both).hresult == HR.INVALID_JSON


def test_a_start_has_a_tag_of_a_bounded_length() -> None:
    assert launch().tag == ""
    assert launch(Tag="t" * 128).tag == "t" * 128
    for tag in ("t" * 129, 1, None):
        document = {"CommandLine": "true", "Tag": tag}
        assert refusal(parse_process_parameters, document).hresult == HR.INVALID_JSON
