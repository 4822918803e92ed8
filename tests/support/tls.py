"""Certificates of a test's own: an authority, what it issues, and how a daemon is told of them.

    authority = Authority(tmp_path)
    server = authority.issue("server", "localhost", "127.0.0.1")
    with serving(*serve_options(server, clients=authority), tcp=True) as daemon:
        options = client_options(authority, authority.issue("client", "somebody"))
        ...  # hcsd --address daemon.addresses[1] *options; and as keywords for hcsd_client.Client

All are real files in PEM, keys with mode 0600.
"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import grpc
import trustme

if TYPE_CHECKING:
    from tests.support.daemon import Daemon

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Pair(NamedTuple):
    """A certificate, with those between it and its authority, and its private key."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority.

    Args:
        directory: Where it writes its files, which exists.
        name: Of its files; two authorities in one directory need two.

    Attributes:
        file: Its own certificate.
    """

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self._directory = directory
        self._ca = trustme.CA(organization_name=name)
        self.file = directory / f"{name}.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def issue(
        self,
        name: str,
        *hosts: str,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> Pair:
        """Issue a certificate for hosts, and write it to files with this name; they may be there."""
        made = self._ca.issue_cert(*hosts, not_before=not_before, not_after=not_after)
        pair = Pair(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        pair.key.touch(mode=0o600)
        made.private_key_pem.write_to_path(pair.key)
        pair.certificate.write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))
        return pair


def serve_options(server: Pair, clients: Authority | None = None) -> list[str]:
    """Return the options of `hcsd serve`; with an authority for clients, these need a certificate."""
    options = ["--tls-cert", str(server.certificate), "--tls-key", str(server.key)]
    return options + (["--tls-client-ca", str(clients.file)] if clients else [])


def client_options(authority: Authority, client: Pair | None = None) -> list[str]:
    """Return the options of a client command."""
    options = ["--tls-ca", str(authority.file)]
    if client:
        options += ["--tls-cert", str(client.certificate), "--tls-key", str(client.key)]
    return options


def credentials_for(daemon: "Daemon", *, token: bool = True) -> grpc.ChannelCredentials:
    """Return what a client of a daemon with a certificate of its own needs, with its token or not."""
    tls = grpc.ssl_channel_credentials(daemon.ca_file.read_bytes())
    if not token:
        return tls
    text = daemon.token_file.read_text().strip()
    return grpc.composite_channel_credentials(tls, grpc.access_token_call_credentials(text))
