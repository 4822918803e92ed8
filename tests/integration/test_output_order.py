"""Output of both streams in the order in which it was read, its times, and where to begin in it."""

from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.wire import STDERR, STDOUT, Client, Feed, refused, sh

Code = grpc.StatusCode

TALK = sh('while read word; do echo "$word"; read word; echo "$word" >&2; done')
PIPE = pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE)
WORDS = [b"one\n", b"two\n", b"three\n", b"four\n", b"five\n", b"six\n"]  # in turn to each stream


class Chunks(Feed):
    """A feed that keeps its chunks."""

    async def chunks(self) -> list[pb.OutputChunk]:
        return [event.chunk async for event in self.call if self.output.take(event) == "chunk"]


@pytest.fixture
async def talk(client: Client) -> AsyncIterator[str]:
    """A process that has written each word after the one before was read; its name."""
    run = await client.run(TALK, spec=PIPE)
    for number, word in enumerate(WORDS):
        await run.stdin(word)
        await run.until_out(word, (STDOUT, STDERR)[number % 2])
    yield run.output.process.name
    await run.close_stdin()
    await run.finish()


async def read(client: Client, request: service_pb.ReadOutputRequest) -> list[pb.OutputChunk]:
    return await Chunks(client.processes.ReadOutput(request)).chunks()


def words(chunks: list[pb.OutputChunk]) -> list[tuple[int, bytes]]:
    return [(chunk.stream, chunk.data) for chunk in chunks]


IN_TURN = [((STDOUT, STDERR)[number % 2], word) for number, word in enumerate(WORDS)]


async def test_a_late_reader_sees_both_streams_in_the_order_of_writing(
    client: Client, talk: str
) -> None:
    chunks = await read(client, service_pb.ReadOutputRequest(name=talk))
    assert words(chunks) == IN_TURN
    assert [chunk.sequence for chunk in chunks] == list(range(1, 7))
    assert not any(chunk.HasField("read_time") for chunk in chunks)


async def test_who_attaches_later_does_too(client: Client, talk: str) -> None:
    attach = service_pb.RunAttach(name=talk)
    run = await client.attach(attach)
    found: list[pb.OutputChunk] = []
    while len(found) < len(WORDS):
        event = await run.call.read()
        assert isinstance(event, service_pb.RunProcessResponse)
        if run.output.take(event) == "chunk":
            found.append(event.chunk)
    assert words(found) == IN_TURN
    run.call.cancel()


async def test_one_stream_alone_comes_in_one_piece(client: Client, talk: str) -> None:
    cursors = [pb.OutputCursor(stream=STDERR)]
    chunks = await read(client, service_pb.ReadOutputRequest(name=talk, cursors=cursors))
    assert words(chunks) == [(STDERR, b"two\nfour\nsix\n")]


async def test_the_time_of_each_piece_is_told_if_asked_for(client: Client, talk: str) -> None:
    request = service_pb.ReadOutputRequest(name=talk, timestamps=True)
    chunks = await read(client, request)
    assert words(chunks) == IN_TURN
    times = [chunk.read_time.ToNanoseconds() for chunk in chunks]
    assert times == sorted(times)
    made = (await client.get(talk)).create_time.ToNanoseconds()
    assert made <= times[0]


async def test_since_a_moment(client: Client, talk: str) -> None:
    timed = await read(client, service_pb.ReadOutputRequest(name=talk, timestamps=True))
    for first, chunk in enumerate(timed):
        earlier = [one for one in timed[:first] if one.read_time == chunk.read_time]
        request = service_pb.ReadOutputRequest(name=talk, since=chunk.read_time)
        chunks = await read(client, request)
        assert words(chunks) == IN_TURN[first - len(earlier) :]


@pytest.mark.parametrize(
    ("moment", "count"),
    [((-62135596800, 0), 6), ((0, 0), 6), ((253402300799, 999_999_999), 0)],
)
async def test_since_any_moment_that_there_is(
    client: Client, talk: str, moment: tuple[int, int], count: int
) -> None:
    since = Timestamp(seconds=moment[0], nanos=moment[1])
    chunks = await read(client, service_pb.ReadOutputRequest(name=talk, since=since))
    assert words(chunks) == IN_TURN[:count]


@pytest.mark.parametrize(
    "moment", [(-62135596801, 0), (253402300800, 0), (2**63 - 1, 0), (0, -1), (0, 10**9)]
)
async def test_a_moment_that_there_is_not_is_refused(
    client: Client, talk: str, moment: tuple[int, int]
) -> None:
    since = Timestamp(seconds=moment[0], nanos=moment[1])
    with refused(Code.INVALID_ARGUMENT) as refusal:
        await read(client, service_pb.ReadOutputRequest(name=talk, since=since))
    assert refusal.value.fields == ["since"]
    run = await client.attach(service_pb.RunAttach(name=talk, since=since))
    with refused(Code.INVALID_ARGUMENT) as refusal:
        await run.finish()
    assert refusal.value.fields == ["attach.since"]


@pytest.mark.parametrize("lines", [0, 1, 2, 3, 5, 6, 100])
async def test_the_last_lines_are_those_of_both_streams(
    client: Client, talk: str, lines: int
) -> None:
    chunks = await read(client, service_pb.ReadOutputRequest(name=talk, last_lines=lines))
    assert words(chunks) == IN_TURN[max(0, 6 - lines) :]


async def test_the_last_lines_of_one_stream(client: Client, talk: str) -> None:
    cursors = [pb.OutputCursor(stream=STDOUT)]
    request = service_pb.ReadOutputRequest(name=talk, cursors=cursors, last_lines=2)
    assert words(await read(client, request)) == [(STDOUT, b"three\nfive\n")]


async def test_a_cursor_and_lines_begin_at_the_later_of_both(client: Client, talk: str) -> None:
    cursors = [pb.OutputCursor(stream=STDOUT, offset=len(b"one\nthree\n"))]
    request = service_pb.ReadOutputRequest(name=talk, cursors=cursors, last_lines=3)
    assert words(await read(client, request)) == [(STDOUT, b"five\n")]


async def test_more_lines_than_are_kept_tell_of_the_gap(client: Client) -> None:
    spec = pb.ProcessSpec(
        output=pb.OutputOptions(ring_bytes=4096, overflow=pb.OVERFLOW_POLICY_DROP_OLDEST)
    )
    made = await client.create(sh("seq 10000"), spec=spec)
    await client.wait(made.name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    feed = Chunks(
        client.processes.ReadOutput(
            service_pb.ReadOutputRequest(name=made.name, last_lines=100_000)
        )
    )
    chunks = await feed.chunks()
    assert feed.output.gaps[STDOUT]
    assert sum(len(chunk.data) for chunk in chunks) == 4096
    few = await read(client, service_pb.ReadOutputRequest(name=made.name, last_lines=2))
    assert words(few) == [(STDOUT, b"9999\n10000\n")]


@pytest.mark.parametrize(
    "attach",
    [
        {"timestamps": True},
        {"last_lines": 0},
        {"since": {"seconds": 1}},
    ],
    ids=["timestamps", "last_lines", "since"],
)
async def test_without_output_there_is_nothing_to_choose(
    client: Client, attach: dict[str, object]
) -> None:
    made = await client.create(sh("exit 0"))
    request = service_pb.RunAttach(name=made.name, without_output=True, **attach)  # type: ignore[arg-type]
    run = await client.attach(request)
    with refused(Code.INVALID_ARGUMENT) as refusal:
        await run.finish()
    assert refusal.value.fields == [f"attach.{next(iter(attach))}"]
