"""A system's keeper and the processes that it keeps, from the start of the system to its end.

A process joins when the keeper has started it, or when somebody opens a descendant by its pid. It
leaves when the keeper reports its end. When the keeper itself is gone, whoever is left leaves, too.

Thread: the worker's, but for `find`, which runs in the caller's call. `Core.lock` guards the list.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

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
    from hcsd.embedded.keepers import Keepers
    from hcsd.embedded.process_documents import Launch
    from hcsd.embedded.work import Done
    from hcsd.embedded.worker import Worker


class Members:
    """The processes of one system that has started.

    Args:
        lock: Guards the list, and every field of its processes.
        worker: Where work is done.
        on_out_of_memory: Called when the host has killed something for want of memory.
        on_down: Called once when the keeper is gone, with its exit status.
        keepers: Where keepers are started.
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
        on_down: Callable[[int], None],
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
        self.keeper = keepers.start(Callbacks(self._on_exit, on_out_of_memory), on_down, groups)
        self.meter = Meter(self.keeper.keeper_pid)

    def find(self, pid: int) -> Process | None:
        """Return the running process of that pid, if it was started here or descends from one."""
        process = self._processes.get(pid)
        if process is None and ON_LINUX and not self._is_down:
            process = self._adopt(pid)
        return process

    def start(self, process: Process, launch: Launch, done: Done) -> None:
        """Start a process. It has failed if this raises, or completes with a fault."""
        try:
            stdio = Stdio(launch)
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
        }
        fds = [fd for fd in stdio.child if fd is not None]
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
            process.mark = str(answer["mark"])
            self._processes[pid] = process
        done(process_info=process.info())

    def _on_exit(self, pid: int, returncode: int | None, oom: bool = False) -> None:
        with self._lock:
            process = self._processes.pop(pid, None)
            self._identities.pop(pid, None)
            if process is None:
                return
            process.end(returncode, oom=oom)
            handles = list(process.handles)
        if not handles:
            process.release()
        for handle in handles:
            handle.deliver(HCS_EVENT_TYPE.HcsEventProcessExited, process.status())
