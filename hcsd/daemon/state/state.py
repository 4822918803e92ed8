"""What of the daemon outlives it, or that nothing does."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hcsd.daemon.state.journal import Journal

if TYPE_CHECKING:
    from typing import Self


class State(NamedTuple):
    """What outlives one run of the daemon.

    Attributes:
        journal: Where it is written down.
        streams: Folder of the files of streams; "" if they are kept in memory alone.
    """

    journal: Journal
    streams: str = ""

    @classmethod
    def none(cls) -> Self:
        """Return the state of a daemon that leaves nothing."""
        return cls(Journal.none())
