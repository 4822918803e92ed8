"""Text and JSON of HCS, read: whatever it is, what comes out can be sent, and spoils nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcsd.abi.hresult import HR
from hcsd.daemon.system import SystemEnding, SystemView
from hcsd.hcs import documents
from hcsd.hcs.documents import load, valid_text
from hcsd.hcs.ends import ProcessEnd, SystemEnd
from hcsd.hcs.errors import DocumentError
from hcsd.hcs.library import error_for
from hcsd.hcs.schema import (
    ProcessStatus,
    ResultError,
    SystemExitStatus,
    parse_enumeration,
    parse_process_list,
    parse_properties,
)
from hcsd.rpc.convert import status_message, system_message
from hcsd.rpc.status import to_status

HALF, MENDED = "\ud83d", "\N{REPLACEMENT CHARACTER}"
halves = st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF)
any_text = st.text(st.characters() | halves | st.sampled_from('\\"u/\0\n'))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=10,
)
NAMES = (
    *("Id", "Owner", "Name", "State", "SystemType", "RuntimeOsType", "RuntimeId", "Limits"),
    *("ExitType", "Status", "Attribution", "ErrorMessage", "ErrorEvents", "Message", "EventId"),
    *("ProcessId", "Exited", "ExitCode", "LastWaitResult", "Signal", "Stage", "Errno", "Limit"),
    *("MemoryBytes", "ProcessorMillis", "ProcessList", "CreateTimestamp"),
)
members = st.recursive(
    st.dictionaries(st.sampled_from(NAMES), values, max_size=6),
    lambda inner: st.dictionaries(
        st.sampled_from(NAMES), inner | st.lists(inner, max_size=2), max_size=6
    ),
    max_leaves=4,
)


def mended(value: object) -> object:
    """The value as it has to be read, made by other means: a pair in UTF-16 is one character."""
    if isinstance(value, str):
        units = value.encode("utf-16-le", "surrogatepass")
        return units.decode("utf-16-le", "surrogatepass").translate(
            dict.fromkeys(range(0xD800, 0xE000), MENDED)
        )
    if isinstance(value, list):
        return [mended(each) for each in value]
    if isinstance(value, dict):
        return {str(mended(name)): mended(each) for name, each in value.items()}
    return value


@given(any_text)
def test_text_can_be_written_as_utf_8_and_read_by_any_reader_of_json(text: str) -> None:
    valid = valid_text(text)
    valid.encode()
    assert valid_text(valid) == valid
    if "\\" not in text:
        assert len(valid) == len(text)
        assert all(
            a == b or (b == MENDED and 0xD800 <= ord(a) < 0xE000)
            for a, b in zip(text, valid, strict=True)
        )


@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\\u0dD8f{}")))
def test_text_without_halves_stays_as_it_is(text: str) -> None:
    escaped = json.dumps(text)
    assert valid_text(escaped) == escaped


@given(any_text, st.booleans())
def test_a_half_is_replaced_whether_it_is_a_unit_or_an_escape(text: str, escaped: bool) -> None:
    document = json.dumps([text], ensure_ascii=escaped)
    if not escaped:  # as it comes out of UTF-16
        document = document.encode("utf-16-le", "surrogatepass").decode(
            "utf-16-le", "surrogatepass"
        )
    (read,) = json.loads(valid_text(document))
    assert read == mended(text)
    assert load(document, "test") == [mended(text)]


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (r'"\ud83d\ude00"', r'"\ud83d\ude00"'),
        (r'"\ud83d"', r'"\ufffd"'),
        (r'"\uDE00\uD83D"', r'"\ufffd\ufffd"'),
        (r'"\ud83d\ud83d\ude00"', r'"\ufffd\ud83d\ude00"'),
        (r'"\\ud83d"', r'"\\ud83d"'),  # a backslash, and no escape
        (r'"\\\ud83d"', r'"\\\ufffd"'),
        (r'"\ud83', r'"\ud83'),
        ('"\ud83d"', '"\ufffd"'),
        (r'"\u00e4 ä 😀 \ue000"', r'"\u00e4 ä 😀 \ue000"'),
    ],
)
def test_only_the_half_is_replaced(text: str, valid: str) -> None:
    assert valid_text(text) == valid


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[NaN,Infinity,-Infinity,1e999,1.5]", [None, None, None, None, 1.5]),
        (f"[{'9' * 10_000},-1,{2**64 - 1}]", [None, -1, 2**64 - 1]),
        (r'["\u0000"]', ["\0"]),
        ('["a\tb\nc"]', ["a\tb\nc"]),
        ('{"a":1,"a":2}', {"a": 2}),
    ],
)
def test_what_the_contract_cannot_say_is_null(text: str, value: object) -> None:
    assert load(text, "test") == value


def test_what_is_too_deep_is_null_and_costs_nothing_beside_it() -> None:
    deep = "[" * 100_000 + '"]"' + "]" * 100_000
    text = json.dumps([{"Id": "bad", "Owner": "DEEP"}, {"Id": "good", "Owner": 'a"]}['}])
    found = parse_enumeration(text.replace('"DEEP"', deep))
    assert [(entry.id, entry.owner) for entry in found] == [("bad", ""), ("good", 'a"]}[')]
    value: object = load(deep, "test")
    for _ in range(documents.MAX_DEPTH):
        assert isinstance(value, list)
        (value,) = value
    assert value is None


@pytest.mark.parametrize("text", [None, "", "{", "[" * 100_000, '{"a":' * 100_000, "nul", "1 2"])
def test_what_is_no_json_is_refused(text: str | None) -> None:
    with pytest.raises(DocumentError, match="test document is"):
        load(text, "test")


@pytest.mark.parametrize(
    "bad",
    [
        *("7", "null", "[]", "{}", '"x"', '{"Id":7}', '{"Id":""}'),
        '{"Id":"bad","Owner":%s}' % ("9" * 5000),
        '{"Id":"bad","Limits":{"MemoryBytes":1e999,"MaxTasks":NaN}}',
    ],
)
def test_an_entry_that_cannot_be_read_costs_itself_alone(bad: str) -> None:
    found = parse_enumeration(f'[{{"Id":"a"}},{bad},{{"Id":"z"}}]')
    assert [entry.id for entry in found if entry.id != "bad"] == ["a", "z"]


@pytest.mark.parametrize("entry", ["7", "{}", '{"ProcessId":"7"}', '{"ProcessId":-1}'])
def test_a_list_with_a_process_without_a_pid_does_not_tell_which_are_missing(entry: str) -> None:
    with pytest.raises(DocumentError):
        parse_process_list(f'{{"ProcessList":[{{"ProcessId":1}},{entry}]}}')


@pytest.mark.parametrize(
    ("said", "read"),
    [
        *((0, 0), (None, 0), (1, 1), ("0", 0), (" 0x0 ", 0)),
        *((-2143878906, HR.UNEXPECTED_EXIT), (0x80370106, HR.UNEXPECTED_EXIT)),
        (0xFFFFFFFF80370106, HR.UNEXPECTED_EXIT),  # extended with its sign, and read unsigned
        *(("-2143878906", HR.UNEXPECTED_EXIT), ("2151088390", HR.UNEXPECTED_EXIT)),
        *(("0x80370106", HR.UNEXPECTED_EXIT), ("0XFFFFFFFF80370106", HR.UNEXPECTED_EXIT)),
        ("80370106", HR.UNEXPECTED_EXIT),
        *((1 << 32, None), (-(1 << 31) - 1, None), (1 << 64, None), (1.0, None), (True, None)),
        *(("", None), ("x", None), ("0x", None), ("1_0", None), ("١", None), ([], None)),  # noqa: RUF001  (a digit of Arabic)
    ],
    ids=repr,
)
def test_a_result_code_is_read_as_32_unsigned_bits(said: object, read: int | None) -> None:
    code = HR.E_UNEXPECTED if read is None else read
    assert documents.hresult({"Code": said}, "Code") == code
    assert SystemExitStatus.parse(json.dumps({"Status": said})).status == code
    end = ProcessEnd.read(json.dumps({"Exited": True, "ExitCode": 3, "LastWaitResult": said}))
    assert end.exit_code == (3 if read == 0 else None)
    assert end.hresult == code


def test_no_result_code_is_success() -> None:
    assert documents.hresult({}, "Code") == 0
    assert SystemEnd.of("{}") == SystemEnd(0)


@pytest.mark.parametrize("change", [str.upper, str.lower, str.title, str])
def test_words_are_known_in_any_case(change: type[str]) -> None:
    said = {
        "Id": "Mixed",
        "SystemType": "VirtualMachine",
        "RuntimeOsType": "Linux",
        "State": "SavedAsTemplate",
        "ExitType": "ForcedExit",
        "Owner": "MiXed",
    }
    folded = {name: change(text) for name, text in said.items() if name not in {"Id", "Owner"}}
    found = parse_properties(json.dumps(said | folded))
    assert found == parse_properties(json.dumps(said))
    assert (found.runtime_os_type, found.owner) == ("Linux", "MiXed")
    assert SystemExitStatus.parse(json.dumps(folded)).exit_type == "ForcedExit"


def test_a_word_that_the_schema_does_not_have_stays_as_it_is() -> None:
    found = parse_properties('{"Id":"a","State":"Hibernated","RuntimeOsType":"Plan9"}')
    assert (found.state, found.runtime_os_type) == ("Hibernated", "Plan9")
    view = SystemView(found, None, None, None, kills_trees=False, pauses=False)
    message = system_message(view)
    assert (message.state, message.capabilities.guest_os) == (0, "plan9")


@given(members | values, st.booleans())
def test_whatever_hcs_says_can_be_told(said: object, escaped: bool) -> None:
    text = json.dumps(said, ensure_ascii=escaped)
    listed = parse_enumeration(json.dumps([said, {"Id": "good"}], ensure_ascii=escaped))
    assert listed[-1].id == "good"
    end = SystemEnd.of(text)
    ending = SystemEnding(end.hresult, end.exit_type, end.attribution, 1)
    for properties in listed:
        view = SystemView(properties, properties.limits, 1, ending, kills_trees=True, pauses=True)
        system_message(view).SerializeToString()
        json.loads(end.attribution or "null", parse_constant=pytest.fail)
    ProcessEnd.read(text)
    ResultError.parse(text)
    valid = valid_text(text)  # as the library gives it
    to_status(error_for(HR.E_FAIL, "HcsX", document=valid)).SerializeToString()
    try:
        status_message(ProcessStatus.parse(text)).SerializeToString()
        parse_process_list(text)
    except DocumentError:
        pass
