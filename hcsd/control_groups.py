"""Which control groups of Linux the engine may use: an option of the daemon, and a setting of the engine."""

from __future__ import annotations

import enum


class ControlGroups(enum.StrEnum):
    """Which ones."""

    AUTO = "auto"
    """Those of v2, else those of v1, as far as there are any."""
    V2 = "v2"
    V1 = "v1"
    OFF = "off"
