"""The life of a compute system as the engine sees it.

    OPEN ──asked to end──▶ ASKED ──HCS has accepted it──▶ ENDING
     ▲                      │
     └──HCS has refused it──┘

    OPEN, ASKED ──the service goes away──▶ LOST ──opened again by its id──▶ OPEN
    ENDING ──the service goes away──▶ LOST_ENDING ──opened again by its id──▶ ENDING

    OPEN, ASKED, ENDING, LOST… ──HCS says it is gone──▶ VANISHED ──the grace is over──▶ EXITING
    each of these ──its exit is told──▶ EXITING ──all its processes have ended──▶ EXITED
    LOST, LOST_ENDING ──there is none of its id──▶ EXITING

    OPEN, ASKED, ENDING, LOST, LOST_ENDING, VANISHED ──close()──▶ LEFT
    EXITING, EXITED ──close()──▶ CLOSED

The end is told once: on the way into EXITED, after the ends of its processes. Processes whose ends
HCS does not tell have a grace in EXITING; when it is over they end with the system. After `close()`
nothing is told.

The timer of the grace runs in VANISHED and in EXITING. A system that is lost has no handle, and
neither have its processes. One that goes away in VANISHED or EXITING loses its handle, too, but
nobody looks for it: the grace ends it.
"""

from __future__ import annotations

import enum

from hcsd.life import IGNORED, IMPOSSIBLE, LifeEnum, Table, stay, to


class SystemLife(LifeEnum):
    """The states; see the module's head."""

    OPEN = enum.auto()
    ASKED = enum.auto()
    ENDING = enum.auto()
    VANISHED = enum.auto()
    LOST = enum.auto()
    LOST_ENDING = enum.auto()
    EXITING = enum.auto()
    EXITED = enum.auto()
    LEFT = enum.auto()
    CLOSED = enum.auto()


class SystemTrigger(LifeEnum):
    """What changes the life of a system."""

    ASK_END = enum.auto()  # it is about to be told to end
    END_ACCEPTED = enum.auto()
    END_REFUSED = enum.auto()
    END_KNOWN = enum.auto()  # by its event, or by its properties
    GONE = enum.auto()  # HCS has nothing of it any more
    GRACE_OVER = enum.auto()
    EMPTY = enum.auto()  # the last of its processes has ended, or was closed
    DISCONNECTED = enum.auto()  # the service that gave out the handle went away
    OLD_DISCONNECTED = enum.auto()  # the same, of a handle from before it was opened again
    DROP = enum.auto()  # a call says that the service went away; its processes have heard nothing
    FOUND = enum.auto()  # it was opened again
    NOT_FOUND = enum.auto()  # the service is back without it
    CLOSE = enum.auto()  # nobody wants it any more


class SystemEffect(LifeEnum):
    """What follows from a trigger, in the order in which effects run."""

    CANCEL_GRACE = enum.auto()
    KEEP_END = enum.auto()  # how it ended, which is told later
    START_GRACE = enum.auto()  # its end is a trigger, GRACE_OVER
    TAKE_HANDLE = enum.auto()  # the handle by which it was opened again
    CLOSE_FOUND = enum.auto()  # that handle, which is not needed
    CLOSE_HANDLE = enum.auto()
    LOSE_PROCESSES = enum.auto()  # those whose handles came from the service that went away
    END_LOST_PROCESSES = enum.auto()
    END_PROCESSES = enum.auto()
    CHECK_PROCESSES = enum.auto()  # if there is none, this is a trigger, EMPTY
    TELL_END = enum.auto()
    WAKE_SUPERVISOR = enum.auto()


_L, _T, _E = SystemLife, SystemTrigger, SystemEffect

_LOSE = (_E.CLOSE_HANDLE, _E.LOSE_PROCESSES, _E.WAKE_SUPERVISOR)
_LOSE_ONLY_PROCESSES = (_E.LOSE_PROCESSES, _E.WAKE_SUPERVISOR)
_EXIT = (_E.KEEP_END, _E.START_GRACE, _E.CHECK_PROCESSES)

TABLE: Table[SystemLife, SystemTrigger, SystemEffect] = Table(
    SystemLife,
    SystemTrigger,
    {
        _T.ASK_END: {
            (_L.OPEN,): to(_L.ASKED),
            (_L.ASKED, _L.ENDING, _L.VANISHED, _L.LOST, _L.LOST_ENDING): IGNORED,
            (_L.EXITING, _L.EXITED, _L.LEFT, _L.CLOSED): IGNORED,
        },
        _T.END_ACCEPTED: {
            # OPEN: two asked at once, and the other one was refused.
            (_L.OPEN, _L.ASKED): to(_L.ENDING),
            (_L.LOST,): to(_L.LOST_ENDING),
            (_L.ENDING, _L.VANISHED, _L.LOST_ENDING): IGNORED,
            (_L.EXITING, _L.EXITED, _L.LEFT, _L.CLOSED): IGNORED,
        },
        _T.END_REFUSED: {
            (_L.ASKED,): to(_L.OPEN),
            (_L.OPEN, _L.ENDING, _L.VANISHED, _L.LOST, _L.LOST_ENDING): IGNORED,
            (_L.EXITING, _L.EXITED, _L.LEFT, _L.CLOSED): IGNORED,
        },
        _T.END_KNOWN: {
            (_L.OPEN, _L.ASKED, _L.ENDING, _L.LOST, _L.LOST_ENDING): to(_L.EXITING, *_EXIT),
            (_L.VANISHED,): to(_L.EXITING, _E.CANCEL_GRACE, *_EXIT),
            (_L.EXITING, _L.EXITED, _L.LEFT, _L.CLOSED): IGNORED,
        },
        _T.GONE: {
            (_L.OPEN, _L.ASKED, _L.ENDING, _L.LOST, _L.LOST_ENDING): to(
                _L.VANISHED, _E.START_GRACE
            ),
            (_L.VANISHED, _L.EXITING, _L.EXITED, _L.LEFT, _L.CLOSED): IGNORED,
        },
        _T.GRACE_OVER: {
            (_L.VANISHED,): to(_L.EXITING, *_EXIT),
            (_L.EXITING,): stay(_E.END_PROCESSES),
            (_L.OPEN, _L.ASKED, _L.ENDING, _L.LOST, _L.LOST_ENDING): IMPOSSIBLE,
            (_L.EXITED, _L.LEFT, _L.CLOSED): IMPOSSIBLE,
        },
        _T.EMPTY: {
            (_L.EXITING,): to(_L.EXITED, _E.CANCEL_GRACE, _E.TELL_END),
            (_L.OPEN, _L.ASKED, _L.ENDING, _L.VANISHED, _L.LOST, _L.LOST_ENDING): IGNORED,
            (_L.EXITED, _L.LEFT, _L.CLOSED): IGNORED,
        },
        _T.DISCONNECTED: {
            (_L.OPEN, _L.ASKED): to(_L.LOST, *_LOSE),
            (_L.ENDING,): to(_L.LOST_ENDING, *_LOSE),
            (_L.VANISHED, _L.EXITING, _L.EXITED): stay(*_LOSE),
            (_L.LOST, _L.LOST_ENDING): stay(*_LOSE_ONLY_PROCESSES),
            # Its processes may be wanted longer than the system.
            (_L.LEFT, _L.CLOSED): stay(*_LOSE_ONLY_PROCESSES),
        },
        _T.OLD_DISCONNECTED: {
            (_L.OPEN, _L.ASKED, _L.ENDING, _L.LOST, _L.LOST_ENDING): stay(*_LOSE_ONLY_PROCESSES),
            (_L.VANISHED, _L.EXITING, _L.EXITED): stay(*_LOSE_ONLY_PROCESSES),
            (_L.LEFT, _L.CLOSED): stay(*_LOSE_ONLY_PROCESSES),
        },
        _T.DROP: {
            (_L.OPEN, _L.ASKED): to(_L.LOST, _E.CLOSE_HANDLE),
            (_L.ENDING,): to(_L.LOST_ENDING, _E.CLOSE_HANDLE),
            (_L.VANISHED, _L.EXITING, _L.EXITED): stay(_E.CLOSE_HANDLE),
            (_L.LOST, _L.LOST_ENDING, _L.LEFT, _L.CLOSED): IGNORED,
        },
        _T.FOUND: {
            (_L.LOST,): to(_L.OPEN, _E.TAKE_HANDLE),
            (_L.LOST_ENDING,): to(_L.ENDING, _E.TAKE_HANDLE),
            # Another search was quicker, or it ended or was closed meanwhile.
            (_L.OPEN, _L.ASKED, _L.ENDING, _L.VANISHED): stay(_E.CLOSE_FOUND),
            (_L.EXITING, _L.EXITED, _L.LEFT, _L.CLOSED): stay(_E.CLOSE_FOUND),
        },
        _T.NOT_FOUND: {
            (_L.LOST, _L.LOST_ENDING): to(
                _L.EXITING,
                _E.KEEP_END,
                _E.START_GRACE,
                _E.END_LOST_PROCESSES,
                _E.CHECK_PROCESSES,
            ),
            (_L.OPEN, _L.ASKED, _L.ENDING, _L.VANISHED): IGNORED,
            (_L.EXITING, _L.EXITED, _L.LEFT, _L.CLOSED): IGNORED,
        },
        _T.CLOSE: {
            (_L.OPEN, _L.ASKED, _L.ENDING): to(_L.LEFT, _E.CLOSE_HANDLE),
            (_L.LOST, _L.LOST_ENDING): to(_L.LEFT),
            (_L.VANISHED,): to(_L.LEFT, _E.CANCEL_GRACE, _E.CLOSE_HANDLE),
            (_L.EXITING,): to(_L.CLOSED, _E.CANCEL_GRACE, _E.CLOSE_HANDLE),
            (_L.EXITED,): to(_L.CLOSED, _E.CLOSE_HANDLE),
            (_L.LEFT, _L.CLOSED): IGNORED,
        },
    },
)

CLOSED = frozenset({SystemLife.LEFT, SystemLife.CLOSED})
VANISHED = frozenset({SystemLife.VANISHED, SystemLife.EXITING, SystemLife.EXITED})
LOST = frozenset({SystemLife.LOST, SystemLife.LOST_ENDING})
# It was told to end, or has ended; LEFT is no more followed, and may be either.
ENDING = frozenset(SystemLife) - {SystemLife.OPEN, SystemLife.LOST, SystemLife.LEFT}
