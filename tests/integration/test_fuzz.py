"""Whatever a client sends, it gets an answer that says what is wrong, soon, and the daemon goes on.

This is a slice of each kind, the same each time. `python -m tests.fuzz` goes on with others.
"""

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

from tests.fuzz.calls import call_with_bytes, call_with_messages
from tests.fuzz.stage import KINDS, Stage, staged
from tests.fuzz.target import DEADLINE, Code, Target, judge, methods, raw
from tests.support.daemon import Daemon

SEED = 20  # of every slice
SLICES = [15, pytest.param(60, marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def target(shared: Daemon) -> Iterator[Target]:
    with grpc.insecure_channel(shared.address) as channel:
        target = Target(channel)
        yield target
        target.tidy()


@pytest.mark.parametrize("cases", SLICES)
@pytest.mark.parametrize("method", methods(), ids=lambda method: method.name)
def test_no_message_breaks_the_daemon(
    daemon: Daemon, target: Target, method: MethodDescriptor, cases: int
) -> None:
    call_with_messages(target, method, SEED, cases)
    call_with_bytes(target, method, SEED, 5)


@pytest.mark.parametrize("method", methods(streaming=False), ids=lambda method: method.name)
def test_bytes_that_are_no_message_are_refused(
    daemon: Daemon, target: Target, method: MethodDescriptor
) -> None:
    path = f"/{method.containing_service.full_name}/{method.name}"
    with pytest.raises(grpc.RpcError) as error:
        target.channel.unary_unary(path, raw, raw)(b"\xff\xff\xff", timeout=DEADLINE)
    assert judge(method, error.value) is Code.INVALID_ARGUMENT


def test_bytes_that_are_no_message_in_a_stream_are_refused(daemon: Daemon, target: Target) -> None:
    run = target.channel.stream_stream("/hcsd.v1.ProcessService/RunProcess", raw, raw)
    with pytest.raises(grpc.RpcError) as error:
        next(run(iter([b"\xff\xff\xff"]), timeout=DEADLINE))
    assert error.value.code() is Code.INVALID_ARGUMENT


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as stage:
        stage.check()
        yield stage


# A path that is not UTF-8 ends the serving loop of grpc.aio, and with it a listener.


@pytest.mark.parametrize("cases", SLICES)
@pytest.mark.parametrize("kind", ["handshakes", "frames"])
def test_no_connection_breaks_the_daemon(stage: Stage, kind: str, cases: int) -> None:
    KINDS[kind](stage, SEED, cases)
    stage.check()
