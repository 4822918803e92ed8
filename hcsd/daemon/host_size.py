"""How much the host has, for limits whose default depends on that."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
TASK_LIMITS = (Path("/proc/sys/kernel/pid_max"), Path("/proc/sys/kernel/threads-max"))
TASKS_SHARE = 0.15  # what systemd gives a service
UNKNOWN_TASKS = 32_768  # what a host without such files can have (the default of Linux)


def half_the_memory() -> int:
    """Return half of the memory that there is, or that the control group of the daemon may use."""
    import psutil  # noqa: PLC0415  (not for whoever only reads the list of limits)

    memory = psutil.virtual_memory().total
    with suppress(OSError, ValueError):  # no such group, or "max"
        memory = min(memory, int(CGROUP_LIMIT.read_text(encoding="ascii")))
    return memory // 2


def share_of_tasks() -> int:
    """Return 15 % of the processes and threads that the host can have."""
    host = UNKNOWN_TASKS
    with suppress(OSError, ValueError):  # another system than Linux
        host = min(int(path.read_text(encoding="ascii")) for path in TASK_LIMITS)
    return int(host * TASKS_SHARE)
