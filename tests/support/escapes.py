"""Processes that try to get away from their system, and a program that owns some.

`ESCAPES` are plain scripts. `EVERY_ESCAPE` has these and others, whose programs have to be made first.

Run as a program it starts one of each kind, prints the pids of all that must not outlive it, and
waits for the end of its stdin. It never closes its provider.
"""

import functools
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread

from hcsd.embedded.groups import PREFIX
from hcsd.embedded.hierarchies import mounts_of_groups
from hcsd.hcs.host import Host
from tests.support.chains import build_bomb, build_chain
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

# Who has left its parents, its session and its environment behind is known as nobody's.
TRACEABLE = {name: way for name, way in ESCAPES.items() if name != "an orphan without environment"}

# --- with programs that have to be made ---

USER, OWNER = 54_322, 54_321  # nobody's; see `_setuid`
# Traces two children: one stays stopped, and the other one stops at each system call.
TRACER = """
import ctypes, os
def child():
    pid = os.fork()
    while not pid: os.getppid()
    libc.ptrace(16, pid, 0, 0)
    os.waitpid(pid, 0)
    return pid
libc = ctypes.CDLL(None)
stopped, moved = child(), child()
print(stopped, moved, flush=True)
while True:
    libc.ptrace(24, moved, 0, 0)
    os.waitpid(moved, 0)
"""
STOP_KEEPER = 'echo $$; kill -STOP "$1"; exec sleep 1000'
STOP_KEEPER_AGAIN = 'echo $$; while :; do kill -STOP "$1" || exit; sleep 0.02; done'
KILL_KEEPER = 'echo $$; kill -KILL "$1"; exec sleep 1000'
LEAVE_GROUPS = (
    'for file; do echo 0 >"$file"; done\n'
    f"grep -q /{PREFIX} /proc/self/cgroup && exit 1\n"
    "echo $$; exec sleep 1000"
)
BE_ANOTHER = f'[ "$(id -u)" = {OWNER} ] && echo $$ && exec sleep 1000'

_sh = PosixGuest().sh
Build = Callable[[Path], Parameters]


def python(program: str) -> Parameters:
    return {"CommandArgs": [sys.executable, "-I", "-S", "-c", program]}


@functools.cache
def _chain(directory: Path) -> Parameters:
    return {"CommandArgs": [*build_chain(directory), "20", "sessions", "20", "stay"]}


@functools.cache
def _bomb(directory: Path) -> Parameters:
    return {"CommandArgs": build_bomb(directory)}


@functools.cache
def _setuid(directory: Path) -> Parameters:
    """A user's process that has a child of another user, by a program that is that one's."""
    program = directory / "setuid"
    shutil.copy(shutil.which("sh") or "sh", program)
    os.chown(program, OWNER, OWNER)
    program.chmod(0o4755)
    script = _sh('"$1" -p -c "$2" & wait', str(program), BE_ANOTHER)
    return script | {"User": f"{USER}:{USER}"}


def _roots() -> list[str]:
    """The files through which root enters the root of each hierarchy."""
    return [f"{mount}/cgroup.procs" for mount, _, _ in mounts_of_groups()]


def _as_it_is(parameters: Parameters) -> Build:
    return lambda _: parameters


# Each prints a line with the pids of those that are hard to find or to kill, or with none if they change.
# They are given a directory that every user can enter.
EVERY_ESCAPE: dict[str, Build] = {
    **{name: _as_it_is(parameters) for name, parameters in ESCAPES.items()},
    "a chain of forks": _chain,
    "a fork bomb": _bomb,
    "what is traced": _as_it_is(python(TRACER)),
    "what stops its keeper": _as_it_is(_sh('setsid sh -c "$1" sh $PPID & wait', STOP_KEEPER)),
    "what keeps its keeper stopped": _as_it_is(
        _sh('setsid sh -c "$1" sh $PPID & wait', STOP_KEEPER_AGAIN)
    ),
    # Not before it is told to, or its start may never be answered.
    "what kills its keeper": _as_it_is(
        _sh('read go; setsid sh -c "$1" sh $PPID & wait', KILL_KEEPER)
    ),
    "what leaves its groups": lambda _: _sh(LEAVE_GROUPS, *_roots()),
    "what leaves all behind": lambda _: _sh(
        '(env -i setsid sh -c "$@" &)', LEAVE_GROUPS, "sh", *_roots()
    ),
    "a setuid program": _setuid,
}
NEEDS_ROOT = {"what leaves its groups", "what leaves all behind", "a setuid program"}
# Who has left all behind may as well descend from another process, and then a kill of the tree fails.
LEAVES_GROUPS_TOO = {"what leaves all behind"}
NAMELESS = {"an orphan without environment", *LEAVES_GROUPS_TOO}


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
