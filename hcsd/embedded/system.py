"""A compute system of the embedded engine: processes of the host, grouped under one keeper.

It lives as `lifecycle` says; its keeper runs from the start to the end. That end has three causes,
and the keeper's exit tells which: it was told to go, it had to kill, or it was killed itself. After
the last of these the system is ENDING until what the keeper left behind has ended, too. The states
are changed by the worker alone.

No isolation is claimed; see hcsshim's HostProcess containers, which this is modelled on.

What callers ask for comes through `system_requests`, but for what concerns one process.
"""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING

from hcsd.abi.extensions import EVENT_OUT_OF_MEMORY
from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.embedded.faults import Fault
from hcsd.embedded.groups import Groups
from hcsd.embedded.handle import Handle
from hcsd.embedded.keeper.frames import FORCED, LEFT
from hcsd.embedded.keeper_errors import system_fault
from hcsd.embedded.lifecycle import Call, SystemState, require
from hcsd.embedded.members import Members
from hcsd.embedded.process import Process, State
from hcsd.embedded.process_documents import parse_process_parameters
from hcsd.embedded.system_documents import exit_status, limits_members

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hcsd.embedded.configuration import Configuration
    from hcsd.embedded.keeper.frames import Message
    from hcsd.embedded.keepers import Keepers
    from hcsd.embedded.work import Done, Work
    from hcsd.embedded.worker import Worker

SHUTDOWN_GRACE = 5.0  # seconds, as HostProcess containers have


class System:
    """One compute system.

    Args:
        system_id: Its id.
        configuration: What was asked for.
        lock: Guards every field here and of its processes.
        worker: Where work is done.
        listed: The systems there are by id, which it leaves when it is forgotten.
        keepers: Where its keeper is started.
        on_stopped: Called on the worker when nothing of it is left, and everybody knows. Then the
            system stays listed: whoever gave this puts another one in its place.

    Attributes:
        ended: Set when nothing of it is left.

    Raises:
        Fault: The host cannot hold it to its limits.
    """

    def __init__(
        self,
        system_id: str,
        configuration: Configuration,
        lock: threading.RLock,
        worker: Worker,
        listed: dict[str, System],
        *,
        keepers: Keepers,
        on_stopped: Callable[[], None] | None = None,
    ) -> None:
        self.id = system_id
        self.runtime_id = str(uuid.uuid4())
        self.handles: list[Handle[System]] = []
        self.ended = threading.Event()
        self.shutdown_grace = SHUTDOWN_GRACE
        self._configuration = configuration
        hierarchies = keepers.settings.hierarchies
        self._groups = Groups(uuid.uuid4().hex, configuration.limits, hierarchies)
        self._state = SystemState.CREATED
        self._shown = SystemState.CREATED  # what it was before it was told to end
        self._exit_type = ""
        self._lock = lock
        self._worker = worker
        self._listed = listed
        self._keepers = keepers
        self._on_stopped = on_stopped
        self._members: Members | None = None  # before the start

    @property
    def keeper_pid(self) -> int:
        """Pid of its keeper; 0 before the start."""
        return self._members.keeper.keeper_pid if self._members is not None else 0

    def summary(self) -> dict[str, object]:
        """Return the basic Properties."""
        stopped = {"Stopped": True, "ExitType": self._exit_type}
        return {
            "Id": self.id,
            "SystemType": "Container",
            "RuntimeOsType": "Linux",
            "Owner": self._configuration.owner,
            "RuntimeId": self.runtime_id,
            "State": self._shown.value,
            "Limits": limits_members(self._configuration.limits, tasks=self._groups.limits_tasks),
            **(stopped if self._state is SystemState.STOPPED else {}),
        }

    def require(self, call: Call) -> None:
        """Let a call pass that is legal now.

        Raises:
            Fault: It is not.
        """
        require(call, self._state)

    def properties(self, types: frozenset[str]) -> dict[str, object]:
        """Return the Properties, with those of the given types."""
        found = self.summary()
        if "TerminateOnLastHandleClosed" in types:
            found["TerminateOnLastHandleClosed"] = self._configuration.ends_with_handles
        if "ProcessList" in types and self._members is not None:
            found["ProcessList"] = self._members.meter.process_list()
        if "Statistics" in types and self._members is not None:
            found["Statistics"] = self._members.meter.statistics()
        return found

    def launch(self) -> None:
        """Start the keeper.

        Raises:
            Fault: The host refuses a limit.
            OSError: It cannot be started.
        """
        self._groups.make()
        try:
            members = Members(
                self._lock,
                self._worker,
                self.report_out_of_memory,
                self._on_down,
                keepers=self._keepers,
                groups=self._groups,
            )
        except OSError:
            self._groups.remove()
            raise
        with self._lock:
            self._members = members
            self._enter(SystemState.RUNNING)

    def shut_down(self, done: Done) -> None:
        """Ask its processes to end, and do not wait. Thread: the worker's, likewise the next two."""
        self.require(Call.SHUT_DOWN)
        self._enter(SystemState.ENDING, "GracefulExit")
        self._ask({"grace": self.shutdown_grace}, done)

    def pause(self, done: Done) -> None:
        """Stop all that runs in it."""
        self.require(Call.PAUSE)
        self._move(SystemState.RUNNING, SystemState.PAUSED, {"pause": True}, done)

    def resume(self, done: Done) -> None:
        """Continue what the pause has stopped."""
        self.require(Call.RESUME)
        self._move(SystemState.PAUSED, SystemState.RUNNING, {"pause": False}, done)

    def report_out_of_memory(self) -> None:
        """Tell that the host has killed something in it for want of memory. Thread: the worker's."""
        with self._lock:
            handles = [] if self._state is SystemState.STOPPED else list(self.handles)
        for handle in handles:
            handle.deliver(EVENT_OUT_OF_MEMORY, None)

    def find_process(self, pid: int) -> Process:
        """Return the running process of that pid: one that was created here, or descends from one.

        Raises:
            Fault: ERROR_NOT_FOUND; whether it never existed or has exited, HCS does not tell.
        """
        process = self._members.find(pid) if self._members is not None else None
        if process is None:
            raise Fault(HR.ERROR_NOT_FOUND, f"system '{self.id}' has no running process {pid}")
        return process

    def create_process(self, parameters: str | None) -> tuple[Process, Work]:
        """Check a ProcessParameters document; the work starts the process."""
        launch = parse_process_parameters(parameters)
        self.require(Call.CREATE_PROCESS)
        members = self._started()
        process = Process(members.keeper)

        def work(done: Done) -> None:
            try:
                self.require(Call.CREATE_PROCESS)
            except Fault:
                process.state = State.FAILED
                raise
            members.start(process, launch, done)

        return process, work

    def opened(self) -> Handle[System]:
        """Make one more handle's object. Lock held."""
        handle = Handle(self)
        self.handles.append(handle)
        return handle

    def closed(self, handle: Handle[System]) -> None:
        """Take a handle's object back. Lock held."""
        self.handles.remove(handle)
        if not self.handles:
            if self._state is SystemState.STOPPED:
                self._leave()
            elif self._configuration.ends_with_handles:
                self._worker.post(self._end_unless_opened)

    def end(self) -> None:
        """Kill all that runs in it; idempotent. Thread: the worker's."""
        if self._state is SystemState.STOPPED:
            return
        self._enter(SystemState.ENDING, "ForcedExit")
        if self._members is not None:
            self._members.keeper.hang_up()
        else:
            self._finish({})

    def _end_unless_opened(self) -> None:
        if not self.handles:
            self.end()

    def _on_down(self, status: int) -> None:
        """The keeper is gone, and with it all that it kept, unless it was killed itself."""
        members = self._started()
        ended_all = status in {FORCED, LEFT} or (status == 0 and self._state is SystemState.ENDING)
        if status in {FORCED, LEFT} or members.keeper.overdue:
            self._enter(SystemState.ENDING, "ForcedExit")
        elif status or self._state is not SystemState.ENDING:
            self._enter(SystemState.ENDING, "UnexpectedExit")
        if ended_all:
            self._groups.remove()
            self._finish({})
        else:
            members.clean(self._finish)

    def _finish(self, ends: Mapping[int, int | None]) -> None:
        self._stop()
        if self._members is not None:
            self._members.report_left(ends)
        self.ended.set()
        if self._on_stopped is not None:
            self._on_stopped()

    def _stop(self) -> None:
        """Nothing of it is left: tell everybody."""
        document = exit_status(self._exit_type)
        with self._lock:
            self._enter(SystemState.STOPPED, self._exit_type)
            handles = list(self.handles)
            if not handles:
                self._leave()
        for handle in handles:
            handle.deliver(HCS_EVENT_TYPE.HcsEventSystemExited, document)

    def _leave(self) -> None:
        if self._on_stopped is None and self._listed.get(self.id) is self:
            del self._listed[self.id]

    def _started(self) -> Members:
        if self._members is None:
            raise Fault(HR.INVALID_STATE, f"system '{self.id}' has not started")
        return self._members

    def _enter(self, state: SystemState, exit_type: str = "") -> None:
        with self._lock:
            self._state, self._exit_type = state, exit_type
            if state is not SystemState.ENDING:
                self._shown = state

    def _move(self, before: SystemState, after: SystemState, message: Message, done: Done) -> None:
        """Go to a state, and back if the keeper cannot bring the processes there."""
        self._enter(after)

        def answered(fault: Fault | None = None) -> None:
            if fault is not None and self._state is after:
                self._enter(before)
            done(fault)

        self._ask(message, answered)

    def _ask(self, message: Message, done: Callable[[Fault | None], None]) -> None:
        """Send the keeper a request about the system as a whole."""
        self._started().keeper.request(
            message, [], lambda answer: done(system_fault(self.id, answer))
        )
