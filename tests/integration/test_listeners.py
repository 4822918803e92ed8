"""Where a daemon listens, who may come in, and with what it refuses to start."""

import fcntl
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Protocol

import anyio.to_thread
import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2

from hcsd.logs.repeats import MOST
from hcsd.v1 import (
    host_service_pb2 as host_pb,
)
from hcsd.v1 import (
    host_service_pb2_grpc,
    process_service_pb2_grpc,
)
from hcsd.v1 import (
    process_service_pb2 as service_pb,
)
from tests.integration.conftest import RefusedHere
from tests.integration.wire import (
    HOST,
    REQUEST_ID,
    Metadata,
    code_of,
    connected,
    refused,
    sh,
    trailers,
)
from tests.support import commands
from tests.support.daemon import HCSD, PATIENCE, READY, Daemon, serving, started
from tests.support.tls import credentials_for

Code = grpc.StatusCode


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refuses_to_start(*options: str, **environment: str) -> str:
    """Start a daemon that must not start; returns what it says, on one line."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("HCSD_")}
    done = subprocess.run(
        [*HCSD, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=inherited | {"COLUMNS": "1000", "NO_COLOR": "1", "TERM": "dumb"} | environment,
    )
    assert done.returncode not in {0, -9}, done.stdout
    assert "Traceback" not in done.stdout
    assert READY not in done.stdout
    assert not re.search(r"\[(error|critical)", done.stdout)
    return " ".join(done.stdout.split())


class Readable(Protocol):
    """A call whose answer is a stream."""

    async def read(self) -> object: ...


def test_only_windows_can_start_it_as_a_service(refused_here: RefusedHere) -> None:
    assert "only Windows has services of this kind" in refused_here("--as-service")


# --- the socket ---


def test_only_its_owner_can_reach_the_socket(shared: Daemon) -> None:
    assert mode(shared.socket) == 0o600
    assert mode(shared.socket.parent) == 0o700


def test_directories_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "dir" / "hcsd.sock"
    with serving("--listen", f"unix://{path}"):
        assert mode(path) == 0o600
        assert mode(path.parent) == 0o700
    assert not path.exists()


def test_without_a_word_it_listens_at_the_default_socket(
    tmp_path: Path, refused_here: RefusedHere
) -> None:
    directory = tmp_path / "hcsd"
    directory.mkdir(mode=0o700)
    with (directory / "hcsd.sock.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as the daemon that listens there would
        said = refused_here(XDG_RUNTIME_DIR=str(tmp_path))
    assert f"'{directory}/hcsd.sock': another hcsd is listening there" in said


def test_the_default_socket_is_where_clients_look(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(tmp_path)}
    daemon = started([], environment, tmp_path, command=None)
    try:
        daemon.await_ready()
        assert daemon.addresses == [f"unix://{tmp_path}/hcsd/hcsd.sock"]
        assert mode(tmp_path / "hcsd") == 0o700
        assert commands.run_blocking(["info"], environment).returncode == 0
    finally:
        daemon.stop()


# Modules are loaded while root may read them.
STRANGER = """
import os, sys
import anyio._backends._asyncio
from hcsd_client import DaemonUnreachableError
from hcsd_client.blocking import Client
os.setgid(65534)
os.setuid(65534)
try:
    with Client(sys.argv[1]) as client:
        client.get_host()
except DaemonUnreachableError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_stranger_at_the_socket_learns_whose_it_is() -> None:
    def told() -> str:
        script = [sys.executable, "-c", STRANGER, daemon.address]
        return subprocess.run(script, stdout=subprocess.PIPE, text=True, check=True).stdout

    with serving() as daemon:
        for bits, place in ((0o700, daemon.directory), (0o711, daemon.socket)):
            daemon.directory.chmod(bits)
            assert told() == (
                f"cannot reach a daemon at {daemon.address}: Permission denied: '{place}' belongs to"
                " user 'root'; run this as that user, or give the address of another daemon, as with"
                " HCSD_ADDRESS\n"
            )
        os.chown(daemon.socket, 65534, -1)
        daemon.socket.chmod(0o400)
        assert f"is yours, but its mode keeps you out; chmod u+rwx '{daemon.socket}'" in told()


def test_a_second_daemon_on_one_socket_is_refused_and_the_first_goes_on(shared: Daemon) -> None:
    said = refuses_to_start("--listen", shared.address)
    assert str(shared.socket) in said
    assert "another hcsd is listening there" in said
    with grpc.insecure_channel(shared.address) as channel:
        host_service_pb2_grpc.HostServiceStub(channel).GetHost(host_pb.GetHostRequest())


def test_one_daemon_is_not_given_one_socket_twice(
    tmp_path: Path, refused_here: RefusedHere
) -> None:
    address = f"unix://{tmp_path}/twice.sock"
    assert "twice.sock" in refused_here("--listen", address, "--listen", address)


@pytest.mark.parametrize("bits", [0o750, 0o701, 0o777])
def test_a_directory_that_others_may_enter_is_refused(
    tmp_path: Path, refused_here: RefusedHere, bits: int
) -> None:
    directory = tmp_path / "open"
    directory.mkdir()
    directory.chmod(bits)
    said = refused_here("--listen", f"unix://{directory}/hcsd.sock")
    assert "chmod" not in said
    assert list(directory.iterdir()) == []
    advised = re.search(r"give it a folder of its own: --listen (\S+)$", said)
    assert advised
    assert advised[1] != f"unix://{directory}/hcsd.sock"
    with serving("--listen", advised[1]) as daemon:
        assert daemon.addresses[1:] == [advised[1]]


def test_a_file_in_the_place_of_the_socket_is_left_alone(
    tmp_path: Path, refused_here: RefusedHere
) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    said = refused_here("--listen", f"unix://{path}")
    assert "is no socket" in said
    assert path.read_text() == "data"


def test_a_file_in_the_place_of_the_directory_is_named(
    tmp_path: Path, refused_here: RefusedHere
) -> None:
    (tmp_path / "file").touch()
    said = refused_here("--listen", f"unix://{tmp_path}/file/hcsd.sock")
    assert f"{tmp_path}/file" in said


def test_a_path_that_no_socket_can_have_is_refused(
    tmp_path: Path, refused_here: RefusedHere
) -> None:
    said = refused_here("--listen", f"unix://{tmp_path}/{'x' * 107}")
    assert "107 bytes" in said


def test_a_socket_may_have_any_name(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a b", "%41", "a#b", "a?b", "ä", "a:b", "[x]")]
    with serving(*[word for path in paths for word in ("--listen", f"unix://{path}")]):
        for path in paths:
            assert path.is_socket()
            assert mode(path) == 0o600
    for path in paths:
        assert not path.exists()


# --- TCP ---


async def test_a_token_is_made_at_the_first_start_and_kept(tmp_path: Path) -> None:
    token_file = tmp_path / "state" / "token"
    options = ("--listen", "127.0.0.1:0", "--token-file", str(token_file))
    with serving(*options):
        token = token_file.read_text()
        assert mode(token_file) == 0o600
        assert mode(token_file.parent) == 0o700
        assert len(token.strip()) >= 43  # 256 bits
    with serving(*options):
        assert token_file.read_text() == token


def test_without_tcp_no_token_is_made(shared: Daemon) -> None:
    assert not shared.token_file.exists()


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("authorization", ""),),
        (("authorization", "Bearer"),),
        (("authorization", "Bearer "),),
        (("authorization", "Bearer wrong"),),
        (("authorization", "TOKEN"),),
        (("authorization", "Basic TOKEN"),),
        (("authorization", "Bearer TOKENx"),),
        (("authorization", "Bearer wrong"), ("authorization", "Bearer TOKEN")),
    ],
    ids=["none", "empty", "scheme", "blank", "wrong", "bare", "basic", "longer", "two"],
)
async def test_tcp_needs_the_token_for_everything(tcp_daemon: Daemon, metadata: Metadata) -> None:
    token = tcp_daemon.token_file.read_text().strip()
    sent = tuple((key, value.replace("TOKEN", token)) for key, value in metadata)
    bare = credentials_for(tcp_daemon, token=False)
    async with connected(tcp_daemon.addresses[1], bare) as client:
        create = service_pb.CreateProcessRequest()
        calls: list[Awaitable[object]] = [
            client.hosts.GetHost(host_pb.GetHostRequest(), metadata=sent),
            client.processes.CreateProcess(create, metadata=sent),
            client.processes.StreamInput(iter([service_pb.StreamInputRequest()]), metadata=sent),
            client.check(metadata=sent),
        ]
        streams: list[Readable] = [
            client.processes.ReadOutput(service_pb.ReadOutputRequest(), metadata=sent),
            client.processes.RunProcess(iter([service_pb.RunProcessRequest()]), metadata=sent),
            client.watch(metadata=sent),
            client.reflect(reflection_pb2.ServerReflectionRequest(), metadata=sent),
        ]
        for call in calls:
            with refused(Code.UNAUTHENTICATED) as refusal:
                await call
            assert refusal.value.reason in {"TOKEN_MISSING", "TOKEN_INVALID"}
            assert token not in str(refusal.value.trailers) + refusal.value.message
        for stream in streams:
            with refused(Code.UNAUTHENTICATED):
                await stream.read()
        assert await code_of(client.nonsense(metadata=sent)) is Code.UNAUTHENTICATED
    assert token not in tcp_daemon.log


async def test_callers_that_are_refused_are_logged_within_bounds() -> None:
    calls = MOST + 5
    wrong = (("authorization", "Bearer not-what-it-is"),)
    with serving(tcp=True) as daemon:
        bare = credentials_for(daemon, token=False)
        async with connected(daemon.addresses[1], bare) as client:
            for _ in range(calls):
                with refused(Code.UNAUTHENTICATED):
                    await client.hosts.GetHost(host_pb.GetHostRequest(), metadata=wrong)
        await anyio.to_thread.run_sync(daemon.stop)
    lines = [line for line in daemon.log.splitlines() if "refused a call from" in line]
    assert len(lines) == MOST + 1
    assert re.search(r"\[warning *\] refused a call from 127.0.0.1:\d+: TOKEN_INVALID", lines[0])
    assert f"{calls - MOST} more lines like this one" in lines[-1]
    assert "not-what-it-is" not in daemon.log


async def test_tcp_with_the_token_is_like_the_socket(tcp_daemon: Daemon) -> None:
    create = service_pb.CreateProcessRequest(parent=HOST)
    create.spec.argv.CopyFrom(sh("echo over tcp"))
    async with connected(tcp_daemon.addresses[1], credentials_for(tcp_daemon)) as client:
        processes = process_service_pb2_grpc.ProcessServiceStub(client.channel)
        made = await processes.CreateProcess(create)
        read = service_pb.ReadOutputRequest(name=made.process.name, follow=True)
        data = b""
        async for event in processes.ReadOutput(read):
            data += event.chunk.data
        assert data == b"over tcp\n"
        await client.check()
    async with connected(tcp_daemon.address) as client:  # the socket needs none, beside TCP too
        assert (await client.get(made.process.name)).exit.exit_code == 0


@pytest.fixture(scope="module")
def tcp_daemon() -> Iterator[Daemon]:
    with serving(tcp=True) as daemon:
        yield daemon


def test_a_token_file_that_others_can_read_is_refused(
    tmp_path: Path, refused_here: RefusedHere
) -> None:
    path = tmp_path / "token"
    path.write_text("secret-secret-secret")
    for bits in (0o640, 0o604, 0o666):
        path.chmod(bits)
        said = refused_here("--listen", "127.0.0.1:0", "--token-file", str(path))
        assert f"chmod 600 '{path}'" in said
        assert "secret-secret" not in said


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "has 0 characters, and 24 are the least"),
        (" \n", "has 0 characters, and 24 are the least"),
        ("0123456789abcdef0123456", "has 23 characters, and 24 are the least"),
        ("abcdefg" * 10, "has fewer than 8 different characters"),
        ("correct horse battery staple", "other characters than those of ASCII that are visible"),
        ("\xffabcdefghijklmnopqrstuvwxyz", "other characters than those of ASCII"),
        ("0123456789abcdef\n0123456789abcdef", "other characters than those of ASCII"),
    ],
    ids=["empty", "blank", "short", "repeated", "words", "binary", "two"],
)
def test_a_token_that_can_be_guessed_is_refused(
    tmp_path: Path, refused_here: RefusedHere, content: str, expected: str
) -> None:
    path = tmp_path / "token"
    path.write_text(content, encoding="latin-1")
    path.chmod(0o600)
    said = refused_here("--listen", "127.0.0.1:0", "--token-file", str(path))
    assert f"cannot use token file '{path}': its token" in said
    assert expected in said
    assert "delete the file: the next start makes a new one" in said
    assert not content.strip() or content not in said


def test_a_token_is_in_a_regular_file(tmp_path: Path, refused_here: RefusedHere) -> None:
    fifo, link = tmp_path / "fifo", tmp_path / "link"
    os.mkfifo(fifo, 0o600)
    link.symlink_to(tmp_path / "gone")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path, expected in (
        (tmp_path / "loop", f"cannot use token file '{tmp_path}/loop'"),
        (fifo, f"'{fifo}' is no regular file"),
        (link, f"'{link}' is a symbolic link to '{tmp_path}/gone', which is not there"),
        (tmp_path, f"'{tmp_path}' is no regular file"),
    ):
        assert expected in refused_here("--listen", "127.0.0.1:0", "--token-file", str(path))


def test_a_token_is_in_a_folder_where_nobody_else_can_replace_it(
    tmp_path: Path, refused_here: RefusedHere
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    link = tmp_path / "token"
    link.symlink_to(folder / "token")
    for bits in (0o777, 0o770):
        folder.chmod(bits)
        for path in (folder / "token", link):
            said = refused_here("--listen", "127.0.0.1:0", "--token-file", str(path))
            assert f"others may replace files in '{folder}'" in said
    folder.chmod(0o1777)  # as /tmp
    with serving("--listen", "127.0.0.1:0", "--token-file", str(folder / "token")) as daemon:
        assert len(daemon.addresses) == 2


def test_the_certificate_is_for_every_address_listened_at(tmp_path: Path) -> None:
    options = [("--listen", address) for address in ("localhost:0", "127.0.0.2:0")]
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
            options.append(("--listen", "[::1]:0"))
        except OSError:
            pass  # a machine without IPv6
    with serving(*[word for pair in options for word in pair]) as daemon:
        assert len(daemon.addresses) == 1 + len(options)
        for address in daemon.addresses[1:]:
            with grpc.secure_channel(address, credentials_for(daemon)) as channel:
                host_service_pb2_grpc.HostServiceStub(channel).GetHost(host_pb.GetHostRequest())


def test_a_port_that_is_taken_is_refused(
    tmp_path: Path, tcp_daemon: Daemon, refused_here: RefusedHere
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        for address in (taken, tcp_daemon.addresses[1]):
            said = refused_here("--listen", address, "--token-file", f"{tmp_path}/token")
            assert address in said


def test_what_was_claimed_first_is_given_back_if_a_later_listener_fails(
    tmp_path: Path, tcp_daemon: Daemon, refused_here: RefusedHere
) -> None:
    path = tmp_path / "first.sock"
    taken = tcp_daemon.addresses[1]
    refused_here(
        "--listen", f"unix://{path}", "--listen", taken, "--token-file", f"{tmp_path}/token"
    )
    assert not path.exists()


# --- what cannot be meant ---


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nonsense",
        "unix:",
        "unix://",
        "unix://relative",
        "unix:relative",
        "unix:///",
        "http://127.0.0.1:1",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:-1",
        "127.0.0.1:65536",
        ":7443",
        "::1:7443",
        "[::1]",
        "[127.0.0.1]:1",
    ],
)
def test_an_address_that_is_none_is_refused(
    tmp_path: Path, refused_here: RefusedHere, address: str
) -> None:
    said = refused_here("--listen", address, "--token-file", f"{tmp_path}/token")
    assert address in said


def test_a_bad_address_in_the_environment_is_refused_too(refused_here: RefusedHere) -> None:
    assert "nonsense" in refused_here(HCSD_LISTEN="nonsense")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('lissten = ["unix:///tmp/x"]', "lissten"),
        ("[section]\nkey = 1", "section"),
        ('log-level = "loud"', "loud"),
        ("log-level = 5", "log-level"),
        ("listen = 5", "listen: 5 is a number"),
        ("listen = [5]", "5"),
        ("token-file = 5", "token-file"),
        ("not toml", "config.toml"),
        ('"\\ud800" = 1', "config.toml"),
        ("\xff", "config.toml"),
        ('config = "other.toml"', "config"),
    ],
    ids=range(11),
)
def test_a_configuration_that_makes_no_sense_is_refused(
    tmp_path: Path, refused_here: RefusedHere, content: str, expected: str
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(content, encoding="latin-1")
    assert expected in refused_here("--config", str(path))


def test_a_configuration_that_is_not_there_is_refused(
    tmp_path: Path, refused_here: RefusedHere
) -> None:
    path = tmp_path / "absent.toml"
    assert str(path) in refused_here("--config", str(path))
    assert str(path) in refused_here(HCSD_CONFIG=str(path))


def test_a_configuration_gives_defaults_that_the_command_line_beats(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    other = tmp_path / "other.sock"
    path.write_text(f'listen = ["unix://{other}"]\nlog-format = "json"\nlog-level = "info"\n')
    with serving("--config", str(path)) as daemon:
        assert daemon.addresses == [f"unix://{daemon.directory}/hcsd.sock"]
        assert not other.exists()
    assert '"event": "stopping"' in daemon.log


@pytest.mark.parametrize("written", ['["ADDRESS"]', '"ADDRESS"'], ids=["list", "text"])
def test_a_configuration_says_where_to_listen(
    tmp_path: Path, shared: Daemon, refused_here: RefusedHere, written: str
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f"listen = {written.replace('ADDRESS', shared.address)}\n")
    assert str(shared.socket) in refused_here("--config", str(config))


def test_the_request_id_is_there_for_who_is_not_let_in(tcp_daemon: Daemon) -> None:
    bare = credentials_for(tcp_daemon, token=False)
    with grpc.secure_channel(tcp_daemon.addresses[1], bare) as channel:
        with pytest.raises(grpc.RpcError) as error:
            host_service_pb2_grpc.HostServiceStub(channel).GetHost(host_pb.GetHostRequest())
        assert REQUEST_ID in trailers(error.value)
