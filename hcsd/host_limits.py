"""The limits of the host: what the kernel answers when one is reached, and what makes room.

    an errno, and what could not be had ──▶ the name of the limit, the HRESULT, words for people

The embedded engine and its keepers hand the errno on. Whoever turns it into a failure looks it up
here, so that a limit has one name and one text wherever it is met.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from hcsd.abi.hresult import HR

if TYPE_CHECKING:
    from collections.abc import Mapping


class HostLimit(NamedTuple):
    """A limit of the host.

    Attributes:
        name: What is limited, for programs.
        hresult: How the Host Compute Service would say it.
        text: What has happened.
        remedy: What makes room.
    """

    name: str
    hresult: HR
    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.text}: {self.remedy}"


_NONE_LEFT = HR.ERROR_NO_SYSTEM_RESOURCES

PROCESSES = HostLimit(
    "processes",
    _NONE_LEFT,
    "there are as many processes and threads as there may be",
    "end some, or raise pids.max (TasksMax= of systemd), RLIMIT_NPROC or kernel.pid_max",
)
DAEMON_DESCRIPTORS = HostLimit(
    "daemon_descriptors",
    _NONE_LEFT,
    "the daemon has as many descriptors open as it may have",
    "end processes, or start the daemon with a higher RLIMIT_NOFILE (LimitNOFILE= of systemd)",
)
KEEPER_DESCRIPTORS = HostLimit(
    "keeper_descriptors",
    _NONE_LEFT,
    "the keeper of the compute system has as many descriptors open as it may have",
    "end processes of the system, or start the daemon with a higher RLIMIT_NOFILE"
    " (LimitNOFILE= of systemd)",
)
HOST_DESCRIPTORS = HostLimit(
    "host_descriptors",
    _NONE_LEFT,
    "the host has as many files open as it may have",
    "end processes, or raise fs.file-max",
)
DESCRIPTORS_IN_FLIGHT = HostLimit(
    "descriptors_in_flight",
    _NONE_LEFT,
    "too many descriptors are on their way to keepers",
    "start fewer processes at once, or start the daemon with a higher RLIMIT_NOFILE",
)
MEMORY = HostLimit(
    "memory",
    HR.E_OUTOFMEMORY,
    "the host has no memory for it",
    "end processes, or raise the limit of the daemon's memory (MemoryMax= of systemd, RLIMIT_AS)",
)
TERMINALS = HostLimit(
    "terminals",
    _NONE_LEFT,
    "there are as many pseudo terminals as there may be",
    "end processes that have a console, or raise kernel.pty.max",
)
CONTROL_GROUPS = HostLimit(
    "control_groups",
    _NONE_LEFT,
    "there are as many control groups as there may be",
    "end processes or compute systems, or raise cgroup.max.descendants and cgroup.max.depth",
)
DISK = HostLimit(
    "disk",
    _NONE_LEFT,
    "the disk is full, or a quota is used up",
    "free space, or raise the quota",
)
WAITING_REQUESTS = HostLimit(
    "waiting_requests",
    _NONE_LEFT,
    "too many requests wait for the keeper of the compute system",
    "ask for less at once",
)

ALL = (
    *(PROCESSES, DAEMON_DESCRIPTORS, KEEPER_DESCRIPTORS, HOST_DESCRIPTORS, DESCRIPTORS_IN_FLIGHT),
    *(MEMORY, TERMINALS, CONTROL_GROUPS, DISK, WAITING_REQUESTS),
)

# What could not be had, where an errno means something special. There are also the stages of a start
# (`keeper.child.STAGES`, and "fork").
KEEPER = "keeper"  # something that the keeper itself needs
NEW_KEEPER = "new_keeper"
TERMINAL = "terminal"
CONTROL_GROUP = "control_group"

_ANYWHERE: Mapping[int, HostLimit] = {
    errno.EMFILE: DAEMON_DESCRIPTORS,
    errno.ENFILE: HOST_DESCRIPTORS,
    errno.ENOMEM: MEMORY,
    errno.ENOSPC: DISK,
    errno.EDQUOT: DISK,
    errno.ENOBUFS: WAITING_REQUESTS,
    errno.ETOOMANYREFS: DESCRIPTORS_IN_FLIGHT,
}
_SPECIAL: Mapping[tuple[str, int], HostLimit] = {
    (KEEPER, errno.EMFILE): KEEPER_DESCRIPTORS,
    (TERMINAL, errno.ENOSPC): TERMINALS,
    (CONTROL_GROUP, errno.ENOSPC): CONTROL_GROUPS,
    (CONTROL_GROUP, errno.EAGAIN): CONTROL_GROUPS,
    **{(what, errno.EAGAIN): PROCESSES for what in (NEW_KEEPER, "fork", "user", "executable")},
}


def limit_of(code: int | None, what: str = "") -> HostLimit | None:
    """Return the limit that an errno tells of; None if it tells of none.

    Args:
        code: The errno.
        what: What could not be had, if that is something special.
    """
    if code is None:
        return None
    return _SPECIAL.get((what, code)) or _ANYWHERE.get(code)


def limit_behind(error: BaseException, what: str = "") -> HostLimit | None:
    """Return the limit that an exception tells of; None if it tells of none."""
    if isinstance(error, MemoryError):
        return MEMORY
    if isinstance(error, RuntimeError) and "start new thread" in str(error):  # as Python says it
        return PROCESSES
    return limit_of(error.errno, what) if isinstance(error, OSError) else None
