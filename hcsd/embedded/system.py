"""A compute system of the embedded engine: processes of the host, grouped under one keeper.

    RUNNING ──close(), or its keeper dies──▶ STOPPED      its processes end with it

No isolation is claimed; see hcsshim's HostProcess containers, which this is modelled on.

Every method that works returns what is to be done on the worker, after checking the request on the
caller's thread: what is wrong with a request is told at once, what goes wrong later is told by the
operation.
"""

from __future__ import annotations

import enum
import errno
import os
import signal
import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.embedded import keeper
from hcsd.embedded.documents import (
    CloseStdio,
    Resize,
    parse_modify_request,
    parse_process_parameters,
    parse_signal_options,
    parse_terminate_options,
)
from hcsd.embedded.faults import Fault
from hcsd.embedded.link import Link
from hcsd.embedded.process import Process, State, Stdio

if TYPE_CHECKING:
    from hcsd.embedded.documents import Launch
    from hcsd.embedded.keeper import Message
    from hcsd.embedded.opened import Opened
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

# HRESULT of an errno at a start, by what could not be had; the rest is E_FAIL with the text.
START_ERRORS = {
    ("executable", errno.ENOENT): HR.ERROR_FILE_NOT_FOUND,
    ("executable", errno.ENOTDIR): HR.ERROR_PATH_NOT_FOUND,
    ("executable", errno.EACCES): HR.E_ACCESSDENIED,
    ("executable", errno.EPERM): HR.E_ACCESSDENIED,
    ("executable", errno.EINVAL): HR.E_INVALIDARG,
    ("executable", errno.E2BIG): HR.E_INVALIDARG,
    ("executable", errno.ENAMETOOLONG): HR.E_INVALIDARG,
    ("executable", errno.ELOOP): HR.ERROR_PATH_NOT_FOUND,
    ("executable", errno.ENOEXEC): HR.ERROR_BAD_EXE_FORMAT,
    ("executable", errno.ENOMEM): HR.E_OUTOFMEMORY,
    ("executable", errno.EAGAIN): HR.ERROR_NO_SYSTEM_RESOURCES,
    ("executable", errno.EMFILE): HR.ERROR_NO_SYSTEM_RESOURCES,
    ("executable", errno.ENFILE): HR.ERROR_NO_SYSTEM_RESOURCES,
    ("user", errno.ENOENT): HR.ERROR_LOGON_FAILURE,
    ("user", errno.EPERM): HR.E_ACCESSDENIED,
    ("system", errno.ESRCH): HR.SYSTEM_ALREADY_STOPPED,
    ("system", errno.ETOOMANYREFS): HR.ERROR_NO_SYSTEM_RESOURCES,  # descriptors on their way
}


class SystemState(enum.Enum):
    """States of a system, by the names of HCS."""

    RUNNING = "Running"
    STOPPED = "Stopped"


class System:
    """One compute system.

    Args:
        system_id: Its id.
        owner: Its owner tag.
        lock: Guards every field here and of its processes.
        worker: Where work is done.
    """

    def __init__(self, system_id: str, owner: str, lock: threading.RLock, worker: Worker) -> None:
        self.id = system_id
        self.owner = owner
        self.runtime_id = str(uuid.uuid4())
        self.state = SystemState.RUNNING
        self.handles: list[Opened[System]] = []
        self.ended = threading.Event()  # set when its keeper is gone, and with it every process
        self._lock = lock
        self._worker = worker
        self._processes: dict[int, Process] = {}
        self._link = Link(worker, self._on_exit, self._on_down)

    def properties(self) -> dict[str, object]:
        """Return the basic Properties of the system."""
        return {
            "Id": self.id,
            "SystemType": "Container",
            "RuntimeOsType": "Linux",
            "Owner": self.owner,
            "RuntimeId": self.runtime_id,
            "State": self.state.value,
        }

    def find(self, pid: int) -> Process:
        """Return the running process of that pid: one that was created here, or descends from one.

        Raises:
            Fault: ERROR_NOT_FOUND; whether it never existed or has exited, HCS does not tell.
        """
        process = self._processes.get(pid)
        if process is None and keeper.ON_LINUX and self.state is SystemState.RUNNING:
            process = self._adopt(pid)
        if process is None:
            raise Fault(HR.ERROR_NOT_FOUND, f"system '{self.id}' has no running process {pid}")
        return process

    def _adopt(self, pid: int) -> Process | None:
        """Take up a descendant of the keeper; None if it is none."""
        descriptor = keeper.open_descendant(pid, self._link.keeper_pid)
        if descriptor is None:
            return None
        process = Process(self)
        process.pid, process.state, process.adopted = pid, State.RUNNING, True
        self._processes[pid] = process

        def answered(answer: Message) -> None:
            if "error" in answer:  # the keeper has no descriptors left, and so cannot watch it
                self._on_exit(pid, None)

        def hand_over() -> None:
            self._link.request({"adopt": pid}, [descriptor], answered)
            os.close(descriptor)

        self._worker.post(hand_over)
        return process

    def create_process(self, parameters: str | None) -> tuple[Process, Work]:
        """Check a ProcessParameters document; the work starts the process."""
        launch = parse_process_parameters(parameters)
        self._require_running()
        process = Process(self)
        return process, lambda done: self._start(process, launch, done)

    def signal(self, process: Process, options: str | None) -> Work:
        """Check SignalProcessOptions; the work sends the signal."""
        number, group = parse_signal_options(options)
        _require_alive(process)
        return lambda done: self._send(process, {"number": number, "group": group}, done)

    def terminate(self, process: Process, options: str | None) -> Work:
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

    def modify(self, process: Process, settings: str | None) -> Work:
        """Check a ProcessModifyRequest; the work carries it out."""
        request = parse_modify_request(settings)
        _require_alive(process)
        return lambda done: self._modify(process, request, done)

    def close(self) -> None:
        """End the system and everything in it. Thread: the worker's."""
        with self._lock:
            self.state = SystemState.STOPPED
        self._link.hang_up()

    def _require_running(self) -> None:
        if self.state is not SystemState.RUNNING:
            raise Fault(HR.SYSTEM_ALREADY_STOPPED, f"system '{self.id}' has stopped")

    def _start(self, process: Process, launch: Launch, done: Done) -> None:
        try:
            stdio = Stdio(launch)
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
        self._link.request(
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
            done(_start_fault(launch, answer))
            return
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
                done(Fault(HR.E_FAIL, _errno_text(code)))

        self._link.request({"pid": process.pid, **message}, [], answered)

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

    def _on_down(self) -> None:
        """The keeper is gone: what it had not reported yet ended with it."""
        with self._lock:
            self.state = SystemState.STOPPED
            left = list(self._processes)
        for pid in left:
            self._on_exit(pid, -signal.SIGKILL if _kill_orphan(pid) else None)
        for opened in list(self.handles):
            opened.deliver(HCS_EVENT_TYPE.HcsEventSystemExited, None)
        self.ended.set()


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


def _errno_text(code: object) -> str:
    return os.strerror(code) if isinstance(code, int) else "unknown error"


def _start_fault(launch: Launch, answer: Message) -> Fault:
    """Word why a process did not start, naming what is missing."""
    what, code = str(answer.get("what")), answer.get("error")
    if what == "directory":
        text = f"working directory '{launch.directory}': {_errno_text(code)}"
        return Fault(HR.ERROR_DIRECTORY, text)
    subject = {
        "executable": f"executable '{launch.argv[0]}'",
        "user": f"user '{launch.user}'",
    }.get(what, "compute system")
    hresult = START_ERRORS.get((what, code), HR.E_FAIL) if isinstance(code, int) else HR.E_FAIL
    return Fault(hresult, f"{subject}: {_errno_text(code)}")
