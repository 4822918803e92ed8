"""Every plan of `tests.windows.plans`, met by a client on Linux.

One service and one daemon serve all of them. After a plan the rules are forgotten; then the daemon must
run a process as ever, and hold nothing of the plan.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.integration.conftest import FAULT
from tests.integration.wire import Client, connected
from tests.support.tls import credentials_for
from tests.windows.from_linux.acts import ACTS
from tests.windows.from_linux.asked_double import AskedDouble
from tests.windows.from_linux.hasty import hasty_daemon
from tests.windows.from_linux.stage import Stage, guest, until
from tests.windows.plans import PLANS, Plan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.support.daemon import Daemon
    from tests.windows.wine import Wine


BOUND = 45.0  # seconds within which a client must have its answers


@pytest.fixture(scope="module")
def double(wine: Wine) -> Iterator[AskedDouble]:
    with AskedDouble(wine) as double:
        yield double


@pytest.fixture(scope="module")
def hasty(
    wine: Wine, double: AskedDouble, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    """One daemon for all plans; when it has ended, it must have left nothing."""
    with hasty_daemon(wine, tmp_path_factory.mktemp("daemon"), double.variable) as daemon:
        yield daemon
    double.assert_orderly()


@pytest.fixture
async def client(hasty: Daemon) -> AsyncIterator[Client]:
    async with connected(hasty.address, credentials_for(hasty)) as client:
        yield client


@pytest.mark.parametrize("plan", PLANS, ids=[plan.id for plan in PLANS])
async def test_plan(plan: Plan, hasty: Daemon, double: AskedDouble, client: Client) -> None:
    before, logged = double.live(), len(hasty.log)
    stage = Stage(plan, client, double)
    try:
        with anyio.fail_after(BOUND):
            saw = await ACTS[plan.act](stage)
    finally:
        await stage.disarm()
        await stage.systems.tidy()
        await client.tidy()
    assert re.fullmatch(plan.sees, saw), saw
    again = await client.create(guest("exit", "7"))
    assert (await client.wait(again.name)).exit.exit_code == 7
    await client.tidy()
    await settled(double, before)
    log = hasty.log[logged:]
    assert not FAULT.search(log), log


async def settled(double: AskedDouble, before: dict[str, int]) -> None:
    """Wait until the daemon holds no more than before; it may keep the host open for a while."""
    left: dict[str, int] = {}

    async def none_left() -> bool:
        live = await anyio.to_thread.run_sync(double.live)
        left.clear()
        left.update(
            {name: live[name] for name in live if live[name] > before[name] + (name == "systems")}
        )
        return not left

    try:
        await until(none_left, "nothing of the plan is left")
    finally:
        assert not left
