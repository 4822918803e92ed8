"""A token or a CA of clients that is replaced counts at once, for those who are connected, too."""

import re
import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import anyio.to_thread
import grpc
import pytest

from hcsd.v1 import event_service_pb2 as event_pb
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.conftest import assert_calm
from tests.integration.wire import Client, connected, refused, sh
from tests.support.census import until
from tests.support.daemon import PATIENCE, Daemon, serving
from tests.support.tls import LOOPBACK, Authority, Pair, serve_options

Code = grpc.StatusCode
# What is promised is a second; this is for a machine that is busy.
SOON = 5.0
FLOOD = "while :; do head -c 65536 /dev/zero; done"


class Door:
    """A daemon at a TCP port, one who may come in, and how that is revoked.

    Attributes:
        reason: Why it refuses whoever may come in no more.
    """

    reason: str

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon

    def credentials(self) -> grpc.ChannelCredentials:
        """What lets somebody in who has what holds now."""
        raise NotImplementedError

    def revoke(self) -> None:
        """Put another in its place."""
        raise NotImplementedError


class TokenDoor(Door):
    """Lets in by the token."""

    reason = "TOKEN_INVALID"

    def credentials(self) -> grpc.ChannelCredentials:
        tls = grpc.ssl_channel_credentials(self.daemon.ca_file.read_bytes())
        token = self.daemon.token_file.read_text().strip()
        return grpc.composite_channel_credentials(tls, grpc.access_token_call_credentials(token))

    def revoke(self) -> None:
        write(self.daemon.token_file, secrets.token_urlsafe(32))


class CertificateDoor(Door):
    """Lets in by certificates."""

    reason = "CERTIFICATE_INVALID"

    def __init__(self, daemon: Daemon, ca: Path, folder: Path, server: Authority) -> None:
        super().__init__(daemon)
        self._ca = ca
        self._folder = folder
        self._server = server
        self._authority: Authority
        self.revoke()

    def credentials(self) -> grpc.ChannelCredentials:
        person = self._authority.issue(f"person-{secrets.token_hex(4)}", "person")
        return grpc.ssl_channel_credentials(
            self._server.file.read_bytes(), person.key.read_bytes(), person.certificate.read_bytes()
        )

    def revoke(self) -> None:
        self._authority = Authority(self._folder, f"ca-{secrets.token_hex(4)}")
        write(self._ca, self._authority.file.read_text())


def write(path: Path, text: str) -> None:
    """Replace a file, as whoever rotates credentials does."""
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.chmod(0o600)
    draft.replace(path)


@pytest.fixture(scope="module", params=["token", "certificate"])
def door(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("door")
    if request.param == "token":
        with serving(tcp=True) as daemon:
            yield TokenDoor(daemon)
    else:
        authority, clients = Authority(folder), Authority(folder, "clients")
        server: Pair = authority.issue("server", *LOOPBACK)
        with serving(*serve_options(server, clients), tcp=True) as daemon:
            yield CertificateDoor(daemon, clients.file, folder, authority)
    assert_calm(daemon.log)


@pytest.fixture
async def insider(door: Door) -> AsyncIterator[Client]:
    """Who may come in, and is connected."""
    async with connected(door.daemon.addresses[1], door.credentials()) as client:
        await client.get_host()
        yield client


@pytest.fixture
async def owner(door: Door) -> AsyncIterator[Client]:
    """Who comes by the socket, and tidies up."""
    async with connected(door.daemon.address) as client:
        yield client
        await client.tidy()


async def test_the_next_call_is_refused(door: Door, insider: Client) -> None:
    door.revoke()
    with refused(Code.UNAUTHENTICATED):
        await insider.get_host()
    with refused(Code.UNAUTHENTICATED):
        await insider.get_host()
    async with connected(door.daemon.addresses[1], door.credentials()) as successor:
        await successor.get_host()

    def is_logged() -> bool:
        return bool(
            re.search(rf"refused a call from 127.0.0.1:\d+: {door.reason}", door.daemon.log)
        )

    await anyio.to_thread.run_sync(until, is_logged, "the refusal in the log", PATIENCE)


async def test_open_streams_end(door: Door, insider: Client, owner: Client) -> None:
    process = await owner.create(pb.Argv(args=["sleep", "1000"]))
    followed = insider.follow(process.name)
    await followed.read()
    run = await insider.attach(service_pb.RunAttach(name=process.name))
    await run.read()
    watched = insider.events.WatchEvents(event_pb.WatchEventsRequest())
    await watched.read()
    door.revoke()
    with anyio.fail_after(SOON):
        for stream in (followed.call, run.call, watched):
            with refused(Code.UNAUTHENTICATED):
                await stream.read()
    assert (await owner.get(process.name)).state == pb.PROCESS_STATE_RUNNING


async def test_calls_that_wait_end(door: Door, insider: Client, owner: Client) -> None:
    process = await owner.create(pb.Argv(args=["sleep", "1000"]))
    waiting = insider.processes.WaitProcess(service_pb.WaitProcessRequest(name=process.name))
    await insider.get_host()  # by then the daemon has it
    door.revoke()
    with anyio.fail_after(SOON), refused(Code.UNAUTHENTICATED):
        await waiting


async def test_a_reader_that_does_not_read_is_cut_off(
    door: Door, insider: Client, owner: Client
) -> None:
    process = await owner.create(sh(FLOOD))
    flood = insider.follow(process.name)
    await flood.read()  # and no more of it
    assert (await owner.get(process.name)).stdout.readers == 1
    door.revoke()
    with anyio.fail_after(SOON):
        while (await owner.get(process.name)).stdout.readers:
            pass


async def test_the_socket_is_not_concerned(door: Door, owner: Client) -> None:
    process = await owner.create(pb.Argv(args=["sleep", "1000"]))
    followed = owner.follow(process.name)
    await followed.read()
    door.revoke()
    async with connected(door.daemon.addresses[1], door.credentials()) as successor:
        await successor.get_host()  # by now it holds
        await successor.terminate(process.name)
    assert (await followed.finish()).exit is not None


async def test_the_streams_of_a_client_whose_certificate_expires_end(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = authority.issue("server", *LOOPBACK)
    with serving(*serve_options(server, authority), tcp=True) as daemon:
        until = datetime.now(UTC) + timedelta(seconds=4)
        person = authority.issue("person", "person", not_after=until)
        credentials = grpc.ssl_channel_credentials(
            authority.file.read_bytes(), person.key.read_bytes(), person.certificate.read_bytes()
        )
        async with connected(daemon.addresses[1], credentials) as client:
            watched = client.events.WatchEvents(event_pb.WatchEventsRequest())
            await watched.read()
            with anyio.fail_after(20), refused(Code.UNAUTHENTICATED, "CERTIFICATE_INVALID"):
                await watched.read()
            assert datetime.now(UTC) >= until - timedelta(seconds=1)
    assert_calm(daemon.log)


def told(daemon: Daemon) -> int:
    """Count the lines of a log about anything but callers who were refused."""
    return sum("refused a call from" not in line for line in daemon.log.splitlines())


async def test_a_bad_token_file_lets_nobody_in() -> None:
    bad = (None, "", "short", "a" * 40, "é" * 40)  # None: there is no file
    with serving(tcp=True) as daemon:
        door = TokenDoor(daemon)
        good = daemon.token_file.read_text()
        async with connected(daemon.addresses[1], door.credentials()) as client:
            for text in bad:
                await client.get_host()
                before = told(daemon)
                if text is None:
                    daemon.token_file.unlink()
                else:
                    write(daemon.token_file, text)
                for _ in range(5):
                    with refused(Code.UNAUTHENTICATED, "TOKEN_INVALID"):
                        await client.get_host()
                assert told(daemon) - before <= 2
                write(daemon.token_file, good)
            await client.get_host()
        assert good.strip() not in daemon.log
    assert_calm(daemon.log)
