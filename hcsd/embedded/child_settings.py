"""What is the same for all processes and systems of an engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from hcsd.embedded.hierarchies import Hierarchies, find_hierarchies


@dataclass(frozen=True, slots=True)
class ChildSettings:
    """What the operator decides about all processes and systems.

    Attributes:
        pass_env: Variables of the daemon that its processes have, too.
        start_timeout: Seconds that a process may take to come to its program.
        max_tasks: How many processes and threads a system may have at once; 0 is no limit.
        hierarchies: Where control groups can be made.
    """

    pass_env: tuple[str, ...] = ()
    start_timeout: float = 30.0
    max_tasks: int = 0
    hierarchies: Hierarchies = field(default_factory=find_hierarchies)
