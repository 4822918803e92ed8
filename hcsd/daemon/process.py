"""A process of the daemon, and what can be done to it: signals, kills, deletion.

Every RPC that signals, kills or deletes a process comes here. A target that has exited is no error for
a signal or a kill. What is begun goes on to its end in the background, whoever waits.

Its record and its life: `hcsd.daemon.process_record`. Changes of a running process, such as the size
of its console: `hcsd.daemon.modify`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, NamedTuple, Protocol

import anyio

from hcsd.daemon.errors import RequestError
from hcsd.daemon.kills import NOTHING, Killed, Scope, TreeNotSupportedError
from hcsd.daemon.kills import kill as kill_engine
from hcsd.daemon.process_attachment import AttachedRecord
from hcsd.daemon.process_record import Surroundings
from hcsd.daemon.process_view import ExitReason
from hcsd.daemon.reasons import Reason
from hcsd.daemon.signals import TERM, Delivery, Kill, resolve
from hcsd.hcs.errors import AlreadyStoppedError, ElementNotFoundError, HcsError
from hcsd.hcs.process import ProcessState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hcsd.daemon.background import Background, Work
    from hcsd.daemon.guests import Guest
    from hcsd.daemon.idempotency import RequestKey
    from hcsd.daemon.process_view import Identity
    from hcsd.daemon.rings import Rings
    from hcsd.daemon.settings import Limits
    from hcsd.daemon.signals import Signal
    from hcsd.daemon.spec import ResolvedSpec
    from hcsd.hcs.process import Process as EngineProcess

logger = logging.getLogger(__name__)


class Household(Surroundings, Protocol):
    """What a process needs of the daemon."""

    @property
    def background(self) -> Background:
        """Where work goes that must finish, whoever waits."""

    @property
    def kills_trees(self) -> bool:
        """Whether the engine can kill a process with all that descends from it."""


class _Ending(NamedTuple):
    """A termination that gives its process time to end.

    Attributes:
        work: Its outcome.
        grace: Around that time; its deadline may be brought forward.
    """

    work: Work[Killed]
    grace: anyio.CancelScope


class Process(AttachedRecord):
    """One process of the daemon; see `ProcessRecord` for what it has.

    Args:
        identity: What never changes of it.
        number: Order of creation.
        resolved: What the daemon does by its spec.
        limits: Limits in force.
        household: The daemon around it.
        request: What tells the request of its create from others.
        rings: Output by stream.

    Attributes:
        guest: What it runs in, once it runs.
    """

    def __init__(
        self,
        identity: Identity,
        number: int,
        resolved: ResolvedSpec,
        limits: Limits,
        *,
        household: Household,
        request: RequestKey,
        rings: Rings,
    ) -> None:
        super().__init__(
            identity, number, resolved, limits, surroundings=household, request=request, rings=rings
        )
        self._household = household
        self._signal_wait = limits.signal_wait
        self.guest: Guest | None = None  # until it runs
        self._endings: dict[Scope, _Ending] = {}  # those in their time of grace
        self._untold: Killed | None = None  # what a kill has done whose caller had left

    def run(self, engine: EngineProcess, guest: Guest) -> None:
        """Take over a process that HCS has started in a guest. Ownership: of it, and its pipe ends."""
        self.guest = guest
        self.begin(engine, self.kill_in_background)

    def require_stdio(self) -> None:
        """Refuse what needs the stdio of the process, if the daemon does not have it.

        Raises:
            RequestError: STDIO_NOT_OWNED; it was opened by its pid.
        """
        if self.was_opened:
            raise RequestError(
                Reason.STDIO_NOT_OWNED,
                f"the daemon has neither stdin nor output of '{self.name}', which it did not start:"
                " whoever started it has them",
                metadata={"process": self.name},
            )

    def require_running(self, verb: str) -> EngineProcess:
        """Return the engine's process, to do something with it.

        Raises:
            RequestError: PROCESS_NOT_RUNNING.
        """
        if self.engine is None or not self.running:
            raise RequestError(
                Reason.PROCESS_NOT_RUNNING,
                f"cannot {verb} process '{self.name}': it has exited",
                metadata={"process": self.name},
            )
        return self.engine

    async def signal(self, signal: Signal) -> Delivery:
        """Send a signal. One that is lost is looked for first.

        A kill travels as a termination, on its own handles.

        Returns:
            PENDING if HCS has not finished after `Limits.signal_wait`; it goes on.

        Raises:
            RequestError: The guest has no such signal.
            HcsError: HCS refused it.
        """
        assert self.guest is not None  # noqa: S101  (no process is found before it runs)
        options = resolve(signal, self.guest)
        if not self.running:
            return Delivery.ALREADY_EXITED
        if isinstance(options, Kill):
            killed = await self.kill(ExitReason.TERMINATED)
            return Delivery.DELIVERED if killed.found else Delivery.ALREADY_EXITED
        engine = self.require_running("signal")

        async def send() -> None:
            if engine.state is ProcessState.LOST:
                await engine.system.reconnect([engine])
            await engine.signal(options)

        sent = self._household.background.start(send, f"signal {self.name}")
        with anyio.move_on_after(self._signal_wait):
            try:
                await sent.result()
            except (AlreadyStoppedError, ElementNotFoundError):
                return Delivery.ALREADY_EXITED
            return Delivery.DELIVERED
        return Delivery.PENDING

    async def terminate(self, grace: float, scope: Scope = Scope.PROCESS) -> Killed:
        """Kill it, after TERM and a time of grace if one is given, and wait for its exit.

        If the caller is cancelled, the kill still happens. A call within the grace of another one
        joins it: the process is not sent TERM again, and what is left of the grace gets no longer.

        Args:
            grace: Seconds.
            scope: With TREE its descendants are killed, too. TERM goes to the process alone. The kill
                afterwards goes to the whole tree, even if the process obeyed TERM.

        Returns:
            What was done. A process that obeyed TERM counts as found. If there was nothing left to
            kill, what an earlier kill has done whose caller left before it could be told.

        Raises:
            RequestError: TREE_NOT_SUPPORTED.
            HcsError: HCS could not kill it.
        """
        self._require_trees(scope)
        deadline = anyio.current_time() + grace
        if grace <= 0:
            work = self._begin(lambda: self._terminate(scope))
        elif ending := self._endings.get(scope):
            ending.grace.deadline = min(ending.grace.deadline, deadline)
            work = ending.work
        else:
            patience = anyio.CancelScope(deadline=deadline)
            work = self._begin(lambda: self._end(patience, scope))
            self._endings[scope] = _Ending(work, patience)
        try:
            killed = await work.result()
        except asyncio.CancelledError:
            work.observe(self._keep_untold)
            raise
        return killed if killed.found else self._untold or killed

    def _keep_untold(self, killed: Killed) -> None:
        if killed.found:
            self._untold = killed

    def _begin(self, work: Callable[[], Awaitable[Killed]]) -> Work[Killed]:
        return self._household.background.start(work, f"terminate {self.name}")

    async def _end(self, patience: anyio.CancelScope, scope: Scope) -> Killed:
        """Send TERM, and kill what is left when the patience is over."""
        obeyed = False
        try:
            if self.running:
                self.expect(ExitReason.TERMINATED)
                with contextlib.suppress(HcsError):  # without a signal there is nothing to wait for
                    obeyed = await self.signal(TERM) is not Delivery.ALREADY_EXITED
                    with patience:
                        await self.exited.wait()
        finally:
            del self._endings[scope]  # a later call has to kill for itself
        killed = await self._terminate(scope)
        return killed._replace(found=killed.found or obeyed)

    async def _terminate(self, scope: Scope) -> Killed:
        killed = await self.kill(ExitReason.TERMINATED, scope)
        await self.exited.wait()
        return killed

    async def delete(self, scope: Scope | None = None) -> Killed:
        """Make the daemon forget it, and kill it first if that is asked for.

        One that was opened is only forgotten. If the caller is cancelled, it is deleted all the
        same.

        Args:
            scope: What is killed, also of what a process that has exited has left behind. None: it
                has exited, and nothing is killed.

        Raises:
            RequestError: TREE_NOT_SUPPORTED.
            HcsError: HCS could not kill it; it is still known then.
        """
        if scope is not None:
            self._require_trees(scope)

        async def delete() -> Killed:
            killed = NOTHING
            if scope is not None and not self.was_opened:
                killed = await self._terminate(scope)
            self.close()
            await self._household.written()  # or a restart would bring it back
            return killed

        return await self._household.background.run(delete, f"delete {self.name}")

    async def kill(self, reason: ExitReason, scope: Scope = Scope.PROCESS) -> Killed:
        """Kill it at once; nothing happens if it has exited. One that is lost is looked for first.

        Args:
            reason: What is told of its exit; the first reason stands.
            scope: With TREE, all that descends from it is killed, too, also if it has exited itself.

        Raises:
            HcsError: It cannot be killed.
        """
        if self.engine is None:
            return NOTHING
        self.expect(reason)
        return await kill_engine(
            self.engine, scope, self.name, kills_trees=self._household.kills_trees
        )

    def kill_in_background(self, reason: ExitReason) -> None:
        """Kill it, with all that descends from it if the engine can. The log tells what fails."""

        async def kill() -> None:
            try:
                await self.kill(reason, Scope.TREE_BEST_EFFORT)
            except HcsError as error:
                logger.warning("'%s' may run on: %s", self.name, error)

        self._household.background.start(kill, f"kill {self.name}")

    def _require_trees(self, scope: Scope) -> None:
        """Refuse what the engine cannot do.

        Raises:
            RequestError: TREE_NOT_SUPPORTED.
        """
        if scope is Scope.TREE and not self._household.kills_trees:
            raise TreeNotSupportedError
