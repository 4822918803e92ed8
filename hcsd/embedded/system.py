"""A compute system of the embedded engine: processes of the host, grouped under one keeper.

It lives as `lifecycle` says; its keeper runs from the start to the end. That end has three causes,
and the keeper's exit tells which: it was told to go, it had to kill, or it was killed itself. The
states are changed by the worker alone.

No isolation is claimed; see hcsshim's HostProcess containers, which this is modelled on.

Every method that works returns what is to be done on the worker, after checking the request on the
caller's thread: what is wrong with a document is told at once, what goes wrong later, and what is
not legal in the state that the system is in by then, is told by the operation.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.embedded import keeper
from hcsd.embedded.configuration import (
    FIGURES,
    SAVE_OPTIONS,
    Configuration,
    exit_status,
    parse_modify_setting,
    parse_pause_options,
    parse_property_query,
    parse_shutdown_options,
)
from hcsd.embedded.documents import (
    CloseStdio,
    Resize,
    parse,
    parse_modify_request,
    parse_process_parameters,
    parse_signal_options,
    parse_terminate_options,
)
from hcsd.embedded.faults import Fault
from hcsd.embedded.figures import Meter
from hcsd.embedded.groups import Groups
from hcsd.embedded.lifecycle import Call, SystemState, require
from hcsd.embedded.link import Link
from hcsd.embedded.opened import Opened
from hcsd.embedded.process import Process, State, Stdio
from hcsd.embedded.reasons import errno_text, start_fault

if TYPE_CHECKING:
    from hcsd.embedded.documents import Launch
    from hcsd.embedded.keeper import Message
    from hcsd.embedded.worker import Worker


# Gives (pid, stdin, stdout, stderr) out, when the caller fetches it.
ProcessInfo = Callable[[], tuple[int, int, int, int]]


class Done(Protocol):
    """Completes the operation that a piece of work belongs to."""

    def __call__(
        self,
        fault: Fault | None = None,
        document: str | None = None,
        process_info: ProcessInfo | None = None,
    ) -> None:
        """Complete it; called exactly once, on the worker."""


Work = Callable[[Done], None]

# Status, and detail and initiator of the attribution, by how a system ends.
EXITS = {
    "GracefulExit": (0, "Shutdown", "Client"),
    "ForcedExit": (HR.TERMINATED, "Terminate", "Client"),
    "UnexpectedExit": (HR.UNEXPECTED_EXIT, "UnexpectedExit", "Internal"),
}
SHUTDOWN_GRACE = 5.0  # seconds, as HostProcess containers have


class System:
    """One compute system.

    Args:
        system_id: Its id.
        configuration: What was asked for.
        lock: Guards every field here and of its processes.
        worker: Where work is done.
        listed: The systems there are by id, which it leaves when it is forgotten.

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
    ) -> None:
        self.id = system_id
        self.runtime_id = str(uuid.uuid4())
        self.handles: list[Opened[System]] = []
        self.ended = threading.Event()
        self.shutdown_grace = SHUTDOWN_GRACE
        self._configuration = configuration
        self._groups = Groups(f"hcsd-{self.runtime_id}", configuration.limits)
        self._state = SystemState.CREATED
        self._shown = SystemState.CREATED  # what it was before it was told to end
        self._exit_type = ""
        self._lock = lock
        self._worker = worker
        self._listed = listed
        self._processes: dict[int, Process] = {}
        self._link: Link | None = None
        self._meter: Meter | None = None

    @property
    def keeper_pid(self) -> int:
        """Pid of its keeper; 0 before the start."""
        return self._link.keeper_pid if self._link is not None else 0

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
            **(stopped if self._state is SystemState.STOPPED else {}),
        }

    # --- its life ---

    def launch(self) -> None:
        """Start the keeper.

        Raises:
            Fault: The host refuses a limit.
            OSError: It cannot be started.
        """
        self._groups.make()
        try:
            link = Link(self._worker, self._on_exit, self._on_down, self._groups.directories)
        except OSError:
            self._groups.remove()
            raise
        with self._lock:
            self._link, self._meter = link, Meter(link.keeper_pid)
            self._enter(SystemState.RUNNING)

    def start(self, options: str | None) -> Work:
        """Check that there are no options; the work starts it."""
        parse(options, "StartOptions", {})

        def work(done: Done) -> None:
            self._require(Call.START)
            try:
                self.launch()
            except OSError as error:
                text = f"the keeper of system '{self.id}' cannot be started: {error.strerror}"
                raise Fault(HR.ERROR_NO_SYSTEM_RESOURCES, text) from None
            done()

        return work

    def shut_down(self, options: str | None) -> Work:
        """Check ShutdownOptions; the work asks its processes to end, and does not wait."""
        parse_shutdown_options(options)

        def work(done: Done) -> None:
            self._require(Call.SHUT_DOWN)
            self._enter(SystemState.ENDING, "GracefulExit")
            self._ask({"grace": self.shutdown_grace}, done)

        return work

    def terminate(self, options: str | None) -> Work:
        """Check that there are no options; the work kills it, and does not wait."""
        parse(options, "TerminateOptions", {})

        def work(done: Done) -> None:
            self._require(Call.TERMINATE)
            self.end()
            done()

        return work

    def pause(self, options: str | None) -> Work:
        """Check PauseOptions; the work stops all that runs in it."""
        parse_pause_options(options)
        return lambda done: self._move(
            Call.PAUSE, SystemState.RUNNING, SystemState.PAUSED, {"pause": True}, done
        )

    def resume(self, options: str | None) -> Work:
        """Check that there are no options; the work continues what was stopped."""
        parse(options, "ResumeOptions", {})
        return lambda done: self._move(
            Call.RESUME, SystemState.PAUSED, SystemState.RUNNING, {"pause": False}, done
        )

    def save(self, options: str | None) -> Work:
        """Check SaveOptions; the work refuses it."""
        parse(options, "SaveOptions", SAVE_OPTIONS)
        return lambda _done: self._require(Call.SAVE)

    def modify_setting(self, settings: str | None) -> Work:
        """Check a ModifySettingRequest; the work refuses it: there is nothing to modify."""
        path = parse_modify_setting(settings)

        def work(_done: Done) -> None:
            self._require(Call.MODIFY)
            raise Fault(HR.ERROR_NOT_SUPPORTED, f"the embedded engine cannot change '{path}'")

        return work

    def properties(self, query: str | None) -> Work:
        """Check a PropertyQuery; the work answers it."""
        types = parse_property_query(query)

        def work(done: Done) -> None:
            self._require(Call.FIGURES if types & FIGURES else Call.PROPERTIES)
            found = self.summary()
            if "TerminateOnLastHandleClosed" in types:
                found["TerminateOnLastHandleClosed"] = self._configuration.ends_with_handles
            if "ProcessList" in types and self._meter is not None:
                found["ProcessList"] = self._meter.process_list()
            if "Statistics" in types and self._meter is not None:
                found["Statistics"] = self._meter.statistics()
            done(document=json.dumps(found))

        return work

    def end(self) -> None:
        """Kill all that runs in it; idempotent. Thread: the worker's."""
        if self._state is SystemState.STOPPED:
            return
        self._enter(SystemState.ENDING, "ForcedExit")
        if self._link is not None:
            self._link.hang_up()
        else:
            self._stop()

    def opened(self) -> Opened[System]:
        """Make one more handle's object. Lock held."""
        opened = Opened(self)
        self.handles.append(opened)
        return opened

    def closed(self, opened: Opened[System]) -> None:
        """Take a handle's object back. Lock held."""
        self.handles.remove(opened)
        if not self.handles:
            if self._state is SystemState.STOPPED:
                self._leave()
            elif self._configuration.ends_with_handles:
                self._worker.post(self._end_unless_opened)

    def _leave(self) -> None:
        if self._listed.get(self.id) is self:
            del self._listed[self.id]

    def _end_unless_opened(self) -> None:
        if not self.handles:
            self.end()

    def _require(self, call: Call) -> None:
        require(call, self._state)

    def _enter(self, state: SystemState, exit_type: str = "") -> None:
        with self._lock:
            self._state, self._exit_type = state, exit_type
            if state is not SystemState.ENDING:
                self._shown = state

    def _move(
        self, call: Call, before: SystemState, after: SystemState, message: Message, done: Done
    ) -> None:
        """Go to a state, and back if the keeper cannot bring the processes there."""
        self._require(call)
        self._enter(after)

        def answered(fault: Fault | None = None) -> None:
            if fault is not None and self._state is after:
                self._enter(before)
            done(fault)

        self._ask(message, answered)

    def _ask(self, message: Message, done: Callable[[Fault | None], None]) -> None:
        """Send the keeper a request about the system as a whole."""

        def answered(answer: Message) -> None:
            code = answer.get("error")
            if code is None:
                done(None)
            elif code == errno.ESRCH:
                done(Fault(HR.SYSTEM_ALREADY_STOPPED, f"system '{self.id}' has stopped"))
            elif code == errno.EPERM:
                done(Fault(HR.ACCESS_DENIED, "a process of the system belongs to another user"))
            else:
                done(Fault(HR.E_FAIL, errno_text(code)))

        self._link_up().request(message, [], answered)

    def _link_up(self) -> Link:
        if self._link is None:
            raise Fault(HR.INVALID_STATE, f"system '{self.id}' has not started")
        return self._link

    def _on_down(self, status: int) -> None:
        """The keeper is gone, and with it all that it kept, unless it was killed itself."""
        if status == keeper.FORCED:
            self._enter(SystemState.ENDING, "ForcedExit")
        elif status or self._state is not SystemState.ENDING:
            self._enter(SystemState.ENDING, "UnexpectedExit")
        with self._lock:
            left = {pid: _kill_orphan(pid) for pid in self._processes}
        if status not in {0, keeper.FORCED}:
            keeper.kill_marked(self._link_up().mark)
        self._groups.remove()
        self._stop()
        for pid, killed in left.items():
            self._on_exit(pid, -signal.SIGKILL if killed else None)

    def _stop(self) -> None:
        """Nothing of it is left: tell everybody."""
        hresult, detail, initiator = EXITS[self._exit_type]
        document = exit_status(hresult, self._exit_type, detail, initiator)
        with self._lock:
            self._enter(SystemState.STOPPED, self._exit_type)
            handles = list(self.handles)
            if not handles:
                self._leave()
        for opened in handles:
            opened.deliver(HCS_EVENT_TYPE.HcsEventSystemExited, document)
        self.ended.set()

    # --- its processes ---

    def find(self, pid: int) -> Process:
        """Return the running process of that pid: one that was created here, or descends from one.

        Raises:
            Fault: ERROR_NOT_FOUND; whether it never existed or has exited, HCS does not tell.
        """
        process = self._processes.get(pid)
        if process is None and keeper.ON_LINUX and self._link is not None:
            process = self._adopt(pid, self._link)
        if process is None:
            raise Fault(HR.ERROR_NOT_FOUND, f"system '{self.id}' has no running process {pid}")
        return process

    def _adopt(self, pid: int, link: Link) -> Process | None:
        """Take up a descendant of the keeper; None if it is none."""
        descriptor = keeper.open_descendant(pid, link.keeper_pid)
        if descriptor is None:
            return None
        process = Process(self)
        process.pid, process.state, process.adopted = pid, State.RUNNING, True
        self._processes[pid] = process

        def answered(answer: Message) -> None:
            if "error" in answer:  # the keeper has no descriptors left, and so cannot watch it
                self._on_exit(pid, None)

        def hand_over() -> None:
            link.request({"adopt": pid}, [descriptor], answered)
            os.close(descriptor)

        self._worker.post(hand_over)
        return process

    def create_process(self, parameters: str | None) -> tuple[Process, Work]:
        """Check a ProcessParameters document; the work starts the process."""
        launch = parse_process_parameters(parameters)
        self._require(Call.CREATE_PROCESS)
        process = Process(self)
        return process, lambda done: self._start(process, launch, done)

    def signal(self, process: Process, options: str | None) -> Work:
        """Check SignalProcessOptions; the work sends the signal."""
        number, group = parse_signal_options(options)
        _require_alive(process)
        return lambda done: self._send(process, {"number": number, "group": group}, done)

    def terminate_process(self, process: Process, options: str | None) -> Work:
        """Check TerminateOptions; the work kills the process.

        With its tree, also what it has left behind if it has exited.
        """
        tree = parse_terminate_options(options)
        if tree and not keeper.ON_LINUX:
            raise Fault(HR.ERROR_NOT_SUPPORTED, "this host does not tell what descends from what")
        if tree and process.adopted:
            raise Fault(
                HR.ERROR_NOT_SUPPORTED, "it was adopted: what descends from it is not known"
            )
        if not (tree and process.exited):
            _require_alive(process)
        message: Message = {"tree": process.mark} if tree else {"number": int(signal.SIGKILL)}
        return lambda done: self._send(process, message, done)

    def modify_process(self, process: Process, settings: str | None) -> Work:
        """Check a ProcessModifyRequest; the work carries it out."""
        request = parse_modify_request(settings)
        _require_alive(process)
        return lambda done: self._modify(process, request, done)

    def _start(self, process: Process, launch: Launch, done: Done) -> None:
        try:
            self._require(Call.CREATE_PROCESS)
            stdio = Stdio(launch)
        except Fault:
            process.state = State.FAILED
            raise
        except OSError as error:
            process.state = State.FAILED
            text = f"no pipe or console for the process: {os.strerror(error.errno or 0)}"
            raise Fault(HR.ERROR_NO_SYSTEM_RESOURCES, text) from None
        message: Message = {
            "argv": launch.argv,
            "environment": launch.environment,
            "directory": launch.directory,
            "user": launch.user,
            "console": launch.console is not None,
            "stdio": [fd is not None for fd in stdio.child],
        }
        fds = [fd for fd in stdio.child if fd is not None]
        self._link_up().request(
            message, fds, lambda answer: self._started(process, launch, stdio, answer, done)
        )
        stdio.close_child_ends()

    def _started(
        self, process: Process, launch: Launch, stdio: Stdio, answer: Message, done: Done
    ) -> None:
        pid = answer.get("pid")
        if not isinstance(pid, int):
            process.state = State.FAILED
            stdio.close()
            done(start_fault(launch, answer))
            return
        if self._meter is not None:
            self._meter.begin()
        with self._lock:
            process.pid, process.stdio, process.state = pid, stdio, State.RUNNING
            process.mark = str(answer["mark"])
            self._processes[pid] = process
        done(process_info=process.info())

    def _send(self, process: Process, message: Message, done: Done) -> None:
        def answered(answer: Message) -> None:
            code = answer.get("error")
            if code is None:
                done()
            elif code == errno.ESRCH:
                done(Fault(HR.PROCESS_ALREADY_STOPPED, "the process has exited"))
            elif code == errno.EPERM:
                # Not E_ACCESSDENIED, by which HCS says that the process is dying already.
                done(Fault(HR.ACCESS_DENIED, "the process belongs to another user"))
            else:
                done(Fault(HR.E_FAIL, errno_text(code)))

        self._link_up().request({"pid": process.pid, **message}, [], answered)

    def _modify(self, process: Process, request: Resize | CloseStdio, done: Done) -> None:
        _require_alive(process)
        stdio = process.stdio
        if stdio is None:
            why = (
                "was adopted: nothing of its stdio is here"
                if process.adopted
                else "has not started"
            )
            raise Fault(HR.INVALID_STATE, f"the process {why}")
        if isinstance(request, Resize):
            if stdio.console < 0:
                raise Fault(HR.INVALID_STATE, "the process has no console")
            stdio.resize(request.rows, request.columns)
        elif request.handle in {"StdIn", "All"}:
            stdio.close_service_stdin()  # of the output pipes the service keeps no copy
        done()

    def _on_exit(self, pid: int, returncode: int | None) -> None:
        with self._lock:
            process = self._processes.pop(pid, None)
            if process is None:
                return
            process.end(returncode)
            handles = list(process.handles)
        if not handles:
            process.release()
        for opened in handles:
            opened.deliver(HCS_EVENT_TYPE.HcsEventProcessExited, process.status())


def _kill_orphan(pid: int) -> bool:
    """Kill the group of a process whose keeper is gone; False if that cannot be what ended it."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        return False  # it ended by itself, or is out of reach
    return True


def _require_alive(process: Process) -> None:
    if process.state in {State.EXITED, State.FAILED}:
        raise Fault(HR.PROCESS_ALREADY_STOPPED, "the process has exited")
