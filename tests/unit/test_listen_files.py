"""The files that the daemon makes and follows for TCP: the token, its own CA, and that of clients."""

import logging
import os
import socket
import ssl
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import grpc
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hcsd.listen.authority import Authority
from hcsd.listen.client_certificates import ClientCa, holds
from hcsd.listen.interfaces import interface_addresses
from hcsd.listen.names import LOCAL, Names
from hcsd.listen.pem import TlsFileError
from hcsd.listen.tls import ServerCertificate, Tls
from hcsd.listen.token import Token
from hcsd.rpc.credentials import server_credentials
from tests.support.records import ours

DAY = timedelta(days=1)
STRANGE = "a-token-of-somebody-else"


def replace(path: Path, content: str) -> None:
    """Put another private file in the place of one."""
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(content)
    draft.replace(path)


def remove(path: Path) -> None:
    path.unlink()


def damage(path: Path) -> None:
    replace(path, "half a certif")


def put_fifo(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def empty(path: Path) -> None:
    replace(path, "")


def open_up(path: Path) -> None:
    path.chmod(0o644)


# --- the token ---


def test_a_token_is_what_its_file_says_now(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    token = Token(path)
    first = path.read_text().strip()
    assert token.current() == token.current() == first
    replace(path, STRANGE + "\n")
    assert token.current() == STRANGE
    for spoil in (remove, damage, empty, put_fifo, open_up):
        replace(path, first)
        assert token.current() == first
        caplog.clear()
        spoil(path)
        assert token.current() == token.current() == ""
        assert [record.levelno for record in ours(caplog)] == [logging.WARNING]
        assert "nobody is let in by TCP until this is mended" in caplog.text
        assert first not in caplog.text
    path.chmod(0o600)
    assert token.current() == first


def test_who_starts_at_once_shares_token_and_authority(tmp_path: Path) -> None:
    """Threads stand for daemons here: what they share is the folder, and nothing else."""
    together = Barrier(4)

    def start(folder: Path) -> tuple[str, bytes]:
        together.wait()
        token = Token(folder / "token").current()
        Authority(folder, Names([])).load()
        return token, (folder / "server.pem").read_bytes()

    with ThreadPoolExecutor(together.parties) as daemons:
        for turn in range(10):
            folder = tmp_path / str(turn)
            made = set(daemons.map(start, [folder] * together.parties))
            assert len(made) == 1
            assert {path.name for path in folder.iterdir()} == {"token", "server.key", "server.pem"}


# --- the daemon's own CA ---


def test_a_certificate_is_renewed_without_a_restart(tmp_path: Path) -> None:
    def shown(tls: Tls, handshakes: int) -> list[str]:
        """Return what a server with it shows, to clients that know the CA."""
        server = grpc.server(ThreadPoolExecutor(1))
        port = server.add_secure_port("127.0.0.1:0", server_credentials(tls))
        server.start()
        try:
            return [
                ssl.get_server_certificate(
                    ("127.0.0.1", port), ca_certs=str(tmp_path / "server.pem"), timeout=10
                )
                for _ in range(handshakes)
            ]
        finally:
            server.stop(None)

    names = Names(["127.0.0.1"])
    century = 100 * 365 * 86_400.0
    assert len(set(shown(Tls(Authority(tmp_path, names, renew_every=century)), 2))) == 1
    assert len(set(shown(Tls(Authority(tmp_path, names, renew_every=1e-9)), 3))) == 3


def test_a_certificate_outlives_its_renewal_and_not_its_authority(tmp_path: Path) -> None:
    make_ca(tmp_path / "server.key", datetime.now(UTC) - DAY, datetime.now(UTC) + 100 * DAY)
    certificate = first_of(Authority(tmp_path, Names([])).load())
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    assert 7 * DAY < left < 40 * DAY
    make_ca(tmp_path / "server.key", datetime.now(UTC) - DAY, datetime.now(UTC) + DAY / 2)
    certificate = first_of(Authority(tmp_path, Names([])).load())
    assert certificate.not_valid_after_utc < datetime.now(UTC) + DAY


def first_of(made: ServerCertificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(made.certificate)


def test_a_certificate_has_the_names_by_which_the_daemon_is_called(tmp_path: Path) -> None:
    hosts = ["::", "build-1.example", "192.0.2.7", "fe80::1%eth0", "no name"]
    names = first_of(Authority(tmp_path, Names(hosts)).load()).extensions
    found = names.get_extension_for_class(x509.SubjectAlternativeName).value
    called = set(found.get_values_for_type(x509.DNSName)) | {
        str(address) for address in found.get_values_for_type(x509.IPAddress)
    }
    assert {*LOCAL, "build-1.example", "192.0.2.7", "fe80::1"} <= called
    assert interface_addresses() <= called
    assert "127.0.0.1" in interface_addresses()
    assert socket.gethostname() in called
    assert not {"::", "no name"} & called


def test_only_a_wildcard_address_stands_for_all_interfaces() -> None:
    assert Names(["localhost", "127.0.0.1"]).now() == {*LOCAL, socket.gethostname()}


def test_the_file_for_clients_is_mended(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    authority = Authority(tmp_path, Names([]))
    authority.load()
    path = tmp_path / "server.pem"
    good = path.read_text()
    for spoil in (remove, damage, put_fifo):
        spoil(path)
        caplog.clear()
        authority.load()
        authority.load()
        assert path.read_text() == good
        assert [record.message for record in ours(caplog)] == [
            f"wrote '{path}', which clients need"
        ]


def test_the_file_of_another_daemon_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other, own = tmp_path / "other", tmp_path / "own"
    Authority(other, Names([])).load()
    own.mkdir(mode=0o700)
    copy = (other / "server.pem").read_text()
    (own / "server.pem").write_text(copy)
    authority = Authority(own, Names([]))
    authority.load()
    authority.load()
    assert (own / "server.pem.old").read_text() == copy
    assert (own / "server.pem").read_text() not in {"", copy}
    assert [record.message for record in ours(caplog)] == [
        f"kept another '{own / 'server.pem'}' as '{own / 'server.pem.old'}'"
    ]


def make_ca(path: Path, since: datetime, until: datetime, *, of_another: bool = False) -> None:
    """Write a CA as the daemon makes it, or with a key that is not that of its certificate."""
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hcsd CA")])
    certificate = x509.CertificateBuilder(
        name, name, (other if of_another else key).public_key(), 1, since, until
    ).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    form, sealed = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    replace(
        path,
        key.private_bytes(pem, form, sealed).decode() + certificate.public_bytes(pem).decode(),
    )


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (DAY, 2 * DAY, r"is not valid before .*, and the clock here says .*: set the clock; or de"),
        (-2 * DAY, -DAY, r"has expired at .*, and the clock here says .*: delete '.*server.key'"),
    ],
    ids=["not yet", "expired"],
)
def test_an_authority_out_of_its_time_is_refused(
    tmp_path: Path, since: timedelta, until: timedelta, expected: str
) -> None:
    now = datetime.now(UTC)
    make_ca(tmp_path / "server.key", now + since, now + until)
    with pytest.raises(TlsFileError, match=expected):
        Tls(Authority(tmp_path, Names([])))


def test_an_authority_that_ends_soon_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = datetime.now(UTC)
    make_ca(tmp_path / "server.key", now - DAY, now + 80 * DAY)
    Tls(Authority(tmp_path, Names([])))
    [warning] = [record for record in ours(caplog) if record.levelno == logging.WARNING]
    assert "expires at" in warning.getMessage()
    assert "give the new 'server.pem' to the clients" in warning.getMessage()


def test_a_file_that_is_no_authority_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "server.key"
    now = datetime.now(UTC)
    make_ca(path, now - DAY, now + DAY, of_another=True)
    mixed = path.read_text()
    key, mark, _ = mixed.partition("-----BEGIN CERTIFICATE")
    for content in (mixed, key, mark + mixed.partition(mark)[2], "junk", "", mixed[:-40]):
        replace(path, content)
        with pytest.raises(TlsFileError, match="Delete it, and the next start makes a new one"):
            Authority(tmp_path, Names([])).load()
    path.chmod(0o640)
    with pytest.raises(TlsFileError, match="others may read"):
        Authority(tmp_path, Names([])).load()


# --- client certificates ---


def pem(certificate: trustme.LeafCert, at: int = 0) -> bytes:
    return certificate.cert_chain_pems[at].bytes()


def test_a_certificate_of_a_client_holds_by_its_time_and_its_authority() -> None:
    ca, other = trustme.CA(), trustme.CA()
    trusted, strange = ca.cert_pem.bytes(), other.cert_pem.bytes()
    person = pem(ca.issue_cert("person"))
    assert holds(person, b"", trusted)
    assert holds(person, b"", strange + trusted)
    assert holds(person, b"", person)
    assert not holds(person, b"", strange)
    assert not holds(person, b"", b"")
    assert not holds(person, trusted, strange)
    now = datetime.now(UTC)
    past = ca.issue_cert("person", not_before=now - 2 * DAY, not_after=now - DAY)
    future = ca.issue_cert("person", not_before=now + DAY, not_after=now + 2 * DAY)
    assert not holds(pem(past), b"", trusted)
    assert not holds(pem(future), b"", trusted)
    assert not holds(b"junk", b"", trusted)


def test_a_certificate_of_a_client_may_be_below_others() -> None:
    ca = trustme.CA()
    middle = ca.create_child_ca()
    lower = middle.create_child_ca()
    person = lower.issue_cert("person")
    chain, root = [pem(person, at) for at in range(3)], ca.cert_pem.bytes()
    assert holds(chain[0], chain[1] + chain[2], root)
    assert holds(chain[0], chain[2] + chain[1], root)
    assert not holds(chain[0], chain[1], root)
    assert not holds(chain[0], b"", root)
    assert holds(chain[0], chain[1], middle.cert_pem.bytes())


def test_only_an_authority_may_be_above_others(tmp_path: Path) -> None:
    """A client that makes a certificate with the key of its own, as openssl lets it."""
    root, person = openssl_ca(tmp_path), openssl_leaf(tmp_path, "person", "ca", "CA:FALSE")
    fake = openssl_leaf(tmp_path, "fake", "person", "CA:FALSE")
    assert holds(person, b"", root)
    assert not holds(fake, person, root)


def test_what_openssl_makes_by_default_holds(tmp_path: Path) -> None:
    """Certificates of version 1 and without names, below a CA without a key usage."""
    root = openssl_ca(tmp_path)
    for extension in ("", "CA:FALSE", "CA:TRUE"):
        assert holds(openssl_leaf(tmp_path, "plain", "ca", extension), b"", root)


KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["openssl", *arguments],  # noqa: S607
        cwd=folder,
        check=True,
        timeout=10,
        stderr=subprocess.DEVNULL,
    )


def openssl_ca(folder: Path) -> bytes:
    openssl(folder, "req", "-x509", *KEY, "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    return (folder / "ca.pem").read_bytes()


def openssl_leaf(folder: Path, name: str, issuer: str, constraint: str) -> bytes:
    request = ("-keyout", f"{name}.key", "-out", f"{name}.csr")
    openssl(folder, "req", *KEY, "-subj", f"/CN={name}", *request)
    signed = ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial"]
    if constraint:
        (folder / "extensions").write_text(f"basicConstraints={constraint}\n")
        signed += ["-extfile", "extensions"]
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
    return (folder / f"{name}.pem").read_bytes()


def test_without_their_authority_no_clients_are_let_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "clients.pem"
    first, second = (trustme.CA().cert_pem.bytes().decode() for _ in range(2))
    path.write_text(first)
    clients = ClientCa(path)
    assert clients.current() == first.encode()
    replace(path, second)
    assert clients.current() == second.encode()
    tls = Tls(Authority(tmp_path, Names([])), clients)
    for spoil in (remove, damage, put_fifo):
        caplog.clear()
        spoil(path)
        assert clients.current() == clients.current() == b""
        assert len(ours(caplog)) == 1
        assert tls.current().client_ca == second.encode()  # a handshake needs one
    replace(path, first)
    assert clients.current() == first.encode()
    assert tls.current().client_ca == first.encode()
