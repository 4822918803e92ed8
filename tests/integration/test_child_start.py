"""What a process finds itself in, through a daemon and the command line."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import grpc
import pytest

from hcsd.v1 import process_pb2 as pb
from tests.integration.wire import Client, Refusal, connected
from tests.support.census import MARK
from tests.support.daemon import HCSD as SERVE
from tests.support.daemon import Daemon, serving

pytestmark = pytest.mark.anyio

HCSD = (sys.executable, "-m", "hcsd")
BIN = os.path.realpath("/usr/bin")
SECRETS = dict.fromkeys(
    (
        *("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "CREDENTIALS_DIRECTORY", "INVOCATION_ID"),
        *("JOURNAL_STREAM", "GRPC_TRACE", "AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK"),
    ),
    "secret",
)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may start processes as others")


@pytest.fixture(scope="module")
def odd() -> Iterator[Daemon]:
    """A daemon that was started with much that its processes must not have."""
    before = ("choom", "-n", "300", "--") if shutil.which("choom") else ()
    odd = 'umask 0; ulimit -Sn 512; ulimit -Sf 4000000; cd /tmp && exec "$@"'
    with serving(
        *("--pass-env", "PROXY", "--start-timeout", "2s"),
        environment={**SECRETS, "PROXY": "there", "OLDPWD": "/old", "LANG": "C.UTF-8"},
        command=(*before, "nice", "-n", "3", "sh", "-c", odd, "sh", *SERVE),
    ) as daemon:
        yield daemon


class Line:
    """The command line over a daemon, in a directory."""

    def __init__(self, daemon: Daemon) -> None:
        self._address = daemon.address

    async def __call__(
        self, *arguments: str, directory: str = "/", address: str = ""
    ) -> subprocess.CompletedProcess[bytes]:
        return await anyio.run_process(
            [*HCSD, "run", *arguments],
            check=False,
            cwd=directory,
            env=os.environ | {"HCSD_ADDRESS": address or self._address},
        )

    async def prints(self, *arguments: str, directory: str = "/") -> str:
        done = await self(*arguments, directory=directory)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode().strip()


@pytest.fixture
def run(odd: Daemon) -> Line:
    return Line(odd)


async def refused(client: Client, *argv: str, **spec: object) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.create(pb.Argv(args=argv), spec=pb.ProcessSpec(**spec))  # type: ignore[arg-type]
    return Refusal(caught.value)


@pytest.mark.parametrize("user", [(), pytest.param(("-u", "nobody"), marks=as_root)], ids=str)
async def test_nothing_of_the_daemons_environment_gets_through_but_what_is_listed(
    run: Line, user: tuple[str, ...]
) -> None:
    found = dict(line.split("=", 1) for line in (await run.prints(*user, "env")).splitlines())
    assert not SECRETS.keys() & found.keys()
    assert found.keys() - {"TZ", MARK} == {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "PWD", "PROXY", "HCS_PROCESS_MARK")
    }
    assert found["PROXY"] == "there"


async def test_pwd_is_where_the_process_is(run: Line) -> None:
    assert await run.prints("-w", "/usr", "printenv", "PWD") == "/usr"
    assert (await run("printenv", "OLDPWD")).stdout == b""


async def test_score_limits_umask_and_niceness_are_not_the_daemons(run: Line) -> None:
    assert await run.prints("cat", "/proc/self/oom_score_adj") == "0"
    script = "umask; ulimit -Sn; ulimit -Sf; nice"
    assert (await run.prints("sh", "-c", script)).split() == ["0022", "1024", "unlimited", "0"]


async def test_score_limits_and_umask_can_be_given(run: Line) -> None:
    options = (
        *("--umask", "077", "--ulimit", "nofile=64:128", "--ulimit", "cpu=unlimited"),
        *("--oom-score-adj", "500", "--no-new-privileges"),
    )
    script = (
        "umask; ulimit -Sn; ulimit -Hn; ulimit -t; cat /proc/self/oom_score_adj;"
        " grep NoNewPrivs /proc/self/status"
    )
    found = (await run.prints(*options, "sh", "-c", script)).split()
    assert found == ["0077", "64", "128", "unlimited", "500", "NoNewPrivs:", "1"]


async def test_a_relative_directory_is_seen_from_the_client(run: Line, tmp_path: Path) -> None:
    assert await run.prints("-w", ".", "pwd", directory="/usr/bin") == BIN
    assert await run.prints("-w", "bin", "pwd", directory="/usr") == BIN


async def test_a_relative_directory_breaks_a_rule_of_the_contract(odd: Daemon) -> None:
    async with connected(odd.address) as client:
        refusal = await refused(client, "pwd", working_directory="a/b")
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.info.reason == "INVALID_REQUEST"
    assert "spec.working_directory must be absolute" in refusal.message


@as_root
async def test_a_closed_directory_is_denied(run: Line, tmp_path: Path) -> None:
    done = await run("-u", "nobody", "-w", str(tmp_path), "pwd")
    assert done.returncode == 126
    assert f"working directory '{tmp_path}': Permission denied".encode() in done.stderr


async def test_a_busy_program_is_busy_and_may_be_tried_again(
    run: Line, odd: Daemon, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    await anyio.to_thread.run_sync(shutil.copy, "/bin/true", program)
    descriptor = os.open(program, os.O_RDWR)
    try:
        done = await run(str(program))
        assert done.returncode == 126
        assert b"text file busy" in done.stderr.lower()
        async with connected(odd.address) as client:
            refusal = await refused(client, str(program))
    finally:
        os.close(descriptor)
    assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.info.reason == "EXECUTABLE_BUSY"
    assert (refusal.info.metadata["stage"], refusal.info.metadata["errno"]) == ("executable", "26")
    assert (await run(str(program))).returncode == 0


async def test_a_missing_program_is_127_and_a_text_126(run: Line) -> None:
    assert (await run("no-such-program")).returncode == 127
    assert (await run("/etc/passwd")).returncode == 126


async def test_a_user_who_does_not_exist_is_said_to_be_none(run: Line) -> None:
    done = await run("-u", "nosuch", "true")
    assert done.returncode == 126
    assert b"user 'nosuch': no such user" in done.stderr


@as_root
async def test_users_and_groups_are_named_as_in_docker(run: Line) -> None:
    script = "echo $(id -u) $(id -g) $(id -G)"
    for who, ids in {
        "12345": "12345 12345 12345",
        "nobody:nogroup": "65534 65534 65534",
        "65534:100": "65534 100 100",
    }.items():
        assert await run.prints("-u", who, "sh", "-c", script) == ids


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"umask": 0o1000}, "spec.umask"),
        ({"oom_score_adj": -1001}, "spec.oom_score_adj"),
        ({"uid": 1 << 31}, "spec.uid"),
        ({"uid": 1, "user": "root"}, "spec.uid"),
        ({"supplementary_groups": [1 << 31]}, "spec.supplementary_groups"),
        ({"resource_limits": [pb.ResourceLimit(soft=1)]}, "spec.resource_limits[0].name"),
        (
            {"resource_limits": [pb.ResourceLimit(name="cpu", soft=2, hard=1)]},
            "spec.resource_limits[0].hard",
        ),
    ],
    ids=str,
)
async def test_what_makes_no_sense_is_refused_by_field(
    odd: Daemon, spec: dict[str, object], field: str
) -> None:
    async with connected(odd.address) as client:
        refusal = await refused(client, "true", **spec)
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert f"{field} must" in refusal.message or f"{field} is required" in refusal.message


async def test_what_was_asked_for_is_shown(odd: Daemon) -> None:
    spec = pb.ProcessSpec(
        umask=0,
        oom_score_adj=0,
        resource_limits=[pb.ResourceLimit(name="core", soft=0)],
        no_new_privileges=True,
    )
    async with connected(odd.address) as client:
        shown = (await client.create(pb.Argv(args=["true"]), spec=spec)).spec
    assert (shown.HasField("umask"), shown.HasField("oom_score_adj")) == (True, True)
    assert not shown.HasField("uid")
    assert shown.no_new_privileges
    assert list(shown.resource_limits) == [pb.ResourceLimit(name="core", soft=0, hard=0)]
