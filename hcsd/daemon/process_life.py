"""The life of a process as the daemon knows it: the table, and what follows from each trigger.

    CREATING ──started──▶ RUNNING ◀──found──▶ LOST
        │                    │     ──lost──▶   │
        │                    └────── exited ───┴──▶ EXITED
        │                            LOST ──given up──▶ ABANDONED ──exited──▶ EXITED
        └──refused──▶ FAILED

    every state ──deleted──▶ DELETED

LOST: the Host Compute Service went away and its processes are looked for. ABANDONED: it stayed away,
so nobody waits for the end of the process any more, but it can still be killed. A process that was
opened by its pid begins with `started`, too.

Output has an end of its own, which neither waits for the exit nor is waited for:

    OPEN ──every pipe has ended, or was given up──▶ COMPLETE

A process has *ended* when its end is known and its output is complete, whichever comes second.
`transition` is pure. It returns the effects of a trigger in the order in which they are to run, which
is the order of `Effect`.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from hcsd.life import IGNORED, IMPOSSIBLE, ImpossibleError, LifeEnum, Table, stay, to


class Life(LifeEnum):
    """See the module's head."""

    CREATING = "creating"
    RUNNING = "running"
    LOST = "lost"
    ABANDONED = "abandoned"
    EXITED = "exited"
    FAILED = "failed"
    DELETED = "deleted"


class Trigger(LifeEnum):
    """What happens to a process."""

    STARTED = "started"
    REFUSED = "refused"
    LOST = "lost"
    FOUND = "found"
    GIVEN_UP = "given up"
    EXITED = "exited"
    OUTPUT_COMPLETE = "output complete"
    DELETED = "deleted"


class Effect(LifeEnum):
    """What follows from a trigger; the order here is the order in which effects run."""

    CANCEL_TIMERS = "its timers are cancelled"
    CLOSE = "pipes, rings, stdin and the engine's handle are closed"
    PUBLISH_STARTED = "watchers are told that it runs"
    PUBLISH_EXITED = "watchers are told of its end"
    TELL_STARTED = "whoever waits for the start goes on"
    TELL_END = "whoever waits for the end goes on"
    CLOSE_STDIN = "nothing can be written to it any more"
    LEAVE_PID = "the daemon no longer finds it by its pid"
    LEAVE_SYSTEM = "it needs its system no more"
    WATCH_OUTPUT = "pipes that outlive it get their time"
    RECORD_OUTPUT = "the exit record says whether the output is complete"
    PUBLISH_OUTPUT_COMPLETE = "watchers are told that no output follows"
    TELL_ENDED = "whoever waits for exit and output goes on"
    SETTLE_MEMORY = "its rings take what they hold, and no more"
    KEEP = "its record is kept for a while"
    FORGET = "its name, its memory and its request id are free again"
    PUBLISH_DELETED = "watchers are told that it is gone, and nothing more"


class State(NamedTuple):
    """Where a process is.

    Attributes:
        life: See the module's head.
        output_complete: Whether no more output can come.
    """

    life: Life = Life.CREATING
    output_complete: bool = False

    @property
    def started(self) -> bool:
        """Whether HCS has started it."""
        return self.life in _STARTED

    @property
    def runs(self) -> bool:
        """Whether it has started, and nobody knows of its end; also while it is looked for."""
        return self.life in _RUNS

    @property
    def end_is_known(self) -> bool:
        """Whether nobody waits for its end any more."""
        return self.life in OVER

    @property
    def ended(self) -> bool:
        """Whether its end is known and its output is complete."""
        return self.life in OVER and self.output_complete


_RUNS = frozenset({Life.RUNNING, Life.LOST})
OVER = frozenset({Life.ABANDONED, Life.EXITED})
_STARTED = _RUNS | OVER


_END = (
    Effect.CANCEL_TIMERS,
    Effect.PUBLISH_EXITED,
    Effect.TELL_END,
    Effect.CLOSE_STDIN,
    Effect.LEAVE_PID,
    Effect.LEAVE_SYSTEM,
    Effect.KEEP,
)
# It may run, so its stdin stays open; and it can be killed, so it still needs its system.
_ABANDON = (
    Effect.CANCEL_TIMERS,
    Effect.PUBLISH_EXITED,
    Effect.TELL_END,
    Effect.LEAVE_PID,
    Effect.KEEP,
)
_DELETE = (
    Effect.CANCEL_TIMERS,
    Effect.CLOSE,
    Effect.TELL_STARTED,
    Effect.TELL_END,
    Effect.LEAVE_PID,
    Effect.LEAVE_SYSTEM,
    Effect.TELL_ENDED,
    Effect.FORGET,
    Effect.PUBLISH_DELETED,
)

TABLE: Table[Life, Trigger, Effect] = Table(
    Life,
    Trigger,
    {
        Trigger.STARTED: {
            (Life.CREATING,): to(Life.RUNNING, Effect.PUBLISH_STARTED, Effect.TELL_STARTED),
            (Life.RUNNING, Life.LOST, Life.ABANDONED, Life.EXITED): IMPOSSIBLE,
            (Life.FAILED, Life.DELETED): IMPOSSIBLE,
        },
        Trigger.REFUSED: {
            (Life.CREATING,): to(
                Life.FAILED, Effect.PUBLISH_EXITED, Effect.TELL_STARTED, Effect.TELL_END
            ),
            (Life.RUNNING, Life.LOST, Life.ABANDONED, Life.EXITED): IMPOSSIBLE,
            (Life.FAILED, Life.DELETED): IMPOSSIBLE,
        },
        Trigger.LOST: {
            (Life.RUNNING,): to(Life.LOST),
            (Life.LOST, Life.ABANDONED, Life.EXITED, Life.DELETED): IGNORED,
            (Life.CREATING, Life.FAILED): IMPOSSIBLE,
        },
        Trigger.FOUND: {
            (Life.LOST,): to(Life.RUNNING),
            # The end of one that is abandoned was told, and it stays so.
            (Life.RUNNING, Life.ABANDONED, Life.EXITED, Life.DELETED): IGNORED,
            (Life.CREATING, Life.FAILED): IMPOSSIBLE,
        },
        Trigger.GIVEN_UP: {
            (Life.LOST,): to(Life.ABANDONED, *_ABANDON),
            (Life.EXITED, Life.DELETED): IGNORED,
            (Life.CREATING, Life.RUNNING, Life.ABANDONED, Life.FAILED): IMPOSSIBLE,
        },
        Trigger.EXITED: {
            (Life.RUNNING, Life.LOST): to(Life.EXITED, *_END),
            (Life.ABANDONED,): to(Life.EXITED, Effect.CLOSE_STDIN, Effect.LEAVE_SYSTEM),
            (Life.EXITED, Life.DELETED): IGNORED,
            (Life.CREATING, Life.FAILED): IMPOSSIBLE,
        },
        Trigger.OUTPUT_COMPLETE: {
            (Life.RUNNING, Life.LOST, Life.ABANDONED, Life.EXITED): stay(Effect.RECORD_OUTPUT),
            (Life.DELETED,): IGNORED,
            (Life.CREATING, Life.FAILED): IMPOSSIBLE,
        },
        Trigger.DELETED: {
            (Life.CREATING, Life.RUNNING, Life.LOST, Life.ABANDONED, Life.EXITED): to(
                Life.DELETED, *_DELETE
            ),
            (Life.FAILED,): to(Life.DELETED, *_DELETE),
            (Life.DELETED,): IGNORED,
        },
    },
)

# What follows when both its end and its output are there, whichever was second.
_ENDED = (
    Effect.CANCEL_TIMERS,
    Effect.PUBLISH_OUTPUT_COMPLETE,
    Effect.TELL_ENDED,
    Effect.SETTLE_MEMORY,
)
_ORDER = {effect: place for place, effect in enumerate(Effect)}


@functools.cache
def transition(state: State, trigger: Trigger) -> tuple[State, tuple[Effect, ...]]:
    """Return the state after a trigger, and its effects in the order in which they run.

    Raises:
        ImpossibleError: The trigger cannot come in that state.
    """
    life, effects = TABLE.step(state.life, trigger)
    complete = state.output_complete
    if trigger is Trigger.OUTPUT_COMPLETE and effects:
        if complete:
            msg = f"{trigger.name} cannot come twice"
            raise ImpossibleError(msg)
        complete = True
    after = State(life, complete)
    if after.ended and not state.ended:
        effects += _ENDED
    elif after.end_is_known and not state.end_is_known:
        effects += (Effect.WATCH_OUTPUT,)
    return after, tuple(sorted(set(effects), key=_ORDER.__getitem__))
