"""Starting a process: whatever happens, it ends as one that somebody has, or as none.

    asked ──completed──▶ STARTED
      │
      ├─refused at once──▶ FAILED                     there is no process
      │
      ├─completed as failed──▶ its handle is asked ──it has a pid──▶ STARTED
      │                          └─it has none, or fails──▶ killed ──▶ FAILED
      │
      └─nobody waits any more──▶ FAILED ──completes later, with a pid──▶ killed

HCS gives the handle out before the create is complete, so each failure but the first leaves one to
close. The third row is a fault of the service: the create of a process that runs may be reported
as failed, for one with E_INVALIDARG in process-isolated containers. Information is fetched again
only then: after a success it would race with the exit of a short process.

Source: hcsshim's CreateProcess (internal/hcs/v2/system.go); reference pages of HcsCreateProcess
and HcsGetProcessInfo.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.abi.types import GENERIC_ALL
from hcsd.hcs.errors import HcsError
from hcsd.hcs.handles import ProcessHandle
from hcsd.hcs.lanes import Lane

if TYPE_CHECKING:
    from hcsd.abi.types import HCS_OPERATION
    from hcsd.hcs.handles import SystemHandle
    from hcsd.hcs.operation import Operations, ProcessInfo

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
    library = operations.library
    subject = f"create process in system '{system_id}'"
    handle: ProcessHandle | None = None

    def start(operation: HCS_OPERATION) -> None:
        nonlocal handle
        raw = library.HcsCreateProcess(system_raw, parameters, operation, None)
        handle = ProcessHandle(raw, operations.close_process)

    try:
        with system.use() as system_raw:
            info = await operations.run_for_process_info(
                Lane.CREATE,
                "HcsCreateProcess",
                start,
                subject=subject,
                orphaned=lambda info: kill_orphan(operations, system_id, info.pid),
            )
    except HcsError as error:
        # Our own timeout is no failure: the create may complete later.
        if handle is None or handle.null or error.hresult == HR.OPERATION_TIMEOUT:
            _close(handle)
            raise
        return handle, await _recover(operations, handle, error, subject)
    except BaseException:
        _close(handle)
        raise
    assert handle is not None  # noqa: S101  (the start has succeeded)
    return handle, info


def _close(handle: ProcessHandle | None) -> None:
    if handle is not None:
        handle.close()


async def _recover(
    operations: Operations, handle: ProcessHandle, error: HcsError, subject: str
) -> ProcessInfo:
    """Find out whether a create that failed has started a process after all.

    Ownership: of the handle, unless it returns.

    Raises:
        HcsError: `error`; there is no process.
    """
    library = operations.library
    info = None
    try:
        with handle.use() as raw:
            with contextlib.suppress(HcsError):
                info = await operations.run_for_process_info(
                    Lane.CREATE,
                    "HcsGetProcessInfo",
                    lambda operation: library.HcsGetProcessInfo(raw, operation),
                    subject=subject,
                    timeout=operations.timings.create_recovery_timeout,
                )
            if info is not None and info.pid:
                logger.warning("process %d runs, although HCS says: %s", info.pid, error)
                return info
            if info is not None:
                info.close(library)
            with contextlib.suppress(HcsError):  # as a rule there is nothing to kill
                await operations.run(
                    Lane.KILL,
                    "HcsTerminateProcess",
                    lambda operation: library.HcsTerminateProcess(raw, operation, None),
                    subject=subject,
                    timeout=operations.timings.create_recovery_timeout,
                )
    except BaseException:
        handle.close()
        raise
    handle.close()
    raise error


def kill_orphan(operations: Operations, system_id: str, pid: int) -> None:
    """Kill a process that has started and that nobody is to have. Thread: any.

    By its pid, because the handle of a create that was given up has been closed; the process has
    only just started, so the pid is still its own. Nobody waits for the kill: HCS carries out an
    operation whether it is closed meanwhile or not.
    """
    library = operations.library

    def kill() -> None:
        # It may have exited meanwhile.
        with contextlib.suppress(HcsError), contextlib.ExitStack() as opened:
            raw_system = library.HcsOpenComputeSystem(system_id, GENERIC_ALL)
            opened.callback(library.HcsCloseComputeSystem, raw_system)
            process = library.HcsOpenProcess(raw_system, pid, GENERIC_ALL)
            opened.callback(library.HcsCloseProcess, process)
            operation = library.HcsCreateOperation(None, None)
            opened.callback(library.HcsCloseOperation, operation)
            library.HcsTerminateProcess(process, operation, None)

    if pid:
        with contextlib.suppress(RuntimeError):  # the lanes have closed: the daemon is ending
            operations.lanes.post(Lane.KILL, kill)
