"""Where the engine writes down what a later engine takes over, and for how long that is kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Restore:
    """What makes systems outlive the process that runs the engine (Linux).

    Attributes:
        directory: A folder of the engine's own, which nobody else may enter. It has one file and one
            socket for each system. One engine uses it at a time: the caller sees to that.
        window: For how many seconds a system waits for another engine before it ends.
    """

    directory: str
    window: float
