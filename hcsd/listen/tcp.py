"""TCP addresses. Beyond loopback they need TLS: without it somebody on the way could read the token."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcsd.listen.listener import ListenError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcsd.listen.listener import Bind
    from hcsd.listen.tls import Tls


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
    def claim(self, bind: Bind) -> Iterator[str]:
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
            port = bind(f"{shown}:{self.port}", self.tls)
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
