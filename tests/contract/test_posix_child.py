"""What a process finds itself in, on a POSIX guest."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hcsd.abi.hresult import HR
from hcsd.hcs.errors import AccessDeniedError, HcsError
from hcsd.hcs.host import Host
from hcsd.hcs.system import ComputeSystem
from tests.support.engines import Engine
from tests.support.guest import Parameters, PosixGuest
from tests.support.running import run, running

pytestmark = pytest.mark.anyio

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may start processes as others")


# By the process itself; what the listing opens to list is closed again when the loop looks.
LIST_DESCRIPTORS = 'for fd in /proc/$$/fd/*; do [ -e "$fd" ] && printf "%s " "${fd##*/}"; done'


async def output(system: ComputeSystem, parameters: Parameters) -> str:
    result = await run(system, parameters)
    assert (result.code, result.err) == (0, b"")
    return result.out.decode()


@pytest.mark.parametrize("pipes", ["o", "io", "ioe"])
async def test_a_process_has_its_stdio_and_no_other_descriptor(
    system: ComputeSystem, posix: PosixGuest, pipes: str
) -> None:
    async with running(system, posix.sleeps(), "ioe"):  # whose pipes must not be inherited
        result = await run(system, posix.sh(LIST_DESCRIPTORS), pipes)
        assert result.out.split() == [b"0", b"1", b"2"]


async def test_a_process_with_a_console_has_no_other_descriptor(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    result = await run(system, posix.sh(LIST_DESCRIPTORS) | {"EmulateConsole": True}, "io")
    assert [fd for fd in result.out.split() if int(fd) < 10] == [
        b"0",
        b"1",
        b"2",
    ]  # 10: the shell's


async def test_a_process_leads_a_session_and_a_group_of_its_own(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    async with running(system, posix.sleeps()) as it:
        assert os.getsid(it.pid) == os.getpgid(it.pid) == it.pid


async def test_a_process_without_a_console_has_no_terminal(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    assert (await run(system, posix.sh("exec 2>/dev/null; : </dev/tty"))).code != 0


@pytest.fixture
def ignoring() -> Iterator[None]:
    """This process ignores signals and blocks others while it starts a provider."""
    ignored = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD]
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ignored}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGQUIT})
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for number, handler in before.items():
        signal.signal(number, handler)


async def test_signals_are_as_usual_in_a_process_though_the_daemon_ignores_some(
    ignoring: None, system: ComputeSystem, posix: PosixGuest
) -> None:
    # The test program sets none of them; a shell would.
    status = await output(system, {"CommandArgs": ["cat", "/proc/self/status"]})
    masks = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Sig"))
    # Signals 32 and 33 are the C library's own, and it lets nobody touch them; make ignores them.
    own = 1 << 31 | 1 << 32
    assert {name: int(masks[name], 16) & ~own for name in ("SigBlk", "SigIgn", "SigCgt")} == {
        "SigBlk": 0, "SigIgn": 0, "SigCgt": 0
    }  # fmt: skip


async def test_a_child_is_reported_though_the_daemon_ignores_sigchld(
    ignoring: None, system: ComputeSystem, posix: PosixGuest
) -> None:
    assert (await run(system, posix.exits(7))).code == 7


async def test_bytes_that_are_no_utf8_go_through_arguments(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    name = b"\xff\xfe \xe9t\xe9 \x80"
    result = await run(system, posix.prints_arguments(os.fsdecode(name)))
    assert result == (0, b"[" + name + b"]\n", b"")


async def test_bytes_that_are_no_utf8_go_through_the_environment(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    environment = {"CONTRACT_BYTES": os.fsdecode(b"\xff\x80")}
    result = await run(
        system, posix.prints_variable("CONTRACT_BYTES") | {"Environment": environment}
    )
    assert result.out == b"[\xff\x80]"


@pytest.mark.parametrize(
    "parameters",
    [
        {"CommandArgs": ["printf", "\ud800"]},
        {"CommandArgs": ["\udbff"]},
        {"CommandArgs": ["true"], "WorkingDirectory": "/\ud800"},
        {"CommandArgs": ["true"], "Environment": {"A": "\ud800"}},
        {"CommandArgs": ["true"], "User": "\ud800"},
    ],
    ids=["argument", "program", "directory", "variable", "user"],
)
async def test_text_that_stands_for_no_bytes_is_refused(
    system: ComputeSystem, posix: PosixGuest, parameters: Parameters
) -> None:
    with pytest.raises(HcsError) as caught:
        await system.create_process(json.dumps(parameters))
    assert caught.value.hresult != HR.SYSTEM_ALREADY_STOPPED
    assert (await run(system, posix.exits(0))).code == 0


async def test_the_daemons_own_settings_stay_with_it(
    engine: Engine, posix: PosixGuest, census: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HCSD_TOKEN", "secret")
    host = Host(engine.open())
    system = await host.open_system(engine.system_id)
    result = await run(system, {"CommandArgs": ["env"]})
    system.close()
    host.close()
    assert b"PATH=" in result.out
    assert b"HCSD_" not in result.out


async def test_a_file_that_may_not_be_executed_is_denied(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    with pytest.raises(AccessDeniedError, match="/etc/passwd"):
        await system.create_process('{"CommandArgs":["/etc/passwd"]}')


async def test_a_directory_is_no_program(system: ComputeSystem, posix: PosixGuest) -> None:
    document = {"CommandArgs": ["/tmp"], "WorkingDirectory": "/tmp"}  # noqa: S108 (only looked at)
    with pytest.raises(AccessDeniedError, match="executable"):
        await system.create_process(json.dumps(document))


async def test_a_program_is_looked_for_on_the_path_of_its_own_environment(
    system: ComputeSystem, posix: PosixGuest, tmp_path: Path
) -> None:
    program = tmp_path / "only-here"
    program.write_text("#!/bin/sh\necho found")
    program.chmod(0o700)
    parameters: Parameters = {"CommandArgs": ["only-here"], "Environment": {"PATH": str(tmp_path)}}
    assert await output(system, parameters) == "found\n"
    with pytest.raises(HcsError) as caught:
        await system.create_process('{"CommandArgs":["only-here"]}')
    assert caught.value.hresult == HR.ERROR_FILE_NOT_FOUND


@as_root
async def test_a_process_runs_as_the_user_it_was_given(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    script = 'id -un; id -u; id -Gn; echo "$USER $HOME"'
    lines = (await output(system, posix.sh(script) | {"User": "nobody"})).splitlines()
    assert lines[:3] == ["nobody", "65534", "nogroup"]
    assert lines[3].startswith("nobody /")


@as_root
async def test_a_user_may_be_given_by_number(system: ComputeSystem, posix: PosixGuest) -> None:
    assert await output(system, posix.sh("id -un") | {"User": "65534"}) == "nobody\n"


@as_root
async def test_the_environment_wins_over_the_users(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    parameters = posix.sh('echo "$HOME"') | {"User": "nobody", "Environment": {"HOME": "/mine"}}
    assert await output(system, parameters) == "/mine\n"


@as_root
@pytest.mark.parametrize("console", [False, True])
async def test_a_user_may_open_the_stdio_of_his_process(
    system: ComputeSystem, posix: PosixGuest, *, console: bool
) -> None:
    script = "cat </dev/stdin & wait; echo out >/dev/stdout; echo err >/dev/stderr"
    parameters = posix.sh(script) | {"User": "nobody", "EmulateConsole": console}
    async with running(system, parameters, "io" if console else "ioe") as it:
        if not console:
            await it.close_stdin()
        assert await it.stdout.line() == "out"
        assert await (it.stdout if console else it.stderr).line() == "err"
        assert (await it.end()).exit_code == 0


@pytest.mark.parametrize(
    "user",
    ["no-such-user", "4294967294", "-1", "\u00b2", "9" * 5000, " ", "root\n", "1 2"],
    ids=["name", "number", "negative", "superscript", "long", "blank", "newline", "two"],
)
async def test_a_user_that_does_not_exist_is_refused_and_nothing_else_suffers(
    system: ComputeSystem, posix: PosixGuest, user: str
) -> None:
    async with running(system, posix.says("there"), "o") as bystander:
        await bystander.stdout.line()
        with pytest.raises(HcsError) as caught:
            await system.create_process(json.dumps(posix.exits(0) | {"User": user}))
        assert caught.value.hresult == HR.ERROR_LOGON_FAILURE
        await bystander.process.confirm()
        assert bystander.process.exited.value is None


async def test_a_file_that_is_neither_a_script_nor_a_binary_is_no_program(
    system: ComputeSystem, posix: PosixGuest, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_text("just text")
    program.chmod(0o700)
    with pytest.raises(HcsError) as caught:
        await system.create_process(json.dumps({"CommandArgs": [str(program)]}))
    assert caught.value.hresult == HR.ERROR_BAD_EXE_FORMAT


async def test_arguments_that_are_too_long_for_the_host_are_refused(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    with pytest.raises(HcsError) as caught:
        await system.create_process(json.dumps({"CommandArgs": ["true", "x" * 1_000_000]}))
    assert caught.value.hresult == HR.E_INVALIDARG
    assert (await run(system, posix.exits(0))).code == 0
