"""The life of a process as the engine sees it.

    RUNNING ──HCS says it is gone──▶ VANISHED ──its event, or the grace is over──▶ EXITED
     │   ▲                               │                                           ▲
     │   │                               └──the service goes away──▶ LOST            │
     │   ├──────────────its end is known: the event, its properties, its system──────┤
     │   └─────the service is back, with the same process─────┐                      │
     └──the service goes away──▶ LOST ────────────────────────┤                      │
                                  ├──the service is back without it──────────────────┤
                                  └──the service stays away──▶ GIVEN_UP ─────────────┘

    RUNNING, VANISHED ──close()──▶ LEFT_RUNNING ──┐
    LOST, GIVEN_UP ──close()──▶ LEFT_LOST ────────┴──its end is known──▶ CLOSED
    EXITED ──close()──▶ CLOSED

The end is told once: on the way into EXITED or GIVEN_UP. After `close()` nothing is told. A process
that was given up may still run, and its end has been told as unknown; so it stays GIVEN_UP when it
is found. A process that is closed is left alone. It can still be killed by its pid, so what was last
known of it is kept.

RUNNING and VANISHED have a handle; LOST and GIVEN_UP have none. The timer of the grace runs in
VANISHED only.
"""

from __future__ import annotations

import enum

from hcsd.life import IGNORED, IMPOSSIBLE, LifeEnum, Table, stay, to


class ProcessState(LifeEnum):
    """What is known of a process."""

    RUNNING = enum.auto()
    LOST = enum.auto()
    EXITED = enum.auto()


class ProcessLife(LifeEnum):
    """The states; see the module's head."""

    RUNNING = enum.auto()
    VANISHED = enum.auto()
    LOST = enum.auto()
    GIVEN_UP = enum.auto()
    EXITED = enum.auto()
    LEFT_RUNNING = enum.auto()
    LEFT_LOST = enum.auto()
    CLOSED = enum.auto()


class ProcessTrigger(LifeEnum):
    """What changes the life of a process."""

    END_KNOWN = enum.auto()  # by its event, by its properties, or because its system has ended
    GONE = enum.auto()  # HCS has nothing of it any more, and no exit code
    GRACE_OVER = enum.auto()  # its event has not come
    DISCONNECTED = enum.auto()  # the service that gave out the handle went away
    FOUND = enum.auto()  # it was opened again
    ENDED_AWAY = enum.auto()  # the service is back without it
    GIVE_UP = enum.auto()  # the service stays away
    CLOSE = enum.auto()  # nobody wants it any more


class ProcessEffect(LifeEnum):
    """What follows from a trigger, in the order in which effects run."""

    CANCEL_GRACE = enum.auto()
    START_GRACE = enum.auto()  # its end is a trigger, GRACE_OVER
    TAKE_HANDLE = enum.auto()  # the handle by which it was opened again
    CLOSE_FOUND = enum.auto()  # that handle, which is not needed
    CLOSE_HANDLE = enum.auto()
    FREE_STDIO = enum.auto()  # the pipe ends that nobody took
    TELL_END = enum.auto()
    TELL_STATE = enum.auto()  # what is known of it has changed
    LEAVE_SYSTEM = enum.auto()  # after it has told: the end of a system is told after all of these


_L, _T, _E = ProcessLife, ProcessTrigger, ProcessEffect

TABLE: Table[ProcessLife, ProcessTrigger, ProcessEffect] = Table(
    ProcessLife,
    ProcessTrigger,
    {
        _T.END_KNOWN: {
            (_L.RUNNING, _L.LOST): to(_L.EXITED, _E.TELL_END, _E.TELL_STATE, _E.LEAVE_SYSTEM),
            (_L.VANISHED,): to(
                _L.EXITED, _E.CANCEL_GRACE, _E.TELL_END, _E.TELL_STATE, _E.LEAVE_SYSTEM
            ),
            (_L.GIVEN_UP,): to(_L.EXITED, _E.TELL_STATE),
            (_L.LEFT_RUNNING, _L.LEFT_LOST): to(_L.CLOSED),
            (_L.EXITED, _L.CLOSED): IGNORED,
        },
        _T.GONE: {
            (_L.RUNNING,): to(_L.VANISHED, _E.START_GRACE),
            # To a lost process this is an answer from before: it is looked for.
            (_L.VANISHED, _L.LOST, _L.GIVEN_UP, _L.EXITED): IGNORED,
            (_L.LEFT_RUNNING, _L.LEFT_LOST, _L.CLOSED): IGNORED,
        },
        _T.GRACE_OVER: {
            (_L.VANISHED,): to(_L.EXITED, _E.TELL_END, _E.TELL_STATE, _E.LEAVE_SYSTEM),
            (_L.RUNNING, _L.LOST, _L.GIVEN_UP, _L.EXITED): IMPOSSIBLE,
            (_L.LEFT_RUNNING, _L.LEFT_LOST, _L.CLOSED): IMPOSSIBLE,
        },
        _T.DISCONNECTED: {
            (_L.RUNNING,): to(_L.LOST, _E.CLOSE_HANDLE, _E.TELL_STATE),
            (_L.VANISHED,): to(_L.LOST, _E.CANCEL_GRACE, _E.CLOSE_HANDLE, _E.TELL_STATE),
            (_L.LOST, _L.GIVEN_UP, _L.EXITED): IGNORED,
            (_L.LEFT_RUNNING, _L.LEFT_LOST, _L.CLOSED): IGNORED,
        },
        _T.FOUND: {
            (_L.LOST,): to(_L.RUNNING, _E.TAKE_HANDLE, _E.TELL_STATE),
            # Another search was quicker, or it ended, was given up or closed meanwhile.
            (_L.RUNNING, _L.VANISHED, _L.GIVEN_UP, _L.EXITED): stay(_E.CLOSE_FOUND),
            (_L.LEFT_RUNNING, _L.LEFT_LOST, _L.CLOSED): stay(_E.CLOSE_FOUND),
        },
        _T.ENDED_AWAY: {
            (_L.LOST,): to(_L.EXITED, _E.TELL_END, _E.TELL_STATE, _E.LEAVE_SYSTEM),
            (_L.GIVEN_UP,): to(_L.EXITED, _E.TELL_STATE),
            (_L.LEFT_LOST,): to(_L.CLOSED),
            # Another search has found it: its own handle tells how it ended.
            (_L.RUNNING, _L.VANISHED, _L.EXITED, _L.LEFT_RUNNING, _L.CLOSED): IGNORED,
        },
        _T.GIVE_UP: {
            (_L.LOST,): to(_L.GIVEN_UP, _E.TELL_END, _E.LEAVE_SYSTEM),
            (_L.RUNNING, _L.VANISHED): IMPOSSIBLE,
            # Several are given up in one go: who hears of one may close another.
            (_L.GIVEN_UP, _L.EXITED, _L.LEFT_RUNNING, _L.LEFT_LOST, _L.CLOSED): IGNORED,
        },
        _T.CLOSE: {
            (_L.RUNNING,): to(_L.LEFT_RUNNING, _E.CLOSE_HANDLE, _E.FREE_STDIO, _E.LEAVE_SYSTEM),
            (_L.VANISHED,): to(
                _L.LEFT_RUNNING,
                _E.CANCEL_GRACE,
                _E.CLOSE_HANDLE,
                _E.FREE_STDIO,
                _E.LEAVE_SYSTEM,
            ),
            (_L.LOST,): to(_L.LEFT_LOST, _E.FREE_STDIO, _E.LEAVE_SYSTEM),
            (_L.GIVEN_UP,): to(_L.LEFT_LOST, _E.FREE_STDIO),
            (_L.EXITED,): to(_L.CLOSED, _E.CLOSE_HANDLE, _E.FREE_STDIO),
            (_L.LEFT_RUNNING, _L.LEFT_LOST, _L.CLOSED): IGNORED,
        },
    },
)

# What is known of a process in each state of its life.
KNOWN: dict[ProcessLife, ProcessState] = {
    ProcessLife.RUNNING: ProcessState.RUNNING,
    ProcessLife.VANISHED: ProcessState.RUNNING,
    ProcessLife.LOST: ProcessState.LOST,
    ProcessLife.GIVEN_UP: ProcessState.LOST,
    ProcessLife.EXITED: ProcessState.EXITED,
    ProcessLife.LEFT_RUNNING: ProcessState.RUNNING,
    ProcessLife.LEFT_LOST: ProcessState.LOST,
    ProcessLife.CLOSED: ProcessState.EXITED,
}
