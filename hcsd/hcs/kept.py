"""The processes that an engine has kept for whoever comes after the client that started them.

An engine of ours keeps a process that was started here until somebody has closed the last handle to it
after its exit. So a daemon that was killed finds each of its processes again, and learns how those have
ended that ended while nobody looked. HCS has no such list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcsd.hcs.documents import integer, load_object, string

if TYPE_CHECKING:
    from collections.abc import Mapping

QUERY = '{"PropertyTypes":["KeptProcesses"]}'


@dataclass(frozen=True, slots=True)
class KeptProcess:
    """A process that an engine keeps.

    Attributes:
        process_id: Its pid.
        tag: What the parameters of its create called it; "" for nothing.
        exited: Whether it has ended.
    """

    process_id: int
    tag: str
    exited: bool


def parse_kept(text: str | None) -> Mapping[int, KeptProcess]:
    """Read the kept processes out of the Properties of a system that were asked for them, by pid.

    Raises:
        DocumentError: There is no document.
    """
    entries = load_object(text, "Properties").get("KeptProcesses")
    found = [
        KeptProcess(integer(entry, "ProcessId"), string(entry, "Tag"), entry.get("Exited") is True)
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
    ]
    # Of two with one pid, the one that runs is the one that a pid opens.
    return {entry.process_id: entry for entry in sorted(found, key=lambda entry: not entry.exited)}
