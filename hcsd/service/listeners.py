"""Where the daemon listens, and what keeps strangers out of each place.

    Unix socket        mode 0600 in a directory of mode 0700, both the daemon's own
    loopback TCP       the daemon's token
    any other TCP      refused: without TLS a token could be read on the way

A Unix socket is claimed with a lock beside it, so that a second daemon is told instead of taking
the first one's socket away, while the socket that a killed daemon left behind is no obstacle.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import stat
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003  (a field of dataclasses)
from typing import TYPE_CHECKING

from hcsd.errors import HcsdError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import grpc

PRIVATE = 0o77  # what group and others may do: nothing
MAX_SOCKET_PATH = 107  # bytes; sun_path of Linux without its NUL


class ListenError(HcsdError):
    """The daemon cannot, or must not, listen at an address."""


@dataclass(frozen=True, slots=True)
class UnixListener:
    """A Unix socket at an absolute path."""

    path: Path
    needs_token = False

    @property
    def address(self) -> str:
        """How clients name it."""
        return f"unix://{self.path}"

    @contextlib.contextmanager
    def claim(self, server: grpc.aio.Server) -> Iterator[str]:
        """Bind the server to it; removes the socket at the end.

        Yields:
            The address that clients use.

        Raises:
            ListenError: The path cannot be used, or another daemon uses it.
        """
        if len(os.fsencode(self.path)) > MAX_SOCKET_PATH:
            msg = f"cannot listen at '{self.path}': longer than {MAX_SOCKET_PATH} bytes"
            raise ListenError(msg)
        _make_private(self.path.parent)
        with _locked(self.path):
            if self.path.exists() and not self.path.is_socket():
                msg = f"cannot listen at '{self.path}': it exists and is no socket"
                raise ListenError(msg)
            self.path.unlink(missing_ok=True)
            before = os.umask(0o177)  # the socket must never be there with another mode
            try:
                server.add_insecure_port(f"unix:{self.path}")
            except RuntimeError as error:
                msg = f"cannot listen at '{self.path}': {error}"
                raise ListenError(msg) from error
            finally:
                os.umask(before)
            try:
                yield self.address
            finally:
                self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class TcpListener:
    """A TCP address; port 0 lets the system choose one."""

    host: str
    port: int
    needs_token = True

    @contextlib.contextmanager
    def claim(self, server: grpc.aio.Server) -> Iterator[str]:
        """Bind the server to it.

        Yields:
            The address that clients use, with the port in use.

        Raises:
            ListenError: It is not loopback, or it cannot be bound.
        """
        shown = f"[{self.host}]" if ":" in self.host else self.host
        if not self._is_loopback():
            msg = (
                f"cannot listen at '{shown}:{self.port}': it can be reached from other hosts, and"
                " that needs TLS, which this version does not have. Listen at 127.0.0.1 or at a"
                " Unix socket, and forward it, for example with ssh -L"
            )
            raise ListenError(msg)
        try:
            port = server.add_insecure_port(f"{shown}:{self.port}")
        except RuntimeError as error:
            msg = f"cannot listen at '{shown}:{self.port}': {error}"
            raise ListenError(msg) from error
        yield f"{shown}:{port}"

    def _is_loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False  # a name may resolve to anything, and to something else tomorrow


Listener = UnixListener | TcpListener


def _make_private(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = directory.stat()
    except OSError as error:
        msg = f"cannot use directory '{directory}' for the socket: {error}"
        raise ListenError(msg) from error
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & PRIVATE:
        msg = (
            f"cannot use directory '{directory}' for the socket: others may enter it."
            f" Make it yours alone (chmod 700 '{directory}'), or name another with --listen"
        )
        raise ListenError(msg)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a socket; the system releases it also if the daemon is killed."""
    with path.with_name(f"{path.name}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"cannot listen at '{path}': another hcsd is listening there"
            raise ListenError(msg) from None
        yield
