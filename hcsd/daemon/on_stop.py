"""What an orderly stop of the daemon does with its processes and compute systems."""

from __future__ import annotations

import enum


class OnStop(enum.StrEnum):
    """Which of the two."""

    END = "end"
    """All that the daemon has started ends with it."""
    KEEP = "keep"
    """All runs on; a daemon that is started within the restore window goes on with it."""
