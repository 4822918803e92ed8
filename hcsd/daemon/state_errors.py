"""Why a call is refused that the state of the daemon has no room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.daemon.errors import RequestError
from hcsd.daemon.reasons import Reason

if TYPE_CHECKING:
    from hcsd.daemon.state.errors import JournalError


class StateNotWrittenError(RequestError):
    """What was to be created could not be written down, so a restart of the daemon would lose it.

    Args:
        error: Why not.
    """

    def __init__(self, error: JournalError) -> None:
        super().__init__(Reason.STATE_NOT_WRITTEN, f"nothing was created: {error}")
