"""Systems and processes that an earlier client of HCS had, and that are to be found again.

They begin as lost, so what finds them is what finds them after a restart of the service: see
`hcsd.hcs.supervisor`. Once a process is found its pipe ends can be asked for, see
`hcsd.hcs.process_stdio`.

Thread: the event loop's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.abi.types import HCS_PROCESS, HCS_SYSTEM
from hcsd.hcs.handles import ProcessHandle, SystemHandle
from hcsd.hcs.process import Process
from hcsd.hcs.process_life import ProcessTrigger
from hcsd.hcs.system import ComputeSystem

if TYPE_CHECKING:
    from hcsd.hcs.operation import Operations
    from hcsd.hcs.system import Recovery
    from hcsd.hcs.tracked_process import ProcessHome

NO_GENERATION = -1  # of a handle that there never was: each other is newer


def missing_system(operations: Operations, recovery: Recovery, system_id: str) -> ComputeSystem:
    """Make a system that is lost; `ComputeSystem.reopen` looks for it."""
    handle = SystemHandle(HCS_SYSTEM(), operations.close_system)
    system = ComputeSystem(operations, recovery, system_id, handle)
    system.drop()
    return system


def missing_process(
    system: ProcessHome, pid: int, created: tuple[float, float], tag: str = ""
) -> Process:
    """Make a process that is lost; `ComputeSystem.reconnect` looks for it.

    Args:
        system: Where it ran.
        pid: Pid in the guest.
        created: POSIX times between which it was created.
        tag: What its create called it; "" for nothing.
    """
    handle = ProcessHandle(HCS_PROCESS(), system.operations.close_process)
    process = Process(system, handle, pid, created, generation=NO_GENERATION)
    process.tag = tag
    process.transition(ProcessTrigger.DISCONNECTED)
    return process
