"""Every call to a system in every state, against the table that the reference of HCS amounts to."""

import functools
import json
import threading
from collections.abc import Callable, Iterator

import pytest

from hcsd.abi.hresult import HR
from hcsd.abi.types import GENERIC_ALL, HCS_EVENT_CALLBACK, HCS_SYSTEM, INFINITE
from hcsd.embedded.lifecycle import Call, SystemState
from hcsd.embedded.provider import EmbeddedProvider
from hcsd.hcs.errors import HcsError
from hcsd.hcs.library import Library
from tests.support.lifecycle import EXPECTED

CONFIGURATION = '{"SchemaVersion":{"Major":2,"Minor":1},"Container":{}}'
FIGURES = '{"PropertyTypes":["Statistics","ProcessList"]}'
SLEEPER = '{"CommandArgs":["sleep","1000"]}'
STUBBORN = {"CommandArgs": ["sh", "-c", "trap '' TERM; echo ready; sleep 1000; sleep 1000"]}


class Bench:
    """A provider, driven by its exports as a C program would."""

    def __init__(self) -> None:
        self.provider = EmbeddedProvider()
        self.library = Library(self.provider)
        self.count = 0

    def run(self, export: str, *arguments: object) -> str | None:
        """Run an operation to its end; `...` stands for it in the arguments."""
        start = getattr(self.library, export)
        operation = self.library.HcsCreateOperation(None, None)
        try:
            start(*(operation if item is ... else item for item in arguments))
            document: str | None = self.library.HcsWaitForOperationResult(operation, INFINITE)
            return document
        finally:
            self.library.HcsCloseOperation(operation)

    def create_process(self, system: HCS_SYSTEM, parameters: str) -> int:
        """Run a process; returns its stdout."""
        operation = self.library.HcsCreateOperation(None, None)
        try:
            process = self.library.HcsCreateProcess(system, parameters, operation, None)
            try:
                info, _ = self.library.HcsWaitForOperationResultAndProcessInfo(operation, INFINITE)
                return int(info.StdOutput.value or 0)
            finally:
                self.library.HcsCloseProcess(process)
        finally:
            self.library.HcsCloseOperation(operation)

    def calls(self, system: HCS_SYSTEM) -> dict[str, Callable[[], object]]:
        run = self.run
        change = '{"ResourcePath":"Container/Memory/SizeInMB","Settings":64}'
        calls: dict[str, Callable[[], object]] = {
            name: functools.partial(run, f"Hcs{name}ComputeSystem", system, ..., None)
            for name in ("Start", "ShutDown", "Terminate", "Pause", "Resume", "Save")
        }
        return calls | {
            "CreateProcess": lambda: self.create_process(system, SLEEPER),
            "Modify": lambda: run("HcsModifyComputeSystem", system, ..., change, None),
            "Properties": lambda: run("HcsGetComputeSystemProperties", system, ..., None),
            "ProcessList": lambda: run("HcsGetComputeSystemProperties", system, ..., FIGURES),
        }

    def system_in(self, state: SystemState) -> HCS_SYSTEM:
        """A system that has been brought into a state."""
        self.count += 1
        operation = self.library.HcsCreateOperation(None, None)
        name = f"system-{self.count}"
        system: HCS_SYSTEM = self.library.HcsCreateComputeSystem(
            name, CONFIGURATION, operation, None
        )
        self.library.HcsWaitForOperationResult(operation, INFINITE)
        self.library.HcsCloseOperation(operation)
        calls = self.calls(system)
        if state is not SystemState.CREATED:
            calls["Start"]()
        if state is SystemState.PAUSED:
            calls["Pause"]()
        elif state is SystemState.ENDING:  # something in it takes its time
            stdout = self.create_process(system, json.dumps(STUBBORN | {"CreateStdOutPipe": True}))
            with open(stdout, "rb") as file:
                assert file.readline() == b"ready\n"
            calls["ShutDown"]()
        elif state is SystemState.STOPPED:
            calls["Terminate"]()
            assert self.provider._systems[name].ended.wait(30)
        return system

    def answer(self, state: SystemState, call: str) -> int:
        """What a call is answered in a state."""
        system = self.system_in(state)
        try:
            self.calls(system)[call]()
        except HcsError as error:
            return error.hresult
        else:
            return 0
        finally:
            self.library.HcsCloseComputeSystem(system)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.provider.close()


def test_each_call_in_each_state_is_answered_as_the_table_says(bench: Bench) -> None:
    """Prints the table as it was measured; `pytest -rP` shows it."""
    measured = {
        call: tuple(bench.answer(state, call) for state in SystemState) for call in EXPECTED
    }
    print(" " * 14, *(state.value.ljust(10) for state in SystemState))  # noqa: T201
    for call, answers in measured.items():
        print(call.ljust(14), *(f"{answer:#x}".ljust(10) for answer in answers))  # noqa: T201
    assert measured == EXPECTED
    assert len(EXPECTED) == len(Call)


def test_the_states_are_shown_by_the_names_of_hcs(bench: Bench) -> None:
    shown = {}
    for state in SystemState:
        system = bench.system_in(state)
        shown[state] = json.loads(str(bench.calls(system)["Properties"]()))["State"]
        bench.calls(system)["Terminate"]() if state is not SystemState.STOPPED else None
        bench.library.HcsCloseComputeSystem(system)
    assert list(shown.values()) == ["Created", "Running", "Paused", "Running", "Stopped"]


def test_a_failed_create_gives_no_handle_and_leaves_no_system(bench: Bench) -> None:
    operation = bench.library.HcsCreateOperation(None, None)
    before = bench.provider.live()["systems"]
    for document in ("", "{}", "[", '{"Container":{}}', CONFIGURATION.replace("{}", '{"X":1}')):
        with pytest.raises(HcsError) as caught:
            bench.library.HcsCreateComputeSystem("broken", document, operation, None)
        assert caught.value.hresult == HR.INVALID_JSON
    bench.library.HcsCloseOperation(operation)
    assert bench.provider.live()["systems"] == before
    assert "broken" not in bench.provider._systems


def test_everybody_who_listens_is_told_of_the_end_once(bench: Bench) -> None:
    system = bench.system_in(SystemState.RUNNING)
    told: list[str] = []
    ended = threading.Event()

    def note(event: object, _context: int | None) -> None:
        told.append(event.contents.EventData.text)  # type: ignore[attr-defined]
        ended.set()

    thunk = HCS_EVENT_CALLBACK(note)
    handles = [
        bench.library.HcsOpenComputeSystem(f"system-{bench.count}", GENERIC_ALL) for _ in range(3)
    ]
    for handle in handles:
        bench.library.HcsSetComputeSystemCallback(handle, 0, None, thunk)
    name = f"system-{bench.count}"
    listed = bench.provider._systems[name]
    bench.calls(system)["Terminate"]()
    assert listed.ended.wait(30)
    for handle in [system, *handles]:
        bench.library.HcsCloseComputeSystem(handle)
    assert ended.is_set()
    assert [json.loads(text)["ExitType"] for text in told] == ["ForcedExit"] * 3
    assert name not in bench.provider._systems
