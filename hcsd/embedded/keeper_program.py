"""How the program of a keeper is started, and what its parent sees of it."""

from __future__ import annotations

import os
import subprocess  # starts the keeper
import sys
from typing import TYPE_CHECKING

from hcsd.embedded.keeper import frames
from hcsd.embedded.keeper.families import KEEPER_MARK
from hcsd.embedded.keeper.requests import Settings

if TYPE_CHECKING:
    from hcsd.embedded.child_settings import ChildSettings
    from hcsd.embedded.groups import Groups

PROGRAM = os.path.join(os.path.dirname(frames.__file__), "__main__.py")

# Not for a keeper, unless a process may have them: settings of the daemon, where its secrets are.
PRIVATE_PREFIX = "HCSD_"


def start_program(
    descriptor: int, settings: ChildSettings, groups: Groups, door: int = -1, window: float = 0.0
) -> subprocess.Popen[bytes]:
    """Start a keeper.

    Args:
        descriptor: Its end of the socket pair. Ownership: the caller's.
        settings: What is the same for all processes.
        groups: Control groups of the system, which have been made.
        door: A socket that listens for engines that come later; -1 for none. Ownership: the caller's.
        window: For how many seconds it waits for one of them.

    Raises:
        OSError: It cannot be started; nothing of it is left.
    """
    argument = Settings(
        descriptor=descriptor,
        mark=groups.mark,
        pass_env=list(settings.pass_env),
        start_timeout=settings.start_timeout,
        places=groups.places,
        door=door,
        window=window,
    ).to_argument()
    return subprocess.Popen(  # noqa: S603  (our own program)
        [sys.executable, "-I", "-S", "-X", "utf8", PROGRAM, argument],
        pass_fds=[
            number
            for number in (descriptor, door, groups.places.lock if groups.places else -1)
            if number >= 0
        ],
        stdin=subprocess.DEVNULL,
        cwd="/",
        env=_environment(settings) | {KEEPER_MARK: groups.mark},
        start_new_session=True,
    )


def is_stopped(pid: int) -> bool:
    """Tell of a keeper whether a signal stopped it since this was last asked; False of one that is dead."""
    try:
        return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG) is not None
    except ChildProcessError:  # nothing of the dead can be waited for but their end
        return False


def _environment(settings: ChildSettings) -> dict[str, str]:
    """Return the environment of a keeper; what its processes get of it, the keeper decides."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in settings.pass_env or not name.startswith(PRIVATE_PREFIX)
    }
