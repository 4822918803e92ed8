"""How a record comes to its process: it has just started, or an earlier run of the daemon has had it.

    begin   HCS has started it ──▶ its pipes are read from their beginning, watchers are told
    resume  it was found again ──▶ its pipes are read from where the files of its streams end
    leave   the daemon stops and keeps what runs ──▶ its pipes are left to the next run

What the next run of the daemon needs is written down at each change, see `ProcessRecord.saved`.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from hcsd.daemon.drains import Pipe
from hcsd.daemon.process_life import Effect, Life, State, Trigger
from hcsd.daemon.process_record import ProcessRecord
from hcsd.daemon.process_view import ExitReason
from hcsd.daemon.stdin import Stdin
from hcsd.daemon.streams import Stream
from hcsd.hcs.process import ProcessState
from hcsd.io import Spool, WriteEnd

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.daemon.state.rows import SavedState
    from hcsd.hcs.process import Process as EngineProcess


class AttachedRecord(ProcessRecord):
    """A record, and how it comes to its process."""

    def begin(self, engine: EngineProcess, kill: Callable[[ExitReason], None]) -> None:
        """Take over a process that HCS has started.

        Args:
            engine: The engine's. Ownership: of it, and of its pipe ends.
            kill: Called when it has run for as long as it may, or its owner is gone.
        """
        if not self.was_opened:
            self._start_time = time.time_ns()
        self._attach(engine, kill)
        self._transition(Trigger.STARTED)
        self._follow(engine)

    def resume(
        self,
        saved: SavedState,
        engine: EngineProcess | None,
        kill: Callable[[ExitReason], None],
    ) -> None:
        """Go on with a process of an earlier run of the daemon. Watchers are told of what is new.

        Args:
            saved: What that run has written down.
            engine: The engine's, found or not. Ownership: of it, and of its pipe ends. None if its
                end is known and all of its output was read.
            kill: As in `begin`.
        """
        self._pid, self._start_time = saved.pid, saved.start_time
        self._reason, self.exit = saved.reason, saved.exit
        self._created = saved.created
        for stream in saved.closed:
            self.rings[stream].close(forced=stream in saved.forced)
        life = saved.life
        if life in {Life.RUNNING, Life.LOST} and engine is not None:
            life = Life.LOST if engine.state is ProcessState.LOST else Life.RUNNING
        self.state, self._shown = State(life, saved.output_complete), life
        if saved.output_complete:
            self._drains.complete()
            self.rings.order.close()
        if engine is not None:
            self._attach(engine, kill, saved.stdin_committed)
        else:
            self.stdin = Stdin.over(self.name, saved.stdin_committed or 0)
        self.started.set(True)
        if self.state.end_is_known:
            self.exited.set(True)
            self._cancel_timers()
            self._surroundings.do(Effect.KEEP, self)
        if self.state.ended:
            self.ended.set(True)
            self._surroundings.do(Effect.SETTLE_MEMORY, self)
        over = self.state.end_is_known
        if engine is not None:
            self._follow(engine)
        if over and not self.state.output_complete:
            self._drains.watch()

    def leave(self) -> None:
        """Leave the process and its output to the next run of the daemon, and free what this one has."""
        self._cancel_timers()
        self._drains.leave()
        self.rings.leave()
        if self.stdin is not None:
            self.stdin.leave()
        if self.engine is not None:
            self.engine.on_state = lambda _: None
            self.engine.exited.forget(self._on_end)
            self.engine.leave()

    def _attach(
        self,
        engine: EngineProcess,
        kill: Callable[[ExitReason], None],
        stdin_committed: int | None = None,
    ) -> None:
        """Take the pipes of the engine's process, and begin its times. Ownership: of it.

        Args:
            engine: The engine's.
            kill: As in `begin`.
            stdin_committed: What the pipe had taken when stdin was closed; None if it was not.
        """
        self.engine = engine
        self._pid, self._created = engine.pid, engine.created
        stdin, stdout, stderr = (
            Pipe(handle, engine.stdio.kept_with(handle)) for handle in engine.stdio.take()
        )
        self.stdin = Stdin(
            self.name, engine, _write_end(stdin), self._before_stdin_closes, stdin_committed
        )
        if self.resolved.run_timeout:
            end = self._start_time / 1e9 + self.resolved.run_timeout
            self._run_timer = asyncio.get_running_loop().call_later(
                max(0.0, end - time.time()), kill, ExitReason.RUN_TIMEOUT
            )
        self.ownership.begin(lambda: kill(ExitReason.OWNER_GONE))
        self._drains.open({Stream.STDOUT: stdout, Stream.STDERR: stderr})

    def _follow(self, engine: EngineProcess) -> None:
        """Read its output, and hear of what happens to it."""
        self._drains.start()
        # Its state before its end: the end of one that was given up is that of a lost one.
        self._on_engine_state(engine.state)
        engine.on_state = self._on_engine_state
        engine.exited.observe(self._on_end)

    async def _before_stdin_closes(self) -> None:
        """Write down that stdin is to be closed, or a restart would open it again."""
        self._surroundings.save(self)
        await self._surroundings.written()


def _write_end(pipe: Pipe) -> WriteEnd | None:
    if not pipe.handle:
        return None
    spool = Spool(pipe.kept[0], pipe.kept[1:]) if pipe.kept else None
    return WriteEnd(pipe.handle, spool)
