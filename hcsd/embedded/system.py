"""A compute system of the embedded engine: processes of the host, grouped under one keeper.

It lives as `lifecycle` says; its keeper runs from the start to the end. That end has three causes,
and the keeper's exit tells which: it was told to go, it had to kill, or it was killed itself. After
the last of these the system is ENDING until what the keeper left behind has ended, too. `StatefulSystem`
has the states.

Where systems outlive the engine, each is written down from its creation until it has stopped. That it was
told to end is written down first. So an engine that takes it over ends it, too.

No isolation is claimed; see hcsshim's HostProcess containers, which this is modelled on.

What callers ask for comes through `system_requests`, but for what concerns one process.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.embedded.faults import Fault
from hcsd.embedded.groups import Groups
from hcsd.embedded.handle import Handle
from hcsd.embedded.keeper.frames import FORCED, LEFT
from hcsd.embedded.keeper_errors import system_fault
from hcsd.embedded.lifecycle import Call, SystemState
from hcsd.embedded.members import Members
from hcsd.embedded.process import Process, State
from hcsd.embedded.process_documents import parse_process_parameters
from hcsd.embedded.records import Facts, Record
from hcsd.embedded.system_documents import basic_properties
from hcsd.embedded.system_state import StatefulSystem

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from hcsd.embedded.configuration import Configuration
    from hcsd.embedded.keeper.frames import Message
    from hcsd.embedded.keepers import Keepers
    from hcsd.embedded.members import OpenKeeper
    from hcsd.embedded.takeover import Taken
    from hcsd.embedded.work import Done, Work
    from hcsd.embedded.worker import Worker

SHUTDOWN_GRACE = 5.0  # seconds, as HostProcess containers have


class System(StatefulSystem):
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
        record: What another engine has written down of it; None of a new one.

    Attributes:
        handles: Every open handle to it.

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
        record: Record | None = None,
    ) -> None:
        super().__init__(system_id, lock)
        self.handles: list[Handle[System]] = []
        self._listed = listed
        self._on_stopped = on_stopped
        self.shutdown_grace = SHUTDOWN_GRACE
        self._configuration = configuration
        mark = uuid.uuid4().hex  # also if there is a record: what has its mark may be a leftover
        self._groups = Groups(mark, configuration.limits, keepers.settings.hierarchies)
        self._worker = worker
        self._keepers = keepers
        self._members: Members | None = None  # before the start
        if record is None:
            facts = Facts(system_id, str(uuid.uuid4()), configuration, mark)
            record = Record(keepers.restore, facts)
            record.write(facts)
        self._record = record
        self.runtime_id = record.facts.runtime_id

    @property
    def keeper_pid(self) -> int:
        """Pid of its keeper; 0 before the start."""
        return self._members.keeper.keeper_pid if self._members is not None else 0

    def summary(self) -> dict[str, object]:
        """Return the basic Properties."""
        return basic_properties(
            self.id,
            self.runtime_id,
            self._configuration,
            state=self._shown.value,
            exit_type=self._exit_type if self._state is SystemState.STOPPED else "",
            limits_tasks=self._groups.limits_tasks,
        )

    def properties(self, types: frozenset[str]) -> dict[str, object]:
        """Return the Properties, with those of the given types."""
        found = self.summary()
        if "TerminateOnLastHandleClosed" in types:
            found["TerminateOnLastHandleClosed"] = self._configuration.ends_with_handles
        if self._members is not None:
            found |= self._members.properties(types)
        return found

    def launch(self) -> None:
        """Start the keeper.

        Raises:
            Fault: The host refuses a limit.
            OSError: It cannot be started.
        """
        self._groups.make()
        groups = self._groups
        places, tasks = groups.places, groups.limits_tasks
        facts = replace(self._record.facts, mark=groups.mark, places=places, limits_tasks=tasks)
        self._record.write(facts)
        try:
            self._begin(
                lambda calls: self._keepers.start(calls, self._on_down, groups, self._record)
            )
        except OSError:
            self._groups.remove()
            raise
        self._enter(SystemState.RUNNING)

    def take_up(self, taken: Taken) -> None:
        """Go on with a system that another engine has started. Thread: the worker's.

        Ownership: of the keeper and of what it has given.
        """
        self._groups = taken.groups
        members = self._begin(lambda calls: self._keepers.take(calls, self._on_down, taken.link))
        members.resume(taken.processes)
        self._enter(SystemState.PAUSED if taken.paused else SystemState.RUNNING)
        if taken.draining:
            self._enter(SystemState.ENDING, "GracefulExit")
        if self._record.facts.ending:
            self.end()

    def _begin(self, open_keeper: OpenKeeper) -> Members:
        members = Members(
            self._lock,
            self._worker,
            self.report_out_of_memory,
            open_keeper,
            keepers=self._keepers,
            groups=self._groups,
        )
        with self._lock:
            self._members = members
        return members

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
        process = Process(members.keeper, keeps=self._keepers.restore is not None)

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
            if not self._record.facts.ending:
                self._record.write(replace(self._record.facts, ending=True))
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
        self._record.remove()
        self._stop()
        if self._members is not None:
            self._members.report_left(ends)
        self.ended.set()
        if self._on_stopped is not None:
            self._on_stopped()

    def _listeners(self) -> list[Handle[System]]:
        return list(self.handles)

    def _leave(self) -> None:
        if self._on_stopped is None and self._listed.get(self.id) is self:
            del self._listed[self.id]

    def _started(self) -> Members:
        if self._members is None:
            raise Fault(HR.INVALID_STATE, f"system '{self.id}' has not started")
        return self._members

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
