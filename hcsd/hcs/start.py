"""Starting a process: whatever happens, it ends as one that somebody has, or as none.

    asked ──completed──▶ STARTED
      │
      ├─refused at once──▶ FAILED                     there is no process
      │
      ├─completed as failed──▶ its handle is asked ──it has a pid──▶ STARTED
      │                          └─it has none, or fails──▶ killed ──▶ FAILED
      │
      ├─not completed for long──▶ its handle is asked ──it has a pid──▶ STARTED
      │                             └─it has none, or fails──▶ asked, until the time is over
      │
      ├─not completed in time──▶ its handle is asked ──it has a pid──▶ STARTED
      │                            └─it has none, or fails──▶ killed ──▶ FAILED, LEFT BEHIND
      │
      └─nobody waits any more──▶ FAILED, LEFT BEHIND

    LEFT BEHIND ──completed, or given up──▶ killed by its handle, which is closed then

HCS gives the handle out before the create is complete, so each failure but the first leaves one to
close. That a handle is asked mends faults of the service: the create of a process that runs may be
reported as failed, for one with E_INVALIDARG in process-isolated containers, or may never complete.
Information is fetched again only then: after a success it would race with the exit of a short process.

Source: hcsshim's CreateProcess (internal/hcs/v2/system.go); reference pages of HcsCreateProcess
and HcsGetProcessInfo.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from typing import TYPE_CHECKING

from hcsd.abi.types import GENERIC_ALL
from hcsd.hcs.errors import HandleClosedError, HcsError, NoCompletionError
from hcsd.hcs.handles import ProcessHandle
from hcsd.hcs.lanes import Lane
from hcsd.printable import printable

if TYPE_CHECKING:
    from hcsd.abi.types import HCS_OPERATION, HCS_PROCESS, HCS_SYSTEM
    from hcsd.hcs.handles import SystemHandle
    from hcsd.hcs.library import Library
    from hcsd.hcs.operation import Operations, ProcessInfo

MAX_NAME = 256  # characters of a program's name that an error repeats (arbitrary)

logger = logging.getLogger(__name__)


async def start_process(
    operations: Operations, system_id: str, system: SystemHandle, parameters: str
) -> tuple[ProcessHandle, ProcessInfo]:
    """Start a process from a ProcessParameters document.

    Args:
        operations: Of the engine.
        system_id: Where it is to run.
        system: Handle of that system.
        parameters: The document, passed through as it is.

    Ownership: the handle, and the pipe ends in the information, are the caller's.

    Raises:
        HcsError: It did not start; nothing is left of it.
    """
    create = _Create(operations, system_id, parameters)
    try:
        with system.use() as raw:
            create.system = raw
            info = await operations.run_for_process_info(
                Lane.CREATE, "HcsCreateProcess", create.start, subject=create.subject, late=create
            )
    except HcsError as error:
        create.name_program(error)
        if isinstance(error, NoCompletionError):
            await create.kill()  # its handle stays open as long as the operation is left behind
            raise
        info = await create.recover(error)
    assert create.handle is not None  # noqa: S101  (it has started)
    return create.handle, info


class _Create:
    """The create of one process.

    Attributes:
        subject: What is being done, for errors.
        system: Where; valid while it is started.
        handle: What HCS gave out; None before that.
    """

    def __init__(self, operations: Operations, system_id: str, parameters: str) -> None:
        self.subject = f"create process in system '{system_id}'"
        self.system: HCS_SYSTEM
        self.handle: ProcessHandle | None = None
        self._operations = operations
        self._system_id = system_id
        self._parameters = parameters

    def start(self, operation: HCS_OPERATION) -> None:
        """Make the starting call. Thread: loop or lane."""
        raw = self._operations.library.HcsCreateProcess(
            self.system, self._parameters, operation, None
        )
        self.handle = ProcessHandle(raw, self._operations.close_process)

    def name_program(self, error: HcsError) -> None:
        """Say in an error which program was to be started, as HCS may not."""
        program = program_of(self._parameters)
        if program and not re.search(rf"(?<!\w){re.escape(program)}(?!\w)", error.text):
            error.is_about(f"create process '{program}' in system '{self._system_id}'")

    async def find(self) -> ProcessInfo | None:
        """Ask the handle for the process, whose create is late or has failed."""
        if self.handle is None or self.handle.null:
            return None
        library = self._operations.library
        with contextlib.suppress(HcsError), self.handle.use() as raw:
            info = await self._operations.run_for_process_info(
                Lane.QUERY,
                "HcsGetProcessInfo",
                lambda operation: library.HcsGetProcessInfo(raw, operation),
                subject=self.subject,
                timeout=self._operations.timings.create_recovery_timeout,
            )
            if info.pid:
                logger.warning("process %d runs, although HCS does not say so", info.pid)
                return info
            info.close(library)
        return None

    async def recover(self, error: HcsError) -> ProcessInfo:
        """Find out whether a create that failed has started a process after all.

        Raises:
            HcsError: `error`; there is no process.
        """
        try:
            info = await self.find()
            if info is None:
                await self.kill()
        except BaseException:
            self.dispose(None)
            raise
        if info is None:
            if self.handle is not None:
                self.handle.close()
            raise error
        return info

    async def kill(self) -> None:
        """Kill by its handle what may have been started; as a rule there is nothing to kill."""
        if self.handle is None or self.handle.null:
            return
        library = self._operations.library
        with contextlib.suppress(HcsError, HandleClosedError), self.handle.use() as raw:
            await self._operations.run(
                Lane.KILL,
                "HcsTerminateProcess",
                lambda operation: library.HcsTerminateProcess(raw, operation, None),
                subject=self.subject,
                timeout=self._operations.timings.create_recovery_timeout,
            )

    def dispose(self, info: ProcessInfo | None) -> None:
        """Kill the process if there is one, and close the handle. Nobody waits for the kill."""
        if self.handle is not None:
            self.handle.closer = self._kill_and_close
            self.handle.close()
        elif info is not None:  # a start that failed, whose operation completed all the same
            kill_orphan(self._operations, self._system_id, info.pid)

    def _kill_and_close(self, raw: HCS_PROCESS) -> None:
        library = self._operations.library

        def both() -> None:
            with contextlib.suppress(HcsError):  # it may have exited, or never been there
                _terminate(library, raw)
            library.HcsCloseProcess(raw)

        self._operations.lanes.post(Lane.KILL, both)


def program_of(parameters: str) -> str:
    """Return the program that a ProcessParameters document names, for messages; "" if it cannot be read.

    Its arguments may be secrets.
    """
    try:
        document = json.loads(parameters)
    except (ValueError, RecursionError):
        return ""
    members = document if isinstance(document, dict) else {}
    args = members.get("CommandArgs")
    line = members.get("CommandLine")
    program = members.get("ApplicationName")
    if not program and isinstance(line, str):
        line = line.lstrip()
        quoted = line.startswith('"')
        program = line[1:].partition('"')[0] if quoted else (line.split(None, 1) or [""])[0]
    if not program and isinstance(args, list) and args:
        program = args[0]
    return printable(program[:MAX_NAME]) if isinstance(program, str) else ""


def _terminate(library: Library, process: HCS_PROCESS) -> None:
    """Kill without waiting: HCS carries out an operation whether it is closed meanwhile or not."""
    operation = library.HcsCreateOperation(None, None)
    try:
        library.HcsTerminateProcess(process, operation, None)
    finally:
        library.HcsCloseOperation(operation)


def kill_orphan(operations: Operations, system_id: str, pid: int) -> None:
    """Kill a process that has started and that nobody is to have. Thread: any.

    By its pid, for its handle may be gone; it has only just started, so the pid is still its own.
    Nobody waits for the kill.
    """
    library = operations.library

    def kill() -> None:
        # It may have exited meanwhile.
        with contextlib.suppress(HcsError), contextlib.ExitStack() as opened:
            raw_system = library.HcsOpenComputeSystem(system_id, GENERIC_ALL)
            opened.callback(library.HcsCloseComputeSystem, raw_system)
            process = library.HcsOpenProcess(raw_system, pid, GENERIC_ALL)
            opened.callback(library.HcsCloseProcess, process)
            _terminate(library, process)

    if pid:
        with contextlib.suppress(RuntimeError):  # the lanes have closed: the daemon is ending
            operations.lanes.post(Lane.KILL, kill)
