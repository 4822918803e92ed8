"""Programs for a root without some of root's powers, as a daemon of an ordinary user has none.

Each prints its findings as JSON.
"""

import json
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path

import anyio
import anyio.to_thread

from hcsd.control_groups import ControlGroups
from hcsd.embedded.child_settings import ChildSettings
from hcsd.embedded.hierarchies import find_hierarchies
from hcsd.embedded.keeper.procfs import children_of
from hcsd.embedded.provider import EmbeddedProvider
from hcsd.hcs.errors import HcsError
from hcsd.hcs.host import Host
from hcsd.hcs.system import ComputeSystem
from tests.support.census import eventually, is_running, state_of, until
from tests.support.chains import MULTITUDE, build_chain
from tests.support.engines import PATIENT
from tests.support.escapes import ESCAPES
from tests.support.guest import Parameters, PosixGuest
from tests.support.running import running, start

GUEST = PosixGuest()
# Others show what can be done without control groups.
WITH_GROUPS = {
    *("in_reach_of_groups", "too_many_on_their_way", "closed_directory", "refused_rights"),
    "ordinary_user",
}


async def out_of_reach(system: ComputeSystem, provider: EmbeddedProvider) -> object:
    """Without CAP_KILL: a process of another user, beside one of ours."""
    other = await start(system, GUEST.says("ready") | {"User": "nobody"}, "o")
    await other.stdout.line()
    own = await start(system, GUEST.sleeps())
    codes: list[int] = []
    for attempt in (other.process.terminate, lambda: other.process.signal(None)):
        try:
            await attempt()
        except HcsError as error:
            codes.append(error.hresult)
    await anyio.to_thread.run_sync(provider.close)
    ends = [await it.end() for it in (other, own)]
    for it in (other, own):
        it.close()
    return {"pid": other.pid, "codes": codes, "ends": [end.exit_code for end in ends]}


async def too_many_on_their_way(system: ComputeSystem, provider: EmbeddedProvider) -> object:
    """Without CAP_SYS_RESOURCE: more descriptors sent to the keeper than it has received."""
    keeper = provider._systems["host"].keeper_pid
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    os.kill(keeper, signal.SIGSTOP)
    codes: dict[int, int | str | None] = {}

    async def one(number: int) -> None:
        try:
            async with running(system, GUEST.exits(number) | {"EmulateConsole": True}) as it:
                codes[number] = (await it.end()).exit_code
        except HcsError as error:
            codes[number] = f"{error.hresult:#x}"

    async with anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(one, number)
        await eventually(
            lambda: any(isinstance(code, str) for code in codes.values()), "one is refused"
        )
        os.kill(keeper, signal.SIGCONT)
    await one(99)
    return sorted(codes.items())


async def closed_directory(system: ComputeSystem, _provider: EmbeddedProvider) -> object:
    """Without CAP_DAC_OVERRIDE: a directory that exists and cannot be entered."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0)
        parameters: Parameters = GUEST.exits(0) | {"WorkingDirectory": name}
        try:
            await system.create_process(json.dumps(parameters))
        except HcsError as error:
            return [f"{error.hresult:#x}", error.text.replace(name, "NAME")]
    return None


async def refused_rights(system: ComputeSystem, _provider: EmbeddedProvider) -> object:
    """Without what it takes to change users and to raise limits."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    asked: dict[str, Parameters] = {
        "user": {"User": "nobody"},
        "uid": {"Uid": 12345},
        "group": {"Gid": 12345},
        "limit": {"ResourceLimits": {"nofile": [hard + 1, hard + 1]}},
        "score": {"OomScoreAdj": -500},
    }
    found: dict[str, object] = {}
    for name, parameters in asked.items():
        try:
            await system.create_process(json.dumps(GUEST.exits(0) | parameters))
        except HcsError as error:
            found[name] = [f"{error.hresult:#x}", error.stage, error.errno, error.text]
    own: Parameters = {"Uid": os.geteuid(), "ResourceLimits": {"nofile": [64, 64]}}
    async with running(system, GUEST.exits(7) | own) as it:
        found["own"] = (await it.end()).exit_code
    return found


async def refused_pause(system: ComputeSystem, _provider: EmbeddedProvider) -> object:
    """Without CAP_KILL: a system in which a process of another user cannot be stopped."""
    other = await start(system, GUEST.says("ready") | {"User": "nobody"}, "o")
    await other.stdout.line()
    own = await start(system, GUEST.says("ready"), "o")
    await own.stdout.line()
    code, text, killed = 0, "", False
    try:
        await system.pause()
    except HcsError as error:
        code = error.hresult
    until(lambda: state_of(own.pid) == "S", "it was continued")
    # What runs as another user is told by the kill of a tree, too.
    script = GUEST.sh('setpriv --reuid=nobody sh -c "echo \\$\\$; exec sleep 1000" & wait')
    mixed = await start(system, script, "o")
    child = int(await mixed.stdout.line())
    try:
        await mixed.process.terminate(tree=True)
    except HcsError as error:
        text, killed = error.text, not is_running(mixed.pid)
    await own.stop()
    await mixed.end()
    for it in (other, mixed):
        it.close()
    return {"code": code, "text": text, "killed": killed, "pids": [child, other.pid]}


async def ordinary_user(system: ComputeSystem, provider: EmbeddedProvider) -> object:
    """As somebody who may do nothing special: a limit, and every way to get away from a kill."""
    found: dict[str, object] = {"uid": os.geteuid()}
    document = {
        "SchemaVersion": {"Major": 2, "Minor": 1},
        "Container": {"Memory": {"SizeInMB": 64}},
    }
    try:
        await Host(provider).create_system("limited", json.dumps(document))
    except HcsError as error:
        found["limit"] = [f"{error.hresult:#x}", error.text]
    alive: list[str] = []
    for name, escape in ESCAPES.items():
        it = await start(system, escape, "o")
        escaped = int(await it.stdout.line())
        await it.process.terminate(tree=True)
        if is_running(escaped):
            alive.append(name)
        await it.end()
        it.close()
    found["alive"] = alive
    return found


async def trees(system: ComputeSystem, provider: EmbeddedProvider) -> object:
    """Chains and a multitude of processes, with the powers of an ordinary user."""
    found: list[str] = []
    keeper = provider._systems["host"].keeper_pid
    with tempfile.TemporaryDirectory() as name:
        chain = build_chain(Path(name))
        plain: Parameters = {"CommandArgs": [*chain, "20", "plain", "10", "stay"]}
        bare = GUEST.sh('env -i setsid "$@"; exec sleep 1000', *chain, "20", "sessions", "10")
        many: Parameters = {"CommandArgs": [sys.executable, "-I", "-S", "-c", MULTITUDE]}
        for parameters in (plain, bare, many):
            it = await start(system, parameters, "o")
            await it.stdout.line()
            await it.process.terminate(tree=True)
            found.append((await it.stdout.rest()).decode())
            await it.end()
            it.close()
            # What has left all behind can be of the next one only if nothing is left of this one.
            until(lambda: not children_of(keeper), "the keeper has reaped all")
    return found


async def _main(name: str) -> None:
    program = {
        "out_of_reach": out_of_reach,
        "in_reach_of_groups": out_of_reach,
        "too_many_on_their_way": too_many_on_their_way,
        "closed_directory": closed_directory,
        "refused_rights": refused_rights,
        "refused_pause": refused_pause,
        "trees": trees,
        "ordinary_user": ordinary_user,
    }[name]
    groups = ControlGroups.AUTO if name in WITH_GROUPS else ControlGroups.OFF
    provider = EmbeddedProvider(ChildSettings(hierarchies=find_hierarchies(groups)), PATIENT)
    system = await Host(provider).open_system("host")
    findings = await program(system, provider)
    system.close()
    await anyio.to_thread.run_sync(provider.close)
    print(json.dumps([findings, provider.live()]))  # noqa: T201


if __name__ == "__main__":
    anyio.run(_main, sys.argv[1])
