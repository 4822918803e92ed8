"""Watching what happens: nothing is missed, nothing comes twice, and nobody waits for a watcher."""

import contextlib
import json
import random
from collections.abc import AsyncIterator, Iterator

import anyio
import grpc
import pytest

from hcsd.v1 import compute_system_pb2, event_pb2, host_service_pb2
from hcsd.v1 import compute_system_service_pb2 as system_pb
from hcsd.v1 import event_service_pb2 as service_pb
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as process_pb
from tests.integration.conftest import assert_calm
from tests.integration.wire import HOST, Client, connected, refused, sh
from tests.support.daemon import Daemon, serving

Code = grpc.StatusCode
TRUE = pb.Argv(args=["true"])

CREATED = event_pb2.PROCESS_EVENT_TYPE_CREATED
STARTED = event_pb2.PROCESS_EVENT_TYPE_STARTED
EXITED = event_pb2.PROCESS_EVENT_TYPE_EXITED
OUTPUT_COMPLETE = event_pb2.PROCESS_EVENT_TYPE_OUTPUT_COMPLETE
DELETED = event_pb2.PROCESS_EVENT_TYPE_DELETED
ORDER = [CREATED, STARTED, EXITED, OUTPUT_COMPLETE, DELETED]
LIFE = ORDER[:-1]

RING = 64
Call = grpc.aio.UnaryStreamCall[service_pb.WatchEventsRequest, service_pb.WatchEventsResponse]


class Watch:
    """A WatchEvents call, and what it has told; refuses what the contract does not allow.

    Attributes:
        revision: How far it has come.
        systems: Those of the snapshot.
        known: The processes of the snapshot, by uid.
        seen: The types of all events of a process, by its uid and in order.
        last: The process as its last event has it, by uid.
        system_events: Those of systems.
        bookmarks: How many have come.
        parts: Of how many the snapshot was.
    """

    def __init__(self, call: Call) -> None:
        self.call = call
        self.revision = 0
        self.incarnation = ""
        self.systems: list[compute_system_pb2.ComputeSystem] = []
        self.known: dict[str, pb.Process] = {}
        self.seen: dict[str, list[event_pb2.ProcessEventType]] = {}
        self.last: dict[str, pb.Process] = {}
        self.system_events: list[event_pb2.SystemEvent] = []
        self.bookmarks = 0
        self.parts = 0
        self._complete = False

    async def read(self) -> str:
        """Take one message; returns its kind."""
        message = await self.call.read()
        assert isinstance(message, service_pb.WatchEventsResponse), "the call ended with OK"
        kind: str | None = message.WhichOneof("item")
        assert kind is not None
        if kind == "snapshot":
            self._take_part(message.snapshot)
        elif kind == "bookmark":
            assert message.bookmark.revision >= self.revision
            self.revision = message.bookmark.revision
            self.incarnation = message.bookmark.incarnation
            self.bookmarks += 1
        else:
            self._take_event(message.event)
        return kind

    async def until(self, uid: str, kind: int) -> None:
        """Read until this has happened to a process."""
        while kind not in self.seen.get(uid, []):
            await self.read()

    async def snapshot(self) -> None:
        """Read the parts of the snapshot."""
        while not self._complete:
            assert await self.read() == "snapshot"

    def resume_into(self, other: "Watch") -> None:
        """Let another watch go on with what this one has seen."""
        other.revision, other.incarnation = self.revision, self.incarnation
        other.known, other.seen, other.last = self.known, self.seen, self.last
        other._complete = self._complete

    def _take_part(self, part: event_pb2.EventSnapshot) -> None:
        assert not self._complete
        assert part.revision
        assert self.revision in {0, part.revision}
        self.revision, self.incarnation = part.revision, part.incarnation
        self.parts += 1
        self.systems += part.systems
        for process in part.processes:
            assert process.uid not in self.known
            self.known[process.uid] = process
        self._complete = part.complete

    def _take_event(self, event: event_pb2.Event) -> None:
        assert event.revision > self.revision
        assert event.incarnation == self.incarnation
        self.revision = event.revision
        assert event.HasField("event_time")
        if event.HasField("system"):
            self.system_events.append(event.system)
            return
        process = event.process.process
        types = self.seen.setdefault(process.uid, [])
        types.append(event.process.type)
        assert types == sorted(set(types)), f"{process.name}: {types}"
        self.last[process.uid] = process
        if event.process.type == EXITED:
            assert process.state in {pb.PROCESS_STATE_EXITED, pb.PROCESS_STATE_FAILED}
            assert process.exit.WhichOneof("outcome")
        elif event.process.type == STARTED:
            assert process.state == pb.PROCESS_STATE_RUNNING
            assert process.pid


def watch(
    client: Client,
    *,
    parent: str = "",
    after: int | None = None,
    incarnation: str = "",
    snapshot: bool = False,
) -> Watch:
    request = service_pb.WatchEventsRequest(
        parent=parent, after_revision=after, incarnation=incarnation, send_snapshot=snapshot
    )
    return Watch(client.events.WatchEvents(request))


def resume(client: Client, earlier: Watch) -> Watch:
    """Go on where another watch has stopped."""
    later = watch(client, after=earlier.revision, incarnation=earlier.incarnation)
    earlier.resume_into(later)
    return later


@contextlib.asynccontextmanager
async def watching(
    client: Client, *, parent: str = "", snapshot: bool = False
) -> AsyncIterator[Watch]:
    """A watch that has begun."""
    begun = watch(client, parent=parent, snapshot=snapshot)
    if snapshot:
        await begun.snapshot()
    else:
        assert await begun.read() == "bookmark"
    yield begun
    begun.call.cancel()


@pytest.fixture(scope="module")
def short() -> Iterator[Daemon]:
    """A daemon that keeps few events, and reminds its watchers often."""
    with serving("--event-ring", str(RING), "--bookmark-interval", "100ms") as daemon:
        yield daemon
    assert_calm(daemon.log)


@pytest.fixture
async def forgetful(short: Daemon) -> AsyncIterator[Client]:
    async with connected(short.address) as client:
        yield client
        await client.tidy()


async def run(client: Client, argv: pb.Argv = TRUE) -> pb.Process:
    """Run a process to its end."""
    made = await client.create(argv)
    return await client.wait(made.name)


# --- the life of a process ---


async def test_the_events_of_a_process_come_in_their_order(client: Client) -> None:
    async with watching(client) as watched:
        made = await client.create(sh("echo out; exit 7"))
        await client.wait(made.name)
        await watched.until(made.uid, OUTPUT_COMPLETE)
        await client.delete(made.name)
        await watched.until(made.uid, DELETED)
    assert watched.seen[made.uid] == ORDER
    assert watched.last[made.uid].exit.exit_code == 7
    assert watched.incarnation == (await client.get_host()).incarnation


async def test_output_that_ends_before_the_process_is_told_of_after_its_exit(
    client: Client,
) -> None:
    async with watching(client) as watched:
        made = await client.create(sh("exec >&- 2>&-; sleep 0.05"))
        await watched.until(made.uid, OUTPUT_COMPLETE)
    assert watched.seen[made.uid] == LIFE


async def test_a_process_that_does_not_start_was_created_and_has_failed(client: Client) -> None:
    async with watching(client) as watched:
        with refused(Code.NOT_FOUND, "EXECUTABLE_NOT_FOUND"):
            await client.create(pb.Argv(args=["no-such-program"]), process_id="never")
        while DELETED not in [types[-1] for types in watched.seen.values()]:
            await watched.read()
    ((uid, types),) = watched.seen.items()
    assert types == [CREATED, EXITED, DELETED]
    process = watched.last[uid]
    assert process.name == f"{HOST}/processes/never"
    assert process.state == pb.PROCESS_STATE_FAILED
    assert process.exit.start_error.hresult == 0x80070002


async def test_only_a_system_that_exists_can_be_watched(client: Client) -> None:
    with refused(Code.NOT_FOUND):
        await watch(client, parent="systems/no-such-system").read()


async def test_one_system_is_watched_or_all(client: Client) -> None:
    for parent in ("", "systems/-", HOST):
        async with watching(client, parent=parent) as watched:
            made = await client.create(TRUE)
            await watched.until(made.uid, EXITED)


async def test_the_exit_of_a_system_comes_after_those_of_its_processes(client: Client) -> None:
    create = system_pb.CreateComputeSystemRequest(
        system_id="watched",
        configuration_json=json.dumps(
            {
                "Owner": "tests",
                "SchemaVersion": {"Major": 2, "Minor": 1},
                "Container": {},
            }
        ),
        start=True,
    )
    name = (await client.systems.CreateComputeSystem(create)).system.name
    async with watching(client, parent=name) as watched:
        spec = pb.ProcessSpec(argv=pb.Argv(args=["sleep", "1000"]))
        made = [
            (
                await client.processes.CreateProcess(
                    process_pb.CreateProcessRequest(parent=name, spec=spec)
                )
            ).process
            for _ in range(5)
        ]
        other = await run(client)
        await client.systems.TerminateComputeSystem(
            system_pb.TerminateComputeSystemRequest(name=name)
        )
        while not watched.system_events:
            await watched.read()
    assert [event.type for event in watched.system_events] == ["SystemExited"]
    assert watched.system_events[0].event_type == event_pb2.SYSTEM_EVENT_TYPE_EXITED
    assert watched.system_events[0].compute_system.exit.status == 0x80370107
    assert watched.system_events[0].system == name
    assert watched.system_events[0].type_value == 1
    assert json.loads(watched.system_events[0].document)["ExitType"] == "ForcedExit"
    assert {process.uid for process in made} == watched.seen.keys()
    assert all(EXITED in types for types in watched.seen.values())
    assert other.uid not in watched.seen


# --- snapshots ---


async def test_a_snapshot_has_the_systems_and_the_processes(client: Client) -> None:
    running = await client.create(pb.Argv(args=["sleep", "1000"]))
    ended = await run(client)
    async with watching(client, snapshot=True) as watched:
        assert [system.name for system in watched.systems] == [HOST]
        assert watched.known[running.uid].state == pb.PROCESS_STATE_RUNNING
        assert watched.known[ended.uid].exit.exit_code == 0
        await client.terminate(running.name)
        await watched.until(running.uid, EXITED)
    assert CREATED not in watched.seen[running.uid]
    assert watched.last[running.uid].exit.reason == pb.EXIT_REASON_TERMINATED


async def test_a_large_snapshot_comes_in_parts(own_client: Client) -> None:
    long = pb.Argv(args=["true", "x" * 100_000])
    uids = {(await own_client.create(long)).uid for _ in range(50)}
    async with watching(own_client, snapshot=True) as watched:
        assert watched.parts > 3
        assert uids == watched.known.keys()


async def churn(client: Client, count: int, at_once: int) -> set[str]:
    """Run so many processes to their end, some at a time; returns their uids."""
    uids: set[str] = set()
    left = count

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            uids.add((await run(client)).uid)

    async with anyio.create_task_group() as tasks:
        for _ in range(at_once):
            tasks.start_soon(worker)
    return uids


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "count", [pytest.param(300, id="few"), pytest.param(2000, id="many", marks=pytest.mark.slow)]
)
async def test_a_watcher_sees_every_process_once_wherever_it_begins(
    own_daemon: Daemon, own_client: Client, count: int
) -> None:
    seed = random.randrange(1 << 32)  # noqa: S311  (told when the test fails)
    chance = random.Random(seed)  # noqa: S311
    begin = chance.randrange(count // 2)
    made: set[str] = set()
    last: set[str] = set()
    finished = anyio.Event()

    async def work() -> None:
        made.update(await churn(own_client, count, 8))
        finished.set()
        last.update(await churn(own_client, 1, 1))  # so that a watcher who has seen all looks again

    async with connected(own_daemon.address) as other, anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        meanwhile = watch(own_client, after=0)  # its only use is to know when to begin
        while len(meanwhile.seen) < begin:
            await meanwhile.read()
        meanwhile.call.cancel()
        watched = watch(other, snapshot=True)
        await watched.snapshot()
        breaks = 0
        pause = chance.randrange(1, 400)

        def over(uid: str) -> bool:
            return OUTPUT_COMPLETE in watched.seen.get(uid, []) or (
                uid in watched.known and uid not in watched.seen
            )

        while not finished.is_set() or not all(map(over, made)):
            await watched.read()
            pause -= 1
            if pause == 0:
                watched.call.cancel()
                breaks += 1
                pause = chance.randrange(1, 400)
                watched = resume(other, watched)
        watched.call.cancel()

    assert breaks, seed
    assert made == (watched.known.keys() | watched.seen.keys()) - last, seed
    for uid in made:
        before = watched.known.get(uid)
        told = _told_before(before)
        assert told + watched.seen.get(uid, []) == LIFE, f"{seed}: {before}"
        assert (watched.last.get(uid) or before).exit.exit_code == 0  # type: ignore[union-attr]


def _told_before(process: pb.Process | None) -> list[event_pb2.ProcessEventType]:
    """What a snapshot says of a process, as the events that it stands for."""
    if process is None:
        return []
    if process.state == pb.PROCESS_STATE_CREATING:
        return LIFE[:1]
    if process.state == pb.PROCESS_STATE_RUNNING:
        return LIFE[:2]
    assert process.state == pb.PROCESS_STATE_EXITED
    return LIFE if process.exit.output_complete else LIFE[:3]


# --- revisions ---


async def test_a_watcher_that_resumes_gets_what_came_meanwhile(client: Client) -> None:
    async with watching(client) as watched:
        first = await run(client)
        await watched.until(first.uid, OUTPUT_COMPLETE)
    second = await run(client)
    watched = resume(client, watched)
    assert await watched.read() == "bookmark"
    await watched.until(second.uid, EXITED)
    assert watched.seen[first.uid] == LIFE
    watched.call.cancel()


async def test_revision_0_asks_for_all_that_is_kept(own_client: Client) -> None:
    made = await run(own_client)
    watched = watch(own_client, after=0)
    await watched.until(made.uid, EXITED)
    assert watched.seen[made.uid] == LIFE[:3]
    watched.call.cancel()


async def test_what_is_no_longer_kept_is_refused_with_the_oldest_revision(
    forgetful: Client,
) -> None:
    async with watching(forgetful) as watched:
        pass
    for _ in range(RING // 4 + 1):
        await run(forgetful)
    async with watching(forgetful) as now:
        pass
    with refused(Code.OUT_OF_RANGE, "REVISION_COMPACTED") as refusal:
        await resume(forgetful, watched).read()
    oldest = int(refusal.value.info.metadata["oldest_revision"])
    assert watched.revision < oldest - 1
    assert oldest >= now.revision - RING + 1
    again = watch(forgetful, after=oldest - 1, incarnation=watched.incarnation)
    assert await again.read() == "bookmark"
    assert await again.read() == "event"
    assert again.revision == oldest
    again.call.cancel()


async def test_places_that_mean_nothing_are_refused(client: Client) -> None:
    async with watching(client) as watched:
        pass
    here = watched.incarnation
    with refused(Code.FAILED_PRECONDITION, "DAEMON_RESTARTED") as refusal:
        await watch(client, after=watched.revision, incarnation="another").read()
    assert refusal.value.info.metadata["incarnation"] == here
    with refused(Code.OUT_OF_RANGE, "REVISION_UNKNOWN"):
        await watch(client, after=2**64 - 1, incarnation=here).read()
    with refused(Code.INVALID_ARGUMENT) as invalid:
        await watch(client, parent="host", after=1, snapshot=True).read()
    assert invalid.value.fields == ["parent", "after_revision", "incarnation"]


async def test_a_system_that_has_gone_does_not_keep_a_watcher_from_resuming(
    client: Client,
) -> None:
    async with watching(client) as watched:
        pass
    resumed = watch(
        client, parent="systems/gone", after=watched.revision, incarnation=watched.incarnation
    )
    assert await resumed.read() == "bookmark"
    resumed.call.cancel()


# --- bookmarks and slow watchers ---


async def test_bookmarks_come_while_nothing_happens(forgetful: Client) -> None:
    async with watching(forgetful) as watched:
        while watched.bookmarks < 3:
            assert await watched.read() == "bookmark"


async def test_what_concerns_others_takes_a_watcher_along(forgetful: Client) -> None:
    """One that is told nothing of it does not fall behind."""
    begun = watch(forgetful, parent="systems/quiet", after=0)
    await begun.read()
    before = begun.revision
    for _ in range(RING // 4 + 1):
        await run(forgetful)
    while begun.revision < before + RING:
        assert await begun.read() == "bookmark"
    begun.call.cancel()


async def test_a_watcher_that_cannot_keep_up_is_ended_and_holds_up_nobody(
    forgetful: Client, short: Daemon
) -> None:
    long = pb.Argv(args=["true", "x" * 60_000])
    async with connected(short.address) as other:
        slow = watch(other)
        assert await slow.read() == "bookmark"
        async with watching(forgetful) as quick:
            # More than gRPC takes ahead of a client that does not read.
            for _ in range(100):
                made = await run(forgetful, long)
                await quick.until(made.uid, OUTPUT_COMPLETE)
        with refused(Code.ABORTED, "SUBSCRIBER_STALLED") as refusal:
            while slow.revision < quick.revision:
                await slow.read()
        # It has got all up to where it stood, and knows where to go on.
        assert refusal.value.info.metadata["revision"] == str(slow.revision)
        assert slow.revision < quick.revision
        anew = watch(other, snapshot=True)
        await anew.snapshot()
        assert anew.revision >= quick.revision
        anew.call.cancel()


async def test_the_host_tells_how_many_events_are_kept(forgetful: Client, client: Client) -> None:
    def kept(host: host_service_pb2.GetHostResponse) -> int:
        return host.limits.event_ring_size

    assert kept(await forgetful.get_host()) == RING
    assert kept(await client.get_host()) == 8192
