"""What a stranger at the TCP port can take of the daemon: next to nothing, and nothing from others.

Each attack is bounded, and lasts seconds; what it would come to in hours is bounded by the same means.
Throughout, somebody uses the Unix socket.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import grpc
import pytest

from hcsd.v1 import host_service_pb2 as host_pb
from hcsd.v1 import host_service_pb2_grpc
from tests.integration.conftest import assert_calm
from tests.support.daemon import HCSD, Daemon, serving
from tests.support.http2 import (
    DATA,
    END_HEADERS,
    HEADERS,
    RST_STREAM,
    SETTINGS,
    Peer,
    connected_to,
    frame,
    headers,
)

WRITE = headers("/hcsd.v1.ProcessService/WriteInput")
RUN = headers("/hcsd.v1.ProcessService/RunProcess")
MIB = 1024 * 1024
MOST = 200 * MIB  # what the daemon may have at any time, some 75 MiB of it by itself
PATIENCE = 10.0


def peak(daemon: Daemon) -> int:
    """The most memory that the daemon has had so far, in bytes."""
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


class Neighbour:
    """Somebody who calls by the Unix socket, again and again."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._call)
        self.calls = 0
        self.failures: list[str] = []

    def _call(self) -> None:
        with grpc.insecure_channel(self._address) as channel:
            host = host_service_pb2_grpc.HostServiceStub(channel)
            while not self._over.is_set():
                try:
                    host.GetHost(host_pb.GetHostRequest(), timeout=PATIENCE)
                    self.calls += 1
                except grpc.RpcError as error:
                    self.failures.append(str(error))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture
def attacked() -> Iterator[Daemon]:
    """A daemon that stays small and calm, and serves its neighbour, whatever the test does at TCP."""
    with serving(tcp=True) as daemon:
        with Neighbour(daemon.address) as neighbour:
            yield daemon
        with grpc.insecure_channel(daemon.address) as channel:
            host_service_pb2_grpc.HostServiceStub(channel).GetHost(host_pb.GetHostRequest())
        assert not neighbour.failures
        assert neighbour.calls
        assert peak(daemon) < MOST, f"{peak(daemon) // MIB} MiB"
    assert_calm(daemon.log)
    assert daemon.log.count("\n") < 20


@contextlib.contextmanager
def strangers(daemon: Daemon, number: int) -> Iterator[list[Peer]]:
    """Connections without a token."""
    with contextlib.ExitStack() as held:
        peers = [
            held.enter_context(connected_to(daemon.addresses[1], daemon.ca_file))
            for _ in range(number)
        ]
        for peer in peers:
            peer.begin((4, 2**31 - 1))
        yield peers


@pytest.mark.parametrize("call", [WRITE, RUN], ids=["unary", "streaming"])
def test_messages_without_their_last_bytes_are_not_taken(attacked: Daemon, call: bytes) -> None:
    size = 4 * MIB - 100
    begun = b"\0" + size.to_bytes(4, "big") + bytes(size - 100)
    parts = [begun[at : at + 16384] for at in range(0, len(begun), 16384)]
    with strangers(attacked, 3) as peers:
        for _ in range(25):
            for peer in peers:
                stream = peer.next_stream()
                peer.open(stream, call)
                peer.send(b"".join(frame(DATA, 0, stream, part) for part in parts))
                peer.take()


def test_calls_whose_message_never_comes_do_not_pile_up(attacked: Daemon) -> None:
    with strangers(attacked, 20) as peers:
        for round_ in range(250):
            for peer in peers:
                peer.open(peer.next_stream(), WRITE)
                if round_ % 50 == 49:
                    peer.take()


def test_calls_that_are_reset_at_once_do_not_pile_up(attacked: Daemon) -> None:
    with strangers(attacked, 4) as peers:
        for _ in range(60):
            for peer in peers:
                streams = [peer.next_stream() for _ in range(200)]
                peer.send(
                    b"".join(
                        frame(HEADERS, END_HEADERS, stream, WRITE)
                        + frame(RST_STREAM, 0, stream, (8).to_bytes(4, "big"))
                        for stream in streams
                    )
                )
                peer.take()


def test_answers_that_nobody_reads_do_not_pile_up(attacked: Daemon) -> None:
    settings = frame(SETTINGS, 0, 0, b"")
    with strangers(attacked, 8) as peers:
        for peer in peers:
            with contextlib.suppress(TimeoutError, ConnectionError, OSError):
                peer.socket.settimeout(0.3)  # who is not read stops reading; that is all of it
                for _ in range(2_000):
                    peer.send(settings + frame(HEADERS, END_HEADERS, peer.next_stream(), WRITE))


def test_headers_without_end_do_not_pile_up(attacked: Daemon) -> None:
    with strangers(attacked, 4) as peers:
        for peer in peers:
            peer.send(frame(HEADERS, 0, 1, WRITE))
            with contextlib.suppress(ConnectionError, OSError):
                for _ in range(2_000):
                    peer.send(frame(9, 0, 1, b"\0\1x\x7f\x81\x7f" + b"y" * 16_384))
            peer.take()


def test_silent_connections_leave_descriptors_to_others() -> None:
    limited = ("prlimit", "--nofile=256:256", *HCSD)
    idle = ("--connection-idle-time", "1s")
    with (
        serving(*idle, tcp=True, command=limited) as daemon,
        Neighbour(daemon.address) as neighbour,
    ):
        with contextlib.ExitStack() as held:
            silent: list[Peer] = []
            for _ in range(100):
                with contextlib.suppress(OSError):  # refused
                    silent.append(
                        held.enter_context(connected_to(daemon.addresses[1], daemon.ca_file))
                    )
                    silent[-1].begin()
                assert len(os.listdir(f"/proc/{daemon.pid}/fd")) < 130
            for peer in silent:
                peer.wait_for_end()  # the daemon ends the silence
        with connected_to(daemon.addresses[1], daemon.ca_file) as peer:
            peer.begin()
            assert peer.until(SETTINGS)
    assert not neighbour.failures
