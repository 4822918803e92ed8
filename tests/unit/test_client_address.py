"""Addresses: what is one, what is none, and which one is meant by default."""

import os
import pathlib
import re

import pytest
from hypothesis import given, strategies

from hcsd_client import Address, AddressError, default_address, parse_address
from hcsd_client.address import MAX_SOCKET_PATH_BYTES


@pytest.mark.parametrize(
    ("text", "address", "target"),
    [
        ("unix:///run/hcsd.sock", Address(path="/run/hcsd.sock"), "unix:///run/hcsd.sock"),
        ("unix:/run/hcsd.sock", Address(path="/run/hcsd.sock"), "unix:///run/hcsd.sock"),
        ("unix:///a b%é", Address(path="/a b%é"), "unix:///a%20b%25%C3%A9"),
        ("127.0.0.1:7443", Address(host="127.0.0.1", port=7443), "127.0.0.1:7443"),
        ("localhost:0", Address(host="localhost", port=0), "localhost:0"),
        ("[::1]:7443", Address(host="::1", port=7443), "[::1]:7443"),
        ("[0:0:0:0:0:0:0:1]:1", Address(host="::1", port=1), "[::1]:1"),
        ("build-1.example:65535", Address(host="build-1.example", port=65535), None),
    ],
)
def test_an_address_is_read_and_written(text: str, address: Address, target: str | None) -> None:
    assert parse_address(text) == address
    assert address.target == (target or text)
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", "unix:///path"),
        ("unix:", "not absolute"),
        ("unix:run/hcsd.sock", "not absolute"),
        ("unix://run/hcsd.sock", "not absolute"),
        ("unix:/", "does not name a file"),
        ("unix:///run/", "does not name a file"),
        ("unix:///" + "a" * MAX_SOCKET_PATH_BYTES, "at most 107 bytes"),
        ("localhost", "no port"),
        (":7443", "127.0.0.1:port"),
        ("localhost:", "number up to 65535"),
        ("localhost:65536", "number up to 65535"),
        ("localhost:-1", "number up to 65535"),
        ("localhost:٣", "number up to 65535"),
        ("::1:7443", "brackets"),
        ("[::1", "brackets"),
        ("[::g]:1", "::g"),
        ("http://localhost:1", "'http://' is no part of one; write localhost:1"),
        ("a/b:1", "not a host"),
    ],
)
def test_what_is_no_address_is_named_with_a_remedy(text: str, remedy: str) -> None:
    with pytest.raises(AddressError, match="is not an address") as caught:
        parse_address(text)
    assert isinstance(caught.value, ValueError)
    assert caught.value.text == text
    assert f"'{text}'" in str(caught.value)
    assert remedy in str(caught.value)


@given(strategies.text(max_size=30))
def test_any_text_is_an_address_or_an_address_error(text: str) -> None:
    try:
        address = parse_address(text)
    except AddressError:
        return
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("unix:///run/hcsd.sock", True),
        ("localhost:1", True),
        ("127.8.9.10:1", True),
        ("[::1]:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("10.0.0.1:1", False),
        ("localhost.example:1", False),
    ],
)
def test_only_this_machine_reaches_loopback(text: str, loopback: bool) -> None:
    assert parse_address(text).is_loopback is loopback


def test_the_environment_names_the_default_address() -> None:
    assert str(default_address({"HCSD_ADDRESS": "localhost:1"})) == "localhost:1"
    with pytest.raises(AddressError):
        default_address({"HCSD_ADDRESS": "nothing"})


@pytest.mark.skipif(os.name == "nt", reason="gRPC has no Unix sockets there")
def test_the_default_address_is_private_to_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = {"XDG_RUNTIME_DIR": "/run/user/7", "XDG_STATE_HOME": "/state"}
    assert default_address(everything).path == "/run/user/7/hcsd/hcsd.sock"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_address({"XDG_STATE_HOME": "/state"}).path == "/run/hcsd/hcsd.sock"
    monkeypatch.setattr(os, "geteuid", lambda: 7)
    assert default_address({"XDG_STATE_HOME": "/state"}).path == "/state/hcsd/hcsd.sock"
    home = pathlib.Path.home()
    assert default_address({}).path == f"{home}/.local/state/hcsd/hcsd.sock"


@pytest.mark.skipif(os.name == "nt", reason="gRPC has no Unix sockets there")
def test_the_pages_name_the_default_address(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = set()
    for user, variables in (
        (7, {"XDG_RUNTIME_DIR": "/XDG_RUNTIME_DIR"}),
        (0, {}),
        (7, {"XDG_STATE_HOME": "/XDG_STATE_HOME"}),
        (7, {}),
    ):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        expected.add(default_address(variables).path)
    root = pathlib.Path(__file__).parents[2]
    home = str(pathlib.Path.home())
    told = []
    for page in ("hcsd/docs/settings.md", "README.md"):
        text = (
            (root / page).read_text(encoding="utf-8").replace("`$", "`/").replace("`~", f"`{home}")
        )
        told.append(set(re.findall(r"`(/[^`]*/hcsd\.sock)`", text)))
    assert told[0] == expected
    assert told[1] == expected - {"/XDG_STATE_HOME/hcsd/hcsd.sock"}
