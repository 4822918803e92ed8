"""What a system says of processes that were lost: found, ended, or it cannot tell.

    the engine keeps processes ──one of this pid and this tag──▶ FOUND, also if it has ended
                               └──else──▶ ENDED, if it was started with a tag
    otherwise ──the guest lists it, created when ours was──▶ FOUND
              ├──the guest lists nothing of its pid──▶ ENDED
              └──else──▶ CANNOT_TELL

The system is asked when the first process is looked up, and once for all of them.

Thread: the event loop's.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from hcsd.hcs.errors import DocumentError, InvalidDocumentError, NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.hcs.asked_system import AskedSystem
    from hcsd.hcs.kept import KeptProcess
    from hcsd.hcs.schema import ProcessDetails
    from hcsd.hcs.tracked_process import TrackedProcess

# How a system says that it cannot list its processes: not every kind of guest can.
NO_LIST = (DocumentError, InvalidDocumentError, NotSupportedError)


class Verdict(enum.Enum):
    """What a guest says of a process that was lost."""

    FOUND = enum.auto()
    ENDED = enum.auto()
    CANNOT_TELL = enum.auto()


def judge(
    listed: ProcessDetails | None, created: tuple[float, float], clock_slack: float
) -> Verdict:
    """Decide whether what the guest lists under the pid of a lost process is that process.

    Args:
        listed: What the guest lists under the pid now; None if there is nothing.
        created: POSIX times between which ours was created.
        clock_slack: Seconds by which the guest's clock may differ from ours.
    """
    if listed is None:
        return Verdict.ENDED
    earliest, latest = created[0] - clock_slack, created[1] + clock_slack
    if listed.created is None or not earliest <= listed.created <= latest:
        return Verdict.CANNOT_TELL
    return Verdict.FOUND


class Lookup:
    """Looks up lost processes in one system that is open again.

    Args:
        system: The system.
        clock_slack: Seconds by which the guest's clock may differ from ours.
    """

    def __init__(self, system: AskedSystem, clock_slack: float) -> None:
        self._system = system
        self._clock_slack = clock_slack
        self._kept: Mapping[int, KeptProcess] | None = None
        self._listed: Mapping[int, ProcessDetails] | None = None
        self._cannot_list = False

    async def verdict(self, process: TrackedProcess) -> Verdict:
        """Decide what has become of a process.

        Raises:
            HcsError: HCS cannot be asked.
        """
        if process.tag:
            if self._kept is None:
                self._kept = await self._system.kept_processes()
            kept = self._kept.get(process.pid)
            same = kept is not None and kept.tag == process.tag
            return Verdict.FOUND if same else Verdict.ENDED
        if self._listed is None:
            self._listed = await self._list()
        if self._cannot_list:
            return Verdict.CANNOT_TELL
        return judge(self._listed.get(process.pid), process.created, self._clock_slack)

    async def _list(self) -> Mapping[int, ProcessDetails]:
        try:
            details = await self._system.process_list()
        except NO_LIST:  # then no pid tells whose it is
            self._cannot_list = True
            details = []
        return {entry.process_id: entry for entry in details}
