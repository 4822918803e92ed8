"""How far a kill is to go, how far it went, and the one way to kill a process of the engine.

    PROCESS           the process alone
    TREE              the process and all that descends from it; else it fails
    TREE_BEST_EFFORT  as TREE ──the engine cannot, or something may not be killed──▶ as PROCESS

The daemon's own kills, as at a `run_timeout`, are TREE_BEST_EFFORT.
"""

from __future__ import annotations

import enum
import logging
from typing import TYPE_CHECKING, NamedTuple

from hcsd.daemon.errors import RequestError
from hcsd.daemon.reasons import Reason
from hcsd.hcs.errors import HcsError, NotSupportedError

if TYPE_CHECKING:
    from hcsd.hcs.process import Process as EngineProcess

logger = logging.getLogger(__name__)


class Scope(enum.Enum):
    """What a kill is to reach; see the module's head."""

    PROCESS = enum.auto()
    TREE = enum.auto()
    TREE_BEST_EFFORT = enum.auto()


class Killed(NamedTuple):
    """What a kill has done.

    Attributes:
        scope: PROCESS or TREE: what it reached. After PROCESS descendants may run on.
        found: Whether there was something to kill.
        descendants: How many descendants were killed, as far as the engine can tell.
    """

    scope: Scope
    found: bool
    descendants: int = 0


NOTHING = Killed(Scope.PROCESS, found=False)


class TreeNotSupportedError(RequestError):
    """The engine does not know what descends from a process."""

    def __init__(self) -> None:
        super().__init__(
            Reason.TREE_NOT_SUPPORTED,
            "this engine cannot kill a process together with its descendants, for HCS does not tell"
            " them: terminate each process, or the compute system",
        )


async def kill(engine: EngineProcess, scope: Scope, name: str, *, kills_trees: bool) -> Killed:
    """Kill a process of the engine. One that is lost is looked for first.

    Args:
        engine: Which one; it may have exited.
        scope: What is to be killed.
        name: Of the process, for the log.
        kills_trees: Whether the engine can kill trees at all. TREE is not to be asked for if not.

    Raises:
        HcsError: It cannot be killed; or with TREE, something that descends from it cannot.
    """
    if scope is Scope.PROCESS or not kills_trees:
        return Killed(Scope.PROCESS, found=(await engine.terminate()).killed)
    try:
        done = await engine.terminate(tree=True)
    except HcsError as error:
        if scope is Scope.TREE:
            raise
        killed = (await engine.terminate()).killed
        if isinstance(error, NotSupportedError):  # it was opened by its pid
            return Killed(Scope.PROCESS, found=killed)
        logger.warning("what '%s' has started may run on: %s", name, error)
        return Killed(Scope.PROCESS, found=True)
    # An engine that does not count may have killed some.
    found = done.killed or done.descendants != 0
    return Killed(Scope.TREE, found, done.descendants or 0)
