"""A compute system that exists in HCS.

    OPEN ──the service goes away──▶ LOST ──opened again by its id──▶ OPEN
      │                              └──there is none of its id──▶ GONE, and its processes with it
      └──close(), as from any state──▶ CLOSED

While it is lost it has no handle, and neither have its processes. The object stays the same when
it is opened again, so that whoever has it need not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.abi.types import GENERIC_ALL, HCS_SYSTEM
from hcsd.hcs.errors import (
    DocumentError,
    HandleClosedError,
    HcsError,
    InvalidDocumentError,
    NotSupportedError,
    SystemNotFoundError,
)
from hcsd.hcs.handles import OwnedHandle
from hcsd.hcs.lanes import Lane
from hcsd.hcs.library import error_for
from hcsd.hcs.process import Process
from hcsd.hcs.schema import ProcessDetails, parse_process_list, parse_properties

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hcsd.hcs.operation import Operations
    from hcsd.hcs.schema import SystemProperties


# How a system says that it cannot list its processes: not every kind of guest can.
NO_LIST = (DocumentError, InvalidDocumentError, NotSupportedError)


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
        processes: Those made or opened through it whose end is not known.
        lost: Whether the service that gave the handle out went away.
        generation: Counts how often it was opened again. What a process learns by a handle of an
            earlier one says nothing of those that came later.
        on_lost: Called when it gets lost.
    """

    def __init__(self, operations: Operations, system_id: str, handle: SystemHandle) -> None:
        self.id = system_id
        self.handle = handle
        self.operations = operations
        self.processes: set[Process] = set()
        self.lost = False
        self.generation = 0
        self.on_lost: Callable[[], None] = lambda: None
        self._closed = False
        self._gone: SystemNotFoundError | None = None

    @classmethod
    async def open(
        cls, operations: Operations, system_id: str, lane: Lane = Lane.CONTROL
    ) -> ComputeSystem:
        """Open a system by its id.

        Raises:
            SystemNotFoundError: There is none of that id.
            HcsError: Anything else.
        """
        return cls(operations, system_id, await _open_handle(operations, system_id, lane))

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def drop(self) -> None:
        """Drop the handle, which the service that has gone had given out; idempotent.

        Processes that have handles of their own keep them until they are told.
        """
        self.lost = True
        self.handle.close()

    def lose(self, generation: int) -> None:
        """Drop the handle and those of its processes, as far as they are that old; idempotent."""
        if generation == self.generation:
            self.drop()
        for process in self.processes:
            if process.generation <= generation:
                process.lose()
        self.on_lost()

    async def reopen(self) -> None:
        """Open it again by its id, if it was lost. If it has gone, its lost processes end.

        Raises:
            SystemNotFoundError: It has gone with the service.
            ServiceDisconnectedError: The service has not come back.
            HandleClosedError: It was closed.
            HcsError: Anything else.
        """
        if not self.lost:
            return
        if self._gone is not None:
            raise self._gone
        if self._closed:
            msg = f"compute system '{self.id}' was closed"
            raise HandleClosedError(msg)
        dropped = self.handle
        try:
            handle = await _open_handle(self.operations, self.id, Lane.CONTROL)
        except SystemNotFoundError as error:
            self._gone = error
            for process in list(self.processes):
                await process.find_again(None)
            raise
        if self.handle is not dropped or self.closed:  # somebody else was quicker
            handle.close()
            return
        self.handle, self.lost = handle, False
        self.generation += 1

    async def reconnect(self, lost: Collection[Process]) -> None:
        """Open the system again and find processes of it that were lost.

        Args:
            lost: Those to look for. Each is found, or ends, or stays lost with an error.

        Raises:
            HcsError: The service has not come back, or cannot tell about a process.
        """
        try:
            await self.reopen()
        except SystemNotFoundError:
            for process in lost:
                await process.find_again(None)
            return
        try:
            details = await self.process_list()
        except NO_LIST:  # then no pid tells whose it is
            details = [ProcessDetails(process.pid, None) for process in lost]
        listed = {entry.process_id: entry for entry in details}
        failure: HcsError | None = None
        for process in lost:
            try:
                await process.find_again(listed.get(process.pid))
            except HcsError as error:  # the others may have more luck
                failure = error
        if failure is not None:
            raise failure

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
        return parse_properties(await self._properties(None))

    async def process_list(self) -> list[ProcessDetails]:
        """Return what runs in it, also what was not started through HCS.

        Raises:
            HcsError: HCS could not tell.
            DocumentError: It answered without a list, as not every kind of guest has one.
        """
        return parse_process_list(await self._properties('{"PropertyTypes":["ProcessList"]}'))

    async def _properties(self, query: str | None) -> str | None:
        library = self.operations.library
        with self.handle.use() as raw:
            return await self.operations.run(
                Lane.QUERY,
                "HcsGetComputeSystemProperties",
                lambda op: library.HcsGetComputeSystemProperties(raw, op, query),
                subject=f"query system '{self.id}'",
            )

    def close(self) -> None:
        """Close the handle; idempotent."""
        self._closed = True
        self.handle.close()


async def _open_handle(operations: Operations, system_id: str, lane: Lane) -> SystemHandle:
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
    return SystemHandle(raw, operations.close_system)
