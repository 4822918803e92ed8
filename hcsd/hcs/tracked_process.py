"""A process as the engine follows it: what is known of it, how that is learnt, and how it is told.

`hcsd.hcs.process_life` has the states and says what follows from what; here it is carried out. What
can be done to a process is in `hcsd.hcs.process`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING, Protocol

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.hcs.attachment import Attachment
from hcsd.hcs.ends import ProcessEnd
from hcsd.hcs.errors import (
    GONE,
    DocumentError,
    HandleClosedError,
    HcsError,
    InvalidStateError,
    ServiceDisconnectedError,
)
from hcsd.hcs.lanes import Lane
from hcsd.hcs.latch import Latch
from hcsd.hcs.process_life import KNOWN, TABLE, ProcessLife, ProcessState
from hcsd.hcs.process_life import ProcessEffect as Effect
from hcsd.hcs.process_life import ProcessTrigger as Trigger
from hcsd.hcs.process_stdio import ProcessStdio
from hcsd.hcs.schema import ProcessStatus, parse_properties

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hcsd.hcs.callbacks import Event
    from hcsd.hcs.handles import ProcessHandle, SystemHandle
    from hcsd.hcs.operation import Operations, ProcessInfo


class ProcessHome(Protocol):
    """What a process needs of the compute system that it runs in."""

    id: str
    operations: Operations
    processes: set[TrackedProcess]

    @property
    def handle(self) -> SystemHandle:
        """Its handle."""

    @property
    def generation(self) -> int:
        """How often it was opened again."""

    @property
    def ending(self) -> bool:
        """Whether it was told to end, or has ended."""

    def end_of(self, process: TrackedProcess) -> None:
        """Note that the end of a process has been told, or that nobody wants it any more."""

    def lose(self, generation: int) -> None:
        """Note that the service that gave out the handles of a generation went away."""

    async def reconnect(self, lost: Collection[TrackedProcess]) -> None:
        """Look for processes that are lost."""

    async def raw_properties(self, query: str | None = None) -> str | None:
        """Return its Properties document."""


class TrackedProcess:
    """A process with its state, its end, its handle and its events.

    Thread: the event loop's.

    Args:
        system: Where it runs.
        handle: Its handle; owned from here on.
        pid: Pid in the guest.
        created: POSIX times between which it was created.
        info: What HCS gave out with it; owned from here on.
        generation: Which one of the system's connections the handle came by.

    Attributes:
        system: Where it runs.
        pid: Pid in the guest.
        created: POSIX times between which it was created.
        life: Its state, which only `transition` changes.
        exited: Set once with how it ended.
        stdio: Its pipe ends, until somebody takes them.
        tag: What its create called it, for an engine that keeps processes; "" for nothing.
        checked: When its properties were last asked for, by the loop's clock.
        on_state: Called with its state whenever that has changed, until it is closed.
    """

    def __init__(
        self,
        system: ProcessHome,
        handle: ProcessHandle,
        pid: int,
        created: tuple[float, float],
        info: ProcessInfo | None = None,
        *,
        generation: int,
    ) -> None:
        self.system = system
        self.pid = pid
        self.created = created
        self.life = ProcessLife.RUNNING
        self.exited: Latch[ProcessEnd] = Latch()
        self.tag = ""
        self.checked = asyncio.get_running_loop().time()
        self.on_state: Callable[[ProcessState], None] = lambda _: None
        self._subject = f"process {pid} of system '{system.id}'"
        self.stdio = ProcessStdio(system.operations, self._subject, info)
        self._attachment: Attachment[ProcessHandle] = Attachment(
            system.operations,
            self._subject,
            handle,
            generation,
            watch="HcsSetProcessCallback",
        )
        system.processes.add(self)

    @property
    def state(self) -> ProcessState:
        """What is known of it; a process that stays lost keeps that state when it is given up."""
        return KNOWN[self.life]

    @property
    def generation(self) -> int:
        """Which one of the system's connections its handle came by."""
        return self._attachment.generation

    async def confirm(self) -> bool:
        """Ask the properties of the process whether it has exited.

        Returns:
            Whether its exit is known now. A question that HCS cannot answer says nothing: the
            event remains the main source.
        """
        if not self.exited.is_set:
            with contextlib.suppress(HcsError, HandleClosedError):
                await self.properties()
        return self.exited.is_set

    async def properties(self, query: str | None = None) -> str | None:
        """Return the ProcessStatus document as HCS gives it.

        Raises:
            HcsError: HCS could not tell.
        """
        export = "HcsGetProcessProperties"
        self.checked = asyncio.get_running_loop().time()
        self._require_found(export)
        generation = self.generation
        try:
            document = await self._attachment.run(Lane.QUERY, "query", export, query)
        except GONE as error:
            if isinstance(error, InvalidStateError) and await self._may_be_paused():
                raise
            end = ProcessEnd.unknown(error.hresult, "it is gone, and left no exit code")
            self.transition(Trigger.GONE, end=end)
            raise
        except ServiceDisconnectedError:
            self.system.lose(generation)
            raise
        with contextlib.suppress(DocumentError):
            status = ProcessStatus.parse(document)
            if status.exited:
                self.transition(Trigger.END_KNOWN, end=self._completed(ProcessEnd.of(status)))
        return document

    async def _may_be_paused(self) -> bool:
        """Ask whether the system is in a state in which HCS tells nothing of what runs in it."""
        try:
            properties = parse_properties(await self.system.raw_properties())
        except GONE:
            return False
        except (HcsError, DocumentError, HandleClosedError):
            return True  # nobody can tell
        return properties.state not in {"Running", "Stopped"}

    async def fetch_stdio(self) -> None:
        """Ask HCS for the pipe ends once more; see `ProcessStdio.fetch`."""
        await self.stdio.fetch(self._attachment.handle)

    def leave(self) -> None:
        """Use it no more, and leave its handle to the end of this process, for the next to have it."""
        self._attachment.leave()

    def close(self) -> None:
        """Close the handle and stdio that nobody took; idempotent. The process lives on."""
        self.transition(Trigger.CLOSE)

    def end_away(self, message: str) -> None:
        """Note, if it is lost, that it has ended: the service is back without it."""
        end = ProcessEnd.unknown(HR.SERVICE_DISCONNECT, message)
        self.transition(Trigger.ENDED_AWAY, end=end)

    async def attach(self, handle: ProcessHandle, generation: int) -> None:
        """Use a handle by which it was opened again, if it is still lost.

        Ownership: of the handle.

        Raises:
            HcsError: Its events cannot be had.
        """
        if await self._attachment.watch_newer(handle, generation, self._take_event):
            self.transition(Trigger.FOUND, found=(handle, generation))

    def transition(
        self,
        trigger: Trigger,
        *,
        end: ProcessEnd | None = None,
        found: tuple[ProcessHandle, int] | None = None,
    ) -> None:
        """Move on by a trigger; see `hcsd.hcs.process_life`.

        Args:
            trigger: What has happened.
            end: How it ended; with GONE, how it is held to have ended when the grace is over.
            found: With FOUND, the handle and its generation.
        """
        self.life, effects = TABLE.step(self.life, trigger)
        for effect in effects:
            self._act(effect, end, found)

    def lost_error(self, function: str, text: str) -> ServiceDisconnectedError:
        """Return the error of a call to a process that is lost."""
        return ServiceDisconnectedError(
            HR.SERVICE_DISCONNECT, function, subject=f"reach {self._subject}", text=text
        )

    def _act(
        self, effect: Effect, end: ProcessEnd | None, found: tuple[ProcessHandle, int] | None
    ) -> None:
        match effect:
            case Effect.CANCEL_GRACE:
                self._attachment.cancel_grace()
            case Effect.START_GRACE:
                assert end is not None  # noqa: S101  (GONE comes with one)
                self._attachment.start_grace(lambda: self._end_grace(end))
            case Effect.TAKE_HANDLE:
                assert found is not None  # noqa: S101  (FOUND comes with one)
                self._attachment.take(*found)
            case Effect.CLOSE_FOUND:
                assert found is not None  # noqa: S101  (FOUND comes with one)
                found[0].close()
            case Effect.CLOSE_HANDLE:
                self._attachment.close()
            case Effect.FREE_STDIO:
                self.stdio.free()
            case Effect.TELL_END:
                assert end is not None  # noqa: S101  (each trigger that ends it comes with one)
                self.exited.set(end)
            case Effect.TELL_STATE:
                self.on_state(self.state)
            case Effect.LEAVE_SYSTEM:
                self.system.end_of(self)

    def _require_found(self, function: str) -> None:
        if self.state is ProcessState.LOST:
            raise self.lost_error(function, "the service went away; it is being looked for")

    def _end_grace(self, end: ProcessEnd) -> None:
        self.transition(Trigger.GRACE_OVER, end=self._completed(end))

    def _completed(self, end: ProcessEnd) -> ProcessEnd:
        """Add to an end whether the system has to do with it."""
        return dataclasses.replace(end, with_system=self.system.ending)

    def _take_event(self, generation: int, event: Event) -> None:
        if event.type == HCS_EVENT_TYPE.HcsEventProcessExited:
            end = self._completed(ProcessEnd.read(event.data))
            self.transition(Trigger.END_KNOWN, end=end)
        elif event.type == HCS_EVENT_TYPE.HcsEventServiceDisconnect:
            self.system.lose(generation)
