"""What `hcsd serve` listens at, from its options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hcsd.folders import CA_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hcsd.listen.listener import Listener
    from hcsd.listen.tls import Source, Tls
    from hcsd.listen.token import Token
    from hcsd_client.address import Address


class TcpOptions(NamedTuple):
    """What holds for every TCP address.

    Attributes:
        token_file: Where the token of clients is, or is made; what the daemon makes for TLS is
            beside it.
        certificate: The daemon's certificate; None for one that it makes itself.
        key: Its private key.
        client_ca: The CA whose clients may come in without the token.
    """

    token_file: Path
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None


class Listeners(NamedTuple):
    """Where the daemon listens.

    Attributes:
        all: Each place.
        token: What callers must present at TCP; None if they need none.
        needs: What TCP clients need, for people; "" if there are none.
    """

    all: Sequence[Listener]
    token: Token | None
    needs: str


def open_listeners(addresses: Iterable[str], options: TcpOptions) -> Listeners:
    """Prepare the places to listen at; files that they need are made.

    Args:
        addresses: Where to listen; none for the default.
        options: What holds for TCP.

    Raises:
        HcsdError: An address or a file cannot be used.
        AddressError: An address is none.
    """
    from hcsd.listen.tcp import TcpListener
    from hcsd.listen.token import Token
    from hcsd.listen.unix import unix_listener

    parsed = _parsed(addresses)
    hosts = [address.host for address in parsed if not address.is_unix]
    if not hosts:
        return Listeners([unix_listener(Path(address.path)) for address in parsed], None, "")
    token = None if options.client_ca else Token(options.token_file)
    tls = _tls(hosts, options)
    return Listeners(
        [
            unix_listener(Path(address.path))
            if address.is_unix
            else TcpListener(address.host, address.port, tls)
            for address in parsed
        ],
        token,
        _needs(options),
    )


def state_dir_for(addresses: Iterable[str]) -> Path | None:
    """Return the state directory of a daemon that nobody tells another; None for none.

    Args:
        addresses: Where it listens; none for the default.

    Raises:
        AddressError: An address is none.
    """
    from hcsd.listen.state_dir import default_state_dir

    return default_state_dir(map(str, _parsed(addresses)))


def _parsed(addresses: Iterable[str]) -> list[Address]:
    from hcsd_client.address import default_address, parse_address

    return [parse_address(text) for text in addresses] or [default_address(os.environ)]


def _tls(hosts: Iterable[str], options: TcpOptions) -> Tls:
    from hcsd.listen.authority import Authority
    from hcsd.listen.certificate_files import CertificateFiles
    from hcsd.listen.client_certificates import ClientCa
    from hcsd.listen.names import Names
    from hcsd.listen.tls import Tls

    source: Source
    if options.certificate and options.key:
        source = CertificateFiles(options.certificate, options.key)
    else:
        source = Authority(options.token_file.parent, Names(hosts))
    return Tls(source, ClientCa(options.client_ca) if options.client_ca else None)


def _needs(options: TcpOptions) -> str:
    """Say what TCP clients need, and with which options they name it."""
    token = f"a copy of '{options.token_file}' (--token-file)"
    ca = f"a copy of '{options.token_file.with_name(CA_FILE)}' (--tls-ca, or beside the token file)"
    if options.certificate:
        ca = f"the CA of '{options.certificate}' (--tls-ca), unless their system trusts it"
    if options.client_ca:
        token = f"a certificate of '{options.client_ca}' (--tls-cert, --tls-key)"
    return f"{token}, and {ca}"
