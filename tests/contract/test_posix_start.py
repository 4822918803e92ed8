"""How a process starts on a POSIX guest: what it is given, and what it says that cannot start."""

import errno
import grp
import json
import os
import pwd
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hcsd.abi.hresult import HR
from hcsd.hcs.errors import HcsError
from hcsd.hcs.host import Host
from hcsd.hcs.system import ComputeSystem
from tests.support.census import MARK
from tests.support.engines import Engine
from tests.support.guest import Parameters, PosixGuest
from tests.support.running import run, running

pytestmark = pytest.mark.anyio

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may start processes as others")
OWN = pwd.getpwuid(os.geteuid())
HOME = os.path.realpath(OWN.pw_dir)


async def output(system: ComputeSystem, parameters: Parameters) -> str:
    result = await run(system, parameters)
    assert (result.code, result.err) == (0, b"")
    return result.out.decode().rstrip("\n")


async def variables(system: ComputeSystem, **parameters: object) -> dict[str, str]:
    text = await output(system, {"CommandArgs": ["env", "-0"], **parameters})
    return dict(item.split("=", 1) for item in text.split("\0") if item)


async def refusal(system: ComputeSystem, parameters: Parameters) -> HcsError:
    with pytest.raises(HcsError) as caught:
        await system.create_process(json.dumps(parameters))
    return caught.value


# --- environment ---


@pytest.fixture
async def burdened(
    engine: Engine, census: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ComputeSystem]:
    """The system of an engine that was started with much that is nobody else's."""
    for name in (
        *("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "CREDENTIALS_DIRECTORY", "INVOCATION_ID"),
        *("JOURNAL_STREAM", "GRPC_VERBOSITY", "AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK"),
        *("LC_ALL", "OLDPWD"),
    ):
        monkeypatch.setenv(name, "daemon")
    monkeypatch.setenv("LD_PRELOAD", "")
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("PATH", f"/daemon:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", "/daemon")
    host = Host(engine.open())
    system = await host.open_system(engine.system_id)
    yield system
    system.close()
    host.close()


async def test_a_process_has_the_environment_of_a_login_and_nothing_of_the_daemons(
    burdened: ComputeSystem, posix: PosixGuest
) -> None:
    found = await variables(burdened)
    assert found.pop("HCS_PROCESS_MARK")
    found.pop(MARK, None)  # which the test passes on
    assert found == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": OWN.pw_dir,
        "USER": OWN.pw_name,
        "LOGNAME": OWN.pw_name,
        "SHELL": OWN.pw_shell,
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PWD": HOME,
    }


@as_root
async def test_a_process_of_another_user_has_his_environment(
    burdened: ComputeSystem, posix: PosixGuest
) -> None:
    nobody = pwd.getpwnam("nobody")
    found = await variables(burdened, User="nobody")
    assert (found["HOME"], found["SHELL"]) == (nobody.pw_dir, nobody.pw_shell)
    assert (found["USER"], found["LOGNAME"], found["PWD"]) == ("nobody", "nobody", "/")
    assert "AWS_SECRET_ACCESS_KEY" not in found


async def test_what_the_spec_says_wins(burdened: ComputeSystem, posix: PosixGuest) -> None:
    mine = {"PATH": f"/mine:{os.defpath}", "HOME": "", "AWS_SECRET_ACCESS_KEY": "mine", "PWD": "?"}
    found = await variables(burdened, Environment=mine)
    assert {name: found[name] for name in mine} == mine


async def test_pwd_is_the_real_directory(
    system: ComputeSystem, posix: PosixGuest, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("/usr")
    found = await variables(system, WorkingDirectory=str(tmp_path / "link"))
    assert [found[name] for name in ("PWD", "OLDPWD") if name in found] == ["/usr"]


# --- directory and program ---


@as_root
async def test_the_directory_is_entered_as_the_user(
    system: ComputeSystem, posix: PosixGuest, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(0o700)
    parameters: Parameters = {"User": "nobody", "WorkingDirectory": str(closed)}
    error = await refusal(system, {"CommandArgs": ["pwd"], **parameters})
    assert f"working directory '{closed}': Permission denied" in str(error)
    assert (error.hresult, error.stage, error.errno) == (
        HR.E_ACCESSDENIED, "working_directory", errno.EACCES
    )  # fmt: skip


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that every user can enter, with a program that prints its arguments."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        program = directory / "program"
        program.write_bytes(Path("/bin/echo").read_bytes())
        program.chmod(0o755)
        yield directory


@as_root
async def test_the_program_is_executed_as_the_user(
    system: ComputeSystem, posix: PosixGuest, public: Path
) -> None:
    program = public / "program"
    program.chmod(0o700)
    error = await refusal(system, {"CommandArgs": [str(program)], "User": "nobody"})
    assert f"executable '{program}': Permission denied" in str(error)
    assert (error.stage, error.errno) == ("executable", errno.EACCES)
    program.chmod(0o755)
    assert await output(system, {"CommandArgs": [str(program), "ran"], "User": "nobody"}) == "ran"


async def test_a_program_that_somebody_writes_to_is_busy(
    system: ComputeSystem, posix: PosixGuest, public: Path
) -> None:
    program = public / "program"
    with program.open("r+b"):
        error = await refusal(system, {"CommandArgs": [str(program)]})
    assert "text file busy" in str(error).lower()
    assert (error.hresult, error.stage, error.errno) == (
        HR.ERROR_SHARING_VIOLATION, "executable", errno.ETXTBSY
    )  # fmt: skip
    assert (await run(system, {"CommandArgs": [str(program)]})).code == 0


async def test_a_relative_directory_is_refused(system: ComputeSystem, posix: PosixGuest) -> None:
    error = await refusal(system, {"CommandArgs": ["pwd"], "WorkingDirectory": "."})
    assert error.hresult == HR.E_INVALIDARG
    assert "absolute" in str(error)


async def test_the_default_directory_is_the_home(system: ComputeSystem, posix: PosixGuest) -> None:
    assert await output(system, {"CommandArgs": ["pwd", "-P"]}) == HOME


@as_root
async def test_without_a_home_that_can_be_entered_it_is_the_root(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    assert pwd.getpwnam("nobody").pw_dir == "/nonexistent"
    assert await output(system, {"CommandArgs": ["pwd"], "User": "nobody"}) == "/"


# --- user ---


def _ids(uid: int, gid: int, *others: int) -> str:
    return f"{uid} {gid} {' '.join(map(str, [gid, *others]))}"


IDS = {"CommandArgs": ["sh", "-c", "echo $(id -u) $(id -g) $(id -G)"]}


@as_root
@pytest.mark.parametrize(
    ("who", "ids"),
    [
        ({"User": "12345"}, _ids(12345, 12345)),
        ({"User": "nobody:games"}, _ids(65534, 60)),
        ({"User": "65534:100"}, _ids(65534, 100)),
        ({"User": "12345:games"}, _ids(12345, 60)),
        ({"Uid": 12345, "Gid": 7, "SupplementaryGroups": [7, 8, 9]}, _ids(12345, 7, 8, 9)),
        ({"User": "root"}, "0 0 " + " ".join(map(str, os.getgrouplist("root", 0)))),
        ({"Gid": 7}, _ids(0, 7)),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
async def test_a_user_and_a_group_may_be_named_as_in_docker(
    system: ComputeSystem, posix: PosixGuest, who: Parameters, ids: str
) -> None:
    assert grp.getgrnam("games").gr_gid == 60
    assert await output(system, IDS | who) == ids


@as_root
async def test_a_uid_without_an_account_has_the_root_for_a_home(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    found = await variables(system, User="12345")
    assert (found["HOME"], found["SHELL"], found["PWD"]) == ("/", "/bin/sh", "/")
    assert "USER" not in found


@pytest.mark.parametrize(
    ("user", "text"),
    [
        ("nosuch", "user 'nosuch': no such user"),
        ("root:nosuch", "group 'nosuch': no such group"),
        ("4294967295", "user '4294967295': no such user"),
    ],
)
async def test_who_does_not_exist_is_told_so(
    system: ComputeSystem, posix: PosixGuest, user: str, text: str
) -> None:
    error = await refusal(system, posix.exits(0) | {"User": user})
    assert text in str(error)
    assert (error.hresult, error.stage, error.errno) == (
        HR.ERROR_LOGON_FAILURE, "user", errno.ENOENT
    )  # fmt: skip


# --- limits ---


async def limits(system: ComputeSystem, parameters: Parameters) -> dict[str, tuple[str, str]]:
    text = await output(system, {"CommandArgs": ["cat", "/proc/self/limits"], **parameters})
    rows = [line[26:].split() for line in text.splitlines()[1:]]
    names = [line[:26].strip() for line in text.splitlines()[1:]]
    return {name: (row[0], row[1]) for name, row in zip(names, rows, strict=True)}


async def test_limits_begin_as_those_of_a_service(system: ComputeSystem, posix: PosixGuest) -> None:
    found = await limits(system, {})
    assert found["Max open files"][0] == "1024"
    assert found["Max core file size"][0] == "0"
    assert found["Max stack size"][0] == str(8 << 20)
    for name in ("Max cpu time", "Max file size", "Max processes", "Max locked memory"):
        assert found[name][0] == found[name][1]


async def test_limits_can_be_set(system: ComputeSystem, posix: PosixGuest) -> None:
    asked = {"nofile": [64, 128], "core": [0, 0], "as": [1 << 30, 1 << 31]}
    found = await limits(system, {"ResourceLimits": asked})
    assert found["Max open files"] == ("64", "128")
    assert found["Max core file size"] == ("0", "0")
    assert found["Max address space"] == (str(1 << 30), str(1 << 31))


async def test_a_limit_that_the_host_lacks_is_refused(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    error = await refusal(system, posix.exits(0) | {"ResourceLimits": {"patience": [1, 1]}})
    assert error.hresult == HR.ERROR_NOT_SUPPORTED
    assert "no limit 'patience'" in str(error)


@pytest.mark.parametrize(
    "members",
    [
        {"ResourceLimits": {"nofile": [2, 1]}},
        {"ResourceLimits": {"nofile": 5}},
        {"Umask": 0o1000},
        {"OomScoreAdj": 1001},
        {"Uid": -1},
        {"User": "root", "Uid": 0},
    ],
    ids=str,
)
async def test_what_makes_no_sense_is_no_document(
    system: ComputeSystem, posix: PosixGuest, members: Parameters
) -> None:
    assert (await refusal(system, posix.exits(0) | members)).hresult == HR.INVALID_JSON


async def test_the_umask_is_022_or_what_was_asked_for(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    before = os.umask(0)
    try:
        assert await output(system, posix.sh("umask")) == "0022"
        assert await output(system, posix.sh("umask") | {"Umask": 0o77}) == "0077"
        assert await output(system, posix.sh("umask") | {"Umask": 0}) == "0000"
    finally:
        os.umask(before)


async def test_the_oom_score_is_0_or_what_was_asked_for(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    parameters: Parameters = {"CommandArgs": ["cat", "/proc/self/oom_score_adj"]}
    assert await output(system, parameters) == "0"
    assert await output(system, parameters | {"OomScoreAdj": 700}) == "700"


async def test_new_privileges_can_be_given_up(system: ComputeSystem, posix: PosixGuest) -> None:
    parameters = posix.sh("grep NoNewPrivs /proc/self/status")
    assert await output(system, parameters) == "NoNewPrivs:\t0"
    assert await output(system, parameters | {"NoNewPrivileges": True}) == "NoNewPrivs:\t1"


async def test_a_console_comes_with_the_rest(system: ComputeSystem, posix: PosixGuest) -> None:
    shape: Parameters = {"EmulateConsole": True, "ConsoleSize": [30, 90], "Umask": 0o27}
    async with running(system, posix.sh("umask; stty size </dev/tty") | shape, "o") as it:
        assert [await it.stdout.line() for _ in range(2)] == ["0027", "30 90"]
