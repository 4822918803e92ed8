"""What a client sends to a TCP address and by what the daemon proves itself: one table."""

import os
import pathlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hcsd import folders
from hcsd_client import TlsError, TokenFileError
from hcsd_client._tls import TlsFiles
from hcsd_client._trust import TcpOptions, Trust, choose_trust, default_token_file

HOME = {"XDG_STATE_HOME": "/state"}
TOKEN, SERVER = Path("/state/hcsd/token"), Path("/state/hcsd/server.pem")
OWN, BESIDE = Path("/own/token"), Path("/own/server.pem")
CA, CERT, KEY = Path("/ca.pem"), Path("/me.pem"), Path("/me.key")
CLEAR = Trust()


@dataclass
class Row:
    """What is said and there, and what follows."""

    trust: Trust
    options: TcpOptions = field(default_factory=TcpOptions)
    environ: dict[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()


def tls(
    token: Path | None, ca: Path | None, certificate: Path | None = None, key: Path | None = None
) -> Trust:
    return Trust(token, TlsFiles(ca, certificate, key))


ROWS = {
    "nothing": Row(tls(None, None)),
    "default": Row(tls(TOKEN, SERVER), files=(TOKEN, SERVER)),
    "default of a daemon with a certificate from elsewhere": Row(tls(None, None), files=(TOKEN,)),
    "certificate without a default token": Row(tls(None, None), files=(SERVER,)),
    "CA is named": Row(tls(None, CA), TcpOptions(tls_ca_file=CA), files=(TOKEN, SERVER)),
    "CA in the environment": Row(
        tls(None, CA), environ={"HCSD_TLS_CA": str(CA)}, files=(TOKEN, SERVER)
    ),
    "client certificate": Row(
        tls(None, None, CERT, KEY),
        TcpOptions(tls_cert_file=CERT, tls_key_file=KEY),
        files=(TOKEN, SERVER),
    ),
    "client certificate in the environment": Row(
        tls(None, None, CERT, KEY),
        environ={"HCSD_TLS_CERT": str(CERT), "HCSD_TLS_KEY": str(KEY)},
        files=(TOKEN, SERVER),
    ),
    "token is named": Row(tls(OWN, BESIDE), TcpOptions(OWN), files=(OWN, BESIDE, TOKEN, SERVER)),
    "token in the environment": Row(
        tls(OWN, BESIDE), environ={"HCSD_TOKEN_FILE": str(OWN)}, files=(OWN, BESIDE)
    ),
    "token with nothing beside it": Row(
        tls(OWN, None), TcpOptions(OWN), files=(OWN, TOKEN, SERVER)
    ),
    "token and CA": Row(
        tls(OWN, CA), TcpOptions(OWN), {"HCSD_TLS_CA": str(CA)}, files=(OWN, BESIDE)
    ),
    "token and client certificate": Row(
        tls(OWN, BESIDE, CERT, KEY),
        TcpOptions(OWN, tls_cert_file=CERT, tls_key_file=KEY),
        files=(OWN, BESIDE),
    ),
    "everything": Row(tls(OWN, CA, CERT, KEY), TcpOptions(OWN, CA, CERT, KEY), files=(OWN, BESIDE)),
    "options before the environment": Row(
        tls(OWN, CA),
        TcpOptions(OWN, CA),
        {"HCSD_TOKEN_FILE": "/other", "HCSD_TLS_CA": "/other.pem"},
    ),
    "empty names are none": Row(
        tls(TOKEN, SERVER),
        TcpOptions("", ""),
        {"HCSD_TOKEN_FILE": "", "HCSD_TLS_CA": ""},
        files=(TOKEN, SERVER),
    ),
    "insecure": Row(CLEAR, TcpOptions(insecure=True), files=(TOKEN, SERVER)),
    "insecure by 1": Row(CLEAR, environ={"HCSD_INSECURE": "1"}, files=(TOKEN, SERVER)),
    "insecure by true": Row(CLEAR, environ={"HCSD_INSECURE": "true"}),
    "not insecure by nothing": Row(tls(None, None), environ={"HCSD_INSECURE": ""}),
    "not insecure by 0": Row(tls(None, None), environ={"HCSD_INSECURE": "0"}),
    "not insecure by false": Row(tls(None, None), environ={"HCSD_INSECURE": "false"}),
    "not insecure by an option": Row(
        tls(OWN, None), TcpOptions(OWN, insecure=False), {"HCSD_INSECURE": "1"}
    ),
}


@pytest.fixture(autouse=True)
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests run as root, too, whose files are elsewhere."""
    monkeypatch.setattr(os, "geteuid", lambda: 7)


@pytest.mark.parametrize("name", ROWS)
def test_what_is_sent_and_who_is_trusted(name: str) -> None:
    row = ROWS[name]
    assert choose_trust(row.options, HOME | row.environ, row.files.__contains__) == row.trust


REFUSED = {
    "token": (TcpOptions(OWN, insecure=True), {}, TokenFileError, "/own/token"),
    "token by variables": (
        TcpOptions(),
        {"HCSD_INSECURE": "1", "HCSD_TOKEN_FILE": "/own/token"},
        TokenFileError,
        "/own/token",
    ),
    "CA": (TcpOptions(tls_ca_file=CA, insecure=True), {}, TlsError, "/ca.pem"),
    "certificate": (TcpOptions(tls_cert_file=CERT), {"HCSD_INSECURE": "1"}, TlsError, "/me.pem"),
    "key": (TcpOptions(insecure=True), {"HCSD_TLS_KEY": "/me.key"}, TlsError, "/me.key"),
    "neither yes nor no": (TcpOptions(), {"HCSD_INSECURE": "maybe"}, TlsError, "maybe"),
    "no key": (TcpOptions(tls_cert_file=CERT), {}, TlsError, "tls_key_file="),
    "no certificate": (TcpOptions(tls_key_file=KEY), {}, TlsError, "tls_cert_file="),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_sense_is_refused(name: str) -> None:
    options, environ, error, said = REFUSED[name]
    with pytest.raises(error, match=said):
        choose_trust(options, environ, lambda _: False)


def test_what_clears_up_a_contradiction_is_named() -> None:
    with pytest.raises(TokenFileError) as caught:
        choose_trust(TcpOptions(OWN, insecure=True), {})
    assert str(caught.value) == (
        "will not use '/own/token' in clear text: leave out the file, Client(token_file=...) or"
        " HCSD_TOKEN_FILE, or leave out Client(insecure=...) or HCSD_INSECURE"
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has another folder")
@pytest.mark.parametrize("uid", [0, 7])
@pytest.mark.parametrize("state", ["", "/state"])
def test_client_and_daemon_mean_the_same_file(
    uid: int, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setenv("XDG_STATE_HOME", state)
    folder = "/var/lib" if uid == 0 else state or f"{pathlib.Path.home()}/.local/state"
    assert default_token_file(os.environ) == Path(folder, "hcsd", "token")
    assert folders.default_token_file() == default_token_file(os.environ)
