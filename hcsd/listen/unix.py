"""Which listener stands for a Unix socket: none where the platform, or gRPC on it, has none."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hcsd.listen.listener import ListenError

if TYPE_CHECKING:
    from pathlib import Path

    from hcsd.listen.listener import Listener


def unix_listener(path: Path) -> Listener:
    """Return a listener at a Unix socket.

    Raises:
        ListenError: The platform has none.
    """
    if sys.platform == "win32":  # noqa: TID251  (what a platform has)
        msg = (
            f"cannot listen at 'unix://{path.as_posix()}': gRPC has no Unix sockets on Windows."
            " Listen at 127.0.0.1 and a port"
        )
        raise ListenError(msg)
    else:  # noqa: RET506  (type checkers follow platforms by branches)
        from hcsd.listen.unix_socket import UnixListener  # noqa: PLC0415

        return UnixListener(path)
