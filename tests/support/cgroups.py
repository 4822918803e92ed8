"""Looking at the control groups of a test's systems."""

import os
from pathlib import Path

from hcsd.control_groups import ControlGroups
from hcsd.embedded.groups import PREFIX
from hcsd.embedded.hierarchies import find_hierarchies, mounts_of_groups
from hcsd.embedded.provider import EmbeddedProvider
from tests.support.census import state_of

# Those that this host lets the test make.
USABLE = [
    allowed
    for allowed in (ControlGroups.V2, ControlGroups.V1)
    if find_hierarchies(allowed).holder is not None
]

EVERY = [*USABLE, ControlGroups.OFF]


def groups_of(pid: int) -> list[Path]:
    """The control groups of ours that a process is in, or below."""
    found: list[Path] = []
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:  # it has ended
        return found
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if PREFIX not in path:
            continue
        for mount, version, _ in mounts_of_groups():
            shown = Path(mount, path.lstrip("/"))
            named = not controllers or controllers.split(",")[0] in Path(mount).name
            if shown.is_dir() and named and (version == 2) is (not controllers):
                found.append(shown)
    return found


def is_stopped(pid: int) -> bool:
    """Whether a process runs no code: it is stopped or frozen, or the kernel holds it."""
    return state_of(pid) in {"T", "D", "t"} or any(map(_is_frozen, groups_of(pid)))


def _is_frozen(group: Path) -> bool:
    if (group / "cgroup.events").exists():
        return "frozen 1" in (group / "cgroup.events").read_text(encoding="ascii")
    state = group / "freezer.state"
    return state.exists() and state.read_text(encoding="ascii").strip() == "FROZEN"


def all_groups() -> set[str]:
    """Every control group of ours on this host."""
    return {
        os.path.join(directory, name)
        for mount, _, _ in mounts_of_groups()
        for directory, below, _ in os.walk(mount)
        for name in below
        if name.startswith(PREFIX)
    }


def groups_left(names: set[str]) -> set[str]:
    """Those control groups on this host that have one of these names; see `name_of_group`."""
    return {group for group in all_groups() if os.path.basename(group) in names}


def name_of_group(embedded: EmbeddedProvider, system_id: str) -> str:
    """The name of the control groups of a system, which no other system on this host has."""
    return PREFIX + embedded._systems[system_id]._groups.mark


def below(groups: set[str]) -> list[str]:
    """The control groups directly below others."""
    return [entry.path for group in groups for entry in os.scandir(group) if entry.is_dir()]
