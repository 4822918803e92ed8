"""The embedded engine as a provider: C function pointers for every row of the table."""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Protocol

from hcsd.abi.functions import FUNCTIONS, Check
from hcsd.abi.hresult import HR
from hcsd.embedded.child_settings import ChildSettings
from hcsd.embedded.core import Core
from hcsd.embedded.exports.operations import OperationExports
from hcsd.embedded.exports.processes import ProcessExports
from hcsd.embedded.exports.service import ServiceExports
from hcsd.embedded.exports.systems import SystemExports
from hcsd.embedded.faults import as_fault
from hcsd.embedded.host_system import HOST_SYSTEM, HostSystem
from hcsd.embedded.keeper.procfs import ON_LINUX
from hcsd.embedded.keeper_client import LAST_WORDS
from hcsd.embedded.keepers import Keepers
from hcsd.embedded.kept_stdio import KeptWith
from hcsd.embedded.memory import Memory
from hcsd.embedded.system import System
from hcsd.embedded.takeover import take_over
from hcsd.embedded.timings import DEFAULT_TIMINGS
from hcsd.embedded.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcsd.abi.functions import Function
    from hcsd.embedded.exports.base import Exports
    from hcsd.embedded.restoring import Restore
    from hcsd.embedded.timings import Timings


class Export(Protocol):
    """A function behind a row; its parameters are those of the row."""

    def __call__(self, *args: object) -> object:
        """Do it; raises `Fault` for an HRESULT."""


SLICE = 0.05  # seconds; a wait that somebody may shorten is waited in slices

logger = logging.getLogger(__name__)


class EmbeddedProvider:
    """computecore.dll for POSIX hosts; offers one running system, `host`, which comes back if it ends.

    Its calls never block, so they may be made on an event loop: what takes time is done on its
    worker thread.

    Args:
        settings: What is the same for all processes; None for the defaults.
        timings: How long to wait for what.
        reaps_orphans: Whether all children of this process, but for those that are there now, are
            the engine's. Then whatever a killed keeper leaves behind is ended and reaped for sure.
        restore: Where systems are written down that go on when this process dies (Linux). What an
            earlier engine has left there is taken over. None: they end with this process.

    Attributes:
        outlives_client: Whether they go on.

    Ownership: `close` ends every system with its processes, unless they are to be kept, and the thread.
    Thread: any.
    """

    name = "embedded"
    blocking = False
    guest_os = "linux"
    kills_trees = ON_LINUX
    pauses_containers = True
    shapes_processes = True
    host_system = HOST_SYSTEM

    def __init__(
        self,
        settings: ChildSettings | None = None,
        timings: Timings = DEFAULT_TIMINGS,
        *,
        reaps_orphans: bool = False,
        restore: Restore | None = None,
    ) -> None:
        settings = settings or ChildSettings()
        self._closed = False
        self._hurried = False
        self._timings = timings
        self._core = Core()
        self._strings = Memory()
        self._systems: dict[str, System] = {}
        self._restore = restore if ON_LINUX else None
        self.outlives_client = self._restore is not None
        self._kept_with = KeptWith()
        self._worker = Worker()
        try:
            self._keepers = Keepers(
                self._worker,
                settings,
                timings,
                restore=self._restore,
                kept_with=self._kept_with,
                reaps_orphans=reaps_orphans,
            )
            self._host = HostSystem(self._core.lock, self._worker, self._systems, self._keepers)
            self._begin()
        except BaseException:
            self._worker.close()
            raise
        groups = [
            group(self._core, self._strings, self._worker, self._systems, self._keepers)
            for group in (OperationExports, SystemExports, ProcessExports, ServiceExports)
        ]
        # Thunks live as long as the provider: their addresses have been given out.
        self._thunks = {row.name: row.prototype(_export(groups, row)) for row in FUNCTIONS}

    def address(self, function: Function) -> int | None:
        """Return the address of an export."""
        return ctypes.cast(self._thunks[function.name], ctypes.c_void_p).value

    def close_handle(self, handle: int) -> None:
        """Close a stdio handle, which is a file descriptor here, with what is kept with it."""
        self._kept_with.close(handle)
        os.close(handle)

    def kept_with(self, handle: int) -> tuple[int, ...]:
        """Return the descriptors that are kept with a stdio handle; see `kept_stdio`.

        Ownership: the caller's. Only the first call for a handle gets any.
        """
        return self._kept_with.take(handle)

    def live(self) -> dict[str, int]:
        """Count what callers have been given and have not released."""
        with self._core.lock:
            return {
                "operations": len(self._core.operations),
                "systems": len(self._core.systems),
                "processes": len(self._core.processes),
                "strings": len(self._strings),
            }

    def hurry(self) -> None:
        """End everything now, in a moment or never; `close` returns soon. Thread: any."""
        self._hurried = True
        self._worker.post(self._hurry)

    def close(self, *, keep: bool = False) -> None:
        """End every system with all that runs in it, or leave them to another engine.

        It returns when nothing of them is left, or after about ten seconds. Then the log tells what
        could not be ended. Idempotent. Thread: any but the worker's.

        Args:
            keep: Whether to leave them, if they can go on. Their keepers wait for the window.
        """
        if self._closed:
            return
        self._closed = True
        self._worker.closed = True
        if keep and self.outlives_client:
            self._worker.post(self._let_go)
        else:
            self._end()
        if not self._worker.close(self._timings.reap + LAST_WORDS):
            logger.error("the thread of the embedded engine hangs; it is left behind")
        self._kept_with.close_all()

    def _begin(self) -> None:
        """Take over what is there, and see to it that `host` is."""
        if self._restore is None:
            self._host.begin()
            return
        begun: list[BaseException | None] = []
        through = threading.Event()

        def begin() -> None:
            try:
                self._take_over()
                self._host.begin()
                begun.append(None)
            except BaseException as error:  # raised where it is waited for
                self._let_go()
                begun.append(error)
            through.set()

        self._worker.post(begin)
        through.wait()
        if begun[0] is not None:
            raise begun[0]

    def _take_over(self) -> None:
        assert self._restore is not None  # noqa: S101  (for the type checker)
        for record, taken in take_over(self._restore, self._timings.silence):
            facts = record.facts
            system = System(
                facts.id,
                facts.configuration,
                self._core.lock,
                self._worker,
                self._systems,
                keepers=self._keepers,
                on_stopped=self._host.revive if facts.id == HOST_SYSTEM else None,
                record=record,
            )
            self._systems[facts.id] = system
            if taken is not None:
                system.take_up(taken)

    def _let_go(self) -> None:
        """Leave every system to another engine. Thread: the worker's."""
        self._host.forget()
        self._keepers.let_go()

    def _end(self) -> None:
        """End every system; see `close`."""
        systems: list[System] = []
        listed = threading.Event()

        def end_all() -> None:
            systems.extend(self._end_all())
            listed.set()

        self._worker.post(end_all)
        times = self._timings
        self._wait(listed, systems, times.end)
        if not listed.is_set() or _left(systems):
            self._worker.post(lambda: self._keepers.kill(times.end))
            self._wait(listed, systems, 2 * times.reap + times.end)
        for system in _left(systems):
            logger.error(
                "system '%s' has not ended; its keeper is %d", system.id, system.keeper_pid
            )

    def _end_all(self) -> list[System]:
        """Begin the end of every system. Thread: the worker's."""
        self._host.forget()
        with self._core.lock:
            systems = list(self._systems.values())
        for system in systems:
            system.end()
        return systems

    def _hurry(self) -> None:
        self._end_all()
        limit = self._timings.hurry
        self._worker.after(limit, lambda: self._keepers.kill(limit))

    def _wait(self, listed: threading.Event, systems: list[System], seconds: float) -> None:
        """Wait for the end of all systems, once they are listed.

        The wait lasts only a moment if `hurry` was called, or is called meanwhile.
        """
        begun = time.monotonic()
        moment = 2 * self._timings.hurry + 2 * self._timings.reap
        while not listed.is_set() or _left(systems):
            if time.monotonic() - begun > (min(moment, seconds) if self._hurried else seconds):
                return
            (_left(systems)[0].ended if listed.is_set() else listed).wait(SLICE)


def _left(systems: list[System]) -> list[System]:
    return [system for system in systems if not system.ended.is_set()]


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
        except Exception as error:  # logged, unless it is a fault
            return as_fault(error).hresult if hresult else 0
        return 0 if hresult and result is None else result

    return guarded
