"""A compute system that exists in HCS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.abi.types import GENERIC_ALL, HCS_SYSTEM
from hcsd.hcs.errors import HcsError
from hcsd.hcs.handles import OwnedHandle
from hcsd.hcs.lanes import Lane
from hcsd.hcs.library import error_for
from hcsd.hcs.process import Process
from hcsd.hcs.schema import parse_properties

if TYPE_CHECKING:
    from hcsd.hcs.operation import Operations
    from hcsd.hcs.schema import SystemProperties


class SystemHandle(OwnedHandle[HCS_SYSTEM]):
    """Owns an HCS_SYSTEM."""


class ComputeSystem:
    """An open compute system.

    Closing it closes the handle; the system itself lives on, unless it was made to end with its
    last handle. Thread: the event loop's.

    Attributes:
        id: The id HCS knows it by.
        handle: Its handle.
        operations: Runs its operations.
    """

    def __init__(self, operations: Operations, system_id: str, handle: SystemHandle) -> None:
        self.id = system_id
        self.handle = handle
        self.operations = operations

    @classmethod
    async def open(
        cls, operations: Operations, system_id: str, lane: Lane = Lane.CONTROL
    ) -> ComputeSystem:
        """Open a system by its id.

        Raises:
            SystemNotFoundError: There is none of that id.
            HcsError: Anything else.
        """
        try:
            raw = await operations.lanes.call(
                lane,
                lambda: operations.library.HcsOpenComputeSystem(system_id, GENERIC_ALL),
                undo=operations.close_system,
            )
        except HcsError as error:
            raise error_for(
                error.hresult, error.function, subject=f"open compute system '{system_id}'"
            ) from None
        return cls(operations, system_id, SystemHandle(raw, operations.close_system))

    async def create_process(self, parameters: str) -> Process:
        """Start a process from a ProcessParameters document; see `Process.create`."""
        return await Process.create(self, parameters)

    async def open_process(self, pid: int) -> Process:
        """Open a process by the pid HCS knows it by; see `Process.open`."""
        return await Process.open(self, pid)

    async def properties(self) -> SystemProperties:
        """Return the basic properties.

        Raises:
            HcsError: HCS could not tell.
            DocumentError: It answered without a document.
        """
        library = self.operations.library
        with self.handle.use() as raw:
            document = await self.operations.run(
                Lane.QUERY,
                "HcsGetComputeSystemProperties",
                lambda op: library.HcsGetComputeSystemProperties(raw, op, None),
                subject=f"query system '{self.id}'",
            )
        return parse_properties(document)

    def close(self) -> None:
        """Close the handle; idempotent."""
        self.handle.close()
