"""A process as the daemon serves it: the engine's process, its rings, its stdin, its end.

    CREATING ──HCS started it──▶ RUNNING ──its exit is known──▶ EXITED
        │                        │     ▲                          ▲
        │        HCS goes away   ▼     │ it is back, and so is the process
        │                         LOST ┴──it is back without it───┘
        │                          └──it stays away──▶ LOST for good
        └──HCS refused──▶ FAILED (and forgotten; the create tells why)

A process that was opened by its pid begins as RUNNING. The daemon has none of its pipes, so it has no
output and no stdin.

The end of a process, for which its readers and waiters wait, is EXITED or LOST for good.

Output has its own end, which neither waits for the exit nor is waited for:

    OPEN ──every pipe has ended──▶ COMPLETE
      ├──exit known, and no data for `drain_timeout`──▶ COMPLETE, forced
      └──exit known for `max_drain_time`──────────────▶ COMPLETE, forced

A pipe may stay open after the exit because a descendant holds it. What the process itself had
written by then is in the pipe or in a ring and is never cut: a pipe that is paused because its
ring waits for a slow reader does not count as idle, and no pipe is given up before all that it can
have held at the exit is in its ring.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import grpc

from hcsd.abi.hresult import HR
from hcsd.hcs.errors import HcsError
from hcsd.hcs.latch import Latch
from hcsd.hcs.process import ProcessState
from hcsd.io import Drain, DrainState, Ring, WriteEnd
from hcsd.service.errors import MESSAGE_BYTES, RequestError, shorten
from hcsd.service.signals import signal_name
from hcsd.service.stdin import Stdin
from hcsd.v1 import process_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.config import Limits
    from hcsd.hcs.process import Process, ProcessEnd
    from hcsd.service.names import ProcessKey
    from hcsd.service.plan import Plan

PIPE_BYTES = 1024 * 1024  # the most that a pipe holds, unless its owner is privileged

STDOUT = pb.OUTPUT_STREAM_STDOUT
STDERR = pb.OUTPUT_STREAM_STDERR

STATES: Mapping[ProcessState, pb.ProcessState] = {
    ProcessState.RUNNING: pb.PROCESS_STATE_RUNNING,
    ProcessState.LOST: pb.PROCESS_STATE_LOST,
    ProcessState.EXITED: pb.PROCESS_STATE_EXITED,
}

# Stands for an end that the daemon has not waited for. No client sees it.
DROPPED = pb.ProcessExit(unknown=pb.UnknownExit(message="the daemon has forgotten it"))


class ServedProcess:
    """One process of the registry.

    Attributes:
        key: Its identity.
        number: Order of creation.
        plan: What was asked for.
        rings: Output by stream.
        stdin: Its stdin, once it runs.
        engine: The engine's process, once it runs.
        started: Set when HCS has answered the create: whether it runs.
        exited: Set with the exit record at its end, the moment HCS says so.
        output_complete: Set when no more output can come.
        ended: Set when both are.
        deleted: Whether the daemon has forgotten it; whoever still reads or waits is told.
    """

    def __init__(
        self, key: ProcessKey, number: int, incarnation: str, plan: Plan, limits: Limits
    ) -> None:
        self.key = key
        self.number = number
        self.plan = plan
        self.rings = {stream: _ring(plan) for stream in (STDOUT, STDERR)}
        self.stdin: Stdin | None = None
        self.engine: Process | None = None
        self.started: Latch[bool] = Latch()
        self.exited: Latch[pb.ProcessExit] = Latch()
        self.output_complete: Latch[bool] = Latch()
        self.ended: Latch[ServedProcess] = Latch()
        self.deleted = False
        self._limits = limits
        self._drains: dict[pb.OutputStream, Drain] = {}
        self._own_end: dict[
            pb.OutputStream, int
        ] = {}  # no byte of its own lies behind; from the exit
        self._reason = pb.EXIT_REASON_UNSPECIFIED
        self._timer: asyncio.TimerHandle | None = None
        self._base = pb.Process(
            name=key.name,
            uid=plan.uid,
            incarnation=incarnation,
            spec=plan.spec,
            labels=plan.labels,
            origin=plan.origin,
        )
        self._base.create_time.FromNanoseconds(time.time_ns())

    @property
    def name(self) -> str:
        """Its resource name."""
        return self._base.name

    @property
    def state(self) -> pb.ProcessState:
        """Where it is in the table above."""
        if self.engine is None:
            return pb.PROCESS_STATE_CREATING if self.is_creating else pb.PROCESS_STATE_FAILED
        if self.engine.state is ProcessState.EXITED and not self.exited.is_set:
            return pb.PROCESS_STATE_RUNNING  # it is about to tell
        return STATES[self.engine.state]

    @property
    def is_creating(self) -> bool:
        """Whether HCS has not answered yet whether it starts."""
        return not self.started.is_set

    @property
    def was_opened(self) -> bool:
        """Whether it was opened by its pid, and so is not the daemon's to kill of itself."""
        return self.plan.origin == pb.PROCESS_ORIGIN_OPENED

    @property
    def was_dropped(self) -> bool:
        """Whether the daemon has forgotten it before its end."""
        return self.exited.value is DROPPED

    @property
    def running(self) -> bool:
        """Whether it has started and not come to its end; also while it is lost and looked for."""
        return self.engine is not None and not self.exited.is_set

    @property
    def readers(self) -> int:
        """How many cursors are on its output."""
        return sum(ring.readers for ring in self.rings.values())

    @property
    def ring_bytes(self) -> int:
        """What its rings may come to hold; of a stream that has ended, what it does hold."""
        return sum(
            ring.end_offset - ring.start_offset if ring.closed else ring.capacity
            for ring in self.rings.values()
        )

    def run(self, engine: Process) -> None:
        """Take over a process that HCS has started.

        Ownership: of the engine's process and of its pipe ends.
        """
        stdin, stdout, stderr = engine.take_stdio()
        self.engine = engine
        self.stdin = Stdin(self.name, engine, WriteEnd(stdin) if stdin else None)
        for stream, handle in ((STDOUT, stdout), (STDERR, stderr)):
            if handle:
                self._drains[stream] = Drain(handle, self.rings[stream], self._on_drained)
            else:
                self.rings[stream].close()
        self._base.pid = engine.pid
        if not self.was_opened:
            self._base.start_time.FromNanoseconds(time.time_ns())
        self.started.set(True)
        for drain in list(self._drains.values()):
            drain.start()
        self._on_drained()
        engine.exited.observe(self._on_exit)

    def fail(self, error: BaseException) -> None:
        """Note that HCS has not started it."""
        exit_ = pb.ProcessExit()
        exit_.start_error.hresult = (
            error.hresult if isinstance(error, HcsError) else HR.E_UNEXPECTED
        )
        exit_.start_error.message = shorten(str(error), MESSAGE_BYTES)
        exit_.exit_time.FromNanoseconds(time.time_ns())
        self.started.set(False)
        self.exited.set(exit_)

    def require_stdio(self) -> None:
        """Refuse what needs the stdio of the process, if the daemon does not have it.

        Raises:
            RequestError: STDIO_NOT_OWNED; it was opened by its pid.
        """
        if self.was_opened:
            raise RequestError(
                grpc.StatusCode.FAILED_PRECONDITION,
                "STDIO_NOT_OWNED",
                f"the daemon has neither stdin nor output of '{self.name}', which it did not start:"
                " whoever started it has them",
                metadata={"process": self.name},
            )

    def expect(self, reason: pb.ExitReason) -> None:
        """Note why the process is about to be killed; the first reason stands."""
        if self._reason == pb.EXIT_REASON_UNSPECIFIED:
            self._reason = reason

    def message(self) -> pb.Process:
        """Return the process as it is now."""
        message = pb.Process()
        message.CopyFrom(self._base)
        message.state = self.state
        _describe(message.stdout, self.rings[STDOUT])
        _describe(message.stderr, self.rings[STDERR])
        if self.stdin is not None:
            message.stdin.end_offset = self.stdin.committed
            message.stdin.closed = self.stdin.closed
            message.stdin.readers = self.stdin.writers
        end = self.exited.value
        if end is not None and not self.was_dropped:
            message.exit.CopyFrom(end)
        elif message.state == pb.PROCESS_STATE_LOST:
            message.exit.unknown.hresult = HR.SERVICE_DISCONNECT
            message.exit.unknown.message = "the Host Compute Service went away"
        return message

    def close_output(self, stream: pb.OutputStream) -> None:
        """Read no more of a stream: who still writes to it finds the pipe broken; idempotent."""
        if stream in self._drains:
            self._drains[stream].finish(forced=True)

    def free_output(self) -> None:
        """Free what the rings hold; whoever reads it later is told of a gap."""
        for ring in self.rings.values():
            ring.clear()

    def close(self) -> None:
        """Free the rings, the pipes and the handle; the process itself is left alone.

        Nobody waits for it any more: it is dropped, if its end is not known.
        """
        self.deleted = True
        if self._timer is not None:
            self._timer.cancel()
        for drain in self._drains.values():
            drain.finish()
        for ring in self.rings.values():
            ring.close(forced=True)
        self.free_output()
        if self.stdin is not None:
            self.stdin.abandon("the process was deleted")
        if self.engine is not None:
            self.engine.close()
        self.started.set(False)
        self.exited.set(DROPPED)
        self.ended.set(self)

    def _on_exit(self, end: ProcessEnd) -> None:
        exit_ = pb.ProcessExit(signal=end.signal, signal_name=signal_name(end.signal))
        if end.exit_code is None:
            exit_.unknown.hresult = end.hresult
            exit_.unknown.message = end.message
        else:
            exit_.exit_code = end.exit_code
        exit_.exit_time.FromNanoseconds(time.time_ns())
        exit_.reason = self._reason or _natural_reason(end)
        exit_.output_complete = self.output_complete.value is True
        self.exited.set(exit_)
        if self.stdin is not None and self.state == pb.PROCESS_STATE_EXITED:
            self.stdin.abandon("the process has exited")
        self._settle()

    def _on_drained(self) -> None:
        if all(drain.state is DrainState.ENDED for drain in self._drains.values()):
            complete = not any(ring.forced for ring in self.rings.values())
            if self.output_complete.set(complete):
                self._settle()

    def _settle(self) -> None:
        """Move on after the exit or the end of the output, whichever was second."""
        exit_ = self.exited.value
        if exit_ is None:
            return
        if self.output_complete.value is None:
            self._own_end = {s: ring.end_offset + PIPE_BYTES for s, ring in self.rings.items()}
            self._watch_drains(asyncio.get_running_loop().time())
            return
        exit_.output_complete = self.output_complete.value
        if self._timer is not None:
            self._timer.cancel()
        self.ended.set(self)

    def _watch_drains(self, exit_time: float) -> None:
        """Give up pipes that stay silent for too long after the exit; data re-arms the time."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        left = {
            s: drain for s, drain in self._drains.items() if drain.state is not DrainState.ENDED
        }
        last_data = max(exit_time, *(drain.last_activity for drain in left.values()))
        hard_limit = exit_time + self._limits.max_drain_time
        give_up_at = min(last_data + self.plan.drain_timeout, hard_limit)
        if give_up_at <= now:
            for drain in left.values():
                drain.drain_available()
            if not any(self._is_owed(stream, in_time=now < hard_limit) for stream in left):
                for drain in left.values():
                    drain.finish(forced=True)
                return
            give_up_at = now + max(self.plan.drain_timeout, 1.0)  # silence cannot be over earlier
        self._timer = loop.call_at(give_up_at, self._watch_drains, exit_time)

    def _is_owed(self, stream: pb.OutputStream, *, in_time: bool) -> bool:
        """Tell whether a pipe waits for a slow reader, with bytes that must not be cut."""
        paused = self._drains[stream].state is DrainState.PAUSED
        return paused and (in_time or self.rings[stream].end_offset < self._own_end[stream])


def _natural_reason(end: ProcessEnd) -> pb.ExitReason:
    if end.with_system:
        return pb.EXIT_REASON_SYSTEM_EXITED
    if end.exit_code is None:
        return pb.EXIT_REASON_UNSPECIFIED
    return pb.EXIT_REASON_SIGNALED if end.signal else pb.EXIT_REASON_EXITED


def _ring(plan: Plan) -> Ring:
    """Make a ring; half of one that blocks is for what is on its way to a reader, see `io.ring`."""
    return Ring(plan.ring_bytes, plan.overflow, kept_behind=plan.ring_bytes // 2)


def _describe(status: pb.StreamStatus, ring: Ring) -> None:
    status.start_offset = ring.start_offset
    status.end_offset = ring.end_offset
    status.closed = ring.closed
    status.dropped_bytes = ring.dropped_bytes
    status.readers = ring.readers
