"""Addresses of the daemon: how they are written, and which one is meant by default."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from hcsd_client._errors import AddressError
from hcsd_client._values import wrong_kind

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRONMENT_VARIABLE = "HCSD_ADDRESS"
WINDOWS_DEFAULT = "127.0.0.1:7443"
MAX_SOCKET_PATH_BYTES = 107  # sun_path of Linux without its NUL; gRPC refuses more on any system
MAX_PORT = 0xFFFF

_SYNTAX = "write unix:///path/to/socket, host:port or [IPv6 address]:port"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a daemon listens: a Unix socket (`path`) or a TCP port (`host` and `port`).

    Attributes:
        path: Absolute path of the socket; "" for TCP.
        host: Name or IP address, an IPv6 address without brackets; "" for a Unix socket.
        port: TCP port; 0 lets a listener choose. 0 for a Unix socket.
    """

    path: str = ""
    host: str = ""
    port: int = 0

    @property
    def is_unix(self) -> bool:
        """Whether it is a Unix socket."""
        return bool(self.path)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it; true for a Unix socket too."""
        if self.is_unix or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # a name: where it leads is not known before it is looked up
            return False

    @property
    def target(self) -> str:
        """The address as gRPC takes it, for a channel and for a listener."""
        if self.is_unix:
            return f"unix://{quote(self.path)}"  # gRPC decodes it as a URI
        return self._host_and_port

    def __str__(self) -> str:
        """Return the address as a user writes it; `parse_address` takes it back."""
        return f"unix://{self.path}" if self.is_unix else self._host_and_port

    @property
    def _host_and_port(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read an address: ``unix:///path`` or ``unix:/path``, ``host:port`` or ``[IPv6]:port``.

    Raises:
        TypeError: It is no text.
        AddressError: It is neither; the message has the text, what is wrong and what would be
            right.
    """
    if not isinstance(text, str):
        raise wrong_kind("address", text, "text, as 'unix:///path/to/socket' or 'host:port'")
    if text.startswith("unix:"):
        return _parse_unix(text)
    scheme, slashes, rest = text.partition("://")
    if slashes:
        raise AddressError(text, f"'{scheme}://' is no part of one", f"write {rest or 'host:port'}")
    host, colon, port = text.rpartition(":")
    if not colon:
        raise AddressError(text, "it has no port", _SYNTAX)
    return Address(host=_parse_host(text, host), port=_parse_port(text, port))


def default_address(environ: Mapping[str, str]) -> Address:
    """Return where clients look for a daemon, and where one listens, if they are not told.

    This is `HCSD_ADDRESS`, else on POSIX ``hcsd/hcsd.sock`` in the first of these folders that
    applies: `XDG_RUNTIME_DIR`; ``/run`` for root; `XDG_STATE_HOME`; ``~/.local/state``. Windows has
    ``127.0.0.1:7443``.

    Raises:
        AddressError: `HCSD_ADDRESS` is not an address.
    """
    if text := environ.get(ENVIRONMENT_VARIABLE):
        return parse_address(text)
    if os.name == "nt":  # gRPC has no Unix sockets there
        return parse_address(WINDOWS_DEFAULT)
    return parse_address(f"unix://{_runtime_folder(environ)}/hcsd/hcsd.sock")


def _runtime_folder(environ: Mapping[str, str]) -> str:
    if folder := environ.get("XDG_RUNTIME_DIR"):
        return folder
    if os.geteuid() == 0:  # type: ignore[attr-defined, unused-ignore]  # not in typeshed for win32
        return "/run"
    return environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")


def _parse_unix(text: str) -> Address:
    path = text.removeprefix("unix:").removeprefix("//")
    if not path.startswith("/"):
        raise AddressError(text, "the path of the socket is not absolute", _SYNTAX)
    if "\0" in path or path.endswith("/"):
        raise AddressError(text, "it does not name a file", _SYNTAX)
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise AddressError(
            text,
            f"a socket's path has at most {MAX_SOCKET_PATH_BYTES} bytes",
            "choose a shorter one",
        )
    return Address(path=path)


def _parse_host(text: str, host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError as error:
            raise AddressError(text, str(error), _SYNTAX) from error
    if not host:
        raise AddressError(text, "it has no host", "write 127.0.0.1:port for this machine")
    if ":" in host:
        raise AddressError(text, "an IPv6 address needs brackets", "write it as in [::1]:7443")
    if not all(character.isalnum() or character in "-._" for character in host):
        raise AddressError(text, f"'{host}' is not a host", _SYNTAX)
    return host


def _parse_port(text: str, port: str) -> int:
    if port.isascii() and port.isdigit() and int(port) <= MAX_PORT:
        return int(port)
    raise AddressError(text, f"'{port}' is not a port", f"a port is a number up to {MAX_PORT}")
