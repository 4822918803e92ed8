"""The names by which clients may call the daemon, for the certificate that it makes itself."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from hcsd.listen.interfaces import interface_addresses

if TYPE_CHECKING:
    from collections.abc import Iterable

LOCAL = ("localhost", "127.0.0.1", "::1")


class Names:
    """The names of a daemon that listens at some hosts.

    The full name of this host is asked for once, and only if others can reach the daemon: the answer
    may come from the network, and take its time.

    Args:
        hosts: Where it listens: names, or IP addresses.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        plain = [host.partition("%")[0] for host in hosts]  # without the interface of fe80::1%eth0
        self._anywhere = any(_is_wildcard(host) for host in plain)
        own = [socket.gethostname()]
        if not all(_is_loopback(host) for host in plain):
            own.append(socket.getfqdn())
        self._fixed = {*LOCAL, *own, *(host for host in plain if not _is_wildcard(host))}

    def now(self) -> frozenset[str]:
        """Return them; for a wildcard address with those that the interfaces have now."""
        return frozenset(self._fixed | (interface_addresses() if self._anywhere else set()))


def ip_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that a host is given as; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_wildcard(host: str) -> bool:
    address = ip_of(host)
    return address is not None and address.is_unspecified


def _is_loopback(host: str) -> bool:
    address = ip_of(host)
    return host == "localhost" if address is None else address.is_loopback
