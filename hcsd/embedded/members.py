"""A system's keeper and the processes that it keeps, from the start of the system to its end.

A process joins when the keeper has started it, or when somebody opens a descendant by its pid. It
leaves when the keeper reports its end. It is remembered until its last handle is closed after that; where
systems outlive the engine, also one without a handle, for whoever has lost it. When the keeper itself is gone, whoever is left leaves, too.

Thread: the worker's, but for `find`, which runs in the caller's call. `Core.lock` guards the list.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hcsd.abi.extensions import KEPT_PROCESSES
from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.embedded.faults import as_fault, refusal
from hcsd.embedded.keeper.procfs import ON_LINUX, has_ended, look_at, open_descendant
from hcsd.embedded.keeper_client import Callbacks
from hcsd.embedded.keeper_errors import process_fault, start_fault
from hcsd.embedded.orphans import identify
from hcsd.embedded.process import Process, State
from hcsd.embedded.statistics import Meter
from hcsd.embedded.stdio import Stdio
from hcsd.host_limits import TERMINAL

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from hcsd.embedded.groups import Groups
    from hcsd.embedded.keeper.frames import Message
    from hcsd.embedded.keeper.procfs import Identity
    from hcsd.embedded.keeper_client import KeeperClient
    from hcsd.embedded.keepers import Keepers
    from hcsd.embedded.process_documents import Launch
    from hcsd.embedded.work import Done
    from hcsd.embedded.worker import Worker

    OpenKeeper = Callable[[Callbacks], KeeperClient]

MAX_UNCOLLECTED = 10_000  # ended processes without a handle; the oldest are forgotten


class Members:
    """The processes of one system that has started.

    Args:
        lock: Guards the list, and every field of its processes.
        worker: Where work is done.
        on_out_of_memory: Called when the host has killed something for want of memory.
        open_keeper: Starts the keeper, or takes it over.
        keepers: All keepers.
        groups: Control groups that hold all of them.

    Attributes:
        keeper: The keeper, which this starts.
        meter: Measures all of them.

    Raises:
        OSError: The keeper cannot be started.
    """

    def __init__(
        self,
        lock: threading.RLock,
        worker: Worker,
        on_out_of_memory: Callable[[], None],
        open_keeper: OpenKeeper,
        *,
        keepers: Keepers,
        groups: Groups,
    ) -> None:
        self._lock = lock
        self._worker = worker
        self._processes: dict[int, Process] = {}
        self._identities: dict[int, Identity] = {}  # of them, as far as they are known exactly
        self._keepers = keepers
        self._groups = groups
        self._is_down = False
        self._keeps = keepers.restore is not None
        self._ended: dict[
            Process, None
        ] = {}  # in the order of their ends, until they are collected
        self.keeper = open_keeper(Callbacks(self._on_exit, on_out_of_memory))
        self.meter = Meter(self.keeper.keeper_pid)

    def find(self, pid: int) -> Process | None:
        """Return the running process of that pid, if it was started here or descends from one.

        Where processes are kept for an engine that comes later, one that has ended is found as well,
        until somebody has collected it.
        """
        process = self._processes.get(pid)
        if process is None and self._keeps:
            ended = [process for process in self._ended if process.pid == pid]
            process = ended[-1] if ended else None
        if process is None and ON_LINUX and not self._is_down:
            process = self._adopt(pid)
        return process

    def resume(self, processes: list[Message]) -> None:
        """Take up what the keeper has kept, which an earlier engine has started."""
        self.meter.go_on()
        for facts in processes:
            process = Process.kept(self.keeper, facts, self._keepers.kept_with)
            with self._lock:
                if process.exited:
                    self._await_collection(process)
                    continue
                self._processes[process.pid] = process
                identity = identify(process.pid, self.keeper.keeper_pid)
                if identity is not None:
                    self._identities[process.pid] = identity

    def properties(self, types: frozenset[str]) -> dict[str, object]:
        """Return those of the given properties that are about what runs here."""
        found: dict[str, object] = {}
        if KEPT_PROCESSES in types:
            with self._lock:
                kept = [*self._ended, *self._processes.values()]
            found[KEPT_PROCESSES] = [
                {"ProcessId": process.pid, "Tag": process.tag, "Exited": process.exited}
                for process in kept
                if not process.adopted
            ]
        if "ProcessList" in types:
            found["ProcessList"] = self.meter.process_list()
        if "Statistics" in types:
            found["Statistics"] = self.meter.statistics()
        return found

    def start(self, process: Process, launch: Launch, done: Done) -> None:
        """Start a process. It has failed if this raises, or completes with a fault."""
        try:
            stdio = Stdio(launch, self._keepers.kept_with, keep=self._keeps)
        except OSError as error:
            process.state = State.FAILED
            console = launch.console is not None
            subject = f"no {'console' if console else 'pipe'} for the process"
            raise refusal(error, subject, TERMINAL if console else "") from None
        message: Message = {
            "argv": launch.argv,
            "environment": launch.environment,
            "directory": launch.directory,
            "user": launch.user,
            **launch.shape._asdict(),
            "console": launch.console is not None,
            "stdio": [fd is not None for fd in stdio.child],
            "tag": launch.tag,
            "keep": list(stdio.to_keep()) if self._keeps else [],
        }
        fds = [fd for fd in stdio.child if fd is not None]
        fds += stdio.to_keep().values() if self._keeps else []
        self.keeper.request(
            message, fds, lambda answer: self._started(process, launch, stdio, answer, done)
        )
        stdio.close_child_ends()

    def clean(self, on_done: Callable[[Mapping[int, int | None]], None]) -> None:
        """End what is left after the keeper was killed, and remove the groups.

        Args:
            on_done: Called once with how each process ended, for `report_left`.
        """
        with self._lock:
            self._is_down = True
            members = {pid: self._identities.get(pid) for pid in self._processes}
        self._keepers.clean(self.keeper, members, self._groups, on_done)

    def report_left(self, ends: Mapping[int, int | None]) -> None:
        """Report the ends of all that are still listed: the keeper is gone.

        Args:
            ends: How those ended of which that is known.
        """
        with self._lock:
            self._is_down = True
            left = list(self._processes)
        for pid in left:
            self._on_exit(pid, ends.get(pid))

    def _adopt(self, pid: int) -> Process | None:
        """Take up a descendant of the keeper; None if it is none.

        One that cannot be watched, here or by the keeper, is given out and tells that when it is asked.
        """
        try:
            descriptor = open_descendant(pid, self.keeper.keeper_pid)
        except OSError as error:
            process = Process.adopting(self.keeper, pid)
            process.settle(as_fault(error))
            return process
        if descriptor is None:
            return None
        entry = look_at(pid)
        if entry is not None and not has_ended(descriptor):
            self._identities[pid] = (pid, entry.started)
        process = Process.adopting(self.keeper, pid)
        self._processes[pid] = process

        def answered(answer: Message) -> None:
            fault = process_fault(answer)
            # A keeper that is gone watches nobody; then all that it had is reported next.
            if fault is not None and fault.hresult == HR.PROCESS_ALREADY_STOPPED:
                fault = None
            with self._lock:
                if fault is not None:
                    self._processes.pop(pid, None)
                    self._identities.pop(pid, None)
                process.settle(fault)
                process.mark = str(answer.get("mark", ""))
            process.tell_waiting()

        def hand_over() -> None:
            self.keeper.request({"adopt": pid}, [descriptor], answered)
            os.close(descriptor)

        self._worker.post(hand_over)
        return process

    def _started(
        self, process: Process, launch: Launch, stdio: Stdio, answer: Message, done: Done
    ) -> None:
        pid = answer.get("pid")
        if not isinstance(pid, int):
            process.state = State.FAILED
            stdio.close()
            done(start_fault(launch, answer))
            return
        self.meter.begin()
        identity = identify(pid, self.keeper.keeper_pid) if ON_LINUX else None
        with self._lock:
            if identity is not None:
                self._identities[pid] = identity
            process.pid, process.stdio, process.state = pid, stdio, State.RUNNING
            process.mark, process.tag = str(answer["mark"]), launch.tag
            self._processes[pid] = process
        done(process_info=process.info())

    def _on_exit(self, pid: int, returncode: int | None, oom: bool = False, when: int = 0) -> None:
        with self._lock:
            process = self._processes.pop(pid, None)
            self._identities.pop(pid, None)
            if process is None:
                return
            process.end(returncode, oom=oom, time=when)
            handles = list(process.handles)
            if handles or self._keeps:
                self._await_collection(process)
        if not handles and not self._keeps:
            process.release()
        for handle in handles:
            handle.deliver(HCS_EVENT_TYPE.HcsEventProcessExited, process.status())

    def _await_collection(self, process: Process) -> None:
        """Remember a process that has ended until its last handle is closed. Lock held."""
        self._ended[process] = None
        process.on_collected = lambda: self._forget(process)
        if len(self._ended) > MAX_UNCOLLECTED:
            oldest = next((ended for ended in self._ended if not ended.handles), None)
            if oldest is not None:
                self._forget(oldest)
                oldest.release()

    def _forget(self, process: Process) -> None:
        """Nobody asks for a process any more. Lock held."""
        self._ended.pop(process, None)
        if self._keeps and process.mark and not self._is_down:
            message: Message = {"closed": process.mark}
            self._worker.post(lambda: self.keeper.request(message, [], lambda _answer: None))
