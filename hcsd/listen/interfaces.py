"""The addresses of this host's network interfaces, which a wildcard address stands for.

Linux tells them by netlink, Windows for the host's own name. Each answer is messages, and each
message has attributes:

    message     length u32, type u16, flags u16, sequence u32, port u32; padded to 4 bytes
    address     family u8, prefix u8, flags u8, scope u8, interface u32; then attributes
    attribute   length u16, type u16, value; padded to 4 bytes

Source: netlink(7), rtnetlink(7).
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NLMSG_DONE = 3
RTM_NEWADDR = 20
RTM_GETADDR = 22
NLM_F_REQUEST_DUMP = 0x301
IFA_LOCAL = 2  # the own end, where a link has two
IFA_ADDRESS = 1
MESSAGE = struct.Struct("=IHHII")
ADDRESS = struct.Struct("=BBBBI")
ATTRIBUTE = struct.Struct("=HH")
BUFFER = 65_536  # bytes; more than the kernel sends at once
PATIENCE = 1.0  # seconds; the kernel answers at once


def interface_addresses() -> set[str]:
    """Return the addresses of all interfaces that mean something on every link.

    None if the host does not tell: some sandboxes do not.
    """
    found: set[str] = set()
    with contextlib.suppress(OSError):
        found.update(_addresses())
    return {text for text in found if not ipaddress.ip_address(text).is_link_local}


if sys.platform == "linux":  # noqa: TID251  (how a platform tells its addresses)

    def _addresses() -> Iterator[str]:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
            kernel.settimeout(PATIENCE)
            size = MESSAGE.size + ADDRESS.size
            kernel.send(
                MESSAGE.pack(size, RTM_GETADDR, NLM_F_REQUEST_DUMP, 1, 0)
                + ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
            )
            kind = RTM_NEWADDR
            while kind == RTM_NEWADDR:
                for kind, body in _parts(kernel.recv(BUFFER), MESSAGE):
                    if kind == RTM_NEWADDR:
                        attributes = dict(_parts(body[ADDRESS.size :], ATTRIBUTE))
                        packed = attributes.get(IFA_LOCAL) or attributes[IFA_ADDRESS]
                        yield str(ipaddress.ip_address(packed))

    def _parts(data: bytes, head: struct.Struct) -> Iterator[tuple[int, bytes]]:
        """Split messages, or attributes, each into its type and what it holds."""
        while data:
            length, kind, *_ = head.unpack_from(data)
            yield kind, data[head.size : length]
            data = data[(length + 3) & ~3 :]

else:

    def _addresses() -> Iterator[str]:
        for *_, address in socket.getaddrinfo(socket.gethostname(), None):
            yield str(address[0]).partition("%")[0]
