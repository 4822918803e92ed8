"""A compute system that is asked what it is.

An answer may tell that it has ended. How that goes on is in `hcsd.hcs.system_life`.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.hcs.ends import SystemEnd
from hcsd.hcs.errors import (
    GONE,
    AlreadyStoppedError,
    DocumentError,
    HandleClosedError,
    HcsError,
    InvalidStateError,
)
from hcsd.hcs.kept import QUERY as KEPT
from hcsd.hcs.kept import parse_kept
from hcsd.hcs.lanes import Lane
from hcsd.hcs.schema import parse_process_list, parse_properties
from hcsd.hcs.system_life import SystemTrigger as Trigger
from hcsd.hcs.tracked_system import TrackedSystem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.hcs.kept import KeptProcess
    from hcsd.hcs.schema import ProcessDetails, SystemProperties

PROCESS_LIST = '{"PropertyTypes":["ProcessList"]}'

# How HCS may answer for statistics of a system that is stopping. Source: issues 933, 934 and 1277 of
# hcsshim.
NOT_MEASURED = frozenset({HR.E_ACCESSDENIED, HR.ERROR_INVALID_HANDLE})


class AskedSystem(TrackedSystem):
    """A compute system that answers questions.

    Thread: the event loop's.
    """

    async def properties(self) -> SystemProperties:
        """Return the basic properties.

        Raises:
            HcsError: HCS could not tell.
            DocumentError: It answered without a document.
        """
        properties = parse_properties(await self.raw_properties())
        if properties.state == "Stopped":
            self.transition(Trigger.END_KNOWN, end=SystemEnd(0, properties.exit_type))
        return properties

    async def process_list(self) -> list[ProcessDetails]:
        """Return what runs in it, also what was not started through HCS.

        Raises:
            HcsError: HCS could not tell.
            DocumentError: It answered without a list, as not every kind of guest has one.
        """
        return parse_process_list(await self.raw_properties(PROCESS_LIST))

    async def kept_processes(self) -> Mapping[int, KeptProcess]:
        """Return by pid what the engine keeps for whoever finds it; nothing from HCS.

        Raises:
            HcsError: HCS could not tell.
        """
        try:
            return parse_kept(await self.raw_properties(KEPT))
        except DocumentError:
            return {}

    async def raw_properties(self, query: str | None = None) -> str | None:
        """Return the Properties document as HCS gives it.

        Args:
            query: System_PropertyQuery document, passed through as it is; None for the basic ones.

        Raises:
            HcsError: HCS could not tell.
        """
        try:
            return await self._attachment.run(
                Lane.QUERY, "query", "HcsGetComputeSystemProperties", query
            )
        except HcsError as error:
            if query is not None and (
                isinstance(error, InvalidStateError) or error.hresult in NOT_MEASURED
            ):
                await self._require_alive(error)
            elif isinstance(error, GONE):
                self.transition(Trigger.GONE, end=SystemEnd(error.hresult, "Unknown"))
            raise

    async def confirm(self) -> bool:
        """Ask its properties whether it has ended.

        Returns:
            Whether its end is known now. A question that HCS cannot answer says nothing: the event
            remains the main source.
        """
        if not self.exited.is_set:
            with contextlib.suppress(HcsError, DocumentError, HandleClosedError):
                await self.properties()
        return self.exited.is_set

    async def _require_alive(self, error: HcsError) -> None:
        """Find out whether a question had no answer because the system is ending.

        Raises:
            AlreadyStoppedError: It is, or has ended.
        """
        await self.confirm()
        if self.gone or self.ending:
            raise AlreadyStoppedError(
                HR.SYSTEM_ALREADY_STOPPED, error.function, subject=error.subject
            ) from error
