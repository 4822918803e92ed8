"""The system that the engine makes by itself, in which processes run if nobody says where: is it there?

    THERE ──it ends──▶ GONE ──the engine has made it anew──▶ THERE
                        └──not yet──▶ GONE, asked again after a pause

The engine does not tell that it has made it anew, so it is asked, until it opens one that has not
ended. Until then creates in it fail: the daemon says so in the log and to whoever asks for its health.

While it is THERE the daemon has a handle of it, or it would not hear of its end.

Thread: the event loop's.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

import anyio

from hcsd.daemon.errors import RequestError
from hcsd.hcs.errors import HandleClosedError, HcsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcsd.daemon.system import System
    from hcsd.daemon.systems import Systems

# Seconds before each question; the last one stays. An engine that makes it anew does so at once.
PAUSES = (0.1, 0.1, 0.2, 0.5, 1.0)

logger = logging.getLogger(__name__)


class Tell(Protocol):
    """Takes it down."""

    async def __call__(self, *, there: bool) -> None:
        """Note whether the system is there."""


async def watch_host(
    systems: Systems, system_id: str, tell: Tell, pauses: Sequence[float] = PAUSES
) -> None:
    """Watch the system until cancelled.

    Args:
        systems: The systems of the daemon.
        system_id: Its id.
        tell: Told at each change, and at the first only if it is not there.
        pauses: Seconds before each question while it is gone; the last one stays.
    """
    there, tries = True, 0
    while True:
        system = await _open(systems, system_id)
        if system is not None:
            with system.in_use():
                if not there:
                    logger.warning("system '%s' is back, without what ran in it before", system_id)
                    await tell(there=True)
                there, tries = True, 0
                await system.engine.exited.wait()
        if there:
            logger.warning(
                "system '%s' is gone (%s): nothing can be run in it", system_id, _how(system)
            )
            await tell(there=False)
        there = False
        await anyio.sleep(pauses[min(tries, len(pauses) - 1)])
        tries += 1


async def _open(systems: Systems, system_id: str) -> System | None:
    """Open it; None if there is none, or only what is left of one that has ended."""
    try:
        return await systems.open(system_id)
    except (HcsError, HandleClosedError, RequestError) as error:
        logger.debug("system '%s' cannot be opened: %s", system_id, error)
        return None


def _how(system: System | None) -> str:
    ending = system.exit if system is not None else None
    if ending is None:
        return "it cannot be opened"
    return f"{ending.exit_type or 'no exit type'}, 0x{ending.status:08X}"
