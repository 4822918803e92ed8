"""What the daemon keeps for itself on Windows, and what it refuses because others can read it.

Wine keeps access control lists as modes of the files below it: it knows the owner and everyone
else, and nothing is inherited.
"""

import os
from pathlib import Path

import pytest

from hcsd.listen.private import NotPrivateError, make_private_directory, read_private_file
from hcsd.listen.token import TokenFileError, load_token
from hcsd.win32 import security


def test_a_new_token_and_its_directory_are_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "token"
    token = load_token(path)
    assert len(token) == 43
    assert security.strangers(path) == []
    assert security.strangers(path.parent) == []
    assert [file.name for file in path.parent.iterdir()] == ["token"]
    assert load_token(path) == token


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("secret-secret-secret")
    assert security.strangers(path) == [security.EVERYONE]
    with pytest.raises(TokenFileError, match="delete it, and the next start makes") as refusal:
        load_token(path)
    assert str(path) in str(refusal.value)
    assert security.EVERYONE in str(refusal.value)
    assert "secret-secret" not in str(refusal.value)


def test_a_key_that_others_can_read_is_refused_with_what_makes_it_private(tmp_path: Path) -> None:
    path = tmp_path / "server.key"
    path.write_text("secret-secret-secret")
    with pytest.raises(NotPrivateError, match=r"icacls .* /inheritance:r /grant:r") as refusal:
        read_private_file(path, made_by_us=False)
    assert "delete it" not in str(refusal.value)
    assert "secret-secret" not in str(refusal.value)


def test_a_directory_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "open"
    path.mkdir()
    with pytest.raises(NotPrivateError, match="may enter"):
        make_private_directory(path)


def test_a_private_directory_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "above" / "private"
    make_private_directory(path)
    (path / "file").touch()
    make_private_directory(path)
    assert (path / "file").exists()


def test_a_file_in_the_place_of_a_directory_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(NotPrivateError, match="cannot be used"):
        make_private_directory(path)


def test_an_existing_file_is_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    os.close(security.make_file(path))
    with pytest.raises(FileExistsError):
        security.make_file(path)


def test_what_is_checked_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with os.fdopen(security.make_file(path), "w") as file:
        file.write("text")
        assert security.strangers(file.fileno()) == []
    assert read_private_file(path) == "text"


def test_a_descriptor_without_a_list_lets_everybody_in() -> None:
    without_dacl = bytes.fromhex("0100048014000000000000000000000000000000") + bytes.fromhex(
        "010100000000000512000000"
    )
    assert security.granted(without_dacl) == {security.EVERYONE, security.SYSTEM}


@pytest.mark.parametrize(
    ("kind", "others"),
    [(0, {"S-1-5-11"}), (1, set()), (5, {security.EVERYONE}), (9, {security.EVERYONE})],
    ids=["allowed", "denied", "for an object", "with a condition"],
)
def test_entries_count_by_what_they_grant(kind: int, others: set[str]) -> None:
    """An owner SYSTEM, and one entry for all who have logged in."""
    header = bytes.fromhex("0100048014000000000000000000000020000000")
    entry = bytes([kind, 0, 0x14, 0]) + bytes.fromhex("ff011f0001010000000000050b000000")
    dacl = bytes.fromhex("02001c0001000000") + entry
    data = header + bytes.fromhex("010100000000000512000000") + dacl
    assert security.granted(data) == {security.SYSTEM} | others
