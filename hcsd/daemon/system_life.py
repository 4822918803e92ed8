"""The life of a compute system as the daemon knows it: the table, and what follows from each trigger.

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
id takes its place. Effects run in the order of `Effect`.
"""

from __future__ import annotations

from hcsd.life import IGNORED, IMPOSSIBLE, LifeEnum, Table, to


class Life(LifeEnum):
    """See the module's head."""

    NEW = "new"
    OWN = "own"
    IDLE = "idle"
    IN_USE = "in use"
    ENDED = "ended"
    FORGOTTEN = "forgotten"


class Trigger(LifeEnum):
    """What happens to a system."""

    CREATED = "created"
    OPENED = "opened"
    USED = "used"
    UNUSED = "unused"
    EXITED = "exited"
    DROPPED = "dropped"


class Effect(LifeEnum):
    """What follows from a trigger; the order here is the order in which effects run."""

    STOP_IDLING = "its time without use does not count any more"
    START_IDLING = "it is dropped if nobody uses it in time"
    PUBLISH_EXITED = "watchers are told, after the ends of its processes"
    FORGET = "its name and its request id are free again, and its record is gone"
    CLOSE = "its handle is closed"
    KEEP = "its record is kept for a while"


_END = (Effect.STOP_IDLING, Effect.PUBLISH_EXITED, Effect.CLOSE, Effect.KEEP)
_DROP = (Effect.STOP_IDLING, Effect.FORGET, Effect.CLOSE)
_LATER = (Life.OWN, Life.IDLE, Life.IN_USE, Life.ENDED, Life.FORGOTTEN)

TABLE: Table[Life, Trigger, Effect] = Table(
    Life,
    Trigger,
    {
        Trigger.CREATED: {(Life.NEW,): to(Life.OWN), _LATER: IMPOSSIBLE},
        Trigger.OPENED: {(Life.NEW,): to(Life.IDLE, Effect.START_IDLING), _LATER: IMPOSSIBLE},
        Trigger.USED: {
            (Life.IDLE,): to(Life.IN_USE, Effect.STOP_IDLING),
            (Life.OWN, Life.ENDED, Life.FORGOTTEN): IGNORED,
            (Life.NEW, Life.IN_USE): IMPOSSIBLE,
        },
        Trigger.UNUSED: {
            (Life.IN_USE,): to(Life.IDLE, Effect.START_IDLING),
            (Life.OWN, Life.ENDED, Life.FORGOTTEN): IGNORED,
            (Life.NEW, Life.IDLE): IMPOSSIBLE,
        },
        Trigger.EXITED: {
            (Life.OWN, Life.IDLE, Life.IN_USE): to(Life.ENDED, *_END),
            (Life.FORGOTTEN,): IGNORED,
            (Life.NEW, Life.ENDED): IMPOSSIBLE,
        },
        Trigger.DROPPED: {
            (Life.OWN, Life.IDLE, Life.IN_USE, Life.ENDED): to(Life.FORGOTTEN, *_DROP),
            (Life.FORGOTTEN,): IGNORED,
            (Life.NEW,): IMPOSSIBLE,
        },
    },
)
