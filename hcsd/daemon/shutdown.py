"""Ending a compute system: first by asking, then by force.

    ASKED ──it exits──▶ done
      ├──it cannot be asked, and `force`──▶ TERMINATED
      └──`timeout` is up ──and `force`──▶ TERMINATED ──it exits──▶ done, forced
                         └──else──▶ given up, timed out; it may still exit

Once begun it goes on to its end, whoever waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import anyio

from hcsd.hcs.errors import HcsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hcsd.hcs.system import ComputeSystem

# Seconds that a terminated system has to exit before it is given up, as in hcsshim.
TERMINATE_TIMEOUT = 30.0


class Outcome(NamedTuple):
    """How a shutdown went.

    Attributes:
        forced: Whether the system had to be terminated.
        timed_out: Whether the time was up before its exit.
    """

    forced: bool
    timed_out: bool


async def shut_down(
    system: ComputeSystem, ask: Callable[[], Awaitable[object]], timeout: float, *, force: bool
) -> Outcome:
    """Shut a system down; one that is gone is no error.

    Args:
        system: Which one.
        ask: Asks it to shut down, and returns when HCS has answered. It goes on if it is cancelled.
        timeout: Seconds until the exit; with 0 nothing is waited for.
        force: Terminate it if it cannot be shut down, or not in time.

    Raises:
        HcsError: It cannot be shut down, and `force` is not set, or it cannot be terminated.
    """
    if force and timeout <= 0:
        await _terminate(system)
        return Outcome(forced=True, timed_out=False)
    timed_out = False
    try:
        if timeout <= 0:
            await ask()
        else:
            with anyio.move_on_after(timeout) as waiting:
                await ask()
                await system.exited.wait()
            timed_out = waiting.cancelled_caught
    except HcsError:
        if not force:
            raise
    if system.exited.is_set or not force:
        return Outcome(forced=False, timed_out=timed_out)
    await _terminate(system)
    return Outcome(forced=True, timed_out=timed_out)


async def _terminate(system: ComputeSystem) -> None:
    await system.terminate()
    with anyio.move_on_after(TERMINATE_TIMEOUT):
        await system.exited.wait()
