"""Where the daemon keeps what it goes on with when it is started again, if nobody says otherwise."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CAN_RESTORE = sys.platform != "win32"  # noqa: TID251  (nothing does it there yet)
_UNIX = "unix://"


def default_state_dir(addresses: Iterable[str]) -> Path | None:
    """Return the folder beside the first Unix socket; None if there is no socket.

    Two daemons have no socket in common, so they have no such folder in common. A TCP port says
    nothing about a folder.

    Args:
        addresses: Where the daemon listens, each as ``unix:///path`` or ``host:port``.
    """
    for address in addresses:
        if CAN_RESTORE and address.startswith(_UNIX):
            socket = Path(address.removeprefix(_UNIX))
            return socket.with_name(f"{socket.name.removesuffix('.sock')}.state")
    return None
