"""Why the keeper could not do what it was asked, in HCS's terms.

A refusal of the keeper is an errno and what could not be had (`keeper.frames`). What that means
depends on the request: to start a process, to do something to one, or to the system as a whole.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.embedded.faults import Fault, limit_fault
from hcsd.host_limits import KEEPER, limit_of

if TYPE_CHECKING:
    from hcsd.embedded.keeper.frames import Message
    from hcsd.embedded.process_documents import Launch
    from hcsd.host_limits import HostLimit

# HRESULT of an errno at a start, by what could not be had. Then by the errno alone, unless it tells of
# a limit of the host (`hcsd.host_limits`). The rest is E_FAIL; the text and the errno say more in any
# case.
_START_ERRORS = {
    ("executable", errno.ENOENT): HR.ERROR_FILE_NOT_FOUND,
    ("executable", errno.ENOTDIR): HR.ERROR_PATH_NOT_FOUND,
    ("executable", errno.EINVAL): HR.E_INVALIDARG,
    ("executable", errno.E2BIG): HR.E_INVALIDARG,
    ("executable", errno.ENAMETOOLONG): HR.E_INVALIDARG,
    ("executable", errno.ELOOP): HR.ERROR_PATH_NOT_FOUND,
    ("executable", errno.ENOEXEC): HR.ERROR_BAD_EXE_FORMAT,
    ("executable", errno.ETXTBSY): HR.ERROR_SHARING_VIOLATION,
    ("user", errno.ENOENT): HR.ERROR_LOGON_FAILURE,
    ("group", errno.ENOENT): HR.ERROR_LOGON_FAILURE,
    ("limits", errno.EINVAL): HR.E_INVALIDARG,
    ("system", errno.ESRCH): HR.SYSTEM_ALREADY_STOPPED,
}
_BY_ERRNO = {
    errno.EACCES: HR.E_ACCESSDENIED,
    errno.EPERM: HR.E_ACCESSDENIED,
    errno.ETIMEDOUT: HR.ERROR_TIMEOUT,
}
_TEXTS = {
    ("user", errno.ENOENT): "no such user",
    ("group", errno.ENOENT): "no such group",
    ("executable", errno.ETIMEDOUT): "it could not be loaded in time",
    ("directory", errno.ETIMEDOUT): "it could not be entered in time",
}
# Stages whose names for clients are longer than those between the engine and its keeper.
_STAGES = {"directory": "working_directory", "group": "user", "system": "", "keeper": ""}


def start_fault(launch: Launch, answer: Message) -> Fault:
    """Word why a process did not start, naming what is missing."""
    what, code = str(answer.get("what")), answer.get("error")
    if not isinstance(code, int):
        return Fault(HR.E_FAIL, f"{_subject(launch, what, answer)}: unknown error")
    stage = _STAGES.get(what, what)
    members = {"Stage": stage, "Errno": code} if stage else {}
    if limit := _limit(code, what):
        return limit_fault(limit, _subject(launch, what, answer), members)
    hresult = _START_ERRORS.get((what, code)) or _BY_ERRNO.get(code, HR.E_FAIL)
    if what == "directory" and hresult == HR.E_FAIL:
        hresult = HR.ERROR_DIRECTORY
    text = _TEXTS.get((what, code)) or os.strerror(code)
    return Fault(hresult, f"{_subject(launch, what, answer)}: {text}", members)


def _limit(code: object, what: object) -> HostLimit | None:
    """Return the limit that an answer tells of.

    The keeper answers for its own descriptors. That those of the daemon do not suffice, the line says
    of the system.
    """
    if code == errno.EMFILE and what != "system":
        what = KEEPER
    return limit_of(code, str(what)) if isinstance(code, int) else None


def _subject(launch: Launch, what: str, answer: Message) -> str:
    user = str(launch.shape.uid) if launch.shape.uid is not None else launch.user
    group = launch.user.partition(":")[2]
    return {
        "directory": f"working directory '{launch.directory}'",
        "executable": f"executable '{launch.argv[0]}'",
        "user": f"user '{user}'" if user else "groups of the process",
        "group": f"group '{group}'",
        "limits": f"limit '{answer.get('which')}'",
        "oom_score_adj": f"oom score {launch.shape.oom_score_adj}",
        "no_new_privileges": "no new privileges",
        "terminal": "console of the process",
        "session": "session of the process",
        "control_group": "control group of the process",
        "fork": "process",
    }.get(what, "compute system")


def process_fault(answer: Message) -> Fault | None:
    """Word why something could not be done to a process; None if it was done."""
    code = answer.get("error")
    if code is None:
        return None
    if answer.get("what") == "tree":
        return _tree_fault(code, answer.get("which"))
    if code == errno.ESRCH:
        return Fault(HR.PROCESS_ALREADY_STOPPED, "the process has exited")
    if code == errno.EPERM:
        # Not E_ACCESSDENIED, by which HCS says that the process is dying already.
        return Fault(HR.ACCESS_DENIED, "the process belongs to another user")
    if limit := _limit(code, answer.get("what")):
        return limit_fault(limit, "process")
    return Fault(HR.E_FAIL, _text(code))


def _tree_fault(code: object, left: object) -> Fault:
    """Word why a tree was not killed as a whole; `left` says how many of it are left, and which."""
    if code == errno.EPERM:
        return Fault(HR.ACCESS_DENIED, f"not all of the tree may be killed; left: {left}")
    if code == errno.ECHILD:
        return Fault(
            HR.E_FAIL,
            "the tree was killed, but for what nobody can tell whether it belongs to it, "
            f"because it has left its parents, its session and its environment: {left}",
        )
    return Fault(HR.E_FAIL, f"not all of the tree could be killed in time; left: {left}")


def system_fault(system_id: str, answer: Message) -> Fault | None:
    """Word why something could not be done to a whole system; None if it was done."""
    code = answer.get("error")
    if code is None:
        return None
    if code == errno.ESRCH:
        return Fault(HR.SYSTEM_ALREADY_STOPPED, f"system '{system_id}' has stopped")
    if code == errno.EPERM:
        return Fault(HR.ACCESS_DENIED, "a process of the system belongs to another user")
    if limit := _limit(code, answer.get("what")):
        return limit_fault(limit, f"system '{system_id}'")
    return Fault(HR.E_FAIL, _text(code))


def _text(code: object) -> str:
    return os.strerror(code) if isinstance(code, int) else "unknown error"
