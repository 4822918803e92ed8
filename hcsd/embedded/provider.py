"""The embedded engine as a provider: C function pointers for every row of the table."""

from __future__ import annotations

import ctypes
import functools
import logging
import os
from typing import TYPE_CHECKING, Protocol

from hcsd.abi.functions import FUNCTIONS, Check
from hcsd.abi.hresult import HR
from hcsd.embedded.child_settings import ChildSettings
from hcsd.embedded.configuration import Configuration, Limits
from hcsd.embedded.core import Core
from hcsd.embedded.exports.operations import OperationExports
from hcsd.embedded.exports.processes import ProcessExports
from hcsd.embedded.exports.service import ServiceExports
from hcsd.embedded.exports.systems import SystemExports
from hcsd.embedded.faults import Fault
from hcsd.embedded.keeper.procfs import ON_LINUX
from hcsd.embedded.memory import Memory
from hcsd.embedded.system import System
from hcsd.embedded.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcsd.abi.functions import Function
    from hcsd.embedded.exports.base import Exports


class Export(Protocol):
    """A function behind a row; its parameters are those of the row."""

    def __call__(self, *args: object) -> object:
        """Do it; raises `Fault` for an HRESULT."""


HOST_SYSTEM = "host"

logger = logging.getLogger(__name__)


class EmbeddedProvider:
    """computecore.dll for POSIX hosts; offers one running system, `host`.

    Its calls never block, so they may be made on an event loop: what takes time is done on its
    worker thread.

    Args:
        settings: What is the same for all processes; None for the defaults.

    Ownership: `close` ends every system with its processes, and the thread. Thread: any.
    """

    name = "embedded"
    blocking = False
    guest_os = "linux"
    kills_trees = ON_LINUX
    pauses_containers = True
    shapes_processes = True
    host_system = HOST_SYSTEM

    def __init__(self, settings: ChildSettings | None = None) -> None:
        settings = settings or ChildSettings()
        self._closed = False
        self._core = Core()
        self._strings = Memory()
        self._worker = Worker()
        self._systems: dict[str, System] = {}
        groups = [
            group(self._core, self._strings, self._worker, self._systems, settings)
            for group in (OperationExports, SystemExports, ProcessExports, ServiceExports)
        ]
        host = System(
            HOST_SYSTEM,
            Configuration(owner="hcsd", limits=Limits(tasks=settings.max_tasks or None)),
            self._core.lock,
            self._worker,
            self._systems,
            settings=settings,
        )
        host.launch()
        self._systems[HOST_SYSTEM] = host
        # Thunks live as long as the provider: their addresses have been given out.
        self._thunks = {row.name: row.prototype(_export(groups, row)) for row in FUNCTIONS}

    def address(self, function: Function) -> int | None:
        """Return the address of an export."""
        return ctypes.cast(self._thunks[function.name], ctypes.c_void_p).value

    def close_handle(self, handle: int) -> None:
        """Close a stdio handle, which is a file descriptor here."""
        os.close(handle)

    def live(self) -> dict[str, int]:
        """Count what callers have been given and have not released."""
        with self._core.lock:
            return {
                "operations": len(self._core.operations),
                "systems": len(self._core.systems),
                "processes": len(self._core.processes),
                "strings": len(self._strings),
            }

    def close(self) -> None:
        """End every system with all that runs in it; returns when nothing of it is left.

        Idempotent.
        """
        if self._closed:
            return
        self._closed = True
        self._worker.closed = True
        with self._core.lock:
            systems = list(self._systems.values())
        for system in systems:
            self._worker.post(system.end)
        for system in systems:
            system.ended.wait()
        self._worker.close()


def _export(groups: Sequence[Exports], row: Function) -> Export:
    """Return the function behind a row: the method of that name, guarded.

    An exception that reached ctypes would be printed there, and C would get an arbitrary result.
    """
    hresult = row.check is Check.HRESULT
    method: Export | None = next(
        (getattr(group, row.name) for group in groups if hasattr(group, row.name)), None
    )
    if method is None:
        return lambda *_args: HR.ERROR_NOT_SUPPORTED if hresult else 0

    @functools.wraps(method)
    def guarded(*args: object) -> object:
        try:
            result = method(*args)
        except Fault as fault:
            return fault.hresult if hresult else 0
        except Exception:
            logger.exception("export %s failed", row.name)
            return HR.E_UNEXPECTED if hresult else 0
        return 0 if hresult and result is None else result

    return guarded
