"""A process of a compute system: how it is had, and what can be done to it.

What is known of it, and how that changes, is in `hcsd.hcs.process_life` and
`hcsd.hcs.tracked_process`.

The event callback is registered as soon as the create has completed. An event may be lost all the
same, so the properties of the process, which tell whether it has exited, are asked for

    once when the callback has been registered     `confirm`: it may have exited before
    when a call says that it is, or may be, gone   an exit that HCS knows of and we do not
    now and then                                   see `hcsd.hcs.supervisor`

If the properties say "gone" themselves, there is nobody left to ask: the event has a grace to arrive,
then the code is unknown. "Invalid state" is no such answer while the system is paused.

When the service goes away, its handles are useless. They are closed, and the supervisor looks for
the process under its pid.

Closing the object closes the handle and nothing else: it neither kills nor waits, and it never
counts as an exit.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, NamedTuple

import anyio

from hcsd.abi.hresult import HR, Kind
from hcsd.hcs.ends import ProcessEnd
from hcsd.hcs.errors import (
    GONE,
    MAY_BE_GONE,
    AlreadyStoppedError,
    HandleClosedError,
    HcsError,
    ServiceDisconnectedError,
)
from hcsd.hcs.lanes import Lane
from hcsd.hcs.opening import open_process, terminate_by_pid
from hcsd.hcs.process_life import ProcessLife, ProcessState
from hcsd.hcs.schema import (
    CloseHandle,
    ConsoleSize,
    ProcessModifyRequest,
    TerminateOptions,
    TerminateResult,
)
from hcsd.hcs.start import kill_orphan, start_process
from hcsd.hcs.tracked_process import TrackedProcess

if TYPE_CHECKING:
    from hcsd.hcs.schema import StdioHandle
    from hcsd.hcs.tracked_process import ProcessHome

__all__ = ["Process", "ProcessEnd", "ProcessState"]

logger = logging.getLogger(__name__)


class Termination(NamedTuple):
    """What a kill has done. It counts as true if the process was there to be killed.

    Attributes:
        killed: Whether the process was there to be killed; False if it had exited already.
        descendants: How many descendants were killed; None if the engine does not say.
    """

    killed: bool
    descendants: int | None = None

    def __bool__(self) -> bool:
        """Whether the process was there to be killed."""
        return self.killed


class Process(TrackedProcess):
    """A process that was created or opened.

    Thread: the event loop's.
    """

    @classmethod
    async def create(cls, system: ProcessHome, parameters: str) -> Process:
        """Start a process.

        Args:
            system: Where; must be running.
            parameters: ProcessParameters document, passed through as it is.

        Returns:
            The process, with its event callback registered. Call `confirm` soon.

        Raises:
            HcsError: It did not start; nothing is left of it.
        """
        operations = system.operations
        before, generation = time.time(), system.generation
        handle, info = await start_process(operations, system.id, system.handle, parameters)
        created = (before, time.time())
        process = cls(system, handle, info.pid, created, info, generation=generation)
        try:
            await process._begin()
        except BaseException:
            kill_orphan(operations, system.id, info.pid)
            process.close()
            raise
        return process

    @classmethod
    async def open(cls, system: ProcessHome, pid: int) -> Process:
        """Open a process of a system that HCS knows by its pid; it has no stdio for us.

        Raises:
            ElementNotFoundError: No such process, or it has exited.
            HcsError: Anything else.
        """
        generation = system.generation
        handle = await open_process(system.operations, system.handle, pid, Lane.OPEN)
        process = cls(system, handle, pid, (0.0, time.time()), generation=generation)
        try:
            await process._begin()
            await process._require_room()
        except BaseException:
            process.close()
            raise
        return process

    async def still_runs(self) -> bool:
        """Find out whether it runs, for a caller that has only its pid. HCS is asked by our handle.

        Returns:
            Whether it does; its end is known if not.

        Raises:
            HandleClosedError: It was closed meanwhile.
            HcsError: HCS cannot tell.
        """
        if self.state is ProcessState.LOST:
            await self.system.reconnect([self])
        if not self.exited.is_set:
            try:
                await self.properties()
            except GONE:
                if self.life is ProcessLife.RUNNING:
                    return True  # its system may be paused
                await self._attachment.wait_grace()  # its event comes, or the grace ends it
                return await self.still_runs()
        return not self.exited.is_set

    async def signal(self, options: str | None) -> None:
        """Send a signal.

        Args:
            options: SignalProcessOptions document, or None for what HCS does without one.

        Raises:
            AlreadyStoppedError: The process has exited.
            HcsError: Anything else.
        """
        await self._change(Lane.SIGNAL, "signal", "HcsSignalProcess", options)

    async def modify(self, settings: str) -> None:
        """Change console size or close stdio handles, by a ProcessModifyRequest document.

        Raises:
            HcsError: HCS refused it, or the process has exited.
        """
        await self._change(Lane.MODIFY, "modify", "HcsModifyProcess", settings)

    async def resize_console(self, height: int, width: int) -> None:
        """Set the size of the console, in character cells.

        Raises:
            HcsError: The process has no console, or has exited.
        """
        request = ProcessModifyRequest("ConsoleSize", console_size=ConsoleSize(height, width))
        await self.modify(request.to_json())

    async def close_stdio(self, which: StdioHandle) -> None:
        """Make the service close its copy of a stdio handle.

        For stdin both this and closing our own end are needed: the process sees EOF only when no
        copy is left. That the process is gone already is no error.

        Raises:
            HcsError: HCS refused it.
        """
        request = ProcessModifyRequest("CloseHandle", close_handle=CloseHandle(which))
        try:
            await self.modify(request.to_json())
        except MAY_BE_GONE:
            raise  # it is there
        except GONE:
            logger.debug("%s is gone; nothing to close", self._subject)

    async def terminate(self, *, tree: bool = False) -> Termination:
        """Kill the process. A kill opens handles of its own; see `terminate_by_pid`.

        Args:
            tree: With all that descends from it, also with what it has left behind if it has
                exited; for a provider that `kills_trees`.

        Raises:
            HcsError: It could not be killed.
        """
        if not tree:
            return Termination((await self._terminate(None))[0])
        options = TerminateOptions(tree=True).to_json()
        killed, document = await self._terminate(options)
        if not killed:  # it cannot be opened any more, so there is only this handle
            try:
                document = await self._run(Lane.KILL, "terminate", "HcsTerminateProcess", options)
            except (*GONE, HandleClosedError):  # its system has ended, and all that was in it
                return Termination(killed=False, descendants=0)
        return Termination(killed, TerminateResult.parse(document).descendants_killed)

    async def _terminate(self, options: str | None) -> tuple[bool, str | None]:
        """Kill it by handles of its own; return whether it was there, and the document."""
        if self.state is ProcessState.LOST:
            await self.system.reconnect([self])
        if self.state is ProcessState.EXITED:
            return False, None
        try:
            document = await terminate_by_pid(
                self.system.operations, self.system.id, self.pid, options
            )
        except GONE:
            if not await self._has_gone():
                raise  # it is there, but cannot be opened by its pid
            return False, None
        return True, document

    async def _has_gone(self) -> bool:
        """Find out whether a process ends that HCS has just called gone.

        Its system may be ending, and HCS knows nothing inside of it any more before it tells the
        ends of what ran there.
        """
        timings = self.system.operations.timings
        ending = self.system.ending
        if not await self._has_vanished() and self.life is ProcessLife.RUNNING:
            with anyio.move_on_after(
                timings.operation_timeout if ending else timings.exit_event_grace
            ):
                await self.exited.wait()
        return await self._has_vanished()

    async def _has_vanished(self) -> bool:
        """Ask HCS whether it has exited, or knows nothing of it any more."""
        return await self.confirm() or self.life is ProcessLife.VANISHED

    async def _begin(self) -> None:
        """Ask for the first events. A service that goes away just now loses it as any other.

        Raises:
            HcsError: HCS refused it.
        """
        generation = self.generation  # it may have been found again by the time of the answer
        try:
            await self._attachment.watch(self._attachment.handle, generation, self._take_event)
        except (ServiceDisconnectedError, HandleClosedError):
            self.system.lose(generation)

    async def _require_room(self) -> None:
        """Let a process pass that was opened, unless the engine has no room to watch it.

        Raises:
            HcsError: It has none.
        """
        try:
            await self.properties()
        except HandleClosedError:
            return
        except HcsError as error:
            if error.code.kind is Kind.EXHAUSTED:
                raise

    async def _change(self, lane: Lane, verb: str, function: str, argument: str | None) -> None:
        """Run an export; when it meets nobody, find out what became of the process."""
        try:
            await self._run(lane, verb, function, argument)
        except MAY_BE_GONE as error:
            if not await self._has_vanished():
                raise
            raise AlreadyStoppedError(
                HR.PROCESS_ALREADY_STOPPED, function, subject=error.subject
            ) from error
        except (*GONE, ServiceDisconnectedError):
            await self.confirm()
            raise

    async def _run(self, lane: Lane, verb: str, function: str, argument: str | None) -> str | None:
        self._require_found(function)
        return await self._attachment.run(lane, verb, function, argument)
