"""What an earlier daemon has left, because it was killed together with its keepers.

A keeper and its daemon hold a lock on the main group of a system as long as one of them lives. So a group
of ours that nobody holds the lock on is a leftover: what runs in it is killed, and it is removed.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
from typing import TYPE_CHECKING

from hcsd.embedded.groups import PREFIX
from hcsd.embedded.hierarchies import mounts_of_groups
from hcsd.embedded.keeper.groups import group_at, kill_all

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = re.compile(re.escape(PREFIX) + "[0-9a-f]{32}")

logger = logging.getLogger(__name__)


def clean_up() -> None:
    """Kill and remove all leftovers that this user may. Thread: any that may block, for seconds."""
    # These come before the main groups, since a daemon makes and locks the main group first.
    limits = list(_groups(holders=False))
    held = {
        os.path.basename(directory)
        for directory, version in _groups(holders=True)
        if not _clean(directory, version)
    }
    for directory, version in limits:
        if os.path.basename(directory) not in held:
            group_at(directory, version).remove()


def _groups(*, holders: bool) -> Iterator[tuple[str, int]]:
    """Find all groups of ours, and their versions, in hierarchies that can be holders, or others."""
    for mount, version, can_hold in mounts_of_groups():
        for directory, below, _ in os.walk(mount) if can_hold is holders else ():
            for name in [name for name in below if NAME.fullmatch(name)]:
                below.remove(name)
                yield os.path.join(directory, name), version


def _clean(directory: str, version: int) -> bool:
    """Clean up a main group; False if somebody looks after it, or it is out of reach."""
    try:
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        group = group_at(directory, version)
        if left := group.pids():
            logger.warning(
                "ending what an earlier daemon has left running: processes %s",
                ", ".join(map(str, left)),
            )
            kill_all(group)
        return group.remove()
    except OSError:
        return False
    finally:
        os.close(lock)
