"""Why the keeper could not do what it was asked, in HCS's terms.

A refusal of the keeper is an errno and what could not be had (`keeper.frames`). What that means
depends on the request: to start a process, to do something to one, or to the system as a whole.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.embedded.faults import Fault

if TYPE_CHECKING:
    from hcsd.embedded.keeper.frames import Message
    from hcsd.embedded.process_documents import Launch

# HRESULT of an errno at a start, by what could not be had; the rest is E_FAIL with the text.
_START_ERRORS = {
    ("executable", errno.ENOENT): HR.ERROR_FILE_NOT_FOUND,
    ("executable", errno.ENOTDIR): HR.ERROR_PATH_NOT_FOUND,
    ("executable", errno.EACCES): HR.E_ACCESSDENIED,
    ("executable", errno.EPERM): HR.E_ACCESSDENIED,
    ("executable", errno.EINVAL): HR.E_INVALIDARG,
    ("executable", errno.E2BIG): HR.E_INVALIDARG,
    ("executable", errno.ENAMETOOLONG): HR.E_INVALIDARG,
    ("executable", errno.ELOOP): HR.ERROR_PATH_NOT_FOUND,
    ("executable", errno.ENOEXEC): HR.ERROR_BAD_EXE_FORMAT,
    ("executable", errno.ENOMEM): HR.E_OUTOFMEMORY,
    ("executable", errno.EAGAIN): HR.ERROR_NO_SYSTEM_RESOURCES,
    ("executable", errno.EMFILE): HR.ERROR_NO_SYSTEM_RESOURCES,
    ("executable", errno.ENFILE): HR.ERROR_NO_SYSTEM_RESOURCES,
    ("user", errno.ENOENT): HR.ERROR_LOGON_FAILURE,
    ("user", errno.EPERM): HR.E_ACCESSDENIED,
    ("system", errno.ESRCH): HR.SYSTEM_ALREADY_STOPPED,
    ("system", errno.ETOOMANYREFS): HR.ERROR_NO_SYSTEM_RESOURCES,  # descriptors on their way
}


def start_fault(launch: Launch, answer: Message) -> Fault:
    """Word why a process did not start, naming what is missing."""
    what, code = str(answer.get("what")), answer.get("error")
    if what == "directory":
        text = f"working directory '{launch.directory}': {_text(code)}"
        return Fault(HR.ERROR_DIRECTORY, text)
    subject = {
        "executable": f"executable '{launch.argv[0]}'",
        "user": f"user '{launch.user}'",
    }.get(what, "compute system")
    hresult = _START_ERRORS.get((what, code), HR.E_FAIL) if isinstance(code, int) else HR.E_FAIL
    return Fault(hresult, f"{subject}: {_text(code)}")


def process_fault(answer: Message) -> Fault | None:
    """Word why something could not be done to a process; None if it was done."""
    code = answer.get("error")
    if code is None:
        return None
    if code == errno.ESRCH:
        return Fault(HR.PROCESS_ALREADY_STOPPED, "the process has exited")
    if code == errno.EPERM:
        # Not E_ACCESSDENIED, by which HCS says that the process is dying already.
        return Fault(HR.ACCESS_DENIED, "the process belongs to another user")
    return Fault(HR.E_FAIL, _text(code))


def system_fault(system_id: str, answer: Message) -> Fault | None:
    """Word why something could not be done to a whole system; None if it was done."""
    code = answer.get("error")
    if code is None:
        return None
    if code == errno.ESRCH:
        return Fault(HR.SYSTEM_ALREADY_STOPPED, f"system '{system_id}' has stopped")
    if code == errno.EPERM:
        return Fault(HR.ACCESS_DENIED, "a process of the system belongs to another user")
    return Fault(HR.E_FAIL, _text(code))


def _text(code: object) -> str:
    return os.strerror(code) if isinstance(code, int) else "unknown error"
