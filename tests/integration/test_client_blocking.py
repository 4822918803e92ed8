"""The client for programs without an event loop: the same things, on threads of its own."""

import inspect
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator

import pytest

import hcsd_client
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from hcsd_client import ClientClosedError, ExecutableNotFoundError, blocking, process_name
from hcsd_client.blocking import Client
from tests.support.census import Census, until
from tests.support.daemon import Daemon

MIB = 1024 * 1024
FOREVER = ["sleep", "1000"]


def names_of_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


@pytest.fixture
def client(daemon: Daemon) -> Iterator[Client]:
    with Client(daemon.address) as client:
        yield client


def test_events_and_output_end_with_their_block(client: Client) -> None:
    process = client.create(["echo", "hello"])
    with client.watch_events(send_snapshot=True) as events:
        assert next(iter(events)).HasField("snapshot")
    with client.read_output(process.name, follow=True) as output:
        assert next(iter(output)).HasField("started")
    for ended in (events, output):
        with pytest.raises(ClientClosedError):
            next(iter(ended))


def test_a_process_is_run_read_and_waited_for(client: Client) -> None:
    with client.run(["sh", "-c", "echo out; echo err >&2; exit 7"]) as process:
        assert list(process.stdout) == [b"out\n"]
        assert process.stderr.read() == b"err\n"
        assert (process.stderr.offset, process.stderr.skipped, process.stderr.forced) == (
            4,
            0,
            False,
        )
        assert process.wait().exit_code == 7


def test_stdin_is_written_and_ended(client: Client) -> None:
    data = os.urandom(MIB)
    with client.run(["cat"], stdin=True) as process:
        process.stdin.write(b"0123")
        assert process.stdin.committed() == 4
        assert process.stdout.receive(2) == b"01"
        process.stdin.close()
        assert process.stdout.read() == b"23"
        assert process.output(pb.OUTPUT_STREAM_STDOUT, last_bytes=1).read() == b"3"
    with client.run(["tee", "/dev/stderr"], stdin=True) as process:
        done = process.communicate(data)
    assert (done.stdout, done.stderr, done.exit.exit_code) == (data, data, 0)


def test_a_run_ends_with_its_block_and_a_creation_does_not(client: Client) -> None:
    with pytest.raises(ZeroDivisionError), client.run(FOREVER) as process:
        _ = 1 // 0
    assert client.wait_process(process.name).process.exit.signal_name == "KILL"
    with client.create(FOREVER, labels={"blocking": "yes"}) as process:
        found = client.list_processes(labels={"blocking": "yes"})
        assert [one.name for one in found] == [process.name]
    assert process.get().state == pb.PROCESS_STATE_RUNNING
    again = client.open(process.name)
    assert again.pid == process.pid
    again.signal("TERM")
    assert again.wait(timeout=5).signal_name == "TERM"
    again.delete()


def test_calls_are_those_of_the_contract(client: Client) -> None:
    name = client.create_process(["echo", "x"]).process.name
    client.wait_process(name, wait_for=service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    kinds = [event.WhichOneof("event") for event in client.read_output(name)]
    assert (kinds[0], "chunk" in kinds, kinds[-1]) == ("started", True, "end")
    client.delete_process(name)
    assert client.get_host().engine == "embedded"
    assert [system.name for system in client.list_systems()] == ["systems/host"]
    assert client.get_system("systems/host").name == "systems/host"


def test_errors_are_the_same(client: Client) -> None:
    with pytest.raises(ExecutableNotFoundError) as caught, client.run(["no-such-program"]):
        raise AssertionError
    assert caught.value.hresult == 0x80070002
    with client.run(FOREVER) as process, pytest.raises(TimeoutError, match="has not ended within"):
        process.wait(timeout=0.01)
    with pytest.raises(hcsd_client.NotFoundError):
        client.open(process_name("host", "nobody"))
    with pytest.raises(hcsd_client.NotFoundError) as missed:
        client.open("nobody")
    frames = [frame.name for frame in traceback.extract_tb(missed.value.__traceback__)]
    assert frames == ["test_errors_are_the_same", "give", "_wait"]
    assert missed.value.__context__ is not None


def enter(client: Client, **keywords: object) -> None:
    with client.run(["no-such-program"], **keywords):  # type: ignore[arg-type]
        raise AssertionError


def follow(client: Client) -> None:
    process = client.create(["true"])
    process.delete(force=True)
    for _ in process.lines():
        raise AssertionError


@pytest.mark.parametrize(
    ("fail", "line"),
    [
        (enter, 'with client.run(["no-such-program"], **keywords):'),
        (lambda client: enter(client, timeout="x"), "enter(client, timeout="),
        (lambda client: client.create(["echo", 3]), 'client.create(["echo", 3])'),
        (lambda client: client.terminate_process("x", scope="tree"), 'scope="tree"'),
        (lambda client: client.open("nobody"), 'client.open("nobody")'),
        (lambda client: client.exec(["false"], check=True), 'client.exec(["false"], check=True)'),
        (follow, "for _ in process.lines():"),
    ],
    ids=["run", "keyword", "word", "scope", "open", "exec", "lines"],
)
def test_a_traceback_is_short_and_shows_the_line_of_the_program(
    client: Client, fail: Callable[[Client], object], line: str
) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  (each is another one)
        fail(client)
    shown = traceback.format_exception(caught.value)
    assert line in "".join(shown)
    assert sum(one.count("\n") for one in shown) <= 15, "".join(shown)


def test_several_threads_may_call_at_once(client: Client) -> None:
    with client.run(["cat"], stdin=True) as process:
        got: list[bytes] = []
        reader = threading.Thread(target=lambda: got.extend(process.stdout))
        reader.start()
        for _ in range(20):
            process.stdin.write(bytes(MIB // 10))
        process.stdin.close()
        reader.join(10)
        assert b"".join(got) == bytes(20 * (MIB // 10))


def test_an_interrupt_ends_the_call_and_not_the_process(client: Client) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with client.run(FOREVER) as process:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(KeyboardInterrupt):
                process.wait()
            assert process.get().state == pb.PROCESS_STATE_RUNNING
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_client_leaves_no_thread(daemon: Daemon) -> None:
    with Client(daemon.address) as client:  # gRPC has threads of its own, which stay
        client.get_host()
    before = Census.take()
    for _ in range(3):
        with Client(daemon.address) as client, client.run(["true"]) as process:
            process.wait()
            assert "hcsd-client" in names_of_threads()
        assert "hcsd-client" not in names_of_threads()
        with pytest.raises(ClientClosedError, match="'with'"):
            client.get_host()
        with pytest.raises(ClientClosedError):
            process.get()
    until(lambda: Census.take() <= before, f"no more descriptors and threads than {before}")


@pytest.mark.parametrize("name", ["Client", "RemoteProcess", "RemoteInput", "RemoteOutput"])
def test_nothing_is_missing(name: str) -> None:
    """What waits or is public there is here, but for what the documentation excepts."""
    excepted = {"run_process", "attach_process", "aclose"}
    excepted |= {"extra_attributes", "extra"}  # of anyio's streams
    there = {key for key, _ in inspect.getmembers(getattr(hcsd_client, name)) if key[0] != "_"}
    here = {key for key, _ in inspect.getmembers(getattr(blocking, name)) if key[0] != "_"}
    assert there - here <= excepted
