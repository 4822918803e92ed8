"""All that the daemon knows of: systems, processes, and the requests that made them.

The registry owns the tasks that must outlive an RPC: a create that HCS has accepted completes even
if nobody waits for it any more, and so does a signal or a kill. They run in `tasks`, a task group
of the daemon.

Exited processes are kept for a while and up to a number, oldest first out, so that an exit can be
asked for after the fact. When there are too many, those that somebody reads are passed over.

A process is known once, whether it was created here or opened by its pid. A pid alone says little: the
guest may use it again before the daemon has heard of the exit. So whoever opens a pid that is known is
given that process only if HCS says, by the handle that the daemon has of it, that it still runs.

Thread: the event loop's. No locks: what must be atomic has no await in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
from typing import TYPE_CHECKING, TypeVar

import anyio
import grpc

from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.hcs.errors import (
    AlreadyStoppedError,
    HcsError,
    ServiceDisconnectedError,
    SystemNotFoundError,
)
from hcsd.hcs.latch import Latch
from hcsd.service.adoption import must_be_of_name, open_engine
from hcsd.service.errors import (
    CreateFailedError,
    ProcessNotFoundError,
    RequestError,
    StoppingError,
    describe,
)
from hcsd.service.event_log import DELETED, EventLog
from hcsd.service.limits import LimitError
from hcsd.service.names import ProcessKey, parse_process, parse_system, system_name
from hcsd.service.plan import make_plan, plan_opened
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
    from hcsd.hcs.process import Process
    from hcsd.hcs.system import SystemEnd, SystemEvent
    from hcsd.service.plan import Plan
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
        events: What happens to processes and systems.
    """

    def __init__(self, host: Host, limits: Limits, incarnation: str, tasks: TaskGroup) -> None:
        self.host = host
        self.limits = limits
        self.incarnation = incarnation
        self.stalls = StallWatch(limits.stall_timeout)
        self.events = EventLog(incarnation, limits.event_ring_size, limits.bookmark_interval)
        self._tasks = tasks
        self._ring_memory = RingMemory(limits.ring_memory_bytes)
        self._numbers = itertools.count(1)
        self.systems = Systems(host, limits, self.spawn, self._publish_system_events)
        self._processes: dict[ProcessKey, ServedProcess] = {}
        self._running: dict[tuple[str, int], ServedProcess] = {}  # by system id and pid
        self._inside: dict[ServedProcess, contextlib.ExitStack] = {}  # each uses its system
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
        if process is None or process.is_creating:
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
        with self.systems.using(opened):
            return await self._start_in(opened, request, owned=owned)

    async def _start_in(
        self, opened: ServedSystem, request: service_pb.CreateProcessRequest, *, owned: bool
    ) -> ServedProcess:
        plan = make_plan(request, opened.guest_os, self.limits, owned=owned)
        process = self._add(ProcessKey(opened.system.id, request.process_id or plan.uid), plan)
        try:
            self._run(opened, process, await opened.system.create_process(plan.parameters))
        except BaseException as error:
            process.fail(error)
            self.delete(process)
            if isinstance(error, HcsError):
                self._look_after(opened, error)
                raise CreateFailedError(error, system_name(opened.system.id)) from error
            raise
        if plan.run_timeout:
            self._limit_run(process)
        return process

    def _add(self, key: ProcessKey, plan: Plan) -> ServedProcess:
        """Make a process known.

        Raises:
            RequestError: Its name is taken, or there is no memory for its output.
        """
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
        self.events.follow(process)
        return process

    def _run(self, opened: ServedSystem, process: ServedProcess, engine: Process) -> None:
        """Note that a process runs in a system, and what is to be done at its end.

        Ownership: of the engine's process.
        """
        place = process.key.system_id, engine.pid
        self._running[place] = process
        self._inside[process] = contextlib.ExitStack()
        self._inside[process].enter_context(self.systems.using(opened))

        def leave(_exit: pb.ProcessExit) -> None:
            if self._running.get(place) is process:
                del self._running[place]
            if process.state != pb.PROCESS_STATE_LOST:  # else it can still be killed there
                self._leave_system(process)
            if not process.deleted:
                self._keep(process)

        process.run(engine)
        process.exited.observe(leave)
        process.ended.observe(self._ring_memory.settle)

    def _leave_system(self, process: ServedProcess) -> None:
        """Note that a process needs its system no more; idempotent."""
        use = self._inside.pop(process, None)
        if use is not None:
            use.close()

    async def open(self, request: service_pb.OpenProcessRequest) -> ServedProcess:
        """Return the process that runs under a pid, whether it was known or not.

        Raises:
            RequestError: NOT_FOUND, if there is none in the system; ALREADY_EXISTS, if it is known
                by another name than the one that was asked for, or that is another process's.
            HcsError: HCS cannot tell.
        """
        opened: Latch[ServedProcess | RequestError] = Latch()
        self._tasks.start_soon(self._open, request, opened, name=f"open pid {request.pid}")
        result = await opened.wait()
        if isinstance(result, RequestError):
            raise result
        return result

    async def _open(
        self,
        request: service_pb.OpenProcessRequest,
        opened: Latch[ServedProcess | RequestError],
    ) -> None:
        """Open a process and set `opened`. Runs to its end, whoever waits."""
        try:
            opened.set(await self._adopt(request))
        except Exception as error:  # describe tells them apart
            opened.set(describe(error))

    async def _adopt(self, request: service_pb.OpenProcessRequest) -> ServedProcess:
        while True:
            if self._stopping:
                raise StoppingError
            opened = await self.system(parse_system(request.parent))
            with self.systems.using(opened):
                process = await self._adopt_in(opened, request)
            if process is not None:
                return process

    async def _adopt_in(
        self, opened: ServedSystem, request: service_pb.OpenProcessRequest
    ) -> ServedProcess | None:
        """Return the process; None if another one has or had its pid, so that it is to be tried anew."""
        place = opened.system.id, request.pid
        known = self._running.get(place)
        if known is not None and known.engine is not None:
            if await known.engine.still_runs():
                must_be_of_name(known, request)
                return known
            return None  # the pid is free, or another process's by now
        engine = await open_engine(opened.system, request.pid)
        # It may be one that was just created, of which HCS has not told the pid yet.
        for process in self._of_system(opened.system.id):
            await process.started.wait()
        if place in self._running or self._stopping:
            engine.close()
            return None
        plan = plan_opened()
        key = ProcessKey(opened.system.id, request.process_id or plan.uid)
        try:
            process = self._add(key, plan)
        except BaseException:
            engine.close()
            raise
        self._run(opened, process, engine)
        await engine.confirm()
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
        """Forget a process and free all that it holds; idempotent."""
        if process.deleted:
            return
        if self._processes.get(process.key) is process:
            del self._processes[process.key]
            self._requests.forget(process.plan.request_id)
        timer = self._exited.pop(process, None)
        if timer is not None:
            timer.cancel()
        process.close()
        self._leave_system(process)
        self._ring_memory.give_back(process)
        self.events.publish_process_event(process, DELETED)

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

    def _of_system(self, system_id: str) -> list[ServedProcess]:
        return [process for process in self if process.key.system_id == system_id]

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

    def _publish_system_events(self, opened: ServedSystem) -> None:
        """Publish what HCS tells of a system, its exit after those of its processes.

        HCS may fail to tell of the exit, so the engine's word counts; the document is HCS's.
        """
        document = ""

        def tell(event: SystemEvent) -> None:
            nonlocal document
            if event.value == HCS_EVENT_TYPE.HcsEventSystemExited:
                document = event.document or ""
            else:
                self.events.publish_system_event(opened.id, event.value, event.document or "")

        def tell_exit(_end: SystemEnd) -> None:
            inside = self._of_system(opened.id)
            if not self._stopping:  # else there is no watcher any more, and soon no place to wait
                self.spawn(lambda: publish_exit(inside), f"exit of {opened.name}")

        async def publish_exit(inside: list[ServedProcess]) -> None:
            for process in inside:
                await process.exited.wait()
            kind = HCS_EVENT_TYPE.HcsEventSystemExited
            self.events.publish_system_event(opened.id, kind, document)

        opened.system.observe(tell)
        opened.system.exited.observe(tell_exit)

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
        running = [process for process in self if process.running and not process.was_opened]
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
