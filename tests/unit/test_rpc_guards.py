"""What a call is admitted by is what it has shown, whatever happens to the files meanwhile."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from hcsd.daemon.errors import RequestError
from hcsd.listen.token import Token
from hcsd.rpc.guards import TokenGuard

if TYPE_CHECKING:
    from hcsd.rpc.calls import Context


class Shown:
    """What gRPC tells of a call."""

    def __init__(self, token: str) -> None:
        self.metadata = (("authorization", f"Bearer {token}"),)

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self.metadata

    @property
    def context(self) -> "Context":
        return cast("Context", self)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "token"


@pytest.fixture
def guard(file: Path) -> TokenGuard:
    return TokenGuard(Token(file))


def replace(file: Path, token: str = "") -> str:
    """Put another token in its place, or this one; returns it."""
    token = token or secrets.token_urlsafe(32)
    draft = file.with_suffix(".new")
    draft.write_text(token, encoding="ascii")
    draft.chmod(0o600)
    draft.replace(file)
    return token


def test_a_token_replaced_while_its_call_is_admitted_admits_it_no_more(
    file: Path, guard: TokenGuard
) -> None:
    call = Shown(file.read_text(encoding="ascii").strip())
    guard.check_metadata(call.metadata)
    replace(file)
    with pytest.raises(RequestError):
        guard.check_peer(call.context)


def test_a_token_that_held_between_two_looks_is_noticed(file: Path, guard: TokenGuard) -> None:
    first = file.read_text(encoding="ascii").strip()
    call = Shown(replace(file))
    guard.check_metadata(call.metadata)
    credential = guard.check_peer(call.context)
    replace(file, first)
    assert guard.changed()
    assert guard.revoked(credential)
    assert not guard.changed()
