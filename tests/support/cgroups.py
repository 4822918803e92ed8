"""Looking at the control groups of a test's systems."""

import os
from pathlib import Path

from hcsd.control_groups import ControlGroups
from hcsd.embedded.groups import PREFIX
from hcsd.embedded.hierarchies import find_hierarchies, mounts_of_groups

# Those that this host lets the test make.
USABLE = [
    allowed
    for allowed in (ControlGroups.V2, ControlGroups.V1)
    if find_hierarchies(allowed).holder is not None
]


def groups_of(pid: int) -> list[Path]:
    """The control groups of ours that a process is in, or below."""
    found: list[Path] = []
    for line in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if PREFIX not in path:
            continue
        for mount, version, _ in mounts_of_groups():
            shown = Path(mount, path.lstrip("/"))
            named = not controllers or controllers.split(",")[0] in Path(mount).name
            if shown.is_dir() and named and (version == 2) is (not controllers):
                found.append(shown)
    return found


def all_groups() -> set[str]:
    """Every control group of ours on this host."""
    return {
        os.path.join(directory, name)
        for mount, _, _ in mounts_of_groups()
        for directory, below, _ in os.walk(mount)
        for name in below
        if name.startswith(PREFIX)
    }
