"""The Host Compute Service itself: what it offers, which systems it has."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hcsd.hcs.callbacks import REGISTRY
from hcsd.hcs.lanes import Lane, Lanes
from hcsd.hcs.library import Library
from hcsd.hcs.missing import missing_system
from hcsd.hcs.operation import Operations
from hcsd.hcs.schema import parse_enumeration, parse_schema_versions
from hcsd.hcs.supervisor import Supervisor
from hcsd.hcs.system import ComputeSystem
from hcsd.hcs.timings import DEFAULT_TIMINGS

if TYPE_CHECKING:
    from hcsd.hcs.library import Provider
    from hcsd.hcs.schema import SystemProperties, SystemQuery
    from hcsd.hcs.timings import Timings

logger = logging.getLogger(__name__)


class Host:
    """The engine over one provider; everything else is reached from here.

    Thread: the event loop's.

    Args:
        provider: The library.
        timings: How long to wait for what.

    Raises:
        MissingExportsError: The provider lacks exports that hcsd cannot work without.
    """

    def __init__(self, provider: Provider, timings: Timings = DEFAULT_TIMINGS) -> None:
        self.library = Library(provider)
        if self.library.missing:
            logger.warning(
                "engine '%s' lacks %s; what needs them is refused",
                provider.name,
                ", ".join(self.library.missing),
            )
        REGISTRY.start()  # while there is room for a thread
        self._lanes = Lanes(blocking=provider.blocking, patience=timings.lane_patience)
        self.operations = Operations(self.library, self._lanes, timings)
        # Calls may block because they go to a service in another process; so do events come.
        self._supervisor = Supervisor(timings, recheck=provider.blocking)

    @property
    def engine(self) -> str:
        """Name of the provider: ``windows`` or ``embedded``."""
        return self.library.provider.name

    @property
    def guest_os(self) -> str:
        """Operating system of the guests as far as the provider decides it."""
        return self.library.provider.guest_os

    @property
    def kills_trees(self) -> bool:
        """Whether a process can be killed together with all that descends from it."""
        return self.library.provider.kills_trees

    @property
    def pauses_containers(self) -> bool:
        """Whether containers can be paused, and not virtual machines alone."""
        return self.library.provider.pauses_containers

    @property
    def shapes_processes(self) -> bool:
        """Whether ProcessParameters may say limits, groups and more."""
        return self.library.provider.shapes_processes

    @property
    def tags_processes(self) -> bool:
        """Whether ProcessParameters may say what a process is called, by which it is found again."""
        provider = self.library.provider
        return provider.outlives_client and provider.shapes_processes

    @property
    def host_system(self) -> str:
        """Id of the system that the provider makes by itself and keeps running; "" without one."""
        return self.library.provider.host_system

    @property
    def outlives_client(self) -> bool:
        """Whether systems and processes go on without this process, for another one to open."""
        return self.library.provider.outlives_client

    async def open_system(self, system_id: str) -> ComputeSystem:
        """Open a compute system; see `ComputeSystem.open`."""
        system = await ComputeSystem.open(self.operations, self._supervisor, system_id)
        self._supervisor.add(system)
        return system

    def missing_system(self, system_id: str) -> ComputeSystem:
        """Make a system that an earlier client had, and that is to be found; see `hcsd.hcs.missing`."""
        system = missing_system(self.operations, self._supervisor, system_id)
        self._supervisor.add(system)
        return system

    def look_for_lost(self) -> None:
        """Have `supervise` look for what is lost now."""
        self._supervisor.wake()

    async def supervise(self) -> None:
        """Find processes again that a restart of the service lost, and exits that left no event.

        Runs until cancelled; see `hcsd.hcs.supervisor`.
        """
        await self._supervisor.run()

    async def create_system(self, system_id: str, configuration: str) -> ComputeSystem:
        """Create a compute system; see `ComputeSystem.create`."""
        system = await ComputeSystem.create(
            self.operations, self._supervisor, system_id, configuration
        )
        self._supervisor.add(system)
        return system

    async def enumerate(self, query: str | None = None) -> str | None:
        """Return the basic properties of compute systems as HCS gives them.

        Args:
            query: SystemQuery document, passed through as it is; None for all systems.

        Raises:
            HcsError: HCS could not tell.
        """
        library = self.library
        return await self.operations.run(
            Lane.QUERY,
            "HcsEnumerateComputeSystems",
            lambda operation: library.HcsEnumerateComputeSystems(query, operation),
            subject="enumerate compute systems",
        )

    async def systems(self, query: SystemQuery | None = None) -> list[SystemProperties]:
        """Return the basic properties of the compute systems of the host.

        Args:
            query: Which ones; None for all.

        Raises:
            HcsError: HCS could not tell.
            DocumentError: It answered without a document.
        """
        document = await self.enumerate(None if query is None else query.to_json())
        return parse_enumeration(document)

    async def service_properties(self, query: str | None) -> str | None:
        """Return the ServiceProperties document as HCS gives it.

        Args:
            query: Service_PropertyQuery document, passed through as it is.

        Raises:
            HcsError: HCS could not tell.
        """
        library = self.library
        return await self._lanes.call(
            Lane.QUERY,
            lambda: library.HcsGetServiceProperties(query),
            subject="query the service",
        )

    async def modify_service_settings(self, settings: str) -> str | None:
        """Change settings of the service, by a document that is passed through as it is.

        Returns:
            What HCS answers.

        Raises:
            HcsError: HCS refused it.
        """
        library = self.library
        return await self._lanes.call(
            Lane.MODIFY,
            lambda: library.HcsModifyServiceSettings(settings),
            subject="modify the settings of the service",
        )

    async def schema_versions(self) -> list[tuple[int, int]]:
        """Return the schema versions the service supports, as (major, highest minor).

        Raises:
            HcsError: HCS could not tell.
            DocumentError: It answered without a document, or not with this one.
        """
        return parse_schema_versions(await self.service_properties('{"PropertyTypes":["Basic"]}'))

    def hurry(self) -> None:
        """Make a `close` that is under way, or that follows, return in a moment.

        What does not end in that moment is left, and the log says so. Thread: any.
        """
        self._lanes.hurry(self.operations.timings.close_patience)
        self.library.provider.hurry()

    def close(self, *, keep: bool = False) -> None:
        """End the engine. Systems and processes must have been closed before, unless they are kept.

        Args:
            keep: Whether what runs is to go on, if it `outlives_client`. A process whose handle is
                still open is kept with the way it ends; so leave those open that are to be opened again.

        Thread: any but the event loop's, if processes may still run: it waits for their end.
        """
        self.operations.close()
        self._lanes.close()
        self._lanes.join(self.operations.timings.close_patience)
        self.library.provider.close(keep=keep)
