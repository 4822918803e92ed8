"""The daemon in the service manager of Windows: installed, removed, started, stopped, looked at.

Through pywin32, the extra `hcsd[windows]`. The manager starts the interpreter with the command line
of `hcsd serve`; no program of another's stands between them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, cast

from hcsd.errors import HcsdError

assert sys.platform == "win32"  # noqa: S101, TID251  (there is no such manager elsewhere)

import winreg  # noqa: E402

import pywintypes  # noqa: E402
import win32api  # noqa: E402
import win32con  # noqa: E402
import win32event  # noqa: E402
import win32service  # noqa: E402
import winerror  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from _win32typing import PySC_HANDLE

NAME = "hcsd"
DISPLAY_NAME = "hcsd: processes of the Host Compute Service"
DESCRIPTION = "Gives programs of this host the processes of the Host Compute Service, over gRPC."
KEY = rf"SYSTEM\CurrentControlSet\Services\{NAME}"
DELETE = 0x0001_0000
EXIT_MS = 10_000  # for the interpreter to end (arbitrary)
LOOK_INTERVAL = 0.2  # seconds; the manager has no event for it that pywin32 could wait for

STATES = {
    win32service.SERVICE_STOPPED: "stopped",
    win32service.SERVICE_START_PENDING: "starting",
    win32service.SERVICE_STOP_PENDING: "stopping",
    win32service.SERVICE_RUNNING: "running",
}
ERRORS = {
    winerror.ERROR_ACCESS_DENIED: "only administrators may; use a prompt of an administrator",
    winerror.ERROR_SERVICE_DOES_NOT_EXIST: "it is not installed; see 'hcsd service install'",
    winerror.ERROR_SERVICE_EXISTS: "it is installed; see 'hcsd service remove'",
    winerror.ERROR_SERVICE_ALREADY_RUNNING: "it is running",
    winerror.ERROR_SERVICE_NOT_ACTIVE: "it is not running",
    winerror.ERROR_SERVICE_MARKED_FOR_DELETE: (
        "it is about to be removed; close what looks at services, and try again"
    ),
}


class ServiceError(HcsdError):
    """The service manager refused something."""


class State(NamedTuple):
    """What the manager says of the service.

    Attributes:
        name: Its state in a word: ``running``, ``stopped``, ``starting``, ``stopping``.
        pid: Of its process; 0 if it has none.
        exit_code: With which it ended last, of Windows or its own; 0 if in order.
    """

    name: str
    pid: int
    exit_code: int


def install(arguments: Sequence[str], *, automatic: bool) -> None:
    """Install the service, to run as SYSTEM.

    Args:
        arguments: Those of the interpreter; what they run must call `hcsd.win32.service.host`.
        automatic: Whether it starts with Windows.

    Raises:
        ServiceError: It is installed, or this user may not.
    """
    # What venv puts before it starts a second process, which the manager would not know.
    interpreter: str = sys._base_executable  # type: ignore[attr-defined]  # noqa: SLF001
    command = subprocess.list2cmdline([interpreter, *arguments])
    start = win32service.SERVICE_AUTO_START if automatic else win32service.SERVICE_DEMAND_START
    with _manager(win32service.SC_MANAGER_CREATE_SERVICE, "install") as manager:
        service = win32service.CreateService(
            manager, NAME, DISPLAY_NAME, win32service.SERVICE_ALL_ACCESS,
            win32service.SERVICE_WIN32_OWN_PROCESS, start, win32service.SERVICE_ERROR_NORMAL,
            command, None, False, None, None, None,
        )  # fmt: skip
        try:
            win32service.ChangeServiceConfig2(
                service, win32service.SERVICE_CONFIG_DESCRIPTION, DESCRIPTION
            )
        finally:
            win32service.CloseServiceHandle(service)
    if sys.prefix != sys.base_prefix:
        # Makes the base interpreter that of the environment, as the one inside it would.
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, KEY, access=winreg.KEY_SET_VALUE) as key:
            value = [f"__PYVENV_LAUNCHER__={sys.executable}"]
            winreg.SetValueEx(key, "Environment", 0, winreg.REG_MULTI_SZ, value)


def remove() -> None:
    """Remove the service, which must have stopped.

    Raises:
        ServiceError: It runs, is not installed, or this user may not.
    """
    with _service(DELETE | win32service.SERVICE_QUERY_STATUS, "remove") as service:
        if _state(service).name != "stopped":
            msg = f"cannot remove service '{NAME}': it is running; see 'hcsd service stop'"
            raise ServiceError(msg)
        win32service.DeleteService(service)


def start() -> State:
    """Start the service and wait until it runs, or has failed.

    Raises:
        ServiceError: It runs, is not installed, or this user may not.
    """
    access = win32service.SERVICE_START | win32service.SERVICE_QUERY_STATUS
    with _service(access, "start") as service:
        win32service.StartService(service, None)
        return _settled(service)


def stop() -> State:
    """Stop the service and wait until it has, and until its process has ended.

    The service says that it has stopped when only the exit of its process is left. Until that has
    come, a service cannot be removed for good.

    Raises:
        ServiceError: It does not run, is not installed, or this user may not.
    """
    access = win32service.SERVICE_STOP | win32service.SERVICE_QUERY_STATUS
    with _service(access, "stop") as service:
        process = _process(_state(service).pid)
        win32service.ControlService(service, win32service.SERVICE_CONTROL_STOP)
        stopped = _settled(service)
        if process is not None:
            win32event.WaitForSingleObject(process, EXIT_MS)
        return stopped


def _process(pid: int) -> int | None:
    """Open a process to wait for its end, if it is there and this user may.

    Ownership: what is returned is pywin32's handle object, which closes itself.
    """
    try:
        return win32api.OpenProcess(win32con.SYNCHRONIZE, False, pid)
    except pywintypes.error:
        return None


def state() -> State:
    """Look at the service.

    Raises:
        ServiceError: It is not installed.
    """
    with _service(win32service.SERVICE_QUERY_STATUS, "look at") as service:
        return _state(service)


def _settled(service: PySC_HANDLE) -> State:
    while (now := _state(service)).name in {"starting", "stopping"}:
        time.sleep(LOOK_INTERVAL)
    return now


def _state(service: PySC_HANDLE) -> State:
    status = cast("dict[str, int]", win32service.QueryServiceStatusEx(service))
    code = status["Win32ExitCode"]
    if code == winerror.ERROR_SERVICE_SPECIFIC_ERROR:
        code = status["ServiceSpecificExitCode"]
    name = STATES.get(status["CurrentState"], f"in state {status['CurrentState']}")
    return State(name, status["ProcessId"], code)


@contextmanager
def _manager(access: int, verb: str) -> Iterator[PySC_HANDLE]:
    """Open the service manager; what it refuses inside is a ServiceError."""
    try:
        manager = win32service.OpenSCManager(None, None, access)
        try:
            yield manager
        finally:
            win32service.CloseServiceHandle(manager)
    except pywintypes.error as error:
        why = ERRORS.get(error.winerror, f"{error.strerror} ({error.winerror})")
        msg = f"cannot {verb} service '{NAME}': {why}"
        raise ServiceError(msg) from error


@contextmanager
def _service(access: int, verb: str) -> Iterator[PySC_HANDLE]:
    with _manager(win32service.SC_MANAGER_CONNECT, verb) as manager:
        service = win32service.OpenService(manager, NAME, access)
        try:
            yield service
        finally:
            win32service.CloseServiceHandle(service)
