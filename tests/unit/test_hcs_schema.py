"""HCS documents, written and read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcsd.hcs.errors import DocumentError
from hcsd.hcs.schema import (
    CloseHandle,
    ConsoleSize,
    ProcessModifyRequest,
    ProcessParameters,
    ProcessStatus,
    ResultError,
    SignalProcessOptions,
    SystemProperties,
    parse_enumeration,
    parse_properties,
    parse_schema_versions,
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
members = st.dictionaries(
    st.sampled_from(["ProcessId", "Exited", "ExitCode", "LastWaitResult", "Signal", "Id", "State"])
    | st.sampled_from(["ErrorMessage", "ErrorEvents", "Message", "Provider", "EventId"]),
    values | st.lists(st.dictionaries(st.sampled_from(["Message", "EventId", "Data"]), values)),
)
texts = st.none() | st.text() | (members | values).map(json.dumps) | st.just("[" * 100_000)


def test_a_member_at_its_default_is_left_out() -> None:
    assert ProcessParameters().members() == {}
    assert ProcessParameters(command_line="x", emulate_console=True).members() == {
        "CommandLine": "x",
        "EmulateConsole": True,
    }


def test_names_are_those_of_hcs() -> None:
    everything = ProcessParameters(
        "app", "line", ["a"], "user", "/", {"A": "1"}, True, True, True, True, True, [25, 80]
    )
    assert json.loads(everything.to_json()) == {
        "ApplicationName": "app",
        "CommandLine": "line",
        "CommandArgs": ["a"],
        "User": "user",
        "WorkingDirectory": "/",
        "Environment": {"A": "1"},
        "RestrictedToken": True,
        "EmulateConsole": True,
        "CreateStdInPipe": True,
        "CreateStdOutPipe": True,
        "CreateStdErrPipe": True,
        "ConsoleSize": [25, 80],
    }


def test_requests_are_worded_as_hcs_takes_them() -> None:
    resize = ProcessModifyRequest("ConsoleSize", console_size=ConsoleSize(40, 120))
    assert resize.members() == {
        "Operation": "ConsoleSize",
        "ConsoleSize": {"Height": 40, "Width": 120},
    }
    close = ProcessModifyRequest("CloseHandle", close_handle=CloseHandle("StdIn"))
    assert close.members() == {"Operation": "CloseHandle", "CloseHandle": {"Handle": "StdIn"}}
    assert SignalProcessOptions("CtrlC").to_json() == '{"Signal": "CtrlC"}'
    assert SignalProcessOptions(0).to_json() == '{"Signal": 0}'  # required, so never left out


@given(texts)
def test_a_status_is_read_or_refused_and_its_code_never_made_up(text: str | None) -> None:
    try:
        status = ProcessStatus.parse(text)
    except DocumentError:
        return
    assert text is not None
    said = json.loads(text)
    assert status.exited is (said.get("Exited") is True)
    if status.exit_code is not None:
        assert status.exited
        assert status.exit_code == said.get("ExitCode", 0) & 0xFFFFFFFF
        assert said.get("LastWaitResult") in (0, None, "0")
    for number in (status.process_id, status.last_wait_result, status.signal):
        assert type(number) is int


@pytest.mark.parametrize(
    ("text", "exit_code"),
    [
        ('{"Exited":true}', 0),
        ('{"Exited":true,"ExitCode":259}', 259),
        ('{"Exited":true,"ExitCode":4294967295}', 0xFFFFFFFF),
        ('{"Exited":true,"ExitCode":-1073741510}', 0xC000013A),
        ('{"Exited":true,"ExitCode":1,"Unknown":[]}', 1),
        ('{"Exited":true,"ExitCode":true}', None),
        ('{"Exited":true,"ExitCode":"1"}', None),
        ('{"Exited":true,"ExitCode":0,"LastWaitResult":1}', None),
        ('{"Exited":"true","ExitCode":0}', None),
        ('{"Exited":false,"ExitCode":0}', None),
        ('{"ExitCode":0}', None),
    ],
)
def test_a_code_counts_only_with_an_exit_and_a_wait_that_succeeded(
    text: str, exit_code: int | None
) -> None:
    assert ProcessStatus.parse(text).exit_code == exit_code


@given(texts)
def test_any_result_document_gives_an_error_that_can_be_shown(text: str | None) -> None:
    result = ResultError.parse(text)
    assert isinstance(result.text, str)
    for event in result.error_events:
        assert isinstance(event.message, str)
        assert type(event.event_id) is int


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({}, ""),
        ({"ErrorMessage": "general"}, "general"),
        ({"ErrorMessage": "general", "ErrorEvents": []}, "general"),
        ({"ErrorMessage": "general", "ErrorEvents": [{"Message": "exact"}]}, "exact"),
        ({"ErrorEvents": [{"Message": ""}, 7, {"Message": "second"}]}, "second"),
    ],
)
def test_the_first_event_that_says_something_is_the_best_text(document: object, text: str) -> None:
    assert ResultError.parse(json.dumps(document)).text == text


@given(texts)
def test_properties_are_read_or_refused(text: str | None) -> None:
    for parse in (parse_properties, parse_enumeration, parse_schema_versions):
        try:
            parse(text)
        except DocumentError:
            continue


def test_properties_have_their_members() -> None:
    text = (
        '{"Id":"a","SystemType":"Container","RuntimeOsType":"Linux","Owner":"me","State":"Running"}'
    )
    properties = SystemProperties("a", "Container", "Linux", "", "me", "", "Running")
    assert parse_properties(text) == properties
    assert parse_enumeration(f"[{text}]") == [properties]
    assert parse_enumeration("[]") == []


def test_schema_versions_are_read() -> None:
    text = (
        '{"Properties":[{"SupportedSchemaVersions":[{"Major":1,"Minor":0},{"Major":2,"Minor":7}]}]}'
    )
    assert parse_schema_versions(text) == [(1, 0), (2, 7)]


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "{", "[]", "{}", '{"Properties":[]}', '{"Properties":[{}]}'),
        *('{"Properties":{}}', '{"Properties":[7]}'),
        '{"Properties":[{"SupportedSchemaVersions":[2]}]}',
    ],
)
def test_service_properties_without_schema_versions_are_refused(text: str | None) -> None:
    with pytest.raises(DocumentError):
        parse_schema_versions(text)


def test_a_schema_version_without_a_number_is_left_out() -> None:
    text = (
        '{"Properties":[{"SupportedSchemaVersions":[{"Major":"two"},{"Minor":7},'
        '{"Major":2,"Minor":7}]}]}'
    )
    assert parse_schema_versions(text) == [(2, 7)]


@pytest.mark.parametrize("text", [None, "", "{}", "7", "null"])
def test_an_enumeration_is_an_array(text: str | None) -> None:
    with pytest.raises(DocumentError):
        parse_enumeration(text)
