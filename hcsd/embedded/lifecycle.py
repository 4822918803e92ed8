"""The life of a compute system: which call is legal when, and what the others are answered.

    CREATED ──start──▶ RUNNING ◀──pause, resume──▶ PAUSED
       │                  ├──shut down──▶ ENDING ──┐          │
       └──terminate───────┴──terminate──────────▶ ENDING ──nothing of it is left──▶ STOPPED

A system ends once; a stopped one is listed until its last handle is closed, and then forgotten.
ENDING has no name in HCS: the system is reported as what it was.
"""

from __future__ import annotations

import enum

from hcsd.abi.hresult import HR
from hcsd.embedded.faults import Fault


class SystemState(enum.Enum):
    """See the module's head; the values are the names HCS has."""

    CREATED = "Created"
    RUNNING = "Running"
    PAUSED = "Paused"
    ENDING = "Ending"
    STOPPED = "Stopped"


class Call(enum.Enum):
    """What is asked of a system."""

    START = "start"
    CREATE_PROCESS = "run a process in"
    SHUT_DOWN = "shut down"
    TERMINATE = "terminate"
    PAUSE = "pause"
    RESUME = "resume"
    SAVE = "save"
    MODIFY = "modify"
    PROPERTIES = "query"
    MEASURE = "measure"  # Statistics and ProcessList


_OK = None
_WRONG = HR.INVALID_STATE
_GONE = HR.SYSTEM_ALREADY_STOPPED
_NEVER = HR.ERROR_NOT_SUPPORTED

# The order of a row's columns is that of the states. What HCS does with a save of a running system,
# and with a second shutdown, is written down in its reference; the columns of an ending system are
# those of a stopped one, but for the terminate that cuts a shutdown short.
TABLE: dict[Call, tuple[HR | None, ...]] = {
    #                    CREATED RUNNING PAUSED  ENDING STOPPED
    Call.START:          (_OK,    _WRONG, _WRONG, _GONE, _GONE),
    Call.CREATE_PROCESS: (_WRONG, _OK,    _WRONG, _GONE, _GONE),
    Call.SHUT_DOWN:      (_WRONG, _OK,    _WRONG, _GONE, _GONE),
    Call.TERMINATE:      (_OK,    _OK,    _OK,    _OK,   _GONE),
    Call.PAUSE:          (_WRONG, _OK,    _WRONG, _GONE, _GONE),
    Call.RESUME:         (_WRONG, _WRONG, _OK,    _GONE, _GONE),
    Call.SAVE:           (_WRONG, _WRONG, _NEVER, _GONE, _GONE),
    Call.MODIFY:         (_OK,    _OK,    _OK,    _GONE, _GONE),
    Call.PROPERTIES:     (_OK,    _OK,    _OK,    _OK,   _OK),
    Call.MEASURE:        (_WRONG, _OK,    _OK,    _GONE, _GONE),
}  # fmt: skip


def require(call: Call, state: SystemState) -> None:
    """Let a legal call pass.

    Raises:
        Fault: It is not legal in that state.
    """
    answer = TABLE[call][list(SystemState).index(state)]
    if answer is not None:
        text = f"it is {state.value.lower()}"
        if answer is _NEVER:
            text = f"the embedded engine cannot {call.value} systems"
        raise Fault(answer, text)
