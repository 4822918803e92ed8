"""The engine over a computecore.dll that lacks an export: each of them once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from hcsd.abi.functions import FUNCTIONS, Function
from hcsd.hcs.host import Host
from hcsd.hcs.library import MissingExportsError
from tests.support.guest import WindowsGuest
from tests.support.running import run
from tests.windows.provider import DoubleProvider

assert sys.platform == "win32"

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

REQUIRED = [row.name for row in FUNCTIONS if row.required]
OPTIONAL = [row.name for row in FUNCTIONS if not row.required]


class LackingProvider(DoubleProvider):
    """The double without an export."""

    def __init__(self, lacks: str) -> None:
        super().__init__()
        self._lacks = lacks

    def address(self, function: Function) -> int | None:
        return None if function.name == self._lacks else super().address(function)


@pytest.fixture
def lacking(request: pytest.FixtureRequest) -> Iterator[LackingProvider]:
    opened = LackingProvider(request.param)
    yield opened
    opened.close()


@pytest.mark.parametrize("lacking", REQUIRED, ids=REQUIRED, indirect=True)
async def test_plan_without_an_export_that_is_required(
    lacking: LackingProvider, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(MissingExportsError, match=request.node.callspec.id) as refusal:
        Host(lacking)
    assert refusal.value.names == (request.node.callspec.id,)


@pytest.mark.parametrize("lacking", OPTIONAL, ids=OPTIONAL, indirect=True)
async def test_plan_without_any_other_export(
    lacking: LackingProvider, request: pytest.FixtureRequest
) -> None:
    host = Host(lacking)
    assert host.library.missing == (request.node.callspec.id,)
    system = await host.open_system("host")
    assert await run(system, WindowsGuest().prints("out", "err")) == (0, b"out", b"err")
    system.close()
    host.close()
