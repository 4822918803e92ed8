"""A compute system that exists in HCS: how it is had, and what can be done to it.

What is known of it, and how that changes, is in `hcsd.hcs.system_life` and
`hcsd.hcs.tracked_system`; how it is asked, in `hcsd.hcs.asked_system`.

When the service goes away the system has no handle, and neither have its processes. The object
stays the same when it is opened again, so that whoever has it need not know.

Closing the object closes the handle and nothing else; it never counts as an exit. The system lives
on, unless it was made to end with its last handle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from hcsd.abi.hresult import HR
from hcsd.hcs.asked_system import PROCESS_LIST, AskedSystem
from hcsd.hcs.creation import create_system, terminate_with_close
from hcsd.hcs.ends import SystemEnd
from hcsd.hcs.errors import (
    GONE,
    HcsError,
    InvalidStateError,
    ServiceDisconnectedError,
    SystemNotFoundError,
)
from hcsd.hcs.lanes import Lane
from hcsd.hcs.opening import open_system
from hcsd.hcs.process import Process
from hcsd.hcs.system_life import SystemTrigger as Trigger
from hcsd.hcs.tracked_system import SystemEvent

if TYPE_CHECKING:
    from collections.abc import Collection

    from hcsd.hcs.handles import SystemHandle
    from hcsd.hcs.operation import Operations
    from hcsd.hcs.tracked_process import TrackedProcess

__all__ = ["PROCESS_LIST", "ComputeSystem", "SystemEnd", "SystemEvent"]


class Recovery(Protocol):
    """Looks for systems and processes that were lost. `hcsd.hcs.supervisor` does."""

    def wake(self) -> None:
        """Note that something was lost."""

    async def reopen(self, system: ComputeSystem) -> None:
        """See `ComputeSystem.reopen`."""

    async def reconnect(self, system: ComputeSystem, lost: Collection[TrackedProcess]) -> None:
        """See `ComputeSystem.reconnect`."""


class ComputeSystem(AskedSystem):
    """An open compute system.

    Thread: the event loop's.

    Args:
        operations: Of the engine.
        recovery: Looks for it and its processes when they are lost.
        system_id: The id HCS knows it by.
        handle: Its handle; owned from here on.
    """

    def __init__(
        self, operations: Operations, recovery: Recovery, system_id: str, handle: SystemHandle
    ) -> None:
        super().__init__(operations, recovery.wake, system_id, handle)
        self._recovery = recovery

    @classmethod
    async def create(
        cls, operations: Operations, recovery: Recovery, system_id: str, configuration: str
    ) -> ComputeSystem:
        """Create a system; it is not started.

        Args:
            operations: Of the engine.
            recovery: Looks for it when it is lost.
            system_id: Its id, which must not be in use.
            configuration: ComputeSystem document, passed through as it is.

        Raises:
            SystemAlreadyExistsError: The id is taken.
            HcsError: It was not created; nothing is left of it.
        """
        handle = await create_system(operations, system_id, configuration)
        system = cls(operations, recovery, system_id, handle)
        try:
            await system._attachment.watch(handle, 0, system._take_event)
        except BaseException:
            terminate_with_close(operations, handle)
            system.close()
            raise
        return system

    @classmethod
    async def open(
        cls, operations: Operations, recovery: Recovery, system_id: str
    ) -> ComputeSystem:
        """Open a system by its id.

        Raises:
            SystemNotFoundError: There is none of that id.
            HcsError: Anything else.
        """
        handle = await open_system(operations, system_id, Lane.OPEN)
        system = cls(operations, recovery, system_id, handle)
        try:
            await system._attachment.watch(handle, 0, system._take_event)
        except BaseException:
            system.close()
            raise
        return system

    async def start(self, options: str | None = None) -> None:
        """Start it.

        Raises:
            HcsError: HCS refused it, or it failed.
        """
        await self._change(Lane.SYSTEM, "start", "HcsStartComputeSystem", options)

    async def shut_down(self, options: str | None = None) -> bool:
        """Ask it to shut down. It has done so when `exited` is set.

        Args:
            options: ShutdownOptions document.

        Returns:
            Whether it was there to be asked; False if it has ended, or is about to.

        Raises:
            HcsError: HCS refused it, or it failed.
        """
        try:
            return await self._finish(Lane.SYSTEM, "shut down", "HcsShutDownComputeSystem", options)
        except HcsError as error:
            # The guest may go down faster than it can answer.
            if error.hresult != HR.CONNECTION_CLOSED:
                raise
        self.transition(Trigger.ASK_END)
        self.transition(Trigger.END_ACCEPTED)
        return True

    async def terminate(self, options: str | None = None) -> bool:
        """Kill it with all that runs in it. It has ended when `exited` is set.

        Returns:
            Whether it was there to be killed; False if it has ended, or is about to.

        Raises:
            HcsError: It could not be killed.
        """
        return await self._finish(Lane.KILL, "terminate", "HcsTerminateComputeSystem", options)

    async def pause(self, options: str | None = None) -> None:
        """Pause all that runs in it.

        Args:
            options: PauseOptions document.

        Raises:
            HcsError: HCS refused it, or it failed.
        """
        await self._change(Lane.SYSTEM, "pause", "HcsPauseComputeSystem", options)

    async def resume(self, options: str | None = None) -> None:
        """Let it run on.

        Raises:
            HcsError: HCS refused it, or it failed.
        """
        await self._change(Lane.SYSTEM, "resume", "HcsResumeComputeSystem", options)

    async def save(self, options: str | None = None) -> None:
        """Save the state of a paused virtual machine.

        Args:
            options: SaveOptions document.

        Raises:
            HcsError: HCS refused it, or it failed.
        """
        await self._change(Lane.SYSTEM, "save", "HcsSaveComputeSystem", options)

    async def modify(self, settings: str) -> None:
        """Change its settings, by a ModifySettingRequest document.

        Raises:
            HcsError: HCS refused it, or it failed.
        """
        await self._change(Lane.MODIFY, "modify", "HcsModifyComputeSystem", settings, None)

    async def reopen(self) -> None:
        """Open it again by its id, if it has lost its handle. If it has gone, its lost processes end.

        Raises:
            SystemNotFoundError: It has gone with the service.
            ServiceDisconnectedError: The service has not come back.
            HandleClosedError: It was closed.
            HcsError: Anything else.
        """
        await self._recovery.reopen(self)

    async def reconnect(self, lost: Collection[TrackedProcess]) -> None:
        """Open the system again and find processes of it that were lost.

        Args:
            lost: Those to look for. Each is found, or ends, or stays lost with an error.

        Raises:
            HcsError: The service has not come back, or cannot tell about a process.
        """
        await self._recovery.reconnect(self, lost)

    async def create_process(self, parameters: str) -> Process:
        """Start a process from a ProcessParameters document; see `Process.create`."""
        return await Process.create(self, parameters)

    async def open_process(self, pid: int) -> Process:
        """Open a process by the pid HCS knows it by; see `Process.open`."""
        return await Process.open(self, pid)

    async def _change(self, lane: Lane, verb: str, function: str, *arguments: str | None) -> None:
        """Run an export; when it meets nobody, find out what became of the system."""
        try:
            await self._attachment.run(lane, verb, function, *arguments)
        except (*GONE, ServiceDisconnectedError):
            await self.confirm()
            raise

    async def _finish(self, lane: Lane, verb: str, function: str, options: str | None) -> bool:
        """Run an export that ends the system."""
        if self.exited.is_set:
            return False
        try:
            await self.reopen()
        except SystemNotFoundError:
            return False
        self.transition(Trigger.ASK_END)
        try:
            await self._change(lane, verb, function, options)
        except GONE as error:
            if isinstance(error, InvalidStateError) and not self.gone:  # it may be paused
                self.transition(Trigger.END_REFUSED)
                raise
            self.transition(Trigger.END_ACCEPTED)
            return False
        except BaseException:
            self.transition(Trigger.END_REFUSED)
            raise
        self.transition(Trigger.END_ACCEPTED)
        return True
