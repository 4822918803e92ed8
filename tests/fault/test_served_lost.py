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
from hcsd.config import Limits
from hcsd.hcs.errors import ServiceDisconnectedError
from hcsd.hcs.timings import DEFAULT_TIMINGS, Timings
from hcsd.service.control import Control
from hcsd.service.errors import CreateFailedError, RequestError
from hcsd.service.registry import Registry
from hcsd.service.served import ServedProcess
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.support.scripted import EXITED, Operation, ScriptedProvider
from tests.support.scripting import host_of, settled

pytestmark = pytest.mark.anyio

REQUEST = service_pb.CreateProcessRequest(
    parent="systems/scripted", spec=pb.ProcessSpec(command_line="program")
)
# The time for which the engine looks for what it lost is over soon.
IMPATIENT = Timings(reconnect_delays=(0.0, 0.01))
TERM = pb.ProcessSignal(signal_name="TERM")


class Served(NamedTuple):
    """A daemon without its listeners, and a process in it."""

    registry: Registry
    process: ServedProcess
    control: Control


@asynccontextmanager
async def served_by(
    provider: ScriptedProvider, timings: Timings = DEFAULT_TIMINGS
) -> AsyncIterator[Served]:
    lists(provider, 7)
    async with host_of(provider, timings) as host, anyio.create_task_group() as tasks:
        tasks.start_soon(host.supervise)
        registry = Registry(host, Limits(shutdown_grace=0.05), "incarnation", tasks)
        process, _ = await registry.create(REQUEST, owned=False)
        try:
            yield Served(registry, process, Control(registry, process))
        finally:
            await registry.close()
            tasks.cancel_scope.cancel()


def lists(provider: ScriptedProvider, *pids: int) -> None:
    """Let the system list processes that were created just now."""
    now = datetime.fromtimestamp(time.time(), UTC).isoformat()
    details = [{"ProcessId": pid, "CreateTimestamp": now} for pid in pids]
    text = json.dumps({"Id": "scripted", "RuntimeOsType": "Windows", "ProcessList": details})
    provider.script["HcsGetComputeSystemProperties"] = lambda op: op.complete(document=text)


async def until(process: ServedProcess, state: pb.ProcessState) -> pb.Process:
    with anyio.fail_after(5):
        while process.message().state != state:
            await anyio.lowlevel.checkpoint()
    return process.message()


async def lose(provider: ScriptedProvider, process: ServedProcess) -> None:
    """Let HCS go away, and stay away for now."""
    provider.answers["HcsOpenComputeSystem"] = HR.RPC_S_SERVER_UNAVAILABLE
    provider.disconnect()
    await settled()
    message = process.message()
    assert message.state == pb.PROCESS_STATE_LOST
    assert message.exit.unknown.hresult == HR.SERVICE_DISCONNECT


def come_back(provider: ScriptedProvider) -> None:
    del provider.answers["HcsOpenComputeSystem"]


async def test_a_lost_process_that_is_found_runs_again_and_has_no_exit(
    scripted: ScriptedProvider,
) -> None:
    async with served_by(scripted) as (_, process, control):
        await lose(scripted, process)
        assert process.running  # nobody who waits for its end is told one
        come_back(scripted)
        message = await until(process, pb.PROCESS_STATE_RUNNING)
        assert not message.HasField("exit")
        assert await control.signal(TERM) == pb.SIGNAL_DELIVERY_DELIVERED
        scripted.fire(HCS_EVENT_TYPE.HcsEventProcessExited, EXITED)
        assert (await process.exited.wait()).exit_code == 5
        assert process.message().state == pb.PROCESS_STATE_EXITED


async def test_what_is_asked_of_a_lost_process_is_unavailable(scripted: ScriptedProvider) -> None:
    async with served_by(scripted) as (registry, process, control):
        await lose(scripted, process)
        with pytest.raises(ServiceDisconnectedError):
            await control.terminate(0)
        with pytest.raises(ServiceDisconnectedError):
            await control.signal(TERM)
        with pytest.raises(ServiceDisconnectedError):
            await control.resize(pb.Console(columns=80, rows=25))
        with pytest.raises(ServiceDisconnectedError):
            await registry.system("scripted")
        assert process.running


async def test_a_process_that_ended_unseen_has_exited_with_an_unknown_code(
    scripted: ScriptedProvider,
) -> None:
    async with served_by(scripted) as (_, process, control):
        await lose(scripted, process)
        lists(scripted)
        come_back(scripted)
        message = await until(process, pb.PROCESS_STATE_EXITED)
        assert message.exit.WhichOneof("outcome") == "unknown"
        assert message.exit.reason == pb.EXIT_REASON_UNSPECIFIED
        assert await control.signal(TERM) == pb.SIGNAL_DELIVERY_ALREADY_EXITED
        await control.terminate(0)
    assert not scripted.called("HcsTerminateProcess")


async def test_a_process_that_stays_lost_ends_every_wait_and_can_be_killed_later(
    scripted: ScriptedProvider,
) -> None:
    async with served_by(scripted, IMPATIENT) as (_, process, control):
        await lose(scripted, process)
        assert (await process.exited.wait()).unknown.hresult == HR.SERVICE_DISCONNECT
        assert process.message().state == pb.PROCESS_STATE_LOST
        with pytest.raises(ServiceDisconnectedError):
            await control.terminate(0)
        come_back(scripted)
        await control.terminate(0)
    assert len(scripted.called("HcsTerminateProcess")) == 1


async def test_the_next_process_of_a_lost_system_starts(scripted: ScriptedProvider) -> None:
    async with served_by(scripted) as (registry, process, _):
        await lose(scripted, process)
        come_back(scripted)
        other, _ = await registry.create(REQUEST, owned=False)
        assert other.running


async def test_a_system_whose_handle_turns_out_to_be_dead_is_opened_again(
    scripted: ScriptedProvider,
) -> None:
    async with served_by(scripted) as (registry, process, _):
        scripted.script["HcsCreateProcess"] = lambda _: HR.RPC_S_CALL_FAILED
        with pytest.raises(CreateFailedError):  # it may have been started: not tried again
            await registry.create(REQUEST, owned=False)
        del scripted.script["HcsCreateProcess"]
        assert (await registry.create(REQUEST, owned=False))[0].running
        assert process.message().state == pb.PROCESS_STATE_RUNNING
    assert len(scripted.called("HcsOpenComputeSystem")) > 1


async def test_a_lost_system_that_is_gone_has_ended(scripted: ScriptedProvider) -> None:
    async with served_by(scripted) as (registry, process, _):
        await lose(scripted, process)
        scripted.answers["HcsOpenComputeSystem"] = HR.SYSTEM_NOT_FOUND
        for _ in range(2):
            with pytest.raises(RequestError) as caught:
                await registry.create(REQUEST, owned=False)
            assert caught.value.reason == "HCS_E_SYSTEM_ALREADY_STOPPED"
        await until(process, pb.PROCESS_STATE_EXITED)


async def test_a_process_given_up_whose_system_is_gone_cannot_be_killed_any_more(
    scripted: ScriptedProvider,
) -> None:
    async with served_by(scripted, IMPATIENT) as (registry, process, control):
        await lose(scripted, process)
        await process.exited.wait()
        scripted.answers["HcsOpenComputeSystem"] = HR.SYSTEM_NOT_FOUND
        with pytest.raises(RequestError):
            await registry.create(REQUEST, owned=False)
        await control.terminate(0)
        assert process.message().state == pb.PROCESS_STATE_EXITED
    assert not scripted.called("HcsTerminateProcess")


async def test_output_goes_on_while_the_process_is_lost(scripted: ScriptedProvider) -> None:
    """The pipes are not the service's."""
    receive, send = os.pipe()
    os.set_blocking(receive, False)

    def create(operation: Operation) -> int:
        return operation.complete(info=(7, 0, receive, 0))

    scripted.script["HcsCreateProcess"] = create
    async with served_by(scripted) as (_, process, _):
        await lose(scripted, process)
        cursor_woken = anyio.Event()
        cursor = process.rings[pb.OUTPUT_STREAM_STDOUT].open_cursor(0, cursor_woken.set)
        assert cursor.take(100) is None  # from here on it is told
        os.write(send, b"still here")
        os.close(send)
        with anyio.fail_after(5):
            await cursor_woken.wait()
        assert cursor.take(100) == b"still here"
        cursor.close()
    scripted._stdio.remove(receive)  # whose reader has closed it
