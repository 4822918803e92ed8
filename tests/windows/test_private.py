"""What the daemon keeps for itself on Windows, and what it refuses because others can read it.

Wine keeps access control lists as modes of the files below it: it knows the owner and everyone
else, and nothing is inherited.
"""

import os
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from hcsd.listen.authority import Authority
from hcsd.listen.names import Names
from hcsd.listen.token import Token, TokenFileError
from hcsd.private import files as private
from hcsd.private.files import NotPrivateError, make_private_directory, read_private_file
from hcsd.win32 import security


def test_what_is_made_for_tcp_is_private(tmp_path: Path) -> None:
    """Also when several daemons make it at once; threads stand for them."""
    folder = tmp_path / "new"
    together = Barrier(4)

    def start() -> tuple[str, bytes]:
        together.wait()
        token = Token(folder / "token").current()
        Authority(folder, Names([])).load()
        return token, (folder / "server.pem").read_bytes()

    with ThreadPoolExecutor(together.parties) as daemons:
        starting = [daemons.submit(start) for _ in range(together.parties)]
        made = {each.result() for each in starting}
    assert len(made) == 1
    assert {path.name for path in folder.iterdir()} == {"token", "server.key", "server.pem"}
    for path in (folder, folder / "token", folder / "server.key"):
        assert security.strangers(path) == []
    token = Token(folder / "token")
    assert len(token.current()) == 43
    (folder / "token").unlink()
    assert token.current() == ""


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("secret-secret-secret")
    assert security.strangers(path) == [security.EVERYONE]
    with pytest.raises(TokenFileError, match="delete it, and the next start makes") as refusal:
        Token(path)
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


def descriptor(kind: int, flags: int = 0, mask: int = 0x1F01FF) -> bytes:
    """Return one with the owner SYSTEM, and one entry for all who have logged in."""
    header = bytes.fromhex("0100048014000000000000000000000020000000")
    entry = struct.pack("<BBHI", kind, flags, 0x14, mask) + bytes.fromhex(
        "01010000000000050b000000"
    )
    dacl = bytes.fromhex("02001c0001000000") + entry
    return header + bytes.fromhex("010100000000000512000000") + dacl


@pytest.mark.parametrize(
    ("kind", "others"),
    [(0, {"S-1-5-11"}), (1, set()), (5, {security.EVERYONE}), (9, {security.EVERYONE})],
    ids=["allowed", "denied", "for an object", "with a condition"],
)
def test_entries_count_by_what_they_grant(kind: int, others: set[str]) -> None:
    assert security.granted(descriptor(kind)) == {security.SYSTEM} | others


@pytest.mark.parametrize(
    ("flags", "mask", "counts"),
    [
        (0, 0x1F01FF, True),  # full control
        (0, 0x1301BF, True),  # modify
        (0, 0x40, True),  # FILE_DELETE_CHILD
        (0, 0x1200A9, False),  # read and execute
        (0, 0x100006, False),  # add files and folders, as users may in %ProgramData%
        (0x0B, 0x1F01FF, False),  # only for what is made in it
    ],
)
def test_a_folder_is_open_to_those_who_can_take_files_away(
    flags: int, mask: int, counts: bool
) -> None:
    granted = security.granted(descriptor(0, flags, mask), security.TAKE)
    assert ("S-1-5-11" in granted) == counts


@pytest.mark.parametrize(
    ("mask", "counts"),
    [
        (0x1F01FF, True),  # full control
        (0x1301BF, True),  # modify
        (0x2, True),  # FILE_WRITE_DATA
        (0x4, True),  # FILE_APPEND_DATA
        (0x1200A9, False),  # read and execute
    ],
)
def test_a_file_is_open_to_those_who_can_change_it(mask: int, counts: bool) -> None:
    granted = security.granted(descriptor(0, mask=mask), security.CHANGE)
    assert ("S-1-5-11" in granted) == counts


def test_a_trusted_file_may_be_read_by_others_and_changed_by_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "hcsd.toml"
    path.write_bytes(b"max-calls = 2")
    assert private.read_trusted_file(path, 100) == b"max-calls = 2"
    with pytest.raises(NotPrivateError, match="has more than 3 bytes; name another"):
        private.read_trusted_file(path, 3)


def test_a_certificate_that_somebody_reads_is_replaced_when_he_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "server.pem"
    path.write_text("old")
    reader = path.open()
    monkeypatch.setattr("hcsd.private.files.time.sleep", lambda _seconds: reader.close())
    private.replace_public_file(path, "new")
    assert reader.closed
    assert path.read_text() == "new"
