"""The state directory of `hcsd serve`, from its opening to the end of the daemon.

open ──the daemon serves──▶ stopping ──all has ended──▶ emptied, closed
                               └──all was left to the next daemon──▶ closed
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio.to_thread

from hcsd.daemon.state.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcsd.daemon.state.directory import StateDirectory
    from hcsd.listen.listener import Listener


@dataclass
class KeptState:
    """What `hcsd serve` has of its state directory; all of it is empty without one.

    Attributes:
        state: What outlives the daemon; None if nothing does.
        engine: Folder of the embedded engine; "" for none.
        directory: The folder, locked.
        over: Whether all that the state tells of has ended.
    """

    state: State | None = None
    engine: str = ""
    directory: StateDirectory | None = None
    over: bool = False

    def note_stop(self) -> None:
        """Let a daemon that is started now wait for the end of this one."""
        if self.directory is not None:
            self.directory.stopping()

    def close(self) -> None:
        """Leave the folder to the next daemon, empty if all has ended."""
        if self.directory is None:
            return
        if self.over:
            self.directory.discard()
        else:
            self.directory.close()


async def open_state(folder: Path | None, listeners: Sequence[Listener]) -> KeptState:
    """Open the state directory, and wait while another daemon is about to leave it.

    Args:
        folder: Where it is; None for none.
        listeners: Where the daemon is going to listen. If it cannot listen there, nothing is made.

    Raises:
        StateError: It cannot be used.
        ListenError: It is not used, since the daemon cannot listen.
    """
    if folder is None:
        return KeptState()
    from hcsd.daemon.state.directory import StateDirectory
    from hcsd.daemon.state.errors import StateTakenError

    for listener in listeners:
        listener.require_usable()
    try:
        directory = await anyio.to_thread.run_sync(StateDirectory.open, folder)
    except StateTakenError:
        for listener in listeners:  # who has started a daemon twice is told so
            listener.require_free()
        raise
    state = State(directory.journal, str(directory.streams))
    return KeptState(state, str(directory.engine), directory)
