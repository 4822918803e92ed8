"""The life of a compute system as the daemon knows it: the table, and what follows from each trigger.

    NEW ──created by the daemon──▶ OWN ───────────────┐
     └──opened──▶ IDLE ──used──▶ IN_USE               ├──exited──▶ ENDED ──told──▶ TOLD
                   ▲───unused─────┘   └───────────────┘

    every state ──dropped──▶ FORGOTTEN

One handle serves all calls and all processes of a system. IN_USE is a system of others that a call is
about, that a process of the daemon runs in, or that somebody watches by its name. A system of others
that nobody uses is IDLE, and dropped after `IDLE_TIME`: ours may be the last handle of a system that
was made to end with its last one. It must not outlive its owner for longer than we use it. So no handle
is kept for events alone: else a daemon that was asked about a container once would keep it alive after
its shim has crashed.

Watchers are told of the steps of its life in this order:

    created < started < paused, resumed, out of memory, shutting down < exited < forgotten

Created is a step only of what the daemon has created. Another step is taken when HCS has done what a
call of the daemon asked for. What others ask for goes past the daemon. ENDED is the time between the end
and its telling, in which the ends of the processes come, and the steps that HCS had done before but not
yet answered. What comes after TOLD is told no more.

Forgotten is told of what the daemon has created and of what has ended. A system of others that is
dropped because nobody uses it is known again at its next use.

The record of a system that has ended is kept for a while, and then dropped. A new system of the same
id takes its place. Effects run in the order of `Effect`.
"""

from __future__ import annotations

from hcsd.life import IGNORED, IMPOSSIBLE, LifeEnum, Table, stay, to


class Life(LifeEnum):
    """See the module's head."""

    NEW = "new"
    OWN = "own"
    IDLE = "idle"
    IN_USE = "in use"
    ENDED = "ended"
    TOLD = "told"
    FORGOTTEN = "forgotten"


class Trigger(LifeEnum):
    """What happens to a system."""

    CREATED = "created"
    OPENED = "opened"
    USED = "used"
    UNUSED = "unused"
    STARTED = "started"
    PAUSED = "paused"
    RESUMED = "resumed"
    SHUTTING_DOWN = "shutting down"
    OUT_OF_MEMORY = "out of memory"
    EXITED = "exited"
    TOLD = "told"
    DROPPED = "dropped"


class Effect(LifeEnum):
    """What follows from a trigger; the order here is the order in which effects run."""

    STOP_IDLING = "its time without use does not count any more"
    START_IDLING = "it is dropped if nobody uses it in time"
    PUBLISH_CREATED = "watchers are told that it was created"
    PUBLISH_STARTED = "that it was started"
    PUBLISH_PAUSED = "that it was paused"
    PUBLISH_RESUMED = "that it was resumed"
    PUBLISH_SHUTTING_DOWN = "that it was asked to shut down"
    PUBLISH_OUT_OF_MEMORY = "that it has used up its memory"
    AWAIT_INSIDE = "its end is told when those of its processes are, and the steps under way"
    PUBLISH_EXITED = "watchers are told how it ended"
    FORGET = "its name and its request id are free again, and its record is gone"
    PUBLISH_FORGOTTEN = "watchers are told that the daemon has forgotten it"
    CLOSE = "its handle is closed"
    KEEP = "its record is kept for a while"


_END = (Effect.STOP_IDLING, Effect.AWAIT_INSIDE, Effect.CLOSE, Effect.KEEP)
_DROP = (Effect.STOP_IDLING, Effect.FORGET, Effect.CLOSE)
_DROP_LOUDLY = (Effect.STOP_IDLING, Effect.FORGET, Effect.PUBLISH_FORGOTTEN, Effect.CLOSE)
_DROP_UNTOLD = (
    Effect.STOP_IDLING,
    Effect.PUBLISH_EXITED,
    Effect.FORGET,
    Effect.PUBLISH_FORGOTTEN,
    Effect.CLOSE,
)
_LATER = (Life.OWN, Life.IDLE, Life.IN_USE, Life.ENDED, Life.TOLD, Life.FORGOTTEN)
_OVER = (Life.ENDED, Life.TOLD, Life.FORGOTTEN)
# Each step, and what is told of it.
STEPS = {
    Trigger.STARTED: Effect.PUBLISH_STARTED,
    Trigger.PAUSED: Effect.PUBLISH_PAUSED,
    Trigger.RESUMED: Effect.PUBLISH_RESUMED,
    Trigger.SHUTTING_DOWN: Effect.PUBLISH_SHUTTING_DOWN,
    Trigger.OUT_OF_MEMORY: Effect.PUBLISH_OUT_OF_MEMORY,
}

TABLE: Table[Life, Trigger, Effect] = Table(
    Life,
    Trigger,
    {
        Trigger.CREATED: {
            (Life.NEW,): to(Life.OWN, Effect.PUBLISH_CREATED),
            _LATER: IMPOSSIBLE,
        },
        Trigger.OPENED: {(Life.NEW,): to(Life.IDLE, Effect.START_IDLING), _LATER: IMPOSSIBLE},
        Trigger.USED: {
            (Life.IDLE,): to(Life.IN_USE, Effect.STOP_IDLING),
            (Life.OWN, *_OVER): IGNORED,
            (Life.NEW, Life.IN_USE): IMPOSSIBLE,
        },
        Trigger.UNUSED: {
            (Life.IN_USE,): to(Life.IDLE, Effect.START_IDLING),
            (Life.OWN, *_OVER): IGNORED,
            (Life.NEW, Life.IDLE): IMPOSSIBLE,
        },
        **{
            step: {
                (Life.OWN, Life.IDLE, Life.IN_USE, Life.ENDED): stay(effect),
                (Life.TOLD, Life.FORGOTTEN): IGNORED,
                (Life.NEW,): IMPOSSIBLE,
            }
            for step, effect in STEPS.items()
        },
        Trigger.EXITED: {
            (Life.OWN, Life.IDLE, Life.IN_USE): to(Life.ENDED, *_END),
            (Life.FORGOTTEN,): IGNORED,
            (Life.NEW, Life.ENDED, Life.TOLD): IMPOSSIBLE,
        },
        Trigger.TOLD: {
            (Life.ENDED,): to(Life.TOLD, Effect.PUBLISH_EXITED),
            (Life.FORGOTTEN,): IGNORED,
            (Life.NEW, Life.OWN, Life.IDLE, Life.IN_USE, Life.TOLD): IMPOSSIBLE,
        },
        Trigger.DROPPED: {
            (Life.IDLE, Life.IN_USE): to(Life.FORGOTTEN, *_DROP),
            (Life.OWN, Life.TOLD): to(Life.FORGOTTEN, *_DROP_LOUDLY),
            (Life.ENDED,): to(Life.FORGOTTEN, *_DROP_UNTOLD),
            (Life.FORGOTTEN,): IGNORED,
            (Life.NEW,): IMPOSSIBLE,
        },
    },
)
