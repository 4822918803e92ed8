"""What is the same for all processes of an engine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChildSettings:
    """What the operator decides about all processes.

    Attributes:
        pass_env: Variables of the daemon that its processes have, too.
        start_timeout: Seconds that a process may take to come to its program.
    """

    pass_env: tuple[str, ...] = ()
    start_timeout: float = 30.0
