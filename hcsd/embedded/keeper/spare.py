"""A few descriptors that nothing may keep.

Whatever stays open for as long as a process runs takes no more than all but these. So who has no room for
one more process can still look at /proc, kill a tree, or take a connection of somebody who wants to end
something.
"""

from __future__ import annotations

import errno
import math
import os
import resource
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

SPARE = 32
SHARE = 2  # of few descriptors only one in so many is spared
FULL = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}  # what the kernel answers without room


def require_room(descriptors: Collection[int], wanted: int = 0) -> None:
    """Let descriptors pass that this process has just got and wants to keep.

    The kernel always gives the lowest number that is free. So a high one tells that few are left. Of
    those that come through a socket it leaves out what there is no room for.

    Args:
        descriptors: What there is; negative numbers stand for none.
        wanted: How many there should be.

    Raises:
        OSError: EMFILE: some are missing, or should be spared.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    first_spare = math.inf if soft == resource.RLIM_INFINITY else soft - min(SPARE, soft // SHARE)
    if len(descriptors) < wanted or any(number >= first_spare for number in descriptors):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
