"""What is measured: each row is a piece of work of the daemon, and the floor under it."""

import asyncio
import enum
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import anyio
import grpc

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from hcsd.v1.process_service_pb2_grpc import ProcessServiceStub
from tests.bench.floors import FloorStub, reap, spawn

SYSTEM = "systems/host"
TRUE = "/bin/true"
CONCURRENT = 32
RUNS = 100
READERS = 4
PROCESSES = 1000
MIB = 1 << 20
# Writes a line a second for as long as it can, without a process for each second's sleep.
TICK = "exec 3<>$0; while echo tick; do read -t 1 -u 3; done"

Call = Callable[[], Awaitable[object]]
Measure = Callable[[], Awaitable[float]]


class Name(enum.StrEnum):
    """Names of the rows, by which they are picked."""

    GET = "get"
    GET_32 = "get-32"
    GET_SIZE = "get-size"
    GET_SIZE_32 = "get-size-32"
    PROPERTIES = "properties"
    PROPERTIES_32 = "properties-32"
    RUN = "run"
    RUN_BARE = "run-bare"
    CREATE = "create"
    RUN_100 = "run-100"
    STREAM = "stream"
    STREAM_MIB = "stream-mib"
    READERS = "readers"
    THOUSAND = "thousand"


@dataclass(frozen=True)
class Row:
    """A ratio.

    Attributes:
        name: Its name.
        title: What is compared.
        unit: Of both figures.
        floor: Measures the floor once.
        ours: Measures the daemon once.
        goal: What the ratio ours / floor should reach; None for one that is shown for information.
        costs: Whether the figures are costs, so that less is better; else they are rates.
    """

    name: Name
    title: str
    unit: str
    floor: Measure
    ours: Measure
    goal: float | None = None
    costs: bool = False


@dataclass(frozen=True)
class Effort:
    """How much to do for one figure.

    Attributes:
        seconds: For what is repeated.
        stream_bytes: To stream.
    """

    seconds: float
    stream_bytes: int


class Rows:
    """Makes the rows.

    Args:
        daemon: Channel to the daemon.
        floor: Channel to the bare server.
        effort: How much to do.
        directory: For what is needed besides.
    """

    def __init__(
        self, daemon: grpc.aio.Channel, floor: grpc.aio.Channel, effort: Effort, directory: Path
    ) -> None:
        self._daemon = ProcessServiceStub(daemon)
        self._floor = FloorStub(floor)
        self._effort = effort
        self._name = ""
        self._never = directory / "never"  # nothing is ever written to it
        self._followers: list[asyncio.Task[int]] = []

    async def prepare(self) -> None:
        """Start the process that is asked about, and teach the floor how much there is to say."""
        started = await self._daemon.CreateProcess(_create("sleep", "infinity"))
        self._name = started.process.name
        os.mkfifo(self._never)
        await self._floor.teach(await self._daemon.GetProcess(self._get()))

    def all(self) -> list[Row]:
        return [*self._unary(), *self._runs(), *self._streams(), self._thousand()]

    def _unary(self) -> list[Row]:
        get, echo, parrot = self._get_process, self._echo, self._parrot
        properties = self._get_properties

        def row(name: Name, title: str, ours: Call, floor: Call, tasks: int) -> Row:
            goal = 0.8 if ours == get else 0.6
            measures = self._rate(floor, tasks), self._rate(ours, tasks)
            return Row(name, title, "/s", *measures, None if floor == parrot else goal)

        many = f"… {CONCURRENT} at once"
        return [
            row(Name.GET, "GetProcess : echo", get, echo, 1),
            row(Name.GET_32, many, get, echo, CONCURRENT),
            row(Name.GET_SIZE, "GetProcess : echo as large", get, parrot, 1),
            row(Name.GET_SIZE_32, many, get, parrot, CONCURRENT),
            row(Name.PROPERTIES, "Properties : echo", properties, echo, 1),
            row(Name.PROPERTIES_32, many, properties, echo, CONCURRENT),
        ]

    def _runs(self) -> list[Row]:
        def row(
            name: Name, title: str, ours: Call, floor: Call, goal: float | None, *, tasks: int = 1
        ) -> Row:
            costs = self._cost(floor, tasks), self._cost(ours, tasks)
            return Row(name, title, "ms", *costs, goal, costs=True)

        spawn, wait = self._echo_and_spawn, self._create_and_wait
        return [
            row(Name.RUN, "RunProcess : echo + spawn", self._run, spawn, 1.5),
            row(Name.RUN_BARE, "RunProcess : bare run", self._run, self._run_bare, None),
            row(Name.CREATE, "Create, Wait : echo + spawn", wait, spawn, 1.5),
            row(Name.RUN_100, f"… {RUNS} at once", self._run, spawn, None, tasks=RUNS),
        ]

    def _streams(self) -> list[Row]:
        def row(name: Name, title: str, ours: Measure, goal: float | None, readers: int = 1) -> Row:
            return Row(name, title, "MB/s", self._together(self._stream_floor, readers), ours, goal)

        return [
            row(Name.STREAM, "RunProcess : bare stream", self._stream_ours, 0.9),
            row(Name.STREAM_MIB, "… ReadOutput by 1 MiB", self._reading(1, MIB), None),
            row(Name.READERS, f"… by {READERS} : as many", self._reading(READERS), None, READERS),
        ]

    def _thousand(self) -> Row:
        """The last row: what it starts stays."""
        title = f"GetProcess : echo, {PROCESSES} live"
        return Row(Name.THOUSAND, title, "/s", self._rate(self._echo, 1), self._beside_a_thousand)

    # How to measure.

    def _rate(self, call: Call, tasks: int) -> Measure:
        async def measure() -> float:
            done = 0
            begin = time.perf_counter()
            end = begin + self._effort.seconds

            async def work() -> None:
                nonlocal done
                while time.perf_counter() < end:
                    await call()
                    done += 1

            async with anyio.create_task_group() as group:
                for _ in range(tasks):
                    group.start_soon(work)
            return done / (time.perf_counter() - begin)

        return measure

    def _cost(self, call: Call, tasks: int) -> Measure:
        """Milliseconds for each, when so many are under way."""
        rate = self._rate(call, tasks)

        async def measure() -> float:
            return 1000 / await rate()

        return measure

    # What to measure.

    def _get(self) -> service_pb.GetProcessRequest:
        return service_pb.GetProcessRequest(name=self._name)

    async def _echo(self) -> None:
        await self._floor.echo(self._get())

    async def _parrot(self) -> None:
        await self._floor.parrot(self._get())

    async def _get_process(self) -> None:
        await self._daemon.GetProcess(self._get())

    async def _get_properties(self) -> None:
        await self._daemon.GetProcessProperties(
            service_pb.GetProcessPropertiesRequest(name=self._name)
        )

    async def _echo_and_spawn(self) -> None:
        await self._echo()
        reap(spawn([TRUE]))

    async def _run_bare(self) -> None:
        request = service_pb.RunProcessRequest(create=_create(TRUE))
        async for _event in self._floor.run(iter([request])):
            pass

    async def _run(self) -> None:
        request = service_pb.RunProcessRequest(create=_create(TRUE))
        code = None
        async for event in self._daemon.RunProcess(iter([request])):
            if event.HasField("exit"):
                code = event.exit.exit_code
        assert code == 0

    async def _create_and_wait(self) -> None:
        created = await self._daemon.CreateProcess(_create(TRUE))
        request = service_pb.WaitProcessRequest(name=created.process.name)
        ended = await self._daemon.WaitProcess(request)
        assert ended.process.exit.exit_code == 0

    async def _stream_floor(self) -> float:
        size = str(self._effort.stream_bytes)
        begin = time.perf_counter()
        count = 0
        async for event in self._floor.produce(service_pb.GetProcessRequest(name=size)):
            count += len(event.chunk.data)
        return self._throughput(count, begin)

    async def _stream_ours(self) -> float:
        head = _create("/usr/bin/head", "-c", str(self._effort.stream_bytes), "/dev/zero")
        begin = time.perf_counter()
        count = 0
        async for event in self._daemon.RunProcess(
            iter([service_pb.RunProcessRequest(create=head)])
        ):
            count += len(event.chunk.data)
        return self._throughput(count, begin)

    def _together(self, measure: Measure, readers: int) -> Measure:
        """The sum of so many at once."""

        async def together() -> float:
            return sum(await asyncio.gather(*(measure() for _ in range(readers))))

        return together

    def _reading(self, readers: int, max_chunk_bytes: int = 0) -> Measure:
        """The bytes of one process, counted once for each reader."""

        async def measure() -> float:
            argv = ("sh", "-c", f"read x; exec head -c {self._effort.stream_bytes} /dev/zero")
            create = _create(*argv)
            create.spec.stdin_mode = pb.STDIN_MODE_PIPE
            create.spec.output.overflow = pb.OVERFLOW_POLICY_BLOCK
            name = (await self._daemon.CreateProcess(create)).process.name
            request = service_pb.ReadOutputRequest(
                name=name, follow=True, max_chunk_bytes=max_chunk_bytes
            )
            calls = [aiter(self._daemon.ReadOutput(request)) for _ in range(readers)]
            for call in calls:
                await anext(call)  # it has begun
            begin = time.perf_counter()
            await self._daemon.ModifyProcess(_close_stdin(name))
            counts = await asyncio.gather(*map(_count, calls))
            seconds = time.perf_counter() - begin
            assert counts == [self._effort.stream_bytes] * readers
            await self._daemon.DeleteProcess(service_pb.DeleteProcessRequest(name=name))
            return sum(counts) / seconds / 1e6

        return measure

    async def _beside_a_thousand(self) -> float:
        while len(self._followers) < PROCESSES:
            ticking = _create("bash", "-c", TICK, str(self._never))
            name = (await self._daemon.CreateProcess(ticking)).process.name
            request = service_pb.ReadOutputRequest(name=name, follow=True)
            self._followers.append(
                asyncio.create_task(_count(aiter(self._daemon.ReadOutput(request))))
            )
        return await self._rate(self._get_process, 1)()

    def _throughput(self, count: int, begin: float) -> float:
        seconds = time.perf_counter() - begin
        assert count == self._effort.stream_bytes
        return count / seconds / 1e6


async def _count(events: AsyncIterator[service_pb.ReadOutputResponse]) -> int:
    """Read to the end of a call; returns how many bytes came."""
    count = 0
    async for event in events:
        count += len(event.chunk.data)
    return count


def _close_stdin(name: str) -> service_pb.ModifyProcessRequest:
    stdin = service_pb.CloseHandles(handles=[service_pb.STDIO_HANDLE_STDIN])
    return service_pb.ModifyProcessRequest(name=name, close_handles=stdin)


def _create(*args: str) -> service_pb.CreateProcessRequest:
    return service_pb.CreateProcessRequest(
        parent=SYSTEM, spec=pb.ProcessSpec(argv=pb.Argv(args=args))
    )
