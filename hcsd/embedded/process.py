"""A process of an embedded compute system.

    STARTING ──keeper answers with a pid──▶ RUNNING ──keeper reports its end──▶ EXITED
        └──keeper refuses──▶ FAILED           ▲
                                              │
    ADOPTING, by a pid ──keeper watches it────┘
        └──keeper refuses──▶ FAILED, and the process goes on

    RUNNING or EXITED, by what the keeper tells an engine that takes it over. Its stdio is fetched from the
    keeper when somebody asks for it.

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
from hcsd.embedded.stdio_at_keeper import drop_stdio, fetch_stdio, modify_stdio

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.embedded.handle import Handle
    from hcsd.embedded.keeper.frames import Message
    from hcsd.embedded.keeper_client import KeeperClient
    from hcsd.embedded.kept_stdio import KeptWith
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
        keeps: Whether the keeper keeps it for an engine that comes later, with copies of its stdio.

    Attributes:
        mark: What its descendants inherit, once it was started.
        tag: What its caller calls this start.
        exit_time: When it was found to have ended, in nanoseconds since 1970; 0 if that is not known.
        adopted: Whether it descends from one that was started, and was opened by its pid.
        handles: Every open handle to it; events go to each.
        stdio: Its pipe ends, once it was started.
        on_collected: Called when it has ended and its last handle is closed. Lock held.
    """

    def __init__(self, keeper: KeeperClient, *, keeps: bool = False) -> None:
        self.state = State.STARTING
        self.pid = 0
        self.mark = ""
        self.adopted = False
        self.exit_code: int | None = 0
        self.signalled = 0
        self.out_of_memory = False
        self.exit_time = 0
        self.tag = ""
        self.stdio: Stdio | None = None
        self.handles: list[Handle[Process]] = []
        self.on_collected: Callable[[], None] = lambda: None
        self._keeper = keeper
        self._keeps = keeps
        self._kept_stdio: KeptWith | None = None  # if the keeper has all of its stdio
        self._refusal: Fault | None = None  # why the keeper does not watch it
        self._waiting: list[Callable[[], None]] = []  # for the answer to that

    @classmethod
    def adopting(cls, keeper: KeeperClient, pid: int) -> Process:
        """Make one that was not started here and runs; whether it can be watched is not known yet."""
        process = cls(keeper)
        process.pid, process.state, process.adopted = pid, State.ADOPTING, True
        return process

    @classmethod
    def kept(cls, keeper: KeeperClient, facts: Message, kept_with: KeptWith) -> Process:
        """Make one that another engine has started, as `keeper.kept` tells of it."""
        process = cls(keeper, keeps=True)
        process.pid, process.mark = as_int(facts["pid"]), str(facts["mark"])
        process.tag, process.adopted = str(facts["tag"]), facts["adopted"] is True
        process.state = State.RUNNING
        process._kept_stdio = kept_with
        if facts["exited"]:
            status = facts["status"]
            returncode = None if status is None else as_int(status)
            process.end(returncode, oom=facts["oom"] is True, time=as_int(facts["time"]))
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
        if not (self._keeps and self.exited and isinstance(request, CloseStdio)):
            self._require_alive()
        return lambda done: self._modify(request, done)

    def end(self, returncode: int | None, *, oom: bool = False, time: int = 0) -> None:
        """Note how the child ended.

        Args:
            returncode: As `subprocess` has it: negative for a signal. None if nobody can tell.
            oom: Whether the host killed it because the system had used up its memory.
            time: When, in nanoseconds since 1970; 0 if nobody knows.
        """
        self.state = State.EXITED
        self.exit_time = time
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
            exit_time=self.exit_time,
        )

    def tell_info(self, done: Done) -> None:
        """Give out the process information, once the keeper has given its part. Thread: the worker's."""

        def have_stdio(fault: Fault | None) -> None:
            if fault is None:
                done(process_info=self.info())
            else:
                done(fault)

        self._fetch_stdio(have_stdio)

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

    def _fetch_stdio(self, then: Callable[[Fault | None], None]) -> None:
        """Get what the keeper has of its stdio, once. What is not there any more is not given out."""
        kept_with, self._kept_stdio = self._kept_stdio, None
        if kept_with is None or self.adopted:
            then(None)
            return

        def fetched(stdio: Stdio | None, fault: Fault | None) -> None:
            if stdio is None:
                self._kept_stdio = kept_with
            elif self.exited:
                stdio.close_service_copies()
            self.stdio = stdio
            then(fault)

        fetch_stdio(self._keeper, self.mark, kept_with, fetched)

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
        if isinstance(request, CloseStdio) and self._keeps and not self.adopted:
            if self.state is State.STARTING:
                raise Fault(HR.INVALID_STATE, "the process has not started")
            drop_stdio(self._keeper, self.mark, request.handle, done)
            return
        self._require_alive()

        def have_stdio(fault: Fault | None) -> None:
            done(fault or modify_stdio(self.stdio, request, adopted=self.adopted))

        self._fetch_stdio(have_stdio)


def as_int(value: object) -> int:
    """Take a number out of what a keeper says."""
    assert isinstance(value, int)  # noqa: S101  (both sides are ours; for the type checker)
    return value
