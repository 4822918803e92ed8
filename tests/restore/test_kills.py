"""Daemons are killed at any moment, and no client loses anything.

What breaks a promise is raised with the seed of its story. `python -m tests.restore --seed N` plays that
again, with options for how much of it. What happens when is never quite the same.
"""

import secrets

import pytest

from tests.restore.loads import LOADS
from tests.restore.play import play
from tests.support.restarts import Place

# A daemon forgets nothing for some time after its start, which would be most of the test's.
QUICK = [load for load in LOADS if load != "forgotten"]


async def test_the_loads_find_nothing_where_nobody_is_killed(here: Place) -> None:
    await play(here, seed=secrets.randbelow(10**9), seconds=0.3, loads=QUICK)


@pytest.mark.needs_restore
@pytest.mark.timeout(120)
async def test_nobody_loses_anything_when_daemons_are_killed(here: Place) -> None:
    await play(here, seed=secrets.randbelow(10**9), kills=6, loads=QUICK)


@pytest.mark.needs_restore
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("load", LOADS)
async def test_one_load_loses_nothing(here: Place, load: str) -> None:
    await play(here, seed=secrets.randbelow(10**9), kills=20, loads=[load])


@pytest.mark.needs_restore
@pytest.mark.slow
@pytest.mark.timeout(1500)
async def test_nobody_loses_anything_at_300_kills(here: Place) -> None:
    await play(here, seed=secrets.randbelow(10**9), kills=300)
