"""Programs that host an embedded engine and are killed, and the calls that they and their tests make.

A program is forked from a server that has loaded what it needs. It runs one function of a test with a
`Client`, and is there until it is killed, or the test ends.
"""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import NamedTuple, Protocol

from hcsd.abi.types import HCS_OPERATION, HCS_OPERATION_COMPLETION, HCS_PROCESS, HCS_SYSTEM
from hcsd.embedded.child_settings import ChildSettings
from hcsd.embedded.provider import EmbeddedProvider
from hcsd.embedded.restoring import Restore
from hcsd.embedded.timings import DEFAULT_TIMINGS, Timings
from hcsd.hcs.library import Library
from hcsd.hcs.outcome import ProcessInfo
from tests.support.census import MARK

PATIENCE = 30_000  # milliseconds
DOCUMENT = '{"SchemaVersion":{"Major":2,"Minor":1},"Container":{}}'
NO_CALLBACK = HCS_OPERATION_COMPLETION()
FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(["tests.support.outliving"])


class Started(NamedTuple):
    """A process, with what was given out with it."""

    handle: HCS_PROCESS
    info: ProcessInfo


class Client:
    """An engine as a C program uses it: each call waits for its completion."""

    def __init__(
        self, directory: str, window: float = 60.0, timings: Timings = DEFAULT_TIMINGS
    ) -> None:
        restore = Restore(directory, window)
        self.provider = EmbeddedProvider(ChildSettings((MARK,)), timings, restore=restore)
        self.library = Library(self.provider)

    def begin(self, call: Callable[[HCS_OPERATION], object]) -> HCS_OPERATION:
        """Make a call, and do not wait."""
        operation: HCS_OPERATION = self.library.HcsCreateOperation(None, NO_CALLBACK)
        call(operation)
        return operation

    def finish(self, operation: HCS_OPERATION) -> str | None:
        document: str | None = self.library.HcsWaitForOperationResult(operation, PATIENCE)
        self.library.HcsCloseOperation(operation)
        return document

    def run(self, call: Callable[[HCS_OPERATION], object]) -> str | None:
        return self.finish(self.begin(call))

    def informed(self, call: Callable[[HCS_OPERATION], object]) -> ProcessInfo:
        operation = self.begin(call)
        raw, _ = self.library.HcsWaitForOperationResultAndProcessInfo(operation, PATIENCE)
        self.library.HcsCloseOperation(operation)
        return ProcessInfo.of(raw)

    def system(self, name: str = "host") -> HCS_SYSTEM:
        found: HCS_SYSTEM = self.library.HcsOpenComputeSystem(name, 0)
        return found

    def create(self, name: str) -> HCS_SYSTEM:
        made: list[HCS_SYSTEM] = []
        self.run(
            lambda operation: made.append(
                self.library.HcsCreateComputeSystem(name, DOCUMENT, operation, None)
            )
        )
        return made[0]

    def start_system(self, system: HCS_SYSTEM) -> None:
        self.run(lambda operation: self.library.HcsStartComputeSystem(system, operation, None))

    def names(self) -> dict[str, str]:
        """The systems that are listed, and their states."""
        found = self.run(lambda operation: self.library.HcsEnumerateComputeSystems(None, operation))
        return {system["Id"]: system["State"] for system in json.loads(found or "[]")}

    def start(self, system: HCS_SYSTEM, script: str, pipes: str = "", **more: object) -> Started:
        """Start a shell; `pipes` has i, o and e."""
        handles: list[HCS_PROCESS] = []
        document = parameters(script, pipes, **more)
        info = self.informed(
            lambda operation: handles.append(
                self.library.HcsCreateProcess(system, document, operation, None)
            )
        )
        return Started(handles[0], info)

    def kept(self, system: HCS_SYSTEM) -> list[dict[str, object]]:
        query = '{"PropertyTypes":["KeptProcesses"]}'
        document = self.run(
            lambda operation: self.library.HcsGetComputeSystemProperties(system, operation, query)
        )
        found: list[dict[str, object]] = json.loads(document or "{}")["KeptProcesses"]
        return found

    def open(self, system: HCS_SYSTEM, pid: int) -> HCS_PROCESS:
        opened: HCS_PROCESS = self.library.HcsOpenProcess(system, pid, 0)
        return opened

    def again(self, system: HCS_SYSTEM, pid: int) -> Started:
        """Open a process with its stdio, as after a take-over."""
        handle = self.open(system, pid)
        return Started(
            handle,
            self.informed(lambda operation: self.library.HcsGetProcessInfo(handle, operation)),
        )

    def status(self, process: HCS_PROCESS) -> dict[str, object]:
        document = self.run(
            lambda operation: self.library.HcsGetProcessProperties(process, operation, None)
        )
        found: dict[str, object] = json.loads(document or "{}")
        return found

    def modify(self, process: HCS_PROCESS, **request: object) -> None:
        document = json.dumps(request)
        self.run(lambda operation: self.library.HcsModifyProcess(process, operation, document))

    def terminate(self, process: HCS_PROCESS) -> None:
        self.run(lambda operation: self.library.HcsTerminateProcess(process, operation, None))

    def close_stdio(self, process: HCS_PROCESS, handle: str) -> None:
        self.modify(process, Operation="CloseHandle", CloseHandle={"Handle": handle})

    def keeper(self, name: str = "host") -> int:
        return self.provider._systems[name].keeper_pid


def parameters(script: str, pipes: str = "", **more: object) -> str:
    asked = {"i": "CreateStdInPipe", "o": "CreateStdOutPipe", "e": "CreateStdErrPipe"}
    members = {"CommandArgs": ["sh", "-c", script], **{asked[pipe]: True for pipe in pipes}}
    return json.dumps(members | more)


class Told(Protocol):
    """Through which a script says something to its test."""

    def send(self, word: int, /) -> None: ...


Script = Callable[[Client, Told], None]
DONE = -1


class Program:
    """A program that runs a script."""

    def __init__(self, script: Script, directory: str, window: float) -> None:
        self._told, theirs = FORKING.Pipe()
        mark = os.environ.get(MARK, "")
        self._process = FORKING.Process(target=_run, args=(script, directory, window, mark, theirs))
        self._process.start()
        theirs.close()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def hear(self) -> int:
        """What the script says next; `DONE` at its end."""
        assert self._told.poll(30)
        word: int = self._told.recv()
        return word

    def kill(self) -> None:
        """Kill it, and return when it is dead."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> None:
        self._process.join(30)
        assert self._process.exitcode is not None
        self._told.close()
        self._process.close()


def _run(script: Script, directory: str, window: float, mark: str, told: Told) -> None:
    os.environ[MARK] = mark
    client = Client(directory, window)
    script(client, told)
    told.send(DONE)
    signal.pause()
