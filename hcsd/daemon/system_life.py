"""The life of a compute system as the daemon knows it: the table, and what each step brings about.

    NEW ──created by the daemon──▶ OWN ───────────────┐
     └──opened──▶ IDLE ──used──▶ IN_USE               ├──exited──▶ ENDED
                   ▲───unused─────┘   └───────────────┘

    every state ──dropped──▶ FORGOTTEN

One handle serves all calls and all processes of a system. IN_USE is a system of others that a call is
about, that a process of the daemon runs in, or that somebody watches by its name. A system of others
that nobody uses is IDLE, and dropped after `IDLE_TIME`: ours may be the last handle of a system that
was made to end with its last one. It must not outlive its owner for longer than we use it. So no handle
is kept for events alone: else a daemon that was asked about a container once would keep it alive after
its shim has crashed.

The record of a system that has ended is kept for a while, and then dropped. A new system of the same
id takes its place. `transition` is pure. It returns the effects of a step in the order in which they
are to run, which is the order of `Effect`.
"""

from __future__ import annotations

import enum


class Life(enum.Enum):
    """See the module's head."""

    NEW = "new"
    OWN = "own"
    IDLE = "idle"
    IN_USE = "in use"
    ENDED = "ended"
    FORGOTTEN = "forgotten"


class Step(enum.Enum):
    """What happens to a system."""

    CREATED = "created"
    OPENED = "opened"
    USED = "used"
    UNUSED = "unused"
    EXITED = "exited"
    DROPPED = "dropped"


class Effect(enum.Enum):
    """What is to be done after a step; the order here is the order in which they run."""

    STOP_IDLING = "its time without use does not count any more"
    START_IDLING = "it is dropped if nobody uses it in time"
    PUBLISH_EXITED = "watchers are told, after the ends of its processes"
    FORGET = "its name and its request id are free again, and its record is gone"
    CLOSE = "its handle is closed"
    KEEP = "its record is kept for a while"


class IllegalStepError(Exception):
    """A step that cannot follow; a fault of the caller."""


_END = (Effect.STOP_IDLING, Effect.PUBLISH_EXITED, Effect.CLOSE, Effect.KEEP)
_DROP = (Effect.STOP_IDLING, Effect.FORGET, Effect.CLOSE)

Cell = tuple[Life | None, tuple[Effect, ...]]

# What a step leads to in each state; a cell that is not here cannot happen. IGNORED: it may happen,
# and changes nothing.
IGNORED: Cell = (None, ())
TABLE: dict[Step, dict[Life, Cell]] = {
    Step.CREATED: {Life.NEW: (Life.OWN, ())},
    Step.OPENED: {Life.NEW: (Life.IDLE, (Effect.START_IDLING,))},
    Step.USED: {
        Life.OWN: IGNORED,
        Life.IDLE: (Life.IN_USE, (Effect.STOP_IDLING,)),
        Life.ENDED: IGNORED,
        Life.FORGOTTEN: IGNORED,
    },
    Step.UNUSED: {
        Life.OWN: IGNORED,
        Life.IN_USE: (Life.IDLE, (Effect.START_IDLING,)),
        Life.ENDED: IGNORED,
        Life.FORGOTTEN: IGNORED,
    },
    Step.EXITED: {
        Life.OWN: (Life.ENDED, _END),
        Life.IDLE: (Life.ENDED, _END),
        Life.IN_USE: (Life.ENDED, _END),
        Life.FORGOTTEN: IGNORED,
    },
    Step.DROPPED: {
        Life.OWN: (Life.FORGOTTEN, _DROP),
        Life.IDLE: (Life.FORGOTTEN, _DROP),
        Life.IN_USE: (Life.FORGOTTEN, _DROP),
        Life.ENDED: (Life.FORGOTTEN, _DROP),
        Life.FORGOTTEN: IGNORED,
    },
}


def transition(life: Life, step: Step) -> tuple[Life, tuple[Effect, ...]]:
    """Return the state after a step, and its effects in the order in which they run.

    Raises:
        IllegalStepError: The step cannot follow.
    """
    cell = TABLE[step].get(life)
    if cell is None:
        msg = f"{step.value!r} cannot follow {life.value!r}"
        raise IllegalStepError(msg)
    after, effects = cell
    return after or life, effects
