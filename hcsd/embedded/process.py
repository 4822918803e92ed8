"""A process of an embedded compute system.

    STARTING ──keeper answers with a pid──▶ RUNNING ──keeper reports its end──▶ EXITED
        └──keeper refuses──▶ FAILED           ▲
                                              │
    ADOPTING, by a pid ──keeper watches it────┘
        └──keeper refuses──▶ FAILED, and the process goes on

The child itself belongs to the keeper. This object holds what the service holds in HCS: the pid,
the ends of its stdio, and how it ended. What is asked of it goes to the keeper.

Methods that return `Work` check the request on the caller's thread; the work then runs on the
worker. Thread: fields are written by the worker and read by callers; `Core.lock` guards them.
"""

from __future__ import annotations

import enum
import signal
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.embedded.faults import Fault
from hcsd.embedded.keeper.procfs import ON_LINUX
from hcsd.embedded.keeper_errors import process_fault
from hcsd.embedded.process_documents import (
    CloseStdio,
    Resize,
    parse_modify_request,
    parse_signal_options,
    parse_terminate_options,
    process_status,
    terminate_result,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.embedded.handle import Handle
    from hcsd.embedded.keeper.frames import Message
    from hcsd.embedded.keeper_client import KeeperClient
    from hcsd.embedded.stdio import Stdio
    from hcsd.embedded.work import Done, ProcessInfo, Work

CODE_OF_SIGNAL = 128


class State(enum.Enum):
    """States of a process; see the module's head."""

    STARTING = enum.auto()
    ADOPTING = enum.auto()
    RUNNING = enum.auto()
    EXITED = enum.auto()
    FAILED = enum.auto()


class Process:
    """One process.

    Args:
        keeper: The keeper of its system.

    Attributes:
        mark: What its descendants inherit, once it was started.
        adopted: Whether it descends from one that was started, and was opened by its pid.
        handles: Every open handle to it; events go to each.
        stdio: Its pipe ends, once it was started.
    """

    def __init__(self, keeper: KeeperClient) -> None:
        self.state = State.STARTING
        self.pid = 0
        self.mark = ""
        self.adopted = False
        self.exit_code: int | None = 0
        self.signalled = 0
        self.out_of_memory = False
        self.stdio: Stdio | None = None
        self.handles: list[Handle[Process]] = []
        self._keeper = keeper
        self._refusal: Fault | None = None  # why the keeper does not watch it
        self._waiting: list[Callable[[], None]] = []  # for the answer to that

    @classmethod
    def adopting(cls, keeper: KeeperClient, pid: int) -> Process:
        """Make one that was not started here and runs; whether it can be watched is not known yet."""
        process = cls(keeper)
        process.pid, process.state, process.adopted = pid, State.ADOPTING, True
        return process

    @property
    def exited(self) -> bool:
        """Whether it ran and has ended."""
        return self.state is State.EXITED

    def signal(self, options: str | None) -> Work:
        """Check SignalProcessOptions; the work sends the signal."""
        number, group = parse_signal_options(options)
        self._require_alive()
        return lambda done: self._ask({"number": number, "group": group}, done)

    def terminate(self, options: str | None) -> Work:
        """Check TerminateOptions; the work kills the process.

        With its tree, also what it has left behind if it has exited.
        """
        tree = parse_terminate_options(options)
        if tree and not ON_LINUX:
            raise Fault(HR.ERROR_NOT_SUPPORTED, "this host does not tell what descends from what")
        if tree and self.adopted:
            raise Fault(
                HR.ERROR_NOT_SUPPORTED, "it was adopted: what descends from it is not known"
            )
        if not (tree and self.exited):
            self._require_alive()
        message: Message = {"tree": self.mark} if tree else {"number": int(signal.SIGKILL)}
        return lambda done: self._ask(message, done)

    def modify(self, settings: str | None) -> Work:
        """Check a ProcessModifyRequest; the work carries it out."""
        request = parse_modify_request(settings)
        self._require_alive()
        return lambda done: self._modify(request, done)

    def end(self, returncode: int | None, *, oom: bool = False) -> None:
        """Note how the child ended.

        Args:
            returncode: As `subprocess` has it: negative for a signal. None if nobody can tell.
            oom: Whether the host killed it because the system had used up its memory.
        """
        self.state = State.EXITED
        self.out_of_memory = oom
        if returncode is None:
            self.exit_code = None
        else:
            self.signalled = max(0, -returncode)
            self.exit_code = CODE_OF_SIGNAL + self.signalled if self.signalled else returncode
        if self.stdio is not None:
            self.stdio.close_service_copies()

    def settle(self, refusal: Fault | None) -> None:
        """Note whether it is watched, which is being adopted; `tell_waiting` follows.

        Args:
            refusal: Why it cannot be watched.
        """
        if self.state is State.ADOPTING:  # else its end is known already
            self.state = State.FAILED if refusal else State.RUNNING
            self._refusal = refusal

    def tell_waiting(self) -> None:
        """Answer those who have asked before it was known. Thread: the worker's."""
        waiting, self._waiting = self._waiting, []
        for tell in waiting:
            tell()

    def tell(self, done: Done) -> None:
        """Give the ProcessStatus document, once it is known whether the keeper watches it.

        Thread: the worker's.
        """
        if self.state is State.ADOPTING:
            self._waiting.append(lambda: self.tell(done))
        elif self._refusal is not None:
            done(self._refusal)
        else:
            done(document=self.status())

    def status(self) -> str:
        """Return the ProcessStatus document."""
        return process_status(
            self.pid,
            exited=self.exited,
            exit_code=self.exit_code,
            signal=self.signalled,
            out_of_memory=self.out_of_memory,
        )

    def info(self) -> ProcessInfo:
        """Return what hands out the process information: pipe ends go to whoever asks first.

        Raises:
            Fault: It never started.
        """
        stdio, pid = self.stdio, self.pid
        if self.adopted:
            return lambda: (pid, 0, 0, 0)
        if stdio is None:
            raise Fault(HR.PROCESS_INFO_NOT_AVAILABLE, "the process has not started")
        return lambda: (pid, *stdio.take())

    def release(self) -> None:
        """Free what only handles could reach; the last one was closed. The child lives on."""
        if self.stdio is not None:
            self.stdio.close_untaken()

    def _require_alive(self) -> None:
        if self._refusal is not None:
            raise self._refusal
        if self.state in {State.EXITED, State.FAILED}:
            raise Fault(HR.PROCESS_ALREADY_STOPPED, "the process has exited")

    def _ask(self, message: Message, done: Done) -> None:
        """Send the keeper a request about this process."""
        self._keeper.request(
            {"pid": self.pid, **message},
            [],
            lambda answer: done(
                self._refusal or process_fault(answer), terminate_result(answer.get("killed"))
            ),
        )

    def _modify(self, request: Resize | CloseStdio, done: Done) -> None:
        self._require_alive()
        if self.stdio is None:
            why = "was adopted: nothing of its stdio is here" if self.adopted else "has not started"
            raise Fault(HR.INVALID_STATE, f"the process {why}")
        if isinstance(request, Resize):
            if self.stdio.console < 0:
                raise Fault(HR.INVALID_STATE, "the process has no console")
            self.stdio.resize(request.rows, request.columns)
        elif request.handle in {"StdIn", "All"}:
            self.stdio.close_service_stdin()  # of the output pipes the service keeps no copy
        done()
