"""The life of a process as the daemon knows it: the table, and what each step brings about.

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
`transition` is pure. It returns the effects of a step in the order in which they are to run, which
is the order of `Effect`.
"""

from __future__ import annotations

import enum
from typing import NamedTuple


class Life(enum.Enum):
    """See the module's head."""

    CREATING = "creating"
    RUNNING = "running"
    LOST = "lost"
    ABANDONED = "abandoned"
    EXITED = "exited"
    FAILED = "failed"
    DELETED = "deleted"


class Step(enum.Enum):
    """What happens to a process."""

    STARTED = "started"
    REFUSED = "refused"
    LOST = "lost"
    FOUND = "found"
    GIVEN_UP = "given up"
    EXITED = "exited"
    OUTPUT_COMPLETE = "output complete"
    DELETED = "deleted"


class Effect(enum.Enum):
    """What is to be done after a step; the order here is the order in which they run."""

    CANCEL_TIMERS = "no timer of its own is left"
    CLOSE = "pipes, rings, stdin and the engine's handle are closed"
    PUBLISH_STARTED = "watchers are told that it runs"
    PUBLISH_EXITED = "watchers are told of its end"
    TELL_STARTED = "whoever waits for the start goes on"
    TELL_END = "whoever waits for the end goes on"
    CLOSE_STDIN = "nothing can be written to it any more"
    LEAVE_PID = "its pid may be another process's"
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
        return self.life in _OVER

    @property
    def ended(self) -> bool:
        """Whether its end is known and its output is complete."""
        return self.life in _OVER and self.output_complete


_RUNS = frozenset({Life.RUNNING, Life.LOST})
_OVER = frozenset({Life.ABANDONED, Life.EXITED})
_STARTED = _RUNS | _OVER


class IllegalStepError(Exception):
    """A step that cannot follow; a fault of the caller."""


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

Cell = tuple[Life | None, tuple[Effect, ...]]

# What a step leads to in each state; a cell that is not here cannot happen. IGNORED: it may happen,
# and changes nothing.
IGNORED: Cell = (None, ())
TABLE: dict[Step, dict[Life, Cell]] = {
    Step.STARTED: {
        Life.CREATING: (Life.RUNNING, (Effect.PUBLISH_STARTED, Effect.TELL_STARTED)),
    },
    Step.REFUSED: {
        Life.CREATING: (
            Life.FAILED,
            (Effect.PUBLISH_EXITED, Effect.TELL_STARTED, Effect.TELL_END),
        ),
    },
    Step.LOST: {
        Life.RUNNING: (Life.LOST, ()),
        Life.LOST: IGNORED,
        Life.ABANDONED: IGNORED,
        Life.EXITED: IGNORED,
        Life.DELETED: IGNORED,
    },
    Step.FOUND: {
        Life.RUNNING: IGNORED,
        Life.LOST: (Life.RUNNING, ()),
        Life.ABANDONED: IGNORED,  # its end was told, and it stays so
        Life.EXITED: IGNORED,
        Life.DELETED: IGNORED,
    },
    Step.GIVEN_UP: {
        Life.LOST: (Life.ABANDONED, _ABANDON),
        Life.EXITED: IGNORED,
        Life.DELETED: IGNORED,
    },
    Step.EXITED: {
        Life.RUNNING: (Life.EXITED, _END),
        Life.LOST: (Life.EXITED, _END),
        Life.ABANDONED: (Life.EXITED, (Effect.CLOSE_STDIN, Effect.LEAVE_SYSTEM)),
        Life.EXITED: IGNORED,
        Life.DELETED: IGNORED,
    },
    Step.OUTPUT_COMPLETE: {
        Life.RUNNING: (None, (Effect.RECORD_OUTPUT,)),
        Life.LOST: (None, (Effect.RECORD_OUTPUT,)),
        Life.ABANDONED: (None, (Effect.RECORD_OUTPUT,)),
        Life.EXITED: (None, (Effect.RECORD_OUTPUT,)),
        Life.DELETED: IGNORED,
    },
    Step.DELETED: {
        **dict.fromkeys((Life.CREATING, *_STARTED, Life.FAILED), (Life.DELETED, _DELETE)),
        Life.DELETED: IGNORED,
    },
}
_ENDED = (
    Effect.CANCEL_TIMERS,
    Effect.PUBLISH_OUTPUT_COMPLETE,
    Effect.TELL_ENDED,
    Effect.SETTLE_MEMORY,
)
_ORDER = {effect: place for place, effect in enumerate(Effect)}


def _transition(state: State, step: Step) -> tuple[State, tuple[Effect, ...]] | None:
    cell = TABLE[step].get(state.life)
    if cell is None:
        return None
    life, effects = cell
    complete = state.output_complete
    if step is Step.OUTPUT_COMPLETE and cell is not IGNORED:
        if complete:
            return None
        complete = True
    after = State(life or state.life, complete)
    if after.ended and not state.ended:
        effects += _ENDED
    elif after.end_is_known and not state.end_is_known:
        effects += (Effect.WATCH_OUTPUT,)
    return after, tuple(sorted(set(effects), key=_ORDER.__getitem__))


# Every step from every state, worked out once.
TRANSITIONS = {
    (State(life, complete), step): _transition(State(life, complete), step)
    for life in Life
    for complete in (False, True)
    for step in Step
}


def transition(state: State, step: Step) -> tuple[State, tuple[Effect, ...]]:
    """Return the state after a step, and its effects in the order in which they run.

    Raises:
        IllegalStepError: The step cannot follow.
    """
    found = TRANSITIONS[state, step]
    if found is None:
        msg = f"{step.value!r} cannot follow {state.life.value!r}"
        raise IllegalStepError(msg)
    return found
