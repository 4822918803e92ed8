"""What is measured: each row is a piece of work of the daemon, and the floor under it."""

import enum
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
import grpc

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from hcsd.v1.process_service_pb2_grpc import ProcessServiceStub
from tests.bench.floors import FloorStub, reap, spawn

SYSTEM = "systems/host"
TRUE = "/bin/true"
CONCURRENT = 32

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
    STREAM = "stream"


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
    """

    def __init__(self, daemon: grpc.aio.Channel, floor: grpc.aio.Channel, effort: Effort) -> None:
        self._daemon = ProcessServiceStub(daemon)
        self._floor = FloorStub(floor)
        self._effort = effort
        self._name = ""

    async def prepare(self) -> None:
        """Start the process that is asked about, and teach the floor how much there is to say."""
        started = await self._daemon.CreateProcess(_create("sleep", "infinity"))
        self._name = started.process.name
        await self._floor.teach(await self._daemon.GetProcess(self._get()))

    def all(self) -> list[Row]:
        return [*self._unary(), *self._runs(), self._stream()]

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
        def row(name: Name, title: str, ours: Call, floor: Call, goal: float | None) -> Row:
            costs = self._cost(floor), self._cost(ours)
            return Row(name, title, "ms", *costs, goal, costs=True)

        spawn, wait = self._echo_and_spawn, self._create_and_wait
        return [
            row(Name.RUN, "RunProcess : echo + spawn", self._run, spawn, 1.5),
            row(Name.RUN_BARE, "RunProcess : bare run", self._run, self._run_bare, None),
            row(Name.CREATE, "Create, Wait : echo + spawn", wait, spawn, 1.5),
        ]

    def _stream(self) -> Row:
        title = "RunProcess : bare stream"
        return Row(Name.STREAM, title, "MB/s", self._stream_floor, self._stream_ours, goal=0.9)

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

    def _cost(self, call: Call) -> Measure:
        rate = self._rate(call, 1)

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

    def _throughput(self, count: int, begin: float) -> float:
        seconds = time.perf_counter() - begin
        assert count == self._effort.stream_bytes
        return count / seconds / 1e6


def _create(*args: str) -> service_pb.CreateProcessRequest:
    return service_pb.CreateProcessRequest(
        parent=SYSTEM, spec=pb.ProcessSpec(argv=pb.Argv(args=args))
    )
