"""`hcsd serve` with shorter times: what never comes is given up soon. For the Windows Python.

    python hasty_daemon.py [options of hcsd serve]

The times of the engine are no options of the daemon, so the engine is made with others here. The
variable HCSD_LIBRARY names another computecore.dll than that of System32, such as one that lacks exports.
"""

import os
import sys

import hcsd.engine
from hcsd.cli.main import main
from hcsd.hcs.host import Host
from hcsd.hcs.library import Provider
from hcsd.hcs.timings import Timings

assert sys.platform == "win32"

from hcsd.hcs.loader import WindowsProvider  # noqa: E402  (Windows only)

HASTY = Timings(
    operation_timeout=3.0,
    poll_delays=(0.2, 0.4, 0.8),
    create_doubt_time=1.0,
    lane_patience=15.0,
    create_recovery_timeout=3.0,
    reconnect_delays=(0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2),
    recheck_time=1.0,
    recheck_spacing=0.1,
)


def hasty_host(provider: Provider) -> Host:
    """Make the engine."""
    library = os.environ.get("HCSD_LIBRARY")
    return Host(WindowsProvider(library) if library else provider, HASTY)


vars(hcsd.engine)["Host"] = hasty_host
sys.argv.insert(1, "serve")
main()
