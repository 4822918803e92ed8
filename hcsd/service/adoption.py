"""Opening processes by their pids: what HCS is asked, and what a client may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from hcsd.abi.hresult import HR
from hcsd.hcs.errors import AlreadyStoppedError, ElementNotFoundError
from hcsd.service.errors import RequestError, describe
from hcsd.service.names import system_name

if TYPE_CHECKING:
    from hcsd.hcs.process import Process
    from hcsd.hcs.system import ComputeSystem
    from hcsd.service.served import ServedProcess
    from hcsd.v1 import process_service_pb2 as service_pb


async def open_engine(system: ComputeSystem, pid: int) -> Process:
    """Open a process that runs in a system; what HCS does not know or has ended is not found.

    Raises:
        RequestError: NOT_FOUND.
        HcsError: HCS cannot tell.
    """
    try:
        return await system.open_process(pid)
    except (AlreadyStoppedError, ElementNotFoundError) as error:
        if error.hresult == HR.SYSTEM_ALREADY_STOPPED:
            raise
        described = describe(error)
        raise RequestError(
            grpc.StatusCode.NOT_FOUND,
            "PID_NOT_FOUND",
            f"no process with pid {pid} runs in system '{system.id}'",
            metadata={**described.metadata, "system": system_name(system.id), "pid": str(pid)},
            details=described.details,
        ) from error


def must_be_of_name(process: ServedProcess, request: service_pb.OpenProcessRequest) -> None:
    """Refuse to give a process that is known a second name.

    Raises:
        RequestError: ALREADY_EXISTS.
    """
    if request.process_id not in {"", process.key.process_id}:
        raise RequestError(
            grpc.StatusCode.ALREADY_EXISTS,
            "PROCESS_ALREADY_OPEN",
            f"the process with pid {request.pid} is known as '{process.name}' already: use that",
            metadata={"process": process.name, "pid": str(request.pid)},
        )
