"""What the daemon holds of a process: the engine's process, its rings, its stdin, its end.

Its life is a table: see `hcsd.daemon.process_life`. Every change goes through `ProcessRecord._take`, which
asks the table and runs the effects in their order. Its `Surroundings` do what concerns more than this
process: its pid, its system, watchers, memory.

    engine ──exited, lost, found──▶ ┐
    drains ──output complete──────▶ ├─ _transition(trigger) ──▶ state ──▶ effects, in order
    begin(), fail(), close() ─────▶ ┘

A process that was opened by its pid begins as RUNNING. The daemon has none of its pipes, so it has no
output and no stdin.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
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
from hcsd.daemon.rings import Rings
from hcsd.daemon.stdin import Stdin
from hcsd.daemon.streams import Stream
from hcsd.hcs.latch import Latch
from hcsd.hcs.process import ProcessState
from hcsd.io import WriteEnd

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.daemon.names import ProcessKey
    from hcsd.daemon.settings import Limits
    from hcsd.daemon.spec import ResolvedSpec
    from hcsd.hcs.process import Process as EngineProcess
    from hcsd.hcs.process import ProcessEnd


class Surroundings(Protocol):
    """What a life changes around a process."""

    def do(self, effect: Effect, process: ProcessRecord) -> None:
        """Carry out an effect that concerns more than the process."""


class ProcessRecord:
    """One process of the daemon.

    Args:
        identity: What never changes of it.
        number: Order of creation.
        resolved: What the daemon does by its spec.
        limits: Limits in force.
        surroundings: Who does what concerns more than this process.

    Attributes:
        identity: As given.
        number: As given.
        resolved: As given.
        request_id: Request id of its create, or "".
        rings: Output by stream.
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
        request_id: str,
    ) -> None:
        self.identity = identity
        self.number = number
        self.resolved = resolved
        self.request_id = request_id
        self.rings = Rings(resolved)
        self.stdin: Stdin | None = None
        self.engine: EngineProcess | None = None
        self.ownership = Ownership(resolved.owner_grace)
        self.state = State()
        self.exit: Exit | None = None
        self.started: Latch[bool] = Latch()
        self.exited: Latch[bool] = Latch()
        self.ended: Latch[bool] = Latch()
        self._shown = Life.CREATING
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

    def begin(self, engine: EngineProcess, kill: Callable[[ExitReason], None]) -> None:
        """Take over a process that HCS has started.

        Args:
            engine: The engine's. Ownership: of it, and of its pipe ends.
            kill: Called when it has run for as long as it may, or its owner is gone.
        """
        stdin, stdout, stderr = engine.take_stdio()
        self.engine = engine
        self.stdin = Stdin(self.name, engine, WriteEnd(stdin) if stdin else None)
        if not self.was_opened:
            self._start_time = time.time_ns()
        if self.resolved.run_timeout:
            self._run_timer = asyncio.get_running_loop().call_later(
                self.resolved.run_timeout, kill, ExitReason.RUN_TIMEOUT
            )
        self.ownership.begin(lambda: kill(ExitReason.OWNER_GONE))
        self._drains.open({Stream.STDOUT: stdout, Stream.STDERR: stderr})
        self._transition(Trigger.STARTED)
        self._drains.start()
        # Its state before its end: the end of one that was given up is that of a lost one.
        self._on_engine_state(engine.state)
        engine.on_state = self._on_engine_state
        engine.exited.observe(self._on_end)

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
            pid=self.engine.pid if self.engine else 0,
            start_time=self._start_time,
            stdin=None if stdin is None else stdin.status(),
            stdout=StreamStatus.of(self.rings[Stream.STDOUT]),
            stderr=StreamStatus.of(self.rings[Stream.STDERR]),
            exit=self.exit or (LOST_EXIT if self._shown is Life.LOST else None),
        )

    # --- what happens to it ---

    def _on_end(self, end: ProcessEnd) -> None:
        assert self.engine is not None  # noqa: S101  (it is the engine that tells)
        if not self.deleted:
            complete = self.state.output_complete and not self._forced
            self.exit = Exit.of(end, self._reason, output_complete=complete)
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
        self._transition(Trigger.OUTPUT_COMPLETE)

    @property
    def _forced(self) -> bool:
        """Whether output was given up before its end."""
        return self.rings.forced

    def _transition(self, trigger: Trigger) -> None:
        """Move on by a trigger, and do what follows from it."""
        self.state, effects = transition(self.state, trigger)
        if self.state.life is not Life.DELETED:
            self._shown = self.state.life
        for effect in effects:
            self._do(effect)

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
                    self.exit = replace(self.exit, output_complete=not self._forced)
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
