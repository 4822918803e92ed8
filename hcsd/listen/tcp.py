"""TCP addresses, which are always with TLS: the daemon proves itself before a token is sent to it."""

from __future__ import annotations

import contextlib
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
    tls: Tls

    @property
    def needs_token(self) -> bool:
        """Whether no client certificate tells who calls."""
        return not self.tls.authenticates

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
