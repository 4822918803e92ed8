"""Events as `hcsd events` shows them, and which it shows."""

import json

import pytest

from hcsd.cli.event_filters import STEPS, EventFilters
from hcsd.cli.output.event_lines import LONGEST, line_of
from hcsd.v1 import event_pb2 as pb
from hcsd.v1.process_pb2 import Process

LONG = json.dumps({"Report": "x" * 2 * LONGEST})


def process_event(kind: pb.ProcessEventType, **fields: object) -> pb.Event:
    process = Process(name="systems/host/processes/one", **fields)  # type: ignore[arg-type]
    return pb.Event(process=pb.ProcessEvent(type=kind, process=process))


def system_event(**fields: object) -> pb.Event:
    return pb.Event(system=pb.SystemEvent(system="systems/a%20b", **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (
            process_event(
                pb.PROCESS_EVENT_TYPE_EXITED,
                exit={"start_error": {"hresult": 0x80070002, "message": "no such program"}},
            ),
            "process exited           host          one                         not started: no such program",
        ),
        (
            process_event(
                pb.PROCESS_EVENT_TYPE_EXITED, exit={"exit_code": 137, "signal_name": "SIGKILL"}
            ),
            "process exited           host          one                         exit code 137 (KILL)",
        ),
        (
            process_event(pb.PROCESS_EVENT_TYPE_CREATED, spec={"command_line": "cmd \x1b[31m"}),
            "process created          host          one                         cmd \\x1b[31m",
        ),
        (
            system_event(type="SystemCrashInitiated", document='{"Code": 3, "By": {"Id": "x"}}'),
            'system crash initiated   a b                                       Code: 3, By: {"Id": "x"}',
        ),
        (
            system_event(type="SystemRdpEnhancedModeStateChanged"),
            "system rdp enhanced mode state changed  a b",
        ),
        (
            system_event(type="0x1000005", document="no document"),
            "system 0x1000005         a b                                       no document",
        ),
        (
            system_event(type="SystemCrashReport", document=LONG),
            "system crash report      a b                                       Report: "
            + "x" * (LONGEST - 8)
            + "…",
        ),
        (
            system_event(type="ServiceDisconnect", document="[1]"),
            "system service disconnect  a b                                       [1]",
        ),
        (
            process_event(99),  # type: ignore[arg-type]  # of a later contract
            "process event 99         host          one",
        ),
    ],
)
def test_an_event_is_a_line(event: pb.Event, told: str) -> None:
    assert line_of(event).partition("  ")[2] == told


def test_the_steps_are_those_of_the_contract() -> None:
    names = [
        name.removeprefix("PROCESS_EVENT_TYPE_")
        for name in pb.ProcessEventType.DESCRIPTOR.values_by_name
    ]
    names += [
        name.removeprefix("SYSTEM_EVENT_TYPE_")
        for name in pb.SystemEventType.DESCRIPTOR.values_by_name
    ]
    steps = dict.fromkeys(name.lower().replace("_", "-") for name in names)
    assert list(STEPS) == [step for step in steps if step != "unspecified"]


def test_what_a_later_contract_adds_is_shown_only_where_all_is() -> None:
    assert EventFilters().matches(pb.Event(revision=1))
    assert not EventFilters.of(["type=process"]).matches(pb.Event(revision=1))
