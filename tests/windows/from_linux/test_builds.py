"""Daemons over builds of computecore.dll that lack exports, met by a client on Linux."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import assert_calm
from tests.integration.wire import connected
from tests.support.tls import credentials_for
from tests.windows.build import variant
from tests.windows.from_linux.acts import ACTS
from tests.windows.from_linux.asked_double import AskedDouble
from tests.windows.from_linux.hasty import command_of, hasty_daemon, options_in
from tests.windows.from_linux.stage import Stage
from tests.windows.plans import BUILDS, REFUSED_BUILDS, Build
from tests.windows.wine import Wine, windows_path

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("build", REFUSED_BUILDS, ids=[build.id for build in REFUSED_BUILDS])
def test_plan_of_a_build_that_is_refused(build: Build, wine: Wine, tmp_path: Path) -> None:
    library = variant(tmp_path / "build", without=build.lacks)
    ended = wine.run(
        [*command_of(wine)[1:], *options_in(tmp_path)],
        environment={"HCSD_LIBRARY": windows_path(library)},
        check=False,
    )
    said = ended.stderr.decode()
    assert ended.code == 1, said
    assert "Traceback" not in said
    for name in build.lacks:
        assert name in said


@pytest.mark.parametrize("build", BUILDS, ids=[build.id for build in BUILDS])
async def test_plan_of_a_build(build: Build, wine: Wine, tmp_path: Path) -> None:
    library = variant(tmp_path / "build", without=build.lacks)
    with AskedDouble(wine) as double:
        variables = double.variable | {"HCSD_LIBRARY": windows_path(library)}
        with hasty_daemon(wine, tmp_path, variables) as daemon:
            async with connected(daemon.address, credentials_for(daemon)) as client:
                for plan in build.plans:
                    saw = await ACTS[plan.act](Stage(plan, client, double))
                    assert re.fullmatch(plan.sees, saw), saw
                    double.reset()
                await client.tidy()
        assert_calm(daemon.log)
        double.assert_orderly()
