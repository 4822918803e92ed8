"""Opening systems by their ids and processes by their pids, and the kill that does so itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.abi.types import GENERIC_ALL
from hcsd.hcs.errors import AccessDeniedError, HcsError
from hcsd.hcs.handles import ProcessHandle, SystemHandle
from hcsd.hcs.lanes import Lane

if TYPE_CHECKING:
    from hcsd.hcs.operation import Operations


async def open_system(operations: Operations, system_id: str, lane: Lane) -> SystemHandle:
    """Open a system.

    Ownership: the caller closes the handle.

    Raises:
        SystemNotFoundError: There is none of that id.
        HcsError: Anything else.
    """
    subject = f"open compute system '{system_id}'"
    try:
        raw = await operations.lanes.call(
            lane,
            lambda: operations.library.HcsOpenComputeSystem(system_id, GENERIC_ALL),
            undo=operations.close_system,
            subject=subject,
        )
    except HcsError as error:
        error.is_about(subject)
        raise
    return SystemHandle(raw, operations.close_system)


async def open_process(
    operations: Operations, system: SystemHandle, pid: int, lane: Lane
) -> ProcessHandle:
    """Open a process of a system.

    Ownership: the caller closes the handle.

    Raises:
        AlreadyStoppedError: It has exited.
        ElementNotFoundError: There is none, or it has exited.
        HcsError: Anything else.
    """
    with system.use() as raw:
        process = await operations.lanes.call(
            lane,
            lambda: operations.library.HcsOpenProcess(raw, pid, GENERIC_ALL),
            undo=operations.close_process,
            subject=f"open process {pid}",
        )
    return ProcessHandle(process, operations.close_process)


async def terminate_by_pid(
    operations: Operations, system_id: str, pid: int, options: str | None
) -> str | None:
    """Kill a process by handles that are opened for this, all of it on the kill lane.

    HCS serialises signals per handle, so a signal that is stuck on another handle does not hold
    this kill up. HCS answers a second kill of a dying process with "access denied", which counts
    as a kill.

    Args:
        operations: Of the engine.
        system_id: Where it runs.
        pid: Pid in the guest.
        options: TerminateOptions document, or None.

    Returns:
        The result document; None if the process is dying already.

    Raises:
        HcsError: It could not be opened or killed.
    """
    system = await open_system(operations, system_id, Lane.KILL)
    try:
        handle = await open_process(operations, system, pid, Lane.KILL)
        try:
            with handle.use() as raw:
                return await operations.run(
                    Lane.KILL,
                    "HcsTerminateProcess",
                    lambda op: operations.library.HcsTerminateProcess(raw, op, options),
                    subject=f"terminate process {pid} of system '{system_id}'",
                )
        except AccessDeniedError as error:
            if error.hresult != HR.E_ACCESSDENIED:
                raise  # HCS itself was refused: that says nothing about the process
            return None
        finally:
            handle.close()
    finally:
        system.close()
