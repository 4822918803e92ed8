"""What the processes of a system use, as the kernel counts it (Linux).

What a process used before it ended counts for whoever has waited for it, and in the end for the
keeper. So the sum over the keeper and all that descends from it is what the system has used since
its start, but for children that were never waited for. The keeper's own use is left out as far as
it is known: what it had used before it started anything.

Memory is what is resident or swapped out and belongs to one process alone; Linux does not account
for what is committed. The peak is the most that was seen when somebody asked.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from hcsd.embedded.keeper.procfs import descendants
from hcsd.host_limits import limit_behind

TICKS = os.sysconf("SC_CLK_TCK")
UNIT = 10_000_000  # HCS counts time in 100 ns
BLOCK = 8 * 1024  # HCS counts reads and writes as if each was of that size


@dataclass(frozen=True, slots=True)
class Use:
    """What one process uses, with those that it has waited for in `user` to `written`.

    Attributes:
        user: Processor time in clock ticks; likewise `kernel`.
        read: Bytes from storage; likewise `written`.
        private: Resident bytes of its own; `shared` are those of files and shared memory.
        committed: Its own bytes, resident or swapped out.
    """

    user: int = 0
    kernel: int = 0
    read: int = 0
    written: int = 0
    private: int = 0
    shared: int = 0
    committed: int = 0

    def __add__(self, other: Use) -> Use:
        return Use(*(a + b for a, b in zip(self.values(), other.values(), strict=True)))

    def __sub__(self, other: Use) -> Use:
        return Use(*(max(0, a - b) for a, b in zip(self.values(), other.values(), strict=True)))

    def values(self) -> tuple[int, ...]:
        """Return the figures in the order of the fields."""
        return tuple(getattr(self, item.name) for item in fields(self))


@dataclass(frozen=True, slots=True)
class Member:
    """A process that was looked at.

    Attributes:
        own: What it uses itself.
        total: With those it has waited for.
    """

    pid: int
    name: str
    started: int
    own: Use
    total: Use


def look_at(pid: int) -> Member | None:
    """Look at a process; None if there is none any more.

    Raises:
        OSError: There is no room for a look.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
        status = _table(f"/proc/{pid}/status")
    except OSError as error:
        if limit_behind(error):
            raise
        return None
    io: dict[str, int] = {}
    with contextlib.suppress(OSError):  # another user's
        io = _table(f"/proc/{pid}/io")
    name = stat[stat.index(b"(") + 1 : stat.rindex(b")")].decode(errors="replace")
    values = stat[stat.rindex(b")") + 2 :].split()
    user, kernel, waited_user, waited_kernel = map(int, values[11:15])
    own = Use(
        user=user,
        kernel=kernel,
        private=status.get("RssAnon", 0) << 10,
        shared=(status.get("RssFile", 0) + status.get("RssShmem", 0)) << 10,
        committed=(status.get("RssAnon", 0) + status.get("VmSwap", 0)) << 10,
    )
    others = Use(waited_user, waited_kernel, io.get("read_bytes", 0), io.get("write_bytes", 0))
    return Member(pid, name, int(values[19]), own, own + others)


def _table(path: str) -> dict[str, int]:
    """Read the lines of a file that are a name and a number."""
    with open(path, encoding="utf-8", errors="replace") as file:
        pairs = (line.split(":", 1) for line in file if ":" in line)
        words = ((name, value.split()) for name, value in pairs)
        return {name: int(value[0]) for name, value in words if value and value[0].isdigit()}


class Meter:
    """Measures one system.

    Args:
        keeper_pid: The keeper of the system, which has just been started.
    """

    def __init__(self, keeper_pid: int) -> None:
        self._keeper = keeper_pid
        self._start_time = time.time()
        self._started = time.monotonic()
        self._before: Use | None = None
        self._last = Use()
        self._peak = 0

    def begin(self) -> None:
        """Note what the keeper has used until now, which is not the system's."""
        if self._before is None:
            with contextlib.suppress(OSError):  # there was no room for a look
                member = look_at(self._keeper)
                self._before = member.total if member else Use()

    def go_on(self) -> None:
        """Measure on, since an earlier engine has started the keeper.

        What the keeper has used before it started anything counts as the system's from now on.
        """
        self._before = Use()
        with contextlib.suppress(OSError):  # there was no room for a look
            member = look_at(self._keeper)
            if member is not None:
                uptime = time.clock_gettime(time.CLOCK_BOOTTIME) - member.started / TICKS
                self._start_time = time.time() - uptime
                self._started = time.monotonic() - uptime

    def process_list(self) -> list[dict[str, object]]:
        """Return the ProcessDetails of all that runs in the system."""
        booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        return [
            {
                "ProcessId": member.pid,
                "ImageName": member.name,
                "CreateTimestamp": _timestamp(booted + member.started / TICKS),
                "UserTime100ns": _time(member.own.user),
                "KernelTime100ns": _time(member.own.kernel),
                "MemoryCommitBytes": member.own.committed,
                "MemoryWorkingSetPrivateBytes": member.own.private,
                "MemoryWorkingSetSharedBytes": member.own.shared,
            }
            for member in self._members()
        ]

    def statistics(self) -> dict[str, object]:
        """Return the Statistics of the system."""
        keepers = look_at(self._keeper)
        members = self._members()
        memory = sum((member.own for member in members), Use())
        total = sum((member.total for member in members), Use())
        if keepers is not None:
            total += keepers.total - (self._before or Use())
        # Whoever ended between two looks may be missing, but what it used was used.
        self._last = Use(*map(max, total.values(), self._last.values()))
        self._peak = max(self._peak, memory.committed)
        user, kernel = _time(self._last.user), _time(self._last.kernel)
        return {
            "Timestamp": _timestamp(time.time()),
            "ContainerStartTime": _timestamp(self._start_time),
            "Uptime100ns": int((time.monotonic() - self._started) * UNIT),
            "Processor": {
                "TotalRuntime100ns": user + kernel,
                "RuntimeUser100ns": user,
                "RuntimeKernel100ns": kernel,
            },
            "Memory": {
                "MemoryUsageCommitBytes": memory.committed,
                "MemoryUsageCommitPeakBytes": self._peak,
                "MemoryUsagePrivateWorkingSetBytes": memory.private,
            },
            "Storage": {
                "ReadCountNormalized": -(-self._last.read // BLOCK),
                "ReadSizeBytes": self._last.read,
                "WriteCountNormalized": -(-self._last.written // BLOCK),
                "WriteSizeBytes": self._last.written,
            },
        }

    def _members(self) -> list[Member]:
        found = map(look_at, descendants(self._keeper))
        return [member for member in found if member is not None]


def _time(ticks: int) -> int:
    return ticks * UNIT // TICKS


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
