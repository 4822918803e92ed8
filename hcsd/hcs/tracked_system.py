"""A compute system as the engine follows it: what is known of it, how that is learnt and told.

`hcsd.hcs.system_life` has the states and says what follows from what; here it is carried out. What
can be done to a system is in `hcsd.hcs.system`.

An event changes the state first; then the observers of events are told of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.hcs.attachment import Attachment
from hcsd.hcs.ends import ProcessEnd, SystemEnd
from hcsd.hcs.latch import Latch
from hcsd.hcs.process_life import ProcessTrigger
from hcsd.hcs.system_life import CLOSED, ENDING, LOST, TABLE, VANISHED, SystemLife
from hcsd.hcs.system_life import SystemEffect as Effect
from hcsd.hcs.system_life import SystemTrigger as Trigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.hcs.callbacks import Event
    from hcsd.hcs.handles import SystemHandle
    from hcsd.hcs.operation import Operations
    from hcsd.hcs.tracked_process import TrackedProcess


@dataclass(frozen=True, slots=True)
class SystemEvent:
    """Something that HCS told of a system.

    Attributes:
        value: Of HCS_EVENT_TYPE, unsigned.
        name: By HCS's names, such as ``SystemExited``.
        document: As HCS gave it.
    """

    value: int
    name: str
    document: str | None

    @classmethod
    def of(cls, event: Event) -> SystemEvent:
        """Name a raw event."""
        name = HCS_EVENT_TYPE(event.type).name.removeprefix("HcsEvent")
        return cls(int(event.type), name, event.data)


class TrackedSystem:
    """A compute system with its state, its end, its handle, its events and its processes.

    Thread: the event loop's.

    Args:
        operations: Of the engine.
        wake: Called when something is lost, so that it is looked for.
        system_id: The id HCS knows it by.
        handle: Its handle; owned from here on.

    Attributes:
        id: The id HCS knows it by.
        operations: Runs its operations.
        processes: Those made or opened through it whose end has not been told.
        life: Its state, which only `transition` changes.
        exited: Set once with how it ended, after the ends of its processes.
    """

    def __init__(
        self, operations: Operations, wake: Callable[[], None], system_id: str, handle: SystemHandle
    ) -> None:
        self.id = system_id
        self.operations = operations
        self.processes: set[TrackedProcess] = set()
        self.life = SystemLife.OPEN
        self.exited: Latch[SystemEnd] = Latch()
        self._wake = wake
        self._end: SystemEnd | None = None
        self._observers: dict[Callable[[SystemEvent], None], None] = {}
        self._attachment: Attachment[SystemHandle] = Attachment(
            operations,
            f"system '{system_id}'",
            handle,
            0,
            watch="HcsSetComputeSystemCallback",
        )

    @property
    def handle(self) -> SystemHandle:
        """Its handle, or the last one that it had."""
        return self._attachment.handle

    @property
    def attached(self) -> bool:
        """Whether it has a handle."""
        return self._attachment.attached

    @property
    def generation(self) -> int:
        """How often it was opened again.

        What a process learns by a handle of an earlier generation says nothing of later ones.
        """
        return self._attachment.generation

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self.life in CLOSED

    @property
    def gone(self) -> bool:
        """Whether it has ended, or HCS knows nothing of it any more."""
        return self.life in VANISHED

    @property
    def lost(self) -> bool:
        """Whether the service that gave the handle out went away, and it is not open again."""
        return self.life in LOST

    @property
    def ending(self) -> bool:
        """Whether it was told to end through this object, or has ended."""
        return self.life in ENDING

    def observe(self, observer: Callable[[SystemEvent], None]) -> None:
        """Run `observer` with every event of the system from now on."""
        self._observers[observer] = None

    def forget(self, observer: Callable[[SystemEvent], None]) -> None:
        """Take an observer back; idempotent."""
        self._observers.pop(observer, None)

    def end_of(self, process: TrackedProcess) -> None:
        """Note that the end of a process has been told, or that nobody wants it any more."""
        self.processes.discard(process)
        self._check_processes()

    def lose(self, generation: int) -> None:
        """Close the handle and those of its processes, as far as they are that old; idempotent."""
        current = generation == self.generation
        self.transition(
            Trigger.DISCONNECTED if current else Trigger.OLD_DISCONNECTED, generation=generation
        )

    def drop(self) -> None:
        """Close the handle, because a call says that the service went away; idempotent.

        Processes that have handles of their own keep them until they are told.
        """
        self.transition(Trigger.DROP)

    def leave(self) -> None:
        """Use it no more, and leave its handle to the end of this process, for the next to have it."""
        self._attachment.leave()

    def close(self) -> None:
        """Close the handle; idempotent."""
        self.transition(Trigger.CLOSE)

    async def attach(self, handle: SystemHandle, generation: int) -> None:
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
        end: SystemEnd | None = None,
        found: tuple[SystemHandle, int] | None = None,
        generation: int = 0,
    ) -> None:
        """Move on by a trigger; see `hcsd.hcs.system_life`.

        Args:
            trigger: What has happened.
            end: How it ended; with GONE, how it is held to have ended when the grace is over.
            found: With FOUND, the handle and its generation.
            generation: With DISCONNECTED and OLD_DISCONNECTED, the one that is useless now.
        """
        self.life, effects = TABLE.step(self.life, trigger)
        for effect in effects:
            self._act(effect, end, found, generation)

    def _act(  # noqa: PLR0912  (one case for each effect)
        self,
        effect: Effect,
        end: SystemEnd | None,
        found: tuple[SystemHandle, int] | None,
        generation: int,
    ) -> None:
        match effect:
            case Effect.CANCEL_GRACE:
                self._attachment.cancel_grace()
            case Effect.KEEP_END:
                self._end = end
            case Effect.START_GRACE:
                self._attachment.start_grace(lambda: self.transition(Trigger.GRACE_OVER, end=end))
            case Effect.TAKE_HANDLE:
                assert found is not None  # noqa: S101  (FOUND comes with one)
                self._attachment.take(*found)
            case Effect.CLOSE_FOUND:
                assert found is not None  # noqa: S101  (FOUND comes with one)
                found[0].close()
            case Effect.CLOSE_HANDLE:
                self._attachment.close()
            case Effect.LOSE_PROCESSES:
                for process in list(self.processes):
                    if process.generation <= generation:
                        process.transition(ProcessTrigger.DISCONNECTED)
            case Effect.END_LOST_PROCESSES:
                self._end_lost_processes()
            case Effect.END_PROCESSES:
                self._end_processes()
            case Effect.CHECK_PROCESSES:
                self._check_processes()
            case Effect.TELL_END:
                assert self._end is not None  # noqa: S101  (kept on the way into EXITING)
                self.exited.set(self._end)
            case Effect.WAKE_SUPERVISOR:
                self._wake()

    def _end_lost_processes(self) -> None:
        for process in list(self.processes):
            process.end_away("it ended while the Host Compute Service was away")

    def _end_processes(self) -> None:
        end = ProcessEnd(None, 0, HR.SYSTEM_ALREADY_STOPPED, "its system exited", with_system=True)
        for process in list(self.processes):
            process.transition(ProcessTrigger.END_KNOWN, end=end)

    def _check_processes(self) -> None:
        if not self.processes:
            self.transition(Trigger.EMPTY)

    def _take_event(self, generation: int, event: Event) -> None:
        if self.closed:  # it was under way
            return
        if event.type == HCS_EVENT_TYPE.HcsEventSystemExited:
            self.transition(Trigger.END_KNOWN, end=SystemEnd.of(event.data))
        elif event.type == HCS_EVENT_TYPE.HcsEventServiceDisconnect:
            self.lose(generation)
        for observer in list(self._observers):
            observer(SystemEvent.of(event))
