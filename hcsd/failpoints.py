"""Places at which tests kill this process, to see what a death just there costs.

    HCSD_FAILPOINTS="journal.commit=3,splice=20" hcsd serve

The process reads the variable when it starts. It kills itself by SIGKILL when it passes `journal.commit` for the
third time, or `splice` for the twentieth. Without the variable a place costs one look into an empty dict.

| name | the process is |
|---|---|
| create.intent | about to ask the engine for a process; the journal has the intent |
| create.asked | about to note the outcome; the engine has started the process |
| journal.commit | about to commit what one turn of the loop has collected |
| journal.committed | about to tell those who waited for that commit |
| splice | about to note bytes that are in a segment already |
| restore | about to take over what an earlier daemon left |
| restore.process | about to take over one process |
"""

from __future__ import annotations

import os
import threading

VARIABLE = "HCSD_FAILPOINTS"
NAMES = frozenset(
    {
        "create.intent",
        "create.asked",
        "journal.commit",
        "journal.committed",
        "splice",
        "restore",
        "restore.process",
    }
)

_SIGKILL = 9  # Windows has no name for it; there it ends the process with exit code 9
_counting = threading.Lock()


def parse(text: str) -> dict[str, int]:
    """Return how many passes of each place are left to the kill.

    Raises:
        ValueError: The text is not `NAME=N,…`, a name is unknown, or a number is below 1.
    """
    passes: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.partition("=")
        if name not in NAMES:
            raise ValueError(f"{VARIABLE}: no place '{name}'; there are {', '.join(sorted(NAMES))}")
        if not (number.isascii() and number.isdigit()) or int(number) < 1:
            raise ValueError(f"{VARIABLE}: '{part}' does not name a pass, as in '{name}=1'")
        passes[name] = int(number)
    return passes


_left = parse(os.environ.get(VARIABLE, ""))


def reach(name: str) -> None:
    """Pass a place: kill this process if it is to die at this pass. Any thread may call it."""
    if name in _left:
        _count(name)


def _count(name: str) -> None:
    with _counting:
        _left[name] -= 1
        if _left[name] == 0:
            os.write(2, f"hcsd: killed at failpoint {name}\n".encode())
            os.kill(os.getpid(), _SIGKILL)
