"""Where the daemon listens, and what keeps strangers out of each place.

Unix socket        mode 0600 in a directory of mode 0700, both the daemon's own (unix_socket.py)
TCP with TLS       a client certificate if there is a CA for it, else the daemon's token
loopback TCP       the daemon's token
any other TCP      refused: without TLS a token could be read on the way
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hcsd.errors import HcsdError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    import grpc

    from hcsd.service.tls import Tls


class ListenError(HcsdError):
    """The daemon cannot, or must not, listen at an address."""


class Listener(Protocol):
    """A place to listen at."""

    @property
    def needs_token(self) -> bool:
        """Whether callers must present the daemon's token, the place itself being no guard."""

    def claim(self, server: grpc.aio.Server) -> AbstractContextManager[str]:
        """Bind a server to it until the context ends.

        Returns:
            A context whose value is the address that clients use.

        Raises:
            ListenError: It cannot be used.
        """


@dataclass(frozen=True, slots=True)
class TcpListener:
    """A TCP address; port 0 lets the system choose one."""

    host: str
    port: int
    tls: Tls | None = None

    @property
    def needs_token(self) -> bool:
        """Whether no client certificate tells who calls."""
        return self.tls is None or not self.tls.authenticates

    @contextlib.contextmanager
    def claim(self, server: grpc.aio.Server) -> Iterator[str]:
        """Bind the server to it.

        Yields:
            The address that clients use, with the port in use.

        Raises:
            ListenError: It is not loopback and has no TLS, or it cannot be bound.
        """
        shown = f"[{self.host}]" if ":" in self.host else self.host
        if self.tls is None and not self._is_loopback():
            msg = (
                f"cannot listen at '{shown}:{self.port}': it can be reached from other hosts, and"
                " that needs TLS. Give a certificate with --tls-cert and --tls-key; or listen at"
                " 127.0.0.1 or at a Unix socket, and forward it, for example with ssh -L"
            )
            raise ListenError(msg)
        try:
            self._try()
            at = f"{shown}:{self.port}"
            if self.tls is None:
                port = server.add_insecure_port(at)
            else:
                port = server.add_secure_port(at, self.tls.credentials())
        except (OSError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            msg = f"cannot listen at '{shown}:{self.port}': {reason}"
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

    def _is_loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False  # a name may resolve to anything, and to something else tomorrow


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
        from hcsd.service.unix_socket import UnixListener  # noqa: PLC0415

        return UnixListener(path)
