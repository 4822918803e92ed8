"""How the program of a keeper is started."""

from __future__ import annotations

import contextlib
import os
import subprocess  # starts the keeper
import sys
from typing import TYPE_CHECKING

from hcsd.embedded.keeper import frames
from hcsd.embedded.keeper.families import KEEPER_MARK
from hcsd.embedded.keeper.requests import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcsd.embedded.child_settings import ChildSettings

PROGRAM = os.path.join(os.path.dirname(frames.__file__), "__main__.py")

# Not for a keeper, unless a process may have them: settings of the daemon, where its secrets are.
PRIVATE_PREFIX = "HCSD_"


def start_program(
    descriptor: int, mark: str, settings: ChildSettings, groups: Sequence[str]
) -> subprocess.Popen[bytes]:
    """Start a keeper.

    Args:
        descriptor: Its end of the socket pair. Ownership: the caller's.
        mark: Begins the marks of its processes.
        settings: What is the same for all processes.
        groups: Control groups of the system, which the keeper and all it starts belong to.

    Raises:
        OSError: It cannot be started, or put into its groups; nothing of it is left.
    """
    argument = Settings(
        descriptor=descriptor,
        mark=mark,
        pass_env=list(settings.pass_env),
        start_timeout=settings.start_timeout,
        groups=list(groups),
    ).to_argument()
    keeper = subprocess.Popen(  # noqa: S603  (our own program)
        [sys.executable, "-I", "-S", "-X", "utf8", PROGRAM, argument],
        pass_fds=[descriptor],
        stdin=subprocess.DEVNULL,
        cwd="/",
        env=_environment(settings) | {KEEPER_MARK: mark},
        start_new_session=True,
    )
    with contextlib.ExitStack() as failed:
        failed.callback(keeper.wait)
        failed.callback(keeper.kill)
        for group in groups:
            with open(os.path.join(group, "cgroup.procs"), "w", encoding="ascii") as file:
                file.write(str(keeper.pid))
        failed.pop_all()
    return keeper


def _environment(settings: ChildSettings) -> dict[str, str]:
    """Return the environment of a keeper; what its processes get of it, the keeper decides."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in settings.pass_env or not name.startswith(PRIVATE_PREFIX)
    }
