"""Frames that no gRPC client sends, from who has no token and from who needs none."""

from collections.abc import Iterator

import grpc
import pytest

from hcsd.v1 import host_service_pb2 as host_pb
from hcsd.v1 import host_service_pb2_grpc, process_service_pb2_grpc
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.conftest import assert_calm
from tests.integration.wire import HOST
from tests.support.daemon import Daemon, serving
from tests.support.http2 import (
    DATA,
    END_STREAM,
    HEADERS,
    RST_STREAM,
    Header,
    Peer,
    connected_to,
    frame,
    headers,
    message,
    status_of,
)

OK, INVALID, TOO_LATE, EXHAUSTED, UNKNOWN_METHOD, NO_TOKEN = "0", "3", "4", "8", "12", "16"
GET_HOST = "/hcsd.v1.HostService/GetHost"
RUN = "/hcsd.v1.ProcessService/RunProcess"
WAIT = "/hcsd.v1.ProcessService/WaitProcess"
FOLLOW = "/hcsd.v1.EventService/WatchEvents"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
CALLS, STREAMS = 12, 4
NO_WINDOW = (4, 0)  # a setting: nobody may send it data


@pytest.fixture(scope="module")
def narrow() -> Iterator[Daemon]:
    """A daemon whose bounds are soon reached."""
    options = ("--max-calls", str(CALLS), "--max-streams-per-client", str(STREAMS))
    more = ("--max-streams-per-connection", str(STREAMS), "--request-timeout", "500ms")
    with serving(*options, *more, tcp=True) as daemon:
        yield daemon
    assert_calm(daemon.log)


@pytest.fixture(params=["unix", "tcp", "tcp with the token"])
def peer(narrow: Daemon, request: pytest.FixtureRequest) -> Iterator[Peer]:
    """A connection; `credentials` are the headers by which its calls are admitted, if they are."""
    tcp = str(request.param).startswith("tcp")
    with connected_to(narrow.addresses[tcp], narrow.ca_file if tcp else None) as peer:
        peer.begin()
        if request.param == "tcp with the token":
            token = narrow.token_file.read_bytes().strip()
            peer.credentials = ((b"authorization", b"Bearer " + token),)
        peer.admitted = not tcp or bool(peer.credentials)
        yield peer


@pytest.fixture
def sleeper(narrow: Daemon) -> Iterator[str]:
    """The name of a process that runs, and is gone after the test."""
    with grpc.insecure_channel(narrow.address) as channel:
        processes = process_service_pb2_grpc.ProcessServiceStub(channel)
        sleeps = '{"CommandArgs": ["sleep", "1000"]}'
        request = service_pb.CreateProcessRequest(parent=HOST, parameters_json=sleeps)
        name = processes.CreateProcess(request).process.name
        yield name
        processes.DeleteProcess(service_pb.DeleteProcessRequest(name=name, force=True))


def call(peer: Peer, path: str | bytes, *more: Header, body: bytes = message(b"")) -> str:
    """Make a call of one message; returns the status that it ends with."""
    stream = peer.next_stream()
    peer.open(stream, headers(path, *peer.credentials, *more))
    peer.send(frame(DATA, END_STREAM, stream, body))
    return status_of(peer, stream)


@pytest.mark.parametrize(
    "path", [b"/hcsd.v1.HostService/\xff\xfe", b"\xff", b"/", b"", b"/\xc3\xa9/\0"]
)
def test_a_path_that_is_no_text_is_a_method_that_there_is_not(peer: Peer, path: bytes) -> None:
    assert call(peer, path) == (UNKNOWN_METHOD if peer.admitted else NO_TOKEN)
    with peer.another() as other:
        assert call(other, GET_HOST) == (OK if peer.admitted else NO_TOKEN)


def test_it_ends_no_call_of_others(narrow: Daemon, peer: Peer, sleeper: str) -> None:
    with grpc.insecure_channel(narrow.address) as channel:
        processes = process_service_pb2_grpc.ProcessServiceStub(channel)
        waiting = processes.WaitProcess.future(service_pb.WaitProcessRequest(name=sleeper))
        call(peer, b"/\xff")
        processes.TerminateProcess(service_pb.TerminateProcessRequest(name=sleeper))
        assert waiting.result(10).process.HasField("exit")


def test_metadata_that_is_no_text_is_a_line_in_the_log_and_not_one_each(
    narrow: Daemon, peer: Peer
) -> None:
    before = narrow.log.count("\n")
    for _ in range(50):
        assert call(peer, GET_HOST, (b"x-name", b"\xff\xe9\n")) == (
            OK if peer.admitted else NO_TOKEN
        )
    # As many as the log takes of a kind, and a line that tells of the others.
    assert narrow.log.count("\n") - before <= 12
    assert "\xff" not in narrow.log


@pytest.mark.parametrize("path", [GET_HOST, WAIT, FOLLOW, RUN, REFLECT])
@pytest.mark.parametrize(
    "body", [b"", b"\0", message(b"abc")[:-1], b"\0\0\x10\0\0", message(b"\xff\xff\xff")]
)
def test_a_call_without_a_whole_message_is_answered(peer: Peer, path: str, body: bytes) -> None:
    answer = call(peer, path, body=body)
    if not peer.admitted:
        assert answer == NO_TOKEN
    elif path == REFLECT:  # not ours: it takes no message for the end
        assert answer in {OK, INVALID}
    else:
        assert answer == INVALID


@pytest.mark.parametrize("path", [GET_HOST, WAIT, FOLLOW, RUN, REFLECT])
def test_a_message_that_does_not_come_ends_the_call(peer: Peer, path: str) -> None:
    stream = peer.next_stream()
    peer.open(stream, headers(path, *peer.credentials))
    peer.send(frame(DATA, 0, stream, message(b"x" * 100)[:50]))
    assert status_of(peer, stream) == (TOO_LATE if peer.admitted else NO_TOKEN)


def test_calls_beyond_the_bound_are_refused_and_others_go_on(
    narrow: Daemon, peer: Peer, sleeper: str
) -> None:
    if not peer.admitted:
        pytest.skip("who is not admitted has no calls under way")
    wait = message(service_pb.WaitProcessRequest(name=sleeper).SerializeToString())
    while call(peer, GET_HOST) != EXHAUSTED:  # calls of the test before may still be under way
        stream = peer.next_stream()
        peer.open(stream, headers(WAIT, *peer.credentials))
        peer.send(frame(DATA, END_STREAM, stream, wait))
    with connected_to(
        narrow.addresses[peer.is_unix], narrow.ca_file if peer.is_unix else None
    ) as other:
        other.begin()  # at the other listener, which counts its own
        assert call(other, GET_HOST) == (NO_TOKEN if peer.is_unix else OK)
    peer.socket.close()
    with peer.another() as other:
        while call(other, GET_HOST) == EXHAUSTED:  # until the daemon has seen that they have left
            pass


def test_streams_beyond_the_bound_are_refused_by_name(narrow: Daemon, peer: Peer) -> None:
    if not peer.admitted:
        pytest.skip("who is not admitted has no streams")
    held = []
    for _ in range(STREAMS):
        held.append(peer.next_stream())
        peer.open(held[-1], headers(FOLLOW, *peer.credentials))
        peer.send(frame(DATA, END_STREAM, held[-1], message(b"")))
        assert peer.until(DATA, stream=held[-1])
    assert call(peer, FOLLOW) == EXHAUSTED
    option = b"--max-streams-per-" + (b"client" if peer.is_unix else b"connection")
    assert option in peer.last.payload
    assert call(peer, GET_HOST) == OK
    for stream in held:
        peer.send(frame(RST_STREAM, 0, stream, (8).to_bytes(4, "big")))


def test_a_watcher_of_the_health_that_takes_nothing_holds_up_nobody_and_no_end() -> None:
    with serving() as daemon, connected_to(daemon.address) as peer:
        peer.begin(NO_WINDOW)
        stream = peer.next_stream()
        peer.open(stream, headers(WATCH))
        peer.send(frame(DATA, END_STREAM, stream, message(b"")))
        assert peer.until(HEADERS, stream=stream)  # what follows them has no room
        with peer.another() as other:
            stream = other.next_stream()
            other.open(stream, headers(WATCH))
            other.send(frame(DATA, END_STREAM, stream, message(b"")))
            assert other.until(DATA, stream=stream)
        daemon.stop()
    assert_calm(daemon.log)


def test_the_daemon_is_as_before(narrow: Daemon) -> None:
    with grpc.insecure_channel(narrow.address) as channel:
        host = host_service_pb2_grpc.HostServiceStub(channel)
        assert host.GetHost(host_pb.GetHostRequest()).limits.max_calls == CALLS
