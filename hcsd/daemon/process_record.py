"""What the daemon holds of a process: the engine's process, its rings, its stdin, its end.

Its life is a table: see `hcsd.daemon.process_life`. Every change goes through `ProcessRecord._transition`,
which asks the table and runs the effects in their order. Its `Surroundings` do what concerns more than this
process: its pid, its system, watchers, memory.

    engine ──exited, lost, found──▶ ┐
    drains ──output complete──────▶ ├─ _transition(trigger) ──▶ state ──▶ effects, in order
    begin(), fail(), close() ─────▶ ┘     (begin: `hcsd.daemon.process_attachment`)

A process that was opened by its pid begins as RUNNING. The daemon has none of its pipes.

Thread: the event loop's.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from hcsd.daemon.drains import Drains
from hcsd.daemon.ownership import Ownership
from hcsd.daemon.process_life import Effect, Life, State, Trigger, transition
from hcsd.daemon.process_view import (
    LOST_EXIT,
    Exit,
    ExitReason,
    Failure,
    Identity,
    Origin,
    ProcessView,
    StreamStatus,
)
from hcsd.daemon.state.rows import SavedState
from hcsd.daemon.streams import Stream
from hcsd.hcs.latch import Latch
from hcsd.hcs.process import ProcessState

if TYPE_CHECKING:
    import asyncio

    from hcsd.daemon.idempotency import RequestKey
    from hcsd.daemon.names import ProcessKey
    from hcsd.daemon.rings import Rings
    from hcsd.daemon.settings import Limits
    from hcsd.daemon.spec import ResolvedSpec
    from hcsd.daemon.stdin import Stdin
    from hcsd.hcs.process import Process as EngineProcess
    from hcsd.hcs.process import ProcessEnd


class Surroundings(Protocol):
    """What a life changes around a process."""

    def do(self, effect: Effect, process: ProcessRecord) -> None:
        """Carry out an effect that concerns more than the process."""

    def save(self, process: ProcessRecord) -> None:
        """Write down what has changed of the process, for the next run of the daemon."""

    async def written(self) -> None:
        """Return once that is done, or cannot be."""

    def let_go_of_output(self, process: ProcessRecord) -> None:
        """Have HCS close its copies of outputs that nobody needs any more, if that does not happen soon."""


class ProcessRecord:
    """One process of the daemon.

    Args:
        identity: What never changes of it.
        number: Order of creation.
        resolved: What the daemon does by its spec.
        limits: In force.
        surroundings: Who does what concerns more than this process.
        request: What tells the request of its create from others.
        rings: Output by stream.

    Attributes:
        identity, number, resolved, request, rings: As given.
        stdin: Its stdin, once it runs.
        engine: The engine's process, once it runs.
        ownership: Who owns it.
        state: Where it is in its life.
        exit: How it ended, once that is known; its `output_complete` may change afterwards.
        started: Set when HCS has answered the create, or the daemon has forgotten the process.
        exited: Set when its end is known, or the daemon has forgotten it.
        ended: Set when its output is complete, too, or the daemon has forgotten it.
    """

    def __init__(
        self,
        identity: Identity,
        number: int,
        resolved: ResolvedSpec,
        limits: Limits,
        *,
        surroundings: Surroundings,
        request: RequestKey,
        rings: Rings,
    ) -> None:
        self.identity = identity
        self.number = number
        self.resolved = resolved
        self.request = request
        self.rings = rings
        self.stdin: Stdin | None = None
        self.engine: EngineProcess | None = None
        self.ownership = Ownership(resolved.owner_grace)
        self.state = State()
        self.exit: Exit | None = None
        self.started: Latch[bool] = Latch()
        self.exited: Latch[bool] = Latch()
        self.ended: Latch[bool] = Latch()
        self._shown = Life.CREATING
        self._pid = 0
        self._created = (0.0, 0.0)  # POSIX times between which the engine has created it
        self._start_time = 0
        self._reason: ExitReason | None = None
        self._surroundings = surroundings
        self._run_timer: asyncio.TimerHandle | None = None
        self._drains = Drains(
            self.rings, resolved.drain_timeout, limits.max_drain_time, self._on_output_complete
        )

    @property
    def key(self) -> ProcessKey:
        """Its identity in the daemon."""
        return self.identity.key

    @property
    def name(self) -> str:
        """Its resource name."""
        return self.identity.name

    @property
    def life(self) -> Life:
        """Where it is in its life; of a deleted one, where it was."""
        return self._shown

    @property
    def running(self) -> bool:
        """Whether it has started and not come to its end; also while it is lost and looked for."""
        return self.state.runs

    @property
    def deleted(self) -> bool:
        """Whether the daemon has forgotten it; whoever still reads or waits is told."""
        return self.state.life is Life.DELETED

    @property
    def was_opened(self) -> bool:
        """Whether it was opened by its pid, and so the daemon kills it only when asked."""
        return self.identity.origin is Origin.OPENED

    @property
    def readers(self) -> int:
        """How many cursors are on its output."""
        return self.rings.readers

    @property
    def ring_bytes(self) -> int:
        """What its rings may come to hold; of a stream that has ended, what it does hold."""
        return self.rings.size

    @property
    def age(self) -> float:
        """How many seconds ago it has ended; 0 if that is not known."""
        return max(0.0, time.time() - self.exit.time / 1e9) if self.exit is not None else 0.0

    def fail(self, error: BaseException) -> None:
        """Note that HCS has not started it."""
        self.exit = Exit(start_error=Failure.of(error), time=time.time_ns())
        self._transition(Trigger.REFUSED)

    def close(self) -> None:
        """Forget it, and free all that it holds; the process itself is left alone. Idempotent."""
        self._transition(Trigger.DELETED)

    def expect(self, reason: ExitReason) -> None:
        """Note why it is about to end; the first reason stands."""
        if self.running and self._reason is None:
            self._reason = reason
            self._surroundings.save(self)

    def close_output(self, stream: Stream) -> None:
        """Read no more of a stream: who still writes to it finds the pipe broken; idempotent."""
        self._drains.finish(stream)

    def free_output(self) -> None:
        """Free what the rings hold; whoever reads it later is told of a gap."""
        self.rings.free()

    def view(self) -> ProcessView:
        """Return the process as it is now."""
        stdin = self.stdin
        return ProcessView(
            identity=self.identity,
            life=self._shown,
            pid=self._pid,
            start_time=self._start_time,
            stdin=None if stdin is None else stdin.status(),
            stdout=StreamStatus.of(self.rings[Stream.STDOUT]),
            stderr=StreamStatus.of(self.rings[Stream.STDERR]),
            exit=self.exit or (LOST_EXIT if self._shown is Life.LOST else None),
        )

    def saved(self) -> SavedState:
        """Return what the next run of the daemon needs to know."""
        rings, stdin = self.rings, self.stdin
        return SavedState(
            life=self.state.life,
            output_complete=self.state.output_complete,
            pid=self._pid,
            created=self._created,
            start_time=self._start_time,
            reason=self._reason,
            exit=self.exit,
            closed=frozenset(stream for stream in Stream if rings[stream].closed),
            forced=frozenset(stream for stream in Stream if rings[stream].forced),
            stdin_committed=stdin.committed if stdin is not None and stdin.closed else None,
        )

    # --- what happens to it ---

    def _on_end(self, end: ProcessEnd) -> None:
        assert self.engine is not None  # noqa: S101  (it is the engine that tells)
        if not self.deleted:
            complete = self.state.output_complete and not self.rings.forced
            self.exit = Exit.of(end, self._reason, self._start_time, output_complete=complete)
        lost = self.engine.state is ProcessState.LOST
        self._transition(Trigger.GIVEN_UP if lost else Trigger.EXITED)

    def _on_engine_state(self, state: ProcessState) -> None:
        if state is ProcessState.LOST:
            self._transition(Trigger.LOST)
        elif state is ProcessState.RUNNING:
            self._transition(Trigger.FOUND)
        elif self.state.life is Life.ABANDONED:
            self._transition(Trigger.EXITED)

    def _on_output_complete(self) -> None:
        self.rings.order.close()
        self._transition(Trigger.OUTPUT_COMPLETE)
        self._surroundings.let_go_of_output(self)

    def _transition(self, trigger: Trigger) -> None:
        """Move on by a trigger, and do what follows from it."""
        self.state, effects = transition(self.state, trigger)
        if self.state.life is not Life.DELETED:
            self._shown = self.state.life
        for effect in effects:
            self._do(effect)
        self._surroundings.save(self)

    def _do(self, effect: Effect) -> None:
        """Carry out an effect; what concerns more than the process is its surroundings' to do."""
        match effect:
            case Effect.CANCEL_TIMERS:
                self._cancel_timers()
            case Effect.CLOSE:
                self._close()
            case Effect.TELL_STARTED:
                self.started.set(True)
            case Effect.TELL_END:
                self.exited.set(True)
            case Effect.CLOSE_STDIN:
                if self.stdin is not None:
                    self.stdin.abandon("the process has exited")
            case Effect.WATCH_OUTPUT:
                self._drains.watch()
            case Effect.RECORD_OUTPUT:
                if self.exit is not None:
                    self.exit = replace(self.exit, output_complete=not self.rings.forced)
            case Effect.TELL_ENDED:
                self.ended.set(True)
            case _:
                self._surroundings.do(effect, self)

    def _cancel_timers(self) -> None:
        if self._run_timer is not None:
            self._run_timer.cancel()
        self._drains.cancel_timer()
        self.ownership.end()

    def _close(self) -> None:
        self._drains.close()
        self.rings.close()
        if self.stdin is not None:
            self.stdin.abandon("the process was deleted")
        if self.engine is not None:
            self.engine.close()
            # It is freed as soon as nobody has it, since it can be large: not when cycles are.
            self.engine.on_state = lambda _: None
            self.engine.exited.forget(self._on_end)
