"""The composition root: picks the library that stands behind the ABI on this platform."""

from __future__ import annotations

import sys

from hcsd.hcs.host import Host


def open_host() -> Host:
    """Open the engine of this platform, for a daemon.

    Ownership: `Host.close` ends it, and with the embedded engine every process that it runs.

    Raises:
        NoComputeServiceError: This Windows has no Host Compute Service.
        MissingExportsError: The library lacks exports that hcsd cannot work without.
        OSError: The embedded engine's helper process cannot be started.
    """
    if sys.platform == "win32":  # noqa: TID251  (this is where the platform is asked for)
        from hcsd.hcs.loader import WindowsProvider  # noqa: PLC0415  (Windows only)

        return Host(WindowsProvider())
    else:  # noqa: RET505  (type checkers follow platforms by branches)
        from hcsd.embedded.descriptors import allow_many  # noqa: PLC0415  (POSIX only)
        from hcsd.embedded.provider import EmbeddedProvider  # noqa: PLC0415

        allow_many()
        return Host(EmbeddedProvider())
