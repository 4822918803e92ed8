"""Creating a compute system: it ends as one that somebody has, or as none."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hcsd.hcs.errors import HcsError, SystemAlreadyExistsError
from hcsd.hcs.handles import SystemHandle
from hcsd.hcs.lanes import Lane

if TYPE_CHECKING:
    from hcsd.abi.types import HCS_OPERATION, HCS_SYSTEM
    from hcsd.hcs.operation import Operations


async def create_system(operations: Operations, system_id: str, configuration: str) -> SystemHandle:
    """Create a system; it is not started.

    Ownership: the caller closes the handle.

    Args:
        operations: Of the engine.
        system_id: Its id, which must not be in use.
        configuration: ComputeSystem document, passed through as it is.

    Raises:
        SystemAlreadyExistsError: The id is taken.
        HcsError: It was not created; nothing is left of it.
    """
    library = operations.library
    subject = f"create compute system '{system_id}'"
    handle: SystemHandle | None = None

    def start(operation: HCS_OPERATION) -> None:
        nonlocal handle
        raw = library.HcsCreateComputeSystem(system_id, configuration, operation, None)
        handle = SystemHandle(raw, operations.close_system)

    try:
        await operations.run(Lane.SYSTEM, "HcsCreateComputeSystem", start, subject=subject)
    except BaseException as error:
        if handle is not None:
            if not isinstance(error, SystemAlreadyExistsError):
                terminate_with_close(operations, handle)
            handle.close()
        raise
    assert handle is not None  # noqa: S101  (the start has succeeded)
    return handle


def terminate_with_close(operations: Operations, handle: SystemHandle) -> None:
    """Let the close of the handle kill the system. Nobody waits for the kill.

    This is for a system whose creation was given up, or failed in part.
    """
    library = operations.library

    def kill(raw: HCS_SYSTEM) -> None:
        with contextlib.suppress(HcsError), contextlib.ExitStack() as opened:
            operation = library.HcsCreateOperation(None, None)
            opened.callback(library.HcsCloseOperation, operation)
            library.HcsTerminateComputeSystem(raw, operation, None)

    def kill_and_close(raw: HCS_SYSTEM) -> None:
        def both() -> None:
            kill(raw)
            library.HcsCloseComputeSystem(raw)

        operations.lanes.post(Lane.KILL, both)

    handle.closer = kill_and_close
