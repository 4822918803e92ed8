"""What HCS answers to every call on a compute system, in every state of its life.

Written down from the reference's words on each call, once more and apart from what implements it.
"""

from hcsd.abi.hresult import HR

OK, WRONG, GONE, NEVER = 0, HR.INVALID_STATE, HR.SYSTEM_ALREADY_STOPPED, HR.ERROR_NOT_SUPPORTED
STATES = ("CREATED", "RUNNING", "PAUSED", "ENDING", "STOPPED")
EXPECTED = {
    #                CREATED RUNNING PAUSED ENDING STOPPED
    "Start":         (OK,    WRONG,  WRONG, GONE,  GONE),
    "CreateProcess": (WRONG, OK,     WRONG, GONE,  GONE),
    "ShutDown":      (WRONG, OK,     WRONG, GONE,  GONE),
    "Terminate":     (OK,    OK,     OK,    OK,    GONE),
    "Pause":         (WRONG, OK,     WRONG, GONE,  GONE),
    "Resume":        (WRONG, WRONG,  OK,    GONE,  GONE),
    "Save":          (WRONG, WRONG,  NEVER, GONE,  GONE),
    "Modify":        (NEVER, NEVER,  NEVER, GONE,  GONE),
    "Properties":    (OK,    OK,     OK,    OK,    OK),
    "ProcessList":   (WRONG, OK,     OK,    GONE,  GONE),
}  # fmt: skip
