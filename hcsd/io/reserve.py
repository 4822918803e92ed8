"""Address space that the daemon gives up when memory is refused.

    HELD ──a drain gets no memory──▶ GIVEN UP ──the host gives twice as much──▶ HELD

Output is what takes memory without being asked. So no drain reads while the reserve is given up: what
is left is for calls, and for the libraries beneath, which do not survive without. Nothing is ever
written to the reserve, so it costs no memory.

Thread: the event loop's.
"""

import logging
import mmap

BYTES = 64 << 20  # (arbitrary)

logger = logging.getLogger(__name__)


class Reserve:
    """The reserve of a process; given up until somebody asks for it."""

    def __init__(self) -> None:
        self._held: mmap.mmap | None = None

    def is_held(self) -> bool:
        """Tell whether there is memory for output; try to take the reserve back if not."""
        if self._held is None:
            try:
                mmap.mmap(-1, 2 * BYTES).close()  # else what was given up would do
                self._held = mmap.mmap(-1, BYTES)
            except (OSError, MemoryError):
                return False
        return True

    def give_up(self) -> None:
        """Leave the reserve to others; idempotent."""
        if self._held is not None:
            self._held.close()
            self._held = None
            logger.warning(
                "memory is refused: the output of processes has to wait until it is back"
            )


RESERVE = Reserve()
