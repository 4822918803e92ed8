"""A daemon that is fuzzed, and what must hold of it after each slice of that."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import grpc
import psutil

from hcsd.v1 import host_service_pb2 as host_pb
from hcsd.v1 import host_service_pb2_grpc
from tests.fuzz.calls import call_with_bytes, call_with_messages
from tests.fuzz.frames import send_frames
from tests.fuzz.handshakes import shake_hands
from tests.fuzz.target import Target, methods
from tests.integration.conftest import assert_calm
from tests.support.census import until
from tests.support.daemon import Daemon, serving

MIB = 2**20
MOST_GROWTH = 100 * MIB  # of the daemon's memory, once it is warm
MOST_DESCRIPTORS = 40  # more than it had; connections of gRPC come and go
SECONDS = 15.0  # for what ends to be gone


class Size(NamedTuple):
    """How much of the machine the daemon has.

    Attributes:
        memory: Bytes that are resident.
        descriptors: Open files.
        processes: Processes that descend from it.
    """

    memory: int
    descriptors: int
    processes: int


@dataclass
class Stage:
    """The daemon, with a channel to it."""

    daemon: Daemon
    target: Target
    warm: Size | None = None

    @property
    def port(self) -> tuple[str, int]:
        """Where it listens for TLS."""
        host, _, port = self.daemon.addresses[-1].rpartition(":")
        return host, int(port)

    def size(self) -> Size:
        """Measure the daemon."""
        process = psutil.Process(self.daemon.pid)
        return Size(
            process.memory_info().rss, process.num_fds(), len(process.children(recursive=True))
        )

    def check(self) -> None:
        """See that the daemon answers, has no fault to tell, and has let go of everything.

        Raises:
            AssertionError: Something of that is not so.
        """
        stub = host_service_pb2_grpc.HostServiceStub(self.target.channel)
        stub.GetHost(host_pb.GetHostRequest(), timeout=SECONDS)
        self.target.clear()
        assert_calm(self.daemon.log)
        if self.warm is None:  # what it holds for good after its first work is no leak
            self.warm = self.size()
            return
        warm = self.warm
        until(lambda: self.size().processes <= warm.processes, "its processes end", SECONDS)
        until(
            lambda: self.size().descriptors <= warm.descriptors + MOST_DESCRIPTORS,
            "it closes what it had opened",
            SECONDS,
        )
        grown = self.size().memory - warm.memory
        assert grown < MOST_GROWTH, f"the daemon has grown by {grown // MIB} MiB"


@contextlib.contextmanager
def staged() -> Iterator[Stage]:
    """A daemon with a Unix socket and a TLS port."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with serving(tcp=True) as daemon, grpc.insecure_channel(daemon.address, options) as channel:
        yield Stage(daemon, Target(channel))


def _messages(stage: Stage, seed: int, cases: int) -> None:
    every = methods()
    call_with_messages(stage.target, every[seed % len(every)], seed, cases)


def _bytes(stage: Stage, seed: int, cases: int) -> None:
    every = methods()
    call_with_bytes(stage.target, every[seed % len(every)], seed, cases)


def _frames(stage: Stage, seed: int, cases: int) -> None:
    send_frames(stage.daemon.socket, seed, cases)


def _handshakes(stage: Stage, seed: int, cases: int) -> None:
    shake_hands(stage.port, seed, cases)


# What is fuzzed: by its name, a function that takes a stage, a seed and how many cases.
KINDS: dict[str, Callable[[Stage, int, int], None]] = {
    "messages": _messages,
    "bytes": _bytes,
    "frames": _frames,
    "handshakes": _handshakes,
}
