"""The resource limits that a process starts with.

Whatever the daemon was started with, a process has as much of everything as the daemon may give it,
but for three soft limits, which are those of a system service:

    nofile  1024    a program that calls select() breaks on higher descriptors
    core    0       no core dumps unless somebody asks for them
    stack   8 MiB   the kernel's own default

Hard limits are the daemon's own. A program may raise its soft limits up to them.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    Limit = tuple[int, int]  # soft and hard

INFINITE = (1 << 64) - 1  # how a document says "without limit"
DEFAULT_SOFT = {"nofile": 1024, "core": 0, "stack": 8 << 20}

# Names as prlimit(1) has them, and what this host has of them.
NUMBERS: Mapping[str, int] = {
    name: getattr(resource, f"RLIMIT_{name.upper()}")
    for name in (
        *("as", "core", "cpu", "data", "fsize", "memlock", "msgqueue", "nice", "nofile", "nproc"),
        *("rss", "rtprio", "rttime", "sigpending", "stack"),
    )
    if hasattr(resource, f"RLIMIT_{name.upper()}")
}


def limits_to_set(asked: Mapping[str, Limit]) -> dict[str, tuple[int, Limit]]:
    """Return what has to be set in a child of this process.

    Args:
        asked: Limits that somebody asked for, by name.

    Returns:
        The number, and soft and hard, of each limit that differs from this process's own.
    """
    found: dict[str, tuple[int, Limit]] = {}
    for name, number in NUMBERS.items():
        present = resource.getrlimit(number)
        wanted = _known(asked[name]) if name in asked else _default(name, present[1])
        if wanted != present:
            found[name] = number, wanted
    return found


def _default(name: str, hard: int) -> Limit:
    soft = DEFAULT_SOFT.get(name, hard)
    if soft == resource.RLIM_INFINITY:  # which may be -1
        return soft, hard
    return (soft if hard == resource.RLIM_INFINITY else min(soft, hard)), hard


def _known(limit: Limit) -> Limit:
    soft, hard = (resource.RLIM_INFINITY if value == INFINITE else value for value in limit)
    return soft, hard
