"""The process that the service manager of Windows starts: the daemon on a thread of the manager's.

    SvcRun     START_PENDING ──ready──▶ RUNNING ──stop or shutdown──▶ STOP_PENDING ──▶ STOPPED
               └────────── it cannot start, or fails ──────────────────────────────▶ STOPPED, code 1

The main thread belongs to the manager, so there are no signals here; requests to stop come from it.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from hcsd.errors import HcsdError

assert sys.platform == "win32"  # noqa: S101, TID251  (there is no such manager elsewhere)

import pywintypes  # noqa: E402
import servicemanager  # noqa: E402
import win32api  # noqa: E402
import win32con  # noqa: E402
import win32service  # noqa: E402
import win32serviceutil  # noqa: E402
import winerror  # noqa: E402

from hcsd.win32.scm import NAME  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

# What Windows is told to wait for before it takes us for dead. Milliseconds.
START_HINT_MS = 30_000
STOP_HINT_MS = 30_000
FAILED = 1

logger = logging.getLogger(__name__)


class NotStartedByManagerError(HcsdError):
    """The service manager has not started this process."""


def host(
    run: Callable[[Callable[[list[str]], None]], None],
    request_stop: Callable[[str], None],
    expected: tuple[type[Exception], ...],
) -> None:
    """Run as the service, until it has stopped. Thread: the main thread's.

    Args:
        run: Runs the daemon to its end; called on another thread, with what it calls with its
            addresses once it is ready. What it raises goes into the log and the event log.
        request_stop: Asks the daemon to stop, with the reason.
        expected: What `run` raises with a text that tells all; the rest is logged with its origin.

    Raises:
        NotStartedByManagerError: The service manager has not started this process.
    """

    class Service(win32serviceutil.ServiceFramework):
        _svc_name_ = NAME

        def SvcRun(self) -> None:  # noqa: N802  (their name)
            self.ReportServiceStatus(win32service.SERVICE_START_PENDING, waitHint=START_HINT_MS)
            try:
                run(self._be_ready)
            except Exception as error:
                origin = None if isinstance(error, expected) else error
                logger.critical("cannot go on: %s", error, exc_info=origin)
                servicemanager.LogErrorMsg(f"hcsd cannot go on: {error}")
                self.ReportServiceStatus(
                    win32service.SERVICE_STOPPED,
                    win32ExitCode=winerror.ERROR_SERVICE_SPECIFIC_ERROR,
                    svcExitCode=FAILED,
                )
                # Back in its caller, "stopped in order" would be reported over it.
                logging.shutdown()
                os._exit(FAILED)

        def _be_ready(self, _addresses: list[str]) -> None:
            self.ReportServiceStatus(win32service.SERVICE_RUNNING)

        def SvcStop(self) -> None:  # noqa: N802  (their name)
            self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING, waitHint=STOP_HINT_MS)
            request_stop("a stop of the service manager")

        def SvcShutdown(self) -> None:  # noqa: N802  (their name)
            self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING, waitHint=STOP_HINT_MS)
            request_stop("the end of Windows")

    # A service is told when anybody logs off; the default is to end.
    win32api.SetConsoleCtrlHandler(_ignore_logging_off, True)
    servicemanager.Initialize(NAME, servicemanager.__file__)
    servicemanager.PrepareToHostSingle(Service)
    try:
        servicemanager.StartServiceCtrlDispatcher()  # type: ignore[no-untyped-call]
    except pywintypes.error as error:
        if error.winerror != winerror.ERROR_FAILED_SERVICE_CONTROLLER_CONNECT:
            raise
        msg = "the service manager has not started this; see 'hcsd service start'"
        raise NotStartedByManagerError(msg) from error


def _ignore_logging_off(event: int) -> bool:
    return event == win32con.CTRL_LOGOFF_EVENT
