"""Processes that try to get away from their system, and a program that owns some.

Run as a program it starts one of each kind, prints the pids of all that must not outlive it, and
waits for the end of its stdin. It never closes its provider.
"""

import json
import os
import sys

import anyio
import anyio.to_thread

from hcsd.hcs.host import Host
from tests.support.engines import embedded_provider
from tests.support.guest import Parameters, PosixGuest
from tests.support.running import start

STAY = "echo $$; trap '' TERM INT HUP QUIT; while :; do sleep 1000; done"
HUSH = "echo $$; exec sleep 1000 <&- >/dev/null 2>&1"
STOP = "echo $$; kill -STOP $$; sleep 1000"

# Each prints the pid of one that is hard to find or hard to kill.
ESCAPES: dict[str, Parameters] = {
    "what ignores signals": PosixGuest().sh(STAY),
    "a background job": PosixGuest().sh('sh -c "$1" & wait', STAY),
    "a session of its own": PosixGuest().sh('setsid sh -c "$1" & wait', STAY),
    "an orphan": PosixGuest().sh('(sh -c "$1" &)', STAY),
    "an orphan in a session of its own": PosixGuest().sh('(setsid sh -c "$1" &)', STAY),
    "an orphan without stdio": PosixGuest().sh('(setsid sh -c "$1" &)', HUSH),
    "an orphan without environment": PosixGuest().sh('(env -i setsid sh -c "$1" &)', HUSH),
    "what is stopped": PosixGuest().sh('sh -c "$1" & wait', STOP),
}


async def _own() -> None:
    provider = embedded_provider()
    system = await Host(provider).open_system("host")
    pids = [provider._systems["host"].keeper_pid]
    for parameters in ESCAPES.values():
        it = await start(system, parameters, "o")
        pids += [it.pid, int(await it.stdout.line())]
    print(json.dumps(pids), flush=True)  # noqa: T201
    await anyio.to_thread.run_sync(sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    anyio.run(_own)
# Who has left its parents, its session and its environment behind is known as nobody's.
TRACEABLE = {name: way for name, way in ESCAPES.items() if name != "an orphan without environment"}
