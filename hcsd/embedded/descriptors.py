"""How many descriptors the daemon may have.

Each process that runs costs the daemon two or three, so it takes as many as the host allows. What
its processes may have is in `keeper.limits`.
"""

from __future__ import annotations

import contextlib
import resource

_, MANY = resource.getrlimit(resource.RLIMIT_NOFILE)


def allow_many() -> None:
    """Let this process have as many descriptors as the host allows."""
    with contextlib.suppress(OSError, ValueError):  # macOS takes no infinity
        resource.setrlimit(resource.RLIMIT_NOFILE, (MANY, MANY))
