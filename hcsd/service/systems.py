"""The compute systems that the daemon knows, its own and those that others made.

One handle serves all RPCs and all processes of a system:

    made by the daemon ──▶ OPEN ──it has ended, or the daemon ends──▶ CLOSED
    made by others ──first use──▶ IN USE ◀──use──┐
                                    └──last use──▶ IDLE ──`IDLE_TIME`──▶ CLOSED, and forgotten
                                    └──it has ended──▶ CLOSED

In use is a system that a call is about, that a process of the daemon runs in, or that somebody watches
by its name. Closing a handle ends no system, unless that was made to end with its last one. Of such a
system of others ours is the last only if they have closed theirs or are gone: it has outlived its
owner for us, and must not for longer than we use it. That is why a handle is not kept for events alone:
a daemon that was asked about a container once would keep it alive after its shim has crashed.

The record of a system that has ended is kept as long as that of a process that has exited, and as
many of them, so that its exit can be asked for after the fact. A new system of the same id takes
its place.

Thread: the event loop's. No locks: what must be atomic has no await in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from typing import TYPE_CHECKING

import grpc
from google.rpc import error_details_pb2

from hcsd.abi.hresult import HR
from hcsd.hcs.errors import (
    AlreadyStoppedError,
    HandleClosedError,
    HcsError,
    SystemNotFoundError,
)
from hcsd.service.errors import TEXT_BYTES, RequestError, StoppingError, describe, shorten
from hcsd.service.limits import LimitError
from hcsd.service.names import new_ulid, system_name
from hcsd.service.requests import Requests
from hcsd.service.served_system import ServedSystem, to_message
from hcsd.v1 import compute_system_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from hcsd.config import Limits
    from hcsd.hcs.host import Host
    from hcsd.hcs.latch import Latch
    from hcsd.hcs.schema import SystemProperties
    from hcsd.hcs.system import ComputeSystem
    from hcsd.v1 import compute_system_service_pb2 as service_pb

GONE = (AlreadyStoppedError, SystemNotFoundError)

# Seconds; longer than clients try to come back after a lost connection, so that who watches a system
# by its name and resumes has missed nothing.
IDLE_TIME = 30.0


class Systems:
    """Compute systems by their ids.

    Args:
        host: The engine.
        limits: Limits in force.
        spawn: Runs work that must finish even if the RPC that asked for it ends.
        on_new: Called with each system that becomes known.
    """

    def __init__(
        self,
        host: Host,
        limits: Limits,
        spawn: Callable[[Callable[[], Awaitable[object]], str], Latch[Exception | str]],
        on_new: Callable[[ServedSystem], None],
    ) -> None:
        self.host = host
        self._limits = limits
        self._spawn = spawn
        self._on_new = on_new
        self._known: dict[str, ServedSystem] = {}
        self._creating: set[str] = set()
        self._requests: Requests[ServedSystem] = Requests()
        # Systems that have ended, oldest first, each with the timer that ends its time.
        self._kept: dict[ServedSystem, asyncio.TimerHandle] = {}
        # Systems of others that nobody uses, each with the timer that closes it.
        self._idle: dict[ServedSystem, asyncio.TimerHandle] = {}
        self._stopping = False

    def __iter__(self) -> Iterator[ServedSystem]:
        """Iterate over the systems that are known."""
        return iter(list(self._known.values()))

    def message(self, properties: SystemProperties) -> pb.ComputeSystem:
        """Turn the basic properties of a system into its message, with what the daemon knows."""
        known = self._known.get(properties.id)
        same = known is not None and known.properties.runtime_id == properties.runtime_id
        message = to_message(properties, known if same else None)
        message.capabilities.tree_terminate = self.host.kills_trees
        is_vm = message.system_type == pb.COMPUTE_SYSTEM_TYPE_VIRTUAL_MACHINE
        message.capabilities.pause = is_vm or self.host.pauses_containers
        return message

    @contextlib.contextmanager
    def using(self, served: ServedSystem) -> Iterator[ServedSystem]:
        """Keep a system open while the block runs."""
        timer = self._idle.pop(served, None)
        if timer is not None:
            timer.cancel()
        served.uses += 1
        try:
            yield served
        finally:
            served.uses -= 1
            self._close_when_idle(served)

    def _close_when_idle(self, served: ServedSystem) -> None:
        """Give a system of others that nobody uses the time that it stays open."""
        known = self._known.get(served.id) is served
        if known and not served.uses and served.created is None and not served.ended:
            self._idle[served] = asyncio.get_running_loop().call_later(
                IDLE_TIME, self._forget, served
            )

    async def find(self, system_id: str) -> ServedSystem:
        """Return a system, opening it at its first use, and again when it was lost.

        Who does more with it than look at what is known does that in a block of `using`, with no
        await before.

        Raises:
            SystemNotFoundError: There is none, and the daemon remembers none that has ended.
            HcsError: It cannot be opened.
        """
        known = self._known.get(system_id)
        try:
            if known is None or known.ended:
                return await self._open(system_id)
            with self.using(known):
                await known.system.reopen()
        except SystemNotFoundError:
            if known is None:
                raise
            await known.system.exited.wait()  # if not before, it went with the service
        return known

    async def open(self, system_id: str) -> ServedSystem:
        """Return a system in which something is to be done; otherwise as `find`.

        Raises:
            AlreadyStoppedError: It has ended.
        """
        found = await self.find(system_id)
        if found.ended:
            raise _stopped(system_id)
        return found

    async def _open(self, system_id: str) -> ServedSystem:
        if system_id in self._creating:  # it is nobody's before it is complete
            raise SystemNotFoundError(HR.SYSTEM_NOT_FOUND, "", subject=f"open system '{system_id}'")
        system = await self.host.open_system(system_id)
        try:
            served = await self._describe(system)
        except BaseException:
            system.close()
            raise
        known = self._known.get(system_id)
        if known is not None:
            same = known.properties.runtime_id == served.properties.runtime_id
            if not known.ended or same:  # somebody else was opening it, too; or it has ended
                system.close()
                return known
        self._add(served)
        return served

    async def create(
        self, request: service_pb.CreateComputeSystemRequest
    ) -> tuple[ServedSystem, bool]:
        """Create a system, or find the one that the same request has created.

        Returns:
            The system, and whether it was there before.

        Raises:
            RequestError: It was not created.
        """
        outcome, replayed = self._requests.join(request.request_id, request)
        if not replayed:

            async def create() -> None:
                try:
                    outcome.set(await self._create(request))
                except Exception as error:  # describe tells them apart
                    self._requests.forget(request.request_id)
                    outcome.set(describe(error))

            self._spawn(create, f"create system {request.system_id}")
        result = await outcome.wait()
        if isinstance(result, RequestError):
            raise result
        return result, replayed

    async def _create(self, request: service_pb.CreateComputeSystemRequest) -> ServedSystem:
        if self._stopping:
            raise StoppingError
        system_id = request.system_id or new_ulid()
        self._require_room()
        if system_id in self._creating:
            raise RequestError(
                grpc.StatusCode.ALREADY_EXISTS,
                HR.SYSTEM_ALREADY_EXISTS.name,
                f"compute system '{system_id}' is being created already",
                metadata={"system": system_name(system_id)},
            )
        self._creating.add(system_id)
        created = time.time_ns()
        try:
            with about(system_id):
                system = await self.host.create_system(system_id, request.configuration_json)
                try:
                    if request.start:
                        await system.start()
                    served = await self._describe(system, request.request_id, created)
                except BaseException:
                    with contextlib.suppress(HcsError):
                        await system.terminate()
                    system.close()
                    raise
        finally:
            self._creating.discard(system_id)
        self._add(served)
        return served

    def _require_room(self) -> None:
        own = sum(1 for served in self if served.created is not None and not served.ended)
        if own + len(self._creating) >= self._limits.max_systems:
            raise LimitError("max_systems", self._limits.max_systems, "end one that runs")

    async def _describe(
        self, system: ComputeSystem, request_id: str = "", created: int | None = None
    ) -> ServedSystem:
        properties = await system.properties()
        guest_os = properties.runtime_os_type
        if guest_os not in {"Windows", "Linux"}:  # absent, or unknown to HCS itself
            guest_os = self.host.guest_os.title()
        return ServedSystem(system, properties, guest_os, request_id, created)

    def _add(self, served: ServedSystem) -> None:
        before = self._known.get(served.id)
        if before is not None:
            self._forget(before)
        self._known[served.id] = served
        self._close_when_idle(served)
        self._on_new(served)
        served.system.exited.observe(lambda _: self._keep(served))

    async def refresh(self, served: ServedSystem) -> None:
        """Ask HCS what a system is now, unless it has ended.

        Raises:
            HcsError: HCS could not tell.
        """
        if served.ended:
            return
        try:
            served.properties = await served.system.properties()
        except (*GONE, HandleClosedError):  # the engine gives its event some time, and not more
            await served.system.exited.wait()

    def _keep(self, served: ServedSystem) -> None:
        """Keep the record of a system that has ended for a while, and not more than so many."""
        served.system.close()
        timer = self._idle.pop(served, None)
        if timer is not None:
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._kept[served] = loop.call_later(self._limits.exited_retention, self._forget, served)
        excess = len(self._kept) - self._limits.max_exited
        for oldest in list(itertools.islice(self._kept, max(0, excess))):
            self._forget(oldest)

    def _forget(self, served: ServedSystem) -> None:
        for timers in (self._kept, self._idle):
            timer = timers.pop(served, None)
            if timer is not None:
                timer.cancel()
        if self._known.get(served.id) is served:
            del self._known[served.id]
            self._requests.forget(served.request_id)
        served.system.close()

    def close(self) -> None:
        """Close all handles; what was made to end with its last one does."""
        self._stopping = True
        for served in self:
            self._forget(served)


def _stopped(system_id: str) -> AlreadyStoppedError:
    return AlreadyStoppedError(
        HR.SYSTEM_ALREADY_STOPPED, "", subject=f"use compute system '{system_id}'"
    )


def failure(error: HcsError, system_id: str) -> RequestError:
    """Return what a client is told of a call about a system that failed."""
    described = describe(error)
    name = system_name(system_id)
    details = list(described.details)
    if isinstance(error, SystemNotFoundError):
        details.append(
            error_details_pb2.ResourceInfo(
                resource_type="hcsd.v1.ComputeSystem", resource_name=shorten(name, TEXT_BYTES)
            )
        )
    return RequestError(
        described.code,
        described.reason,
        described.message,
        metadata={**described.metadata, "system": name},
        details=details,
    )


@contextlib.contextmanager
def about(system_id: str) -> Iterator[None]:
    """Name the system in the errors of what is done inside."""
    try:
        yield
    except HandleClosedError as error:  # it ended meanwhile
        raise failure(_stopped(system_id), system_id) from error
    except HcsError as error:
        raise failure(error, system_id) from error
