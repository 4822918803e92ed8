"""The composition root: picks the library that stands behind the ABI on this platform."""

from __future__ import annotations

import sys
import threading

from hcsd.control_groups import ControlGroups
from hcsd.errors import HcsdError
from hcsd.hcs.host import Host

START_TIMEOUT = 30.0


def open_host(
    pass_env: tuple[str, ...] = (),
    start_timeout: float = START_TIMEOUT,
    *,
    max_tasks: int = 0,
    control_groups: ControlGroups = ControlGroups.AUTO,
    reaps_orphans: bool = False,
    kept_in: str = "",
    restore_window: float = 0.0,
) -> Host:
    """Open the engine of this platform, for a daemon.

    Args:
        pass_env: Variables of the daemon that its processes have, too. HCS passes none.
        start_timeout: Seconds that a process may take to come to its program; HCS has its own.
        max_tasks: How many processes and threads a system may have at once, where the host lets the
            embedded engine limit that; 0 is no limit. HCS has none.
        control_groups: Which control groups the embedded engine may use.
        reaps_orphans: Whether this process starts no other children. Then the embedded engine may
            end and reap every child that a killed keeper leaves to it.
        kept_in: Folder where the embedded engine writes down what goes on when this process dies, and
            from which it takes over what is there; "" for nowhere. HCS keeps everything by itself.
        restore_window: For how many seconds that goes on without another engine.

    What an earlier daemon of the embedded engine has left running is ended meanwhile.

    Ownership: `Host.close` ends it, and with the embedded engine every process that it runs.

    Raises:
        NoComputeServiceError: This Windows has no Host Compute Service.
        MissingExportsError: The library lacks exports that hcsd cannot work without.
        HcsdError: `pass_env` names variables, and HCS passes none.
        OSError: The embedded engine's helper process cannot be started.
    """
    if sys.platform == "win32":  # noqa: TID251  (this is where the platform is asked for)
        from hcsd.hcs.loader import WindowsProvider  # noqa: PLC0415  (Windows only)

        if pass_env:
            msg = "the processes of HCS have an environment of their own: --pass-env is for others"
            raise HcsdError(msg)
        return Host(WindowsProvider())
    else:  # noqa: RET505  (type checkers follow platforms by branches)
        from hcsd.embedded.child_settings import ChildSettings  # noqa: PLC0415  (POSIX only)
        from hcsd.embedded.descriptors import allow_many  # noqa: PLC0415  (POSIX only)
        from hcsd.embedded.hierarchies import find_hierarchies  # noqa: PLC0415
        from hcsd.embedded.leftovers import clean_up  # noqa: PLC0415
        from hcsd.embedded.provider import EmbeddedProvider  # noqa: PLC0415
        from hcsd.embedded.restoring import Restore  # noqa: PLC0415

        allow_many()
        threading.Thread(target=clean_up, name="hcsd-leftovers", daemon=True).start()
        hierarchies = find_hierarchies(control_groups)
        settings = ChildSettings(pass_env, start_timeout, max_tasks, hierarchies)
        restore = Restore(kept_in, restore_window) if kept_in else None
        return Host(EmbeddedProvider(settings, reaps_orphans=reaps_orphans, restore=restore))
