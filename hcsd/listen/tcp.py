"""TCP addresses, which are always with TLS: the daemon proves itself before a token is sent to it."""

from __future__ import annotations

import contextlib
import errno
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcsd.listen.listener import ListenError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcsd.listen.listener import Bind
    from hcsd.listen.tls import Tls


_REMEDIES = {
    errno.EADDRINUSE: "another program listens there; stop it, or name another port with --listen",
    errno.EACCES: "name a port from 1024 on with --listen; those below are for root",
    errno.EADDRNOTAVAIL: "name an address of this host with --listen; 0.0.0.0 stands for all",
}


def _remedy(error: OSError | RuntimeError) -> str:
    if isinstance(error, socket.gaierror):
        return "name an IP address of this host with --listen, or mend the name"
    number = error.errno if isinstance(error, OSError) else None
    return _REMEDIES.get(number or 0, "name another with --listen")


@dataclass(frozen=True, slots=True)
class TcpListener:
    """A TCP address; port 0 lets the system choose one."""

    host: str
    port: int
    tls: Tls

    def require_usable(self) -> None:
        """Let every address pass: that it cannot be bound shows when it is."""

    def require_free(self) -> None:
        """Let every address pass, likewise."""

    @contextlib.contextmanager
    def claim(self, bind: Bind) -> Iterator[str]:
        """Bind the server to it.

        Yields:
            The address that clients use, with the port in use.

        Raises:
            ListenError: It cannot be bound.
        """
        shown = f"[{self.host}]" if ":" in self.host else self.host
        try:
            self._try()
            port = bind(f"{shown}:{self.port}", self.tls)
        except (OSError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            msg = f"cannot listen at '{shown}:{self.port}': {reason}; {_remedy(error)}"
            raise ListenError(msg) from error
        yield f"{shown}:{port}"

    def _try(self) -> None:
        """Bind the address and let go of it: gRPC would not say why it cannot.

        Raises:
            OSError: It cannot be bound.
        """
        family, kind, _, _, address = socket.getaddrinfo(
            self.host, self.port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind) as probe:
            # Windows would share the port with whoever has it already.
            option = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
            probe.setsockopt(socket.SOL_SOCKET, option, 1)
            probe.bind(address)
