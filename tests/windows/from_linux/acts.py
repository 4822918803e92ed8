"""All acts by their names; see `stage`."""

from tests.windows.from_linux import process_acts, service_acts, system_acts
from tests.windows.from_linux.stage import ACTS
from tests.windows.plans import BUILDS, PLANS

__all__ = ["ACTS", "process_acts", "service_acts", "system_acts"]

_NAMED = {plan.act for plan in (*PLANS, *(plan for build in BUILDS for plan in build.plans))}
assert ACTS.keys() == _NAMED, ACTS.keys() ^ _NAMED
