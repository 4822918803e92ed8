"""TLS between real daemons and real clients: who gets in, what is refused, and renewal."""

import os
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from hcsd.v1 import host_service_pb2 as host_pb
from hcsd.v1 import host_service_pb2_grpc
from hcsd_client import (
    Client,
    DaemonUnreachableError,
    TlsError,
    UnauthenticatedError,
    blocking,
)
from hcsd_client._trust import default_token_file
from tests.integration.conftest import RefusedHere, assert_calm
from tests.support import commands
from tests.support.daemon import Daemon, serving
from tests.support.squatter import Answers, squatting
from tests.support.tls import LOOPBACK, Authority, Pair, client_options, serve_options

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(files: Path) -> Authority:
    return Authority(files)


@pytest.fixture(scope="module")
def stranger(files: Path) -> Authority:
    """An authority that nobody here trusts."""
    return Authority(files, "stranger")


@pytest.fixture(scope="module")
def server(authority: Authority) -> Pair:
    return authority.issue("server", *LOOPBACK)


@pytest.fixture(scope="module")
def person(authority: Authority) -> Pair:
    return authority.issue("person", "person")


@pytest.fixture(scope="module")
def by_token(server: Pair) -> Iterator[Daemon]:
    """A daemon that wants TLS and the token."""
    with serving(*serve_options(server), tcp=True) as daemon:
        yield daemon
    assert_calm(daemon.log)


@pytest.fixture(scope="module")
def by_certificate(server: Pair, authority: Authority) -> Iterator[Daemon]:
    """A daemon that wants a certificate of its clients."""
    with serving(*serve_options(server, authority), tcp=True) as daemon:
        yield daemon
    assert_calm(daemon.log)


def hcsd(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HCSD_")}
    done = commands.run_blocking([*map(str, arguments)], environment | variables)
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


async def unreachable(address: str, **options: object) -> str:
    """Return what a client says that cannot reach a daemon."""
    async with Client(address, **options) as client:  # type: ignore[arg-type]
        with pytest.raises(DaemonUnreachableError) as caught:
            await client.get_host()
    message = str(caught.value)
    assert message.startswith(f"cannot reach a daemon at {address}: ")
    return message


# --- who gets in ---


async def test_the_token_goes_over_tls(by_token: Daemon, authority: Authority) -> None:
    address = by_token.addresses[1]
    async with (
        Client(address, by_token.token_file, tls_ca_file=authority.file) as client,
        client.run(["sh", "-c", "cat; exit 7"], stdin=True) as process,
    ):
        await process.stdin.write(b"x" * 300_000)
        await process.stdin.close()
        assert len(await process.stdout.read()) == 300_000
        assert (await process.wait()).exit_code == 7


async def test_tls_alone_does_not_let_in(by_token: Daemon, authority: Authority) -> None:
    async with Client(by_token.addresses[1], tls_ca_file=authority.file) as client:
        with pytest.raises(UnauthenticatedError):
            await client.get_host()


async def test_a_certificate_lets_in_without_a_token(
    by_certificate: Daemon, authority: Authority, person: Pair
) -> None:
    assert not by_certificate.token_file.exists()
    async with Client(
        by_certificate.addresses[1],
        tls_ca_file=authority.file,
        tls_cert_file=person.certificate,
        tls_key_file=person.key,
    ) as client:
        assert (await client.get_host()).version


async def test_the_socket_stays_as_it_is_beside_tls(by_certificate: Daemon) -> None:
    async with Client(by_certificate.address, tls_ca_file="/nowhere") as client:
        assert (await client.get_host()).version


async def test_without_a_certificate_nobody_gets_in(
    by_certificate: Daemon, authority: Authority
) -> None:
    said = await unreachable(by_certificate.addresses[1], tls_ca_file=authority.file)
    assert "it may want a client certificate" in said
    assert "Client(tls_cert_file=..., tls_key_file=...)" in said


async def test_a_certificate_of_another_authority_is_refused(
    by_certificate: Daemon, authority: Authority, stranger: Authority
) -> None:
    other = stranger.issue("other", "person")
    said = await unreachable(
        by_certificate.addresses[1],
        tls_ca_file=authority.file,
        tls_cert_file=other.certificate,
        tls_key_file=other.key,
    )
    assert "it may want another than this client certificate" in said


async def test_an_expired_certificate_of_a_client_is_refused(
    by_certificate: Daemon, authority: Authority
) -> None:
    old = authority.issue("old", "person", not_before=NOW - 2 * DAY, not_after=NOW - DAY)
    said = await unreachable(
        by_certificate.addresses[1],
        tls_ca_file=authority.file,
        tls_cert_file=old.certificate,
        tls_key_file=old.key,
    )
    assert "client certificate" in said


async def test_a_daemon_of_another_authority_is_not_trusted(
    by_token: Daemon, stranger: Authority
) -> None:
    said = await unreachable(by_token.addresses[1], tls_ca_file=stranger.file)
    assert f"its certificate is not from the CA in '{stranger.file}'" in said
    said = await unreachable(by_token.addresses[1], token_file=by_token.token_file)
    assert "its certificate is not from a CA that this system trusts" in said


async def test_the_system_may_trust_the_authority(
    by_token: Daemon, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with Client(by_token.addresses[1], by_token.token_file) as client:
        assert (await client.get_host()).version


async def test_a_certificate_for_another_name_is_not_trusted(authority: Authority) -> None:
    elsewhere = authority.issue("elsewhere", "elsewhere.example")
    with serving(*serve_options(elsewhere), tcp=True) as daemon:
        said = await unreachable(daemon.addresses[1], tls_ca_file=authority.file)
    assert "its certificate is not for '127.0.0.1'" in said


async def test_in_clear_nobody_is_heard(by_token: Daemon) -> None:
    address = by_token.addresses[1]
    assert "leave out Client(insecure=...)" in await unreachable(address, insecure=True)
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError):
        host_service_pb2_grpc.HostServiceStub(channel).GetHost(host_pb.GetHostRequest())


async def test_whoever_else_listens_is_told_apart_and_learns_nothing(files: Path) -> None:
    token, ca = files / "kept" / "token", files / "kept" / "server.pem"
    token.parent.mkdir()
    token.write_text("s3cret")
    Authority(ca.parent, "server")
    expected: dict[Answers, str] = {
        "clear": "it does not speak TLS, as every daemon does on TCP",
        "tls": f"its certificate is not from the CA in '{ca}'; if the daemon was set up anew",
    }
    for answers, words in expected.items():
        async with squatting(files, answers) as squatter:
            assert words in await unreachable(squatter.address, token_file=token)
        assert squatter.heard
        assert [found for each in squatter.heard for found in each.problems(["s3cret"])] == []


async def test_a_daemon_of_this_user_needs_no_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 7)  # root has its state elsewhere
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    token = default_token_file(os.environ)
    with serving("--token-file", str(token), tcp=True) as daemon:
        address = daemon.addresses[1]
        async with Client(address) as client:
            assert (await client.get_host()).version
        told = hcsd("--address", address, "run", "echo", "hello", HCSD_TOKEN_FILE=str(token))
        assert (told.stdout, told.stderr, told.returncode) == ("hello\n", "", 0)


async def test_that_nobody_listens_is_said_with_tls_too(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
    said = await unreachable(address, tls_ca_file=authority.file)
    assert "Connection refused" in said
    assert "hcsd serve" in said


async def test_a_host_that_is_not_found_is_no_reason_to_start_a_daemon() -> None:
    said = await unreachable("nowhere.invalid:1")
    assert "the name of its host is not found" in said
    assert "check the name, or name another with Client(address=...) or HCSD_ADDRESS" in said
    assert "hcsd serve" not in said


async def test_a_listener_may_be_on_ipv6_or_for_all(authority: Authority, server: Pair) -> None:
    listen = ["--listen", "0.0.0.0:0"]
    if socket.has_ipv6:
        with socket.socket(socket.AF_INET6) as probe:
            try:
                probe.bind(("::1", 0))
                listen += ["--listen", "[::1]:0"]
            except OSError:
                pass  # a machine without it
    with serving(*serve_options(server), *listen) as daemon:
        for address in daemon.addresses[1:]:
            port = address.rpartition(":")[2]
            reached = address if "[" in address else f"localhost:{port}"
            async with Client(reached, daemon.token_file, tls_ca_file=authority.file) as client:
                assert (await client.get_host()).version


# --- the command line ---


def test_commands_take_options_and_variables(
    by_certificate: Daemon, authority: Authority, person: Pair
) -> None:
    address = by_certificate.addresses[1]
    told = hcsd("--address", address, *client_options(authority, person), "run", "echo", "hello")
    assert (told.stdout, told.stderr, told.returncode) == ("hello\n", "", 0)
    after = hcsd("run", "--address", address, *client_options(authority, person), "echo", "hello")
    assert (after.stdout, after.stderr, after.returncode) == ("hello\n", "", 0)
    variables = {
        "HCSD_ADDRESS": address,
        "HCSD_TLS_CA": str(authority.file),
        "HCSD_TLS_CERT": str(person.certificate),
        "HCSD_TLS_KEY": str(person.key),
    }
    told = hcsd("run", "echo", "hello", **variables)
    assert (told.stdout, told.stderr, told.returncode) == ("hello\n", "", 0)
    clear = hcsd("ps", "--insecure", **variables)
    assert clear.returncode == 1
    assert clear.stderr.startswith(
        f"hcsd: will not use '{authority.file}' in clear text: leave out"
    )
    clear = hcsd("--address", address, "--insecure", "ps")
    assert clear.returncode == 1
    assert clear.stderr.startswith(f"hcsd: cannot reach a daemon at {address}: it does not speak")


def test_the_daemon_says_what_its_clients_need(
    by_token: Daemon, by_certificate: Daemon, server: Pair, authority: Authority
) -> None:
    ca = f"the CA of '{server.certificate}' (--tls-ca), unless their system trusts it\n"
    token = f"a copy of '{by_token.token_file}' (--token-file)"
    assert f"TCP clients need {token}, and {ca}" in by_token.log
    certificate = f"a certificate of '{authority.file}' (--tls-cert, --tls-key)"
    assert f"TCP clients need {certificate}, and {ca}" in by_certificate.log
    with serving(tcp=True) as daemon:
        token = f"a copy of '{daemon.token_file}' (--token-file)"
        ca = f"a copy of '{daemon.ca_file}' (--tls-ca, or beside the token file)\n"
        assert f"TCP clients need {token}, and {ca}" in daemon.log


def test_the_daemon_says_how_long_its_certificate_is_good(by_token: Daemon) -> None:
    until = r"the certificate is valid until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    assert re.search(until, by_token.log)


def test_what_is_wrong_is_one_line(by_token: Daemon, stranger: Authority) -> None:
    told = hcsd("--address", by_token.addresses[1], *client_options(stranger), "info")
    assert told.returncode == 1
    assert told.stderr.count("\n") == 1
    assert "its certificate is not from the CA in" in told.stderr


def test_the_blocking_client_takes_the_same(
    by_certificate: Daemon, authority: Authority, person: Pair
) -> None:
    with blocking.Client(
        by_certificate.addresses[1],
        tls_ca_file=authority.file,
        tls_cert_file=person.certificate,
        tls_key_file=person.key,
    ) as client:
        assert client.get_host().version


# --- files of a client ---


def bad_files(files: Path, authority: Authority) -> dict[str, tuple[Path, Path, Path, str]]:
    """What a client may be given, and what it says: CA, certificate, key."""
    good = authority.issue("good", "person")
    other = authority.issue("other-key", "person")
    junk, sealed = files / "junk.pem", files / "sealed.key"
    junk.write_bytes(b"\xff junk")
    seal(good.key, sealed)
    ca, (certificate, key) = authority.file, good
    return {
        "no CA": (files / "no.pem", certificate, key, "no.pem': No such file"),
        "directory": (files, certificate, key, "Is a directory"),
        "junk CA": (junk, certificate, key, "junk.pem': it holds no certificate in PEM"),
        "key as CA": (key, certificate, key, "it holds no certificate in PEM"),
        "junk certificate": (ca, junk, key, "junk.pem': it holds no certificate in PEM"),
        "junk key": (ca, certificate, junk, "junk.pem': it holds no private key in PEM"),
        "no key": (ca, certificate, files / "no.key", "no.key': No such file"),
        "another key": (ca, certificate, other.key, f"it is not that of '{certificate}'"),
        "passphrase": (ca, certificate, sealed, "it needs a passphrase; write it without"),
    }


def seal(key: Path, sealed: Path) -> None:
    """Put a key under a passphrase."""
    subprocess.run(
        ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:word", "-out", sealed],  # noqa: S607
        check=True,
        timeout=10,
    )
    sealed.chmod(0o600)


async def test_files_that_a_client_cannot_use_are_named(files: Path, authority: Authority) -> None:
    for case, (ca, certificate, key, expected) in bad_files(files, authority).items():
        client = Client("localhost:1", tls_ca_file=ca, tls_cert_file=certificate, tls_key_file=key)
        with pytest.raises(TlsError) as caught:
            await client.__aenter__()
        assert expected in str(caught.value), case


def test_a_certificate_is_of_no_use_without_its_key() -> None:
    with pytest.raises(TlsError, match="the certificate of this client is of no use without"):
        Client("localhost:1", tls_cert_file="person.pem")
    with pytest.raises(TlsError, match="the key of this client is of no use without"):
        Client("localhost:1", tls_key_file="person.key")
    told = hcsd("--address", "localhost:1", "--tls-cert", "person.pem", "ps")
    assert told.returncode == 1
    assert told.stderr.startswith("hcsd: the certificate of this client is of no use without")


# --- what a daemon refuses to start with ---


def test_options_come_together(
    refused_here: RefusedHere, server: Pair, authority: Authority
) -> None:
    said = refused_here("--tls-cert", str(server.certificate))
    assert "--tls-cert needs --tls-key, too" in said
    assert "--tls-key needs --tls-cert, too" in refused_here("--tls-key", str(server.key))
    said = refused_here(*serve_options(server), "--listen", "unix:///tmp/hcsd-none/hcsd.sock")
    assert "the daemon listens at no TCP address; add one with --listen" in said


def test_a_key_that_others_can_read_is_refused(
    refused_here: RefusedHere, tmp_path: Path, authority: Authority, server: Pair
) -> None:
    key = tmp_path / "open.key"
    key.write_bytes(server.key.read_bytes())
    for bits in (0o640, 0o604):
        key.chmod(bits)
        said = refused_files(refused_here, tmp_path, server.certificate, key)
        assert f"others may read '{key}'; make it yours alone: chmod 600 '{key}'" in said


def refused_files(
    refused_here: RefusedHere, tmp_path: Path, certificate: Path, key: Path, *more: str
) -> str:
    pair = serve_options(Pair(certificate, key))
    listen = ("--listen", "127.0.0.1:0", "--token-file", f"{tmp_path}/token")
    return refused_here(*pair, *listen, *more)


@pytest.mark.parametrize(
    ("validity", "expected"),
    [
        ((NOW - 2 * DAY, NOW - DAY), "certificate has expired, so no client would take it"),
        ((NOW + DAY, NOW + 2 * DAY), "certificate is not yet valid, so no client would take it"),
    ],
    ids=["expired", "not yet"],
)
def test_a_certificate_out_of_its_time_is_refused(
    refused_here: RefusedHere, tmp_path: Path, validity: tuple[datetime, datetime], expected: str
) -> None:
    pair = Authority(tmp_path).issue(
        "old", *LOOPBACK, not_before=validity[0], not_after=validity[1]
    )
    said = refused_files(refused_here, tmp_path, *pair)
    assert f"cannot use certificate file '{pair.certificate}': {expected}" in said


def test_files_that_a_daemon_cannot_use_are_named(
    refused_here: RefusedHere, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server", *LOOPBACK)
    other = authority.issue("other", *LOOPBACK)
    junk, sealed = tmp_path / "junk.pem", tmp_path / "sealed.key"
    junk.write_bytes(b"\xff junk")
    junk.chmod(0o600)
    seal(key, sealed)
    ca = ("--tls-client-ca", str(junk))
    missing = tmp_path / "no.pem"
    for given, expected in {
        (certificate, other.key): f"'{other.key}': it is not that of the certificate in",
        (certificate, sealed): f"'{sealed}': it needs a passphrase. Write it without one",
        (certificate, junk): f"'{junk}': it holds no private key in PEM",
        (certificate, certificate): "it holds no private key in PEM",
        (certificate, missing): f"'{missing}': No such file",
        (missing, key): f"'{missing}': No such file",
        (junk, key): f"'{junk}': it holds no certificate in PEM",
        (tmp_path, key): f"'{tmp_path}' is no regular file",
        (certificate, key, *ca): f"client CA file '{junk}': it holds no certificate in PEM",
    }.items():
        certificate.chmod(0o600)
        said = refused_files(refused_here, tmp_path, *given)  # type: ignore[arg-type]
        assert expected in said


def test_the_configuration_file_has_the_same_options(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, person = authority.issue("server", *LOOPBACK), authority.issue("person", "person")
    config = tmp_path / "hcsd.toml"
    config.write_text(
        f"tls-cert = '{server.certificate}'\ntls-key = '{server.key}'\n"
        f"tls-client-ca = '{authority.file}'\n"
    )
    with serving("--config", str(config), tcp=True) as daemon:
        told = hcsd("--address", daemon.addresses[1], *client_options(authority, person), "info")
        assert told.returncode == 0


# --- renewal ---


def shown(daemon: Daemon) -> str:
    """Return the certificate that a daemon shows to who connects now."""
    host, _, port = daemon.addresses[1].rpartition(":")
    return ssl.get_server_certificate((host, int(port)), timeout=10)


def first_of(pair: Pair) -> str:
    """Return the certificate in a file, as `shown` gives it."""
    text = pair.certificate.read_text()
    return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(text.partition("-----END")[0] + END))


END = "-----END CERTIFICATE-----"


async def test_a_renewed_certificate_is_taken_without_a_restart(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("server", *LOOPBACK)
    with serving(*serve_options(pair), tcp=True) as daemon:
        old = first_of(pair)
        assert shown(daemon) == old
        address = daemon.addresses[1]
        async with Client(address, daemon.token_file, tls_ca_file=authority.file) as client:
            await client.get_host()
            authority.issue("server", *LOOPBACK)
            assert shown(daemon) == first_of(pair) != old
            await client.get_host()  # whose connection goes on
        async with Client(address, daemon.token_file, tls_ca_file=authority.file) as client:
            await client.get_host()
    assert "took a renewed certificate" in daemon.log


async def test_bad_files_leave_the_certificate_in_use(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("server", *LOOPBACK)
    with serving(*serve_options(pair), tcp=True) as daemon:
        old = first_of(pair)
        good = pair.certificate.read_bytes(), pair.key.read_bytes()
        authority.issue("other", *LOOPBACK)
        for name, content in (
            ("server.pem", b"half a certif"),
            ("server.key", (tmp_path / "other.key").read_bytes()),
        ):
            (tmp_path / name).write_bytes(content)
            assert shown(daemon) == shown(daemon) == old
        pair.key.unlink()
        assert shown(daemon) == old
        authority.issue("server", *LOOPBACK, not_before=NOW - 2 * DAY, not_after=NOW - DAY)
        assert shown(daemon) == old
        authority.issue("server", *LOOPBACK)
        assert shown(daemon) == first_of(pair) != old
        pair.certificate.write_bytes(good[0])
        pair.key.write_bytes(good[1])
        assert shown(daemon) == old
    # Each state of the files is said once, however often somebody connects.
    assert daemon.log.count("the certificate in use stays: ") == 4
    assert_calm(daemon.log)


async def test_a_client_authority_is_renewed_too(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("server", *LOOPBACK)
    clients, later = Authority(tmp_path, "clients"), Authority(tmp_path, "later")
    person, newcomer = clients.issue("person", "person"), later.issue("newcomer", "newcomer")
    with serving(*serve_options(pair, clients), tcp=True) as daemon:
        address = daemon.addresses[1]
        await admits(address, authority, person)
        clients.file.write_bytes(later.file.read_bytes())
        await admits(address, authority, newcomer)
        with pytest.raises(DaemonUnreachableError):
            await admits(address, authority, person)


async def admits(address: str, authority: Authority, client: Pair) -> None:
    async with Client(
        address,
        tls_ca_file=authority.file,
        tls_cert_file=client.certificate,
        tls_key_file=client.key,
    ) as opened:
        await opened.get_host()
