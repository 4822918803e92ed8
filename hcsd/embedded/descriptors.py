"""How many descriptors the daemon may have, and how many its processes.

Each process that runs costs the daemon two or three, so it takes as many as the host allows. A
program that calls select() breaks on numbers above 1023, so that is not for its processes: they
start with what the daemon was started with.
"""

from __future__ import annotations

import contextlib
import resource

FEW, MANY = resource.getrlimit(resource.RLIMIT_NOFILE)


def allow_many() -> None:
    """Let this process have as many descriptors as the host allows."""
    with contextlib.suppress(OSError, ValueError):  # macOS takes no infinity
        resource.setrlimit(resource.RLIMIT_NOFILE, (MANY, MANY))
