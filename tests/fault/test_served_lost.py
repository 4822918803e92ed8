"""What clients see of processes that HCS has lost."""

import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple

import anyio
import pytest

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.daemon import modify
from hcsd.daemon.daemon import Daemon
from hcsd.daemon.errors import CreateFailedError
from hcsd.daemon.process import Process
from hcsd.daemon.settings import Limits
from hcsd.daemon.signals import TERM, Delivery
from hcsd.daemon.spec import ConsoleSize, ProcessRequest, ProcessSpec
from hcsd.daemon.streams import Stream
from hcsd.hcs.errors import AlreadyStoppedError, ServiceDisconnectedError
from hcsd.hcs.timings import DEFAULT_TIMINGS, Timings
from hcsd.rpc.convert import process_message
from hcsd.v1 import process_pb2 as pb
from tests.support.scripted import EXITED, Operation, ScriptedProvider
from tests.support.scripting import host_of, settled

pytestmark = pytest.mark.anyio

REQUEST = ProcessRequest("scripted", ProcessSpec(command_line="program"))

# The time for which the engine looks for what it lost is over soon.
IMPATIENT = Timings(reconnect_delays=(0.0, 0.01))


class Served(NamedTuple):
    """A daemon without its listeners, and a process in it."""

    daemon: Daemon
    process: Process


@asynccontextmanager
async def served_by(
    provider: ScriptedProvider,
    timings: Timings = DEFAULT_TIMINGS,
    *,
    idle_system_time: float = 30.0,
) -> AsyncIterator[Served]:
    lists(provider, 7)
    async with host_of(provider, timings) as host, anyio.create_task_group() as tasks:
        tasks.start_soon(host.supervise)
        limits = Limits(shutdown_grace=0.05, idle_system_time=idle_system_time)
        daemon = Daemon(host, limits, tasks)
        process, _ = await daemon.processes.create(REQUEST)
        try:
            yield Served(daemon, process)
        finally:
            await daemon.close()
            tasks.cancel_scope.cancel()


def lists(provider: ScriptedProvider, *pids: int) -> None:
    """Let the system list processes that were created just now."""
    now = datetime.fromtimestamp(time.time(), UTC).isoformat()
    details = [{"ProcessId": pid, "CreateTimestamp": now} for pid in pids]
    text = json.dumps({"Id": "scripted", "RuntimeOsType": "Windows", "ProcessList": details})
    provider.script["HcsGetComputeSystemProperties"] = lambda op: op.complete(document=text)


def message_of(process: Process) -> pb.Process:
    return process_message(process.view())


async def exit_of(process: Process) -> pb.ProcessExit:
    await process.exited.wait()
    return message_of(process).exit


async def until(process: Process, state: pb.ProcessState) -> pb.Process:
    with anyio.fail_after(30):
        while message_of(process).state != state:
            await anyio.lowlevel.checkpoint()
    return message_of(process)


async def lose(provider: ScriptedProvider, process: Process) -> None:
    """Let HCS go away, and stay away for now."""
    provider.answers["HcsOpenComputeSystem"] = HR.RPC_S_SERVER_UNAVAILABLE
    provider.disconnect()
    await settled()
    message = message_of(process)
    assert message.state == pb.PROCESS_STATE_LOST
    assert message.exit.unknown.hresult == HR.SERVICE_DISCONNECT


def come_back(provider: ScriptedProvider) -> None:
    del provider.answers["HcsOpenComputeSystem"]


async def test_a_lost_process_that_is_found_runs_again_and_has_no_exit(
    scripted: ScriptedProvider,
) -> None:
    async with served_by(scripted) as (_, process):
        await lose(scripted, process)
        assert process.running  # nobody who waits for its end is told one
        come_back(scripted)
        message = await until(process, pb.PROCESS_STATE_RUNNING)
        assert not message.HasField("exit")
        assert await process.signal(TERM) == Delivery.DELIVERED
        scripted.fire(HCS_EVENT_TYPE.HcsEventProcessExited, EXITED)
        assert (await exit_of(process)).exit_code == 5
        assert message_of(process).state == pb.PROCESS_STATE_EXITED


async def test_what_is_asked_of_a_lost_process_is_unavailable(scripted: ScriptedProvider) -> None:
    async with served_by(scripted) as (daemon, process):
        await lose(scripted, process)
        with pytest.raises(ServiceDisconnectedError):
            await process.terminate(0)
        with pytest.raises(ServiceDisconnectedError):
            await process.signal(TERM)
        with pytest.raises(ServiceDisconnectedError):
            await modify.resize(process, ConsoleSize(80, 25))
        with pytest.raises(ServiceDisconnectedError):
            await daemon.systems.open("scripted")
        assert process.running


async def test_a_process_that_ended_unseen_has_exited_with_an_unknown_code(
    scripted: ScriptedProvider,
) -> None:
    async with served_by(scripted) as (_, process):
        await lose(scripted, process)
        lists(scripted)
        come_back(scripted)
        message = await until(process, pb.PROCESS_STATE_EXITED)
        assert message.exit.WhichOneof("outcome") == "unknown"
        assert message.exit.reason == pb.EXIT_REASON_UNSPECIFIED
        assert await process.signal(TERM) == Delivery.ALREADY_EXITED
        await process.terminate(0)
    assert not scripted.called("HcsTerminateProcess")


async def test_a_process_that_stays_lost_ends_every_wait_and_can_be_killed_later(
    scripted: ScriptedProvider,
) -> None:
    async with served_by(scripted, IMPATIENT) as (_, process):
        await lose(scripted, process)
        assert (await exit_of(process)).unknown.hresult == HR.SERVICE_DISCONNECT
        assert message_of(process).state == pb.PROCESS_STATE_LOST
        with pytest.raises(ServiceDisconnectedError):
            await process.terminate(0)
        come_back(scripted)
        await process.terminate(0)
    assert len(scripted.called("HcsTerminateProcess")) == 1


async def test_the_next_process_of_a_lost_system_starts(scripted: ScriptedProvider) -> None:
    async with served_by(scripted) as (daemon, process):
        await lose(scripted, process)
        come_back(scripted)
        other, _ = await daemon.processes.create(REQUEST)
        assert other.running


async def test_a_system_whose_handle_turns_out_to_be_dead_is_opened_again(
    scripted: ScriptedProvider,
) -> None:
    async with served_by(scripted) as (daemon, process):
        scripted.script["HcsCreateProcess"] = lambda _: HR.RPC_S_CALL_FAILED
        with pytest.raises(CreateFailedError):  # it may have been started: not tried again
            await daemon.processes.create(REQUEST)
        del scripted.script["HcsCreateProcess"]
        assert (await daemon.processes.create(REQUEST))[0].running
        assert message_of(process).state == pb.PROCESS_STATE_RUNNING
    assert len(scripted.called("HcsOpenComputeSystem")) > 1


async def test_a_lost_system_that_is_gone_has_ended(scripted: ScriptedProvider) -> None:
    async with served_by(scripted) as (daemon, process):
        await lose(scripted, process)
        scripted.answers["HcsOpenComputeSystem"] = HR.SYSTEM_NOT_FOUND
        for _ in range(2):
            with pytest.raises(AlreadyStoppedError):
                await daemon.processes.create(REQUEST)
        await until(process, pb.PROCESS_STATE_EXITED)


async def test_a_process_given_up_whose_system_is_gone_cannot_be_killed_any_more(
    scripted: ScriptedProvider,
) -> None:
    async with served_by(scripted, IMPATIENT) as (daemon, process):
        await lose(scripted, process)
        await process.exited.wait()
        scripted.answers["HcsOpenComputeSystem"] = HR.SYSTEM_NOT_FOUND
        with pytest.raises(AlreadyStoppedError):
            await daemon.processes.create(REQUEST)
        await process.terminate(0)
        assert message_of(process).state == pb.PROCESS_STATE_EXITED
    assert not scripted.called("HcsTerminateProcess")


async def test_output_goes_on_while_the_process_is_lost(scripted: ScriptedProvider) -> None:
    """The pipes are not the service's."""
    receive, send = os.pipe()
    os.set_blocking(receive, False)

    def create(operation: Operation) -> int:
        return operation.complete(info=(7, 0, receive, 0))

    scripted.script["HcsCreateProcess"] = create
    async with served_by(scripted) as (_, process):
        await lose(scripted, process)
        cursor_woken = anyio.Event()
        cursor = process.rings[Stream.STDOUT].open_cursor(0, cursor_woken.set)
        assert cursor.take(100) is None  # from here on it is told
        os.write(send, b"still here")
        os.close(send)
        with anyio.fail_after(30):
            await cursor_woken.wait()
        assert cursor.take(100) == b"still here"
        cursor.close()
    scripted._stdio.remove(receive)  # whose reader has closed it
