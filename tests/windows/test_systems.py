"""Compute systems of the double, as a C caller meets them."""

from __future__ import annotations

import _winapi
import functools
import json
import sys
from typing import TYPE_CHECKING

import pytest

from hcsd.abi import types as abi
from hcsd.abi.hresult import HR
from tests.support.guest import WindowsGuest
from tests.support.lifecycle import EXPECTED, GONE, STATES
from tests.windows.native import (
    Events,
    Native,
    OperationFailedError,
    read_some,
    wait_for_end,
)

assert sys.platform == "win32"

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GUEST = WindowsGuest()
SYSTEM_EXITED = 1
PROCESS_EXITED = 0x10000
PROCESS_LIST = '{"PropertyTypes": ["ProcessList"]}'


def configuration(**members: object) -> str:
    version = {"Major": 2, "Minor": 1}
    return json.dumps({"SchemaVersion": version, "Container": {}} | members)


def guest(*words: str) -> str:
    return json.dumps(GUEST.does(*words) | {"CreateStdOutPipe": True})


class System:
    """A system that was created, with the events of its handle, and processes in it."""

    def __init__(self, native: Native, system_id: str = "made", **members: object) -> None:
        self.native = native
        self.id = system_id
        self.handle, error = native.create_system(system_id, configuration(**members))
        assert error is None
        self.events = Events()
        assert native.listen_to_system(self.handle, self.events) == 0
        self.started: list[tuple[abi.HCS_PROCESS, int]] = []

    def do(self, verb: str, document: str | None = None) -> str | None:
        name = f"Hcs{verb}ComputeSystem"
        return self.native.on_system(name, self.handle, document).document

    def properties(self, query: str | None = None) -> dict[str, object]:
        name = "HcsGetComputeSystemProperties"
        found: dict[str, object] = json.loads(
            self.native.on_system(name, self.handle, query).document or ""
        )
        return found

    def run(self, *words: str, events: Events | None = None) -> tuple[int, int]:
        """Start a guest; returns its pid and its stdout."""
        process, outcome = self.native.create(self.handle, guest(*words), events)
        self.started.append((process, outcome.stdio[1]))
        return outcome.pid, outcome.stdio[1]

    def say(self, verb: str) -> int:
        """Start a guest and wait until it runs; returns its pid."""
        pid, stdout = self.run(verb, "ready")
        assert read_some(stdout, 5) == b"ready"
        return pid

    def exit_status(self) -> dict[str, object]:
        """Wait until it has exited; returns what it says of that."""
        kind, document = self.events.next()
        assert kind == SYSTEM_EXITED
        status: dict[str, object] = json.loads(document or "")
        return status

    def close(self) -> None:
        for process, stdout in self.started:
            self.native.close_handle(stdout)
            self.native.call("HcsCloseProcess", process)
        self.started = []
        self.native.call("HcsCloseComputeSystem", self.handle)


@pytest.fixture
def system(native: Native) -> Iterator[System]:
    """One that runs, and is killed at the end."""
    made = System(native)
    made.do("Start")
    yield made
    if made.properties()["State"] != "Stopped":
        made.do("Terminate")
        made.exit_status()
    made.close()


def calls(made: System) -> dict[str, Callable[[], object]]:
    change = '{"ResourcePath": "Container/Memory/SizeInMB", "Settings": 64}'
    plain: dict[str, Callable[[], object]] = {
        verb: functools.partial(made.do, verb)
        for verb in ("Start", "ShutDown", "Terminate", "Pause", "Resume", "Save")
    }
    return plain | {
        "CreateProcess": lambda: made.run("sleep"),
        "Modify": lambda: made.do("Modify", change),
        "Properties": made.properties,
        "ProcessList": lambda: made.properties(PROCESS_LIST),
    }


def bring(made: System, state: str) -> None:
    """Bring a system that was created into a state."""
    if state != "CREATED":
        made.do("Start")
    if state == "PAUSED":
        made.do("Pause")
    elif state == "STOPPED":
        made.do("Terminate")
        made.exit_status()
    elif state == "ENDING":
        made.say("stubborn")
        begin_shutdown(made)


def begin_shutdown(made: System) -> None:
    """Ask it to end, and do not wait for that: somebody in it takes his time."""
    operation = made.native.create_operation(abi.HCS_OPERATION_COMPLETION(lambda *_: None))
    made.native.call("HcsShutDownComputeSystem", made.handle, operation, None)
    made.native.call("HcsCloseOperation", operation)
    while answer(made, "Start") != GONE:
        pass


def answer(made: System, call: str) -> int:
    try:
        calls(made)[call]()
    except OperationFailedError as error:
        return error.hresult
    return 0


@pytest.mark.parametrize("state", STATES)
def test_every_call_is_answered_as_the_table_says(native: Native, state: str) -> None:
    found = {}
    for call in EXPECTED:
        made = System(native, f"{state} {call}")
        bring(made, state)
        found[call] = answer(made, call)
        if made.properties()["State"] != "Stopped":
            answer(made, "Terminate")
            made.exit_status()
        made.close()
    assert found == {call: row[STATES.index(state)] for call, row in EXPECTED.items()}


def test_a_kill_ends_its_processes_and_their_children_and_tells_them_first(
    system: System,
) -> None:
    pids = []
    for _ in range(2):
        pid, stdout = system.run("parent", events=system.events)
        pids += [pid, int(read_some(stdout, 32))]
    system.do("Terminate")
    assert [system.events.next()[0] for _ in range(2)] == [PROCESS_EXITED] * 2
    status = system.exit_status()
    assert status["Status"] == HR.TERMINATED - (1 << 32)
    assert status["ExitType"] == "ForcedExit"
    for pid in pids:
        wait_for_end(pid)
    properties = system.properties()
    assert (properties["State"], properties["Stopped"]) == ("Stopped", True)
    assert properties["ExitType"] == "ForcedExit"


def test_who_obeys_a_shutdown_makes_it_graceful(system: System) -> None:
    system.say("say")
    system.do("ShutDown")
    status = system.exit_status()
    assert (status["Status"], status["ExitType"]) == (0, "GracefulExit")


def test_who_does_not_is_killed_after_a_while(system: System) -> None:
    pid = system.say("stubborn")
    system.do("ShutDown")
    assert system.exit_status()["ExitType"] == "ForcedExit"
    wait_for_end(pid)


def test_a_kill_cuts_a_shutdown_short(native: Native, system: System) -> None:
    system.say("stubborn")
    begin_shutdown(system)
    system.do("Terminate")
    assert system.exit_status()["ExitType"] == "ForcedExit"


def test_a_pause_suspends_what_its_processes_have_started_too(
    native: Native, system: System
) -> None:
    _, stdout = system.run("tick")
    other = System(native, "other")
    other.do("Start")
    _, elsewhere = other.run("tick")
    read_some(stdout, 5)
    system.do("Pause")
    waiting = int(_winapi.PeekNamedPipe(stdout)[0])
    for _ in range(50):  # as much time as somebody else gets
        read_some(elsewhere, 5)
    assert _winapi.PeekNamedPipe(stdout)[0] == waiting
    system.do("Resume")
    for _ in range(waiting // 5 + 50):
        assert read_some(stdout, 5)
    other.do("Terminate")
    other.exit_status()
    other.close()


def test_a_paused_system_ends_at_a_kill(system: System) -> None:
    pid = system.say("say")
    system.do("Pause")
    system.do("Terminate")
    system.exit_status()
    wait_for_end(pid)


def test_a_create_that_fails_has_given_out_a_handle_to_nothing(
    native: Native, system: System
) -> None:
    second, error = native.create_system(system.id, configuration())
    assert error is not None
    assert (error.hresult, error.at_start) == (HR.SYSTEM_ALREADY_EXISTS, False)
    with pytest.raises(OperationFailedError) as failed:
        native.on_system("HcsTerminateComputeSystem", second)
    assert failed.value.hresult == HR.SYSTEM_NOT_FOUND
    native.call("HcsCloseComputeSystem", second)
    assert system.properties()["State"] == "Running"


def test_a_refused_create_gives_out_none(native: Native) -> None:
    handle, error = native.create_system("made", '{"Container": {}}')
    assert error is not None
    assert (error.hresult, error.at_start) == (HR.INVALID_JSON, True)
    assert not handle.value


@pytest.mark.parametrize(
    ("document", "hresult"),
    [
        (configuration(SchemaVersion={"Major": 2}), HR.INVALID_JSON),
        (configuration(SchemaVersion={"Major": 2, "Minor": -1}), HR.INVALID_JSON),
        (configuration(SchemaVersion={"Major": 2, "Minor": 9}), HR.ERROR_NOT_SUPPORTED),
        (configuration(VirtualMachine={"Chipset": {}}), HR.ERROR_NOT_SUPPORTED),
        (configuration(Container={"Memory": {"SizeInMB": 64}}), HR.ERROR_NOT_SUPPORTED),
        (configuration(Container={"Memory": 64}), HR.INVALID_JSON),
        (configuration(Container={"Colour": "blue"}), HR.INVALID_JSON),
        (configuration(Owner=7), HR.INVALID_JSON),
        ('{"SchemaVersion": {"Major": 2, "Minor": 1}}', HR.INVALID_JSON),
    ],
)
def test_a_configuration_is_checked_to_its_last_member(
    native: Native, document: str, hresult: int
) -> None:
    _, error = native.create_system("made", document)
    assert error is not None
    assert error.hresult == hresult


def test_a_stopped_system_is_found_until_its_last_handle_is_closed(
    native: Native, system: System
) -> None:
    system.do("Terminate")
    system.exit_status()
    opened, second = native.open_system(system.id)
    assert opened == 0
    native.call("HcsCloseComputeSystem", second)
    listed = native.run(
        lambda operation: native.call("HcsEnumerateComputeSystems", None, operation)
    )
    found = {entry["Id"]: entry["State"] for entry in json.loads(listed.document or "")}
    assert found == {"host": "Running", system.id: "Stopped"}
    system.close()
    assert native.open_system(system.id)[0] == HR.SYSTEM_NOT_FOUND
    again = System(native, system.id)  # the id is free
    again.do("Terminate")
    again.exit_status()
    again.close()
    system.handle, error = native.create_system("last", configuration())
    assert error is None
    native.listen_to_system(system.handle, system.events)


def test_a_system_ends_with_its_last_handle_if_it_was_made_so(native: Native) -> None:
    made = System(native, "brief", ShouldTerminateOnLastHandleClosed=True)
    made.do("Start")
    pid = made.say("say")
    assert made.properties('{"PropertyTypes": ["TerminateOnLastHandleClosed"]}')[
        "TerminateOnLastHandleClosed"
    ]
    made.close()
    wait_for_end(pid)
    result, opened = native.open_system("brief")
    if result == 0:  # it is listed for a moment longer than its processes
        native.call("HcsCloseComputeSystem", opened)
    else:
        assert result & 0xFFFFFFFF == HR.SYSTEM_NOT_FOUND


def test_its_process_list_has_the_figures_of_windows(system: System) -> None:
    pid = system.say("say")
    entries = system.properties(PROCESS_LIST)["ProcessList"]
    assert isinstance(entries, list)
    (entry,) = entries
    assert (entry["ProcessId"], entry["ImageName"]) == (pid, "guest.exe")
    assert entry["MemoryWorkingSetPrivateBytes"] + entry["MemoryWorkingSetSharedBytes"] > 0
    assert entry["CreateTimestamp"].endswith("Z")


def test_an_exit_event_comes_twice_without_data_or_not_at_all(native: Native) -> None:
    native.script(
        {"Function": "SystemExited", "Events": 2},
        {"Function": "SystemExited", "NoData": True},
        {"Function": "SystemExited", "Malformed": True},
        {"Function": "SystemExited", "Events": 0},
    )
    told = []
    for expected in (2, 1, 1, 0):
        made = System(native)
        made.do("Terminate")
        told.append([made.events.next() for _ in range(expected)])
        made.close()
        assert made.events.received.empty()
    (first, again), without, half, nothing = told
    assert first == again
    assert without == [(SYSTEM_EXITED, None)]
    assert half == [(SYSTEM_EXITED, '{"Status":')]
    assert nothing == []


@pytest.mark.parametrize("way", ["Start", "Complete"])
@pytest.mark.parametrize(
    "verb", ["Start", "ShutDown", "Terminate", "Pause", "Resume", "Save", "Modify"]
)
def test_any_call_fails_on_command(native: Native, system: System, verb: str, way: str) -> None:
    native.script({"Function": f"Hcs{verb}ComputeSystem", way: HR.E_FAIL, "Message": "as told"})
    document = '{"ResourcePath": "x"}' if verb == "Modify" else None
    with pytest.raises(OperationFailedError) as failed:
        system.do(verb, document)
    assert failed.value.at_start == (way == "Start")
    assert json.loads(failed.value.document or "")["ErrorMessage"] == "as told"
    assert system.properties()["State"] == "Running"
