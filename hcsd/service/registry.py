"""All that the daemon knows of: systems, processes, and the requests that made them.

The registry owns the tasks that must outlive an RPC: a create that HCS has accepted completes even
if nobody waits for it any more, and so does a signal or a kill. They run in `tasks`, a task group
of the daemon.

Exited processes are kept for a while and up to a number, oldest first out, so that an exit can be
asked for after the fact. When there are too many, those that somebody reads are passed over.

Thread: the event loop's. No locks: what must be atomic has no await in it.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
from typing import TYPE_CHECKING, TypeVar

import anyio
import grpc

from hcsd.hcs.errors import (
    AlreadyStoppedError,
    HcsError,
    ServiceDisconnectedError,
    SystemNotFoundError,
)
from hcsd.hcs.latch import Latch
from hcsd.service.errors import (
    CreateFailedError,
    ProcessNotFoundError,
    RequestError,
    StoppingError,
    describe,
)
from hcsd.service.limits import LimitError
from hcsd.service.names import ProcessKey, parse_process, parse_system, system_name
from hcsd.service.plan import make_plan
from hcsd.service.requests import Requests
from hcsd.service.ring_memory import RingMemory
from hcsd.service.served import ServedProcess
from hcsd.service.stalls import StallWatch
from hcsd.service.systems import Systems, failure
from hcsd.v1 import process_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from anyio.abc import TaskGroup

    from hcsd.config import Limits
    from hcsd.hcs.host import Host
    from hcsd.service.served_system import ServedSystem
    from hcsd.v1 import process_service_pb2 as service_pb

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Registry:
    """Systems and processes of the daemon.

    Args:
        host: The engine.
        limits: Limits in force.
        incarnation: Boot id of the daemon.
        tasks: Task group of the daemon.

    Attributes:
        stalls: Watches the readers of all processes.
        systems: The compute systems.
    """

    def __init__(self, host: Host, limits: Limits, incarnation: str, tasks: TaskGroup) -> None:
        self.host = host
        self.limits = limits
        self.incarnation = incarnation
        self.stalls = StallWatch(limits.stall_timeout)
        self._tasks = tasks
        self._ring_memory = RingMemory(limits.ring_memory_bytes)
        self._numbers = itertools.count(1)
        self.systems = Systems(host, limits, self.spawn)
        self._processes: dict[ProcessKey, ServedProcess] = {}
        self._requests: Requests[ServedProcess] = Requests()
        # Exited processes, oldest first, each with the timer that ends its time.
        self._exited: dict[ServedProcess, asyncio.TimerHandle] = {}
        self._stopping = False

    # --- processes ---

    def get(self, name: str) -> ServedProcess:
        """Return the process of a valid resource name.

        Raises:
            ProcessNotFoundError: There is none.
        """
        process = self._processes.get(parse_process(name))
        if process is None or process.state == pb.PROCESS_STATE_CREATING:
            raise ProcessNotFoundError(name)
        return process

    def __iter__(self) -> Iterator[ServedProcess]:
        """Iterate over the processes in order of creation."""
        return iter(list(self._processes.values()))

    async def create(
        self, request: service_pb.CreateProcessRequest, *, owned: bool
    ) -> tuple[ServedProcess, bool]:
        """Start a process, or find the one that the same request has started.

        Args:
            request: A valid request.
            owned: Whether the calling RPC owns the process.

        Returns:
            The process, and whether it was there before.

        Raises:
            RequestError: It was not started.
            HcsError: The system cannot be asked.
        """
        started, replayed = self._requests.join(request.request_id, request)
        if not replayed:
            self._tasks.start_soon(
                self._create, request, owned, started, name=f"create {request.process_id}"
            )
        try:
            result = await started.wait()
        except asyncio.CancelledError:
            if owned:
                started.observe(self._orphan)
            raise
        if isinstance(result, RequestError):
            raise result
        return result, replayed

    def _orphan(self, started: ServedProcess | RequestError) -> None:
        """Kill a process whose owner left before it had started, if it is not to live alone."""
        if isinstance(started, ServedProcess) and started.plan.kill_when_orphaned:
            self.kill(started, pb.EXIT_REASON_OWNER_GONE)

    async def _create(
        self,
        request: service_pb.CreateProcessRequest,
        owned: bool,  # task groups pass arguments by position
        started: Latch[ServedProcess | RequestError],
    ) -> None:
        """Start a process and set `started`. Runs to its end, whoever waits."""
        try:
            process = await self._start(request, owned=owned)
        except Exception as error:  # describe tells them apart
            self._requests.forget(request.request_id)
            started.set(describe(error))
            return
        started.set(process)
        assert process.engine is not None  # noqa: S101  (it runs)
        await process.engine.confirm()

    async def _start(
        self, request: service_pb.CreateProcessRequest, *, owned: bool
    ) -> ServedProcess:
        if self._stopping:
            raise StoppingError
        opened = await self.system(parse_system(request.parent))
        plan = make_plan(request, opened.guest_os, self.limits, owned=owned)
        key = ProcessKey(opened.system.id, request.process_id or plan.uid)
        if key in self._processes:
            raise RequestError(
                grpc.StatusCode.ALREADY_EXISTS,
                "PROCESS_ALREADY_EXISTS",
                f"there is a process '{key.name}' already",
                metadata={"process": key.name},
            )
        if len(self._processes) - len(self._exited) >= self.limits.max_processes:
            raise LimitError("max_processes", self.limits.max_processes, "end some")
        process = ServedProcess(key, next(self._numbers), self.incarnation, plan, self.limits)
        self._ring_memory.take(process)
        self._processes[key] = process
        try:
            process.run(await opened.system.create_process(plan.parameters))
        except BaseException as error:
            self._processes.pop(key, None)  # the end of the daemon may have forgotten it before
            self._ring_memory.give_back(process)
            if isinstance(error, HcsError):
                self._look_after(opened, error)
                raise CreateFailedError(error, system_name(key.system_id)) from error
            raise
        process.exited.observe(lambda _: self._keep(process))
        process.ended.observe(self._ring_memory.settle)
        if plan.run_timeout:
            self._limit_run(process)
        return process

    def _limit_run(self, process: ServedProcess) -> None:
        timer = asyncio.get_running_loop().call_later(
            process.plan.run_timeout, self.kill, process, pb.EXIT_REASON_RUN_TIMEOUT
        )
        process.exited.observe(lambda _: timer.cancel())

    def kill(self, process: ServedProcess, reason: pb.ExitReason) -> None:
        """Kill a process in the background, with all that descends from it if that can be done.

        What goes wrong is logged.
        """
        tree = self.host.kills_trees
        self.spawn(lambda: self.terminate(process, reason, tree=tree), f"kill {process.name}")

    async def terminate(
        self, process: ServedProcess, reason: pb.ExitReason, *, tree: bool = False
    ) -> None:
        """Kill a process; nothing happens if it has exited. One that is lost is looked for first.

        Args:
            process: Which one.
            reason: What is told of its exit.
            tree: Kill all that descends from it, too, also if it has exited itself.

        Raises:
            HcsError: It cannot be killed.
        """
        if process.engine is not None:
            if process.running:
                process.expect(reason)
            await process.engine.terminate(tree=tree)

    def spawn(self, work: Callable[[], Awaitable[object]], name: str) -> Latch[Exception | str]:
        """Run work that must finish even if the RPC that asked for it ends.

        Returns:
            Set at its end with the error, or with "" if there was none.
        """
        done: Latch[Exception | str] = Latch()

        async def run() -> None:
            try:
                await work()
            except Exception as error:  # handed to the waiter
                logger.debug("%s failed: %s", name, error)
                done.set(error)
            else:
                done.set("")

        self._tasks.start_soon(run, name=name)
        return done

    async def finish(self, work: Callable[[], Awaitable[T]], name: str) -> T:
        """Run work as `spawn` does, and return what it returns to whoever still waits.

        Raises:
            Exception: What the work raises.
        """
        result: Latch[tuple[T]] = Latch()

        async def run() -> None:
            result.set((await work(),))

        error = await self.spawn(run, name).wait()
        if isinstance(error, Exception):
            raise error
        return (await result.wait())[0]

    def delete(self, process: ServedProcess) -> None:
        """Forget a process and free all that it holds."""
        if self._processes.get(process.key) is process:
            del self._processes[process.key]
            self._requests.forget(process.plan.request_id)
        timer = self._exited.pop(process, None)
        if timer is not None:
            timer.cancel()
        process.close()
        self._ring_memory.give_back(process)

    def _keep(self, process: ServedProcess) -> None:
        """Keep an exited process for a while, and not more than so many."""
        loop = asyncio.get_running_loop()
        retention = self.limits.exited_retention
        self._exited[process] = loop.call_later(retention, self.delete, process)
        excess = len(self._exited) - self.limits.max_exited
        if excess > 0:
            unread = (kept for kept in list(self._exited)[:-1] if not kept.readers)
            for oldest in itertools.islice(unread, excess):
                self.delete(oldest)

    # --- systems ---

    async def system(self, system_id: str) -> ServedSystem:
        """Return a system in which something is to be done; see `Systems.open`.

        Raises:
            RequestError: NOT_FOUND; there is no such system.
            HcsError: It cannot be used.
        """
        try:
            return await self.systems.open(system_id)
        except SystemNotFoundError as error:
            raise failure(error, system_id) from error

    def _look_after(self, opened: ServedSystem, error: HcsError) -> None:
        """Find out what has become of a system in which no process could be created."""
        if isinstance(error, ServiceDisconnectedError):
            opened.system.drop()
        elif isinstance(error, (AlreadyStoppedError, SystemNotFoundError)):
            self.spawn(opened.system.confirm, f"look after {opened.name}")

    # --- the end ---

    async def close(self) -> None:
        """Kill every process that the daemon started, wait for their ends, free everything."""
        self._stopping = True
        running = [process for process in self if process.running]
        for process in running:  # what descends from them ends with the engine
            self.spawn(
                functools.partial(self.terminate, process, pb.EXIT_REASON_DAEMON_SHUTDOWN),
                f"kill {process.name}",
            )
        with anyio.move_on_after(self.limits.shutdown_grace) as scope:
            for process in running:
                await process.exited.wait()
        if scope.cancelled_caught:
            left = [process.name for process in running if process.running]
            logger.warning("%d processes did not end in time: %s", len(left), ", ".join(left[:10]))
        for process in self:
            self.delete(process)
        self.systems.close()
