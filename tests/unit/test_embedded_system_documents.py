"""Documents about compute systems: each is taken or refused with a reason, whatever is in it."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcsd.abi.hresult import HR
from hcsd.embedded import configuration, system_documents
from hcsd.embedded.configuration import (
    MIN_MEMORY,
    Configuration,
    Limits,
    parse_configuration,
)
from hcsd.embedded.faults import Fault
from hcsd.embedded.groups import settings_of
from hcsd.embedded.system_documents import (
    exit_status,
    limits_members,
    parse_modify_setting,
    parse_pause_options,
    parse_property_query,
    parse_shutdown_options,
)
from hcsd.hcs.schema import SystemExitStatus

VERSION = {"SchemaVersion": {"Major": 2, "Minor": 1}}
PARSERS: list[Callable[[str | None], object]] = [
    lambda text: parse_configuration(text, 4),
    parse_property_query,
    parse_shutdown_options,
    parse_pause_options,
    parse_modify_setting,
]
# Members that some document knows, so that the parsers get far, with anything in them.
NAMES = st.sampled_from(
    sorted(
        configuration.COMPUTE_SYSTEM.keys()
        | configuration.CONTAINER.keys()
        | configuration.MEMORY.keys()
        | configuration.PROCESSOR.keys()
        | configuration.SCHEMA_VERSION.keys()
        | system_documents.PROPERTY_QUERY.keys()
        | system_documents.SHUTDOWN_OPTIONS.keys()
        | system_documents.PAUSE_OPTIONS.keys()
        | system_documents.MODIFY_SETTING.keys()
    )
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


ANSWERS = {0, HR.INVALID_JSON, HR.E_INVALIDARG, HR.ERROR_NOT_SUPPORTED}


def answer(parser: Callable[[str | None], object], text: str) -> int:
    try:
        parser(text)
    except Fault as fault:
        return fault.hresult
    return 0


def limits(**container: object) -> Limits:
    return parse_configuration(json.dumps(VERSION | {"Container": container}), 4).limits


def refused(text: str, hresult: HR) -> str:
    with pytest.raises(Fault) as caught:
        parse_configuration(text, 4)
    assert caught.value.hresult == hresult
    return str(caught.value)


@pytest.mark.parametrize("parser", range(len(PARSERS)))
@given(value=VALUES)
def test_any_document_is_taken_or_refused(parser: int, value: object) -> None:
    for document in (json.dumps(value), json.dumps(VERSION | {"Container": value})):
        assert answer(PARSERS[parser], document) in ANSWERS


@given(text=st.text(max_size=30))
def test_any_text_is_taken_or_refused(text: str) -> None:
    for parser in PARSERS:
        assert answer(parser, text) in ANSWERS


def test_a_configuration_is_read() -> None:
    document = {"Owner": "me", "ShouldTerminateOnLastHandleClosed": True, "Container": {}}
    assert parse_configuration(json.dumps(VERSION | document), 4) == Configuration("me", True)


def test_limits_are_read_in_their_units() -> None:
    assert limits(Memory={"SizeInMB": 64}).memory == 64 << 20
    assert limits(Processor={"Count": 2}).processors == 2
    assert limits(Processor={"Maximum": 5000}).processors == 2.0  # half of four
    assert limits(Processor={"Weight": 500}).weight == 500
    assert limits(Memory={"SizeInMB": 0}, Processor={}) == Limits()


@pytest.mark.parametrize("size", [1, MIN_MEMORY - 1])
def test_memory_that_nothing_can_start_with_is_refused(size: int) -> None:
    text = json.dumps(VERSION | {"Container": {"Memory": {"SizeInMB": size}}})
    said = refused(text, HR.E_INVALIDARG)
    assert f"Container.Memory.SizeInMB is {size}" in said
    assert f"the least is {MIN_MEMORY}" in said
    assert limits(Memory={"SizeInMB": MIN_MEMORY}).memory == MIN_MEMORY << 20


def test_the_number_of_tasks_is_the_operators() -> None:
    text = json.dumps(VERSION | {"Container": {}})
    assert parse_configuration(text, 4, 100).limits == Limits(tasks=100)
    assert parse_configuration(text, 4, 0).limits == Limits()


def test_limits_are_shown_in_the_units_of_the_contract() -> None:
    all_of_them = Limits(memory=64 << 20, processors=1.5, weight=500, tasks=100)
    shown = {"MemoryBytes": 64 << 20, "ProcessorMillis": 1500, "ProcessorWeight": 500}
    assert limits_members(all_of_them, tasks=True) == shown | {"MaxTasks": 100}
    assert limits_members(all_of_them, tasks=False) == shown  # nothing holds it to that number
    assert limits_members(Limits(processors=0.0001), tasks=True) == {"ProcessorMillis": 1}
    assert limits_members(Limits(), tasks=True) == {}


def test_processor_limits_exclude_each_other() -> None:
    text = json.dumps(VERSION | {"Container": {"Processor": {"Count": 1, "Weight": 5}}})
    assert "Count and Weight" in refused(text, HR.INVALID_JSON)


def test_limits_are_worded_for_both_kinds_of_control_groups() -> None:
    (memory, share) = settings_of(Limits(memory=1 << 20, processors=0.5))
    assert memory.v1 == {"memory.limit_in_bytes": "1048576"}
    assert memory.v2 == {"memory.max": "1048576"}
    assert share.v1 == {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"}
    assert share.v2 == {"cpu.max": "50000 100000"}
    (weight,) = settings_of(Limits(weight=5000))
    assert (weight.v1, weight.v2) == ({"cpu.shares": "1024"}, {"cpu.weight": "100"})


@pytest.mark.parametrize(
    ("document", "word"),
    [
        ({"Container": {}}, "SchemaVersion"),
        ({"SchemaVersion": {"Major": 2}, "Container": {}}, "SchemaVersion"),
        (VERSION, "Container"),
        (VERSION | {"Container": {"Memory": {"SizeInMB": -1}}}, "SizeInMB"),
        (VERSION | {"Container": {"Memory": {"Size": 1}}}, "Size"),
        (VERSION | {"Container": {}, "Owner": 7}, "Owner"),
    ],
)
def test_a_broken_document_is_refused_by_the_name_of_what_is_wrong(
    document: dict[str, object], word: str
) -> None:
    assert word in refused(json.dumps(document), HR.INVALID_JSON)


def test_what_asks_for_nothing_is_taken() -> None:
    empty = {
        "Storage": {},
        "MappedDirectories": [],
        "Networking": {},
        "IsolationType": "HostProcess",
    }
    assert limits(**empty) == Limits()
    parse_shutdown_options('{"Mechanism":"GuestConnection","Type":"Shutdown","Force":true}')
    parse_pause_options('{"SuspensionLevel":"Suspend"}')
    assert parse_property_query(None) == frozenset()


def test_an_exit_status_can_be_read_by_the_engine() -> None:
    text = exit_status("ForcedExit")
    assert json.loads(text)["Status"] == HR.TERMINATED - (1 << 32)
    assert SystemExitStatus.parse(text).status == HR.TERMINATED
    assert SystemExitStatus.parse(exit_status("GracefulExit")).status == 0
