"""The figures of a process, when its system lists it, and when it does not."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import pytest

from hcsd.abi.hresult import HR
from hcsd.daemon.settings import Limits
from hcsd.daemon.spec import ProcessRequest
from hcsd.rpc.process_service import ProcessService
from hcsd.rpc.validate import Validator
from hcsd.v1 import process_service_pb2 as service_pb
from tests.fault.test_served_systems import PROPERTIES, daemon_of
from tests.support.scripted import EXITED, RUNNING, Operation, ScriptedProvider

if TYPE_CHECKING:
    from hcsd.rpc.calls import Context

pytestmark = pytest.mark.anyio

CONTEXT = cast("Context", None)
SYSTEM = "HcsGetComputeSystemProperties"
STATUS = "HcsGetProcessProperties"
Answer = Callable[[Operation], int]


def listing(*entries: object) -> Answer:
    document = json.dumps({**PROPERTIES, "State": "Running", "ProcessList": entries})
    return lambda operation: operation.complete(document=document)


def refusing(hresult: int) -> Answer:
    return lambda operation: operation.complete(hresult)


async def asked(
    provider: ScriptedProvider, answer: Callable[[int], Answer], *, ends: bool = False
) -> service_pb.GetProcessPropertiesResponse:
    """Ask for the figures of a process, whose system answers so about its pid."""
    provider.script[STATUS] = lambda operation: operation.complete(document=RUNNING)
    async with daemon_of(provider) as daemon:
        process, _ = await daemon.processes.create(ProcessRequest("scripted", document="{}"))
        assert process.engine is not None
        await process.engine.confirm()
        provider.script[SYSTEM] = answer(process.engine.pid)
        if ends:
            provider.script[STATUS] = lambda operation: operation.complete(document=EXITED)
        request = service_pb.GetProcessPropertiesRequest(name=process.name, include_stats=True)
        service = ProcessService(daemon, Validator(Limits()))
        return await service.GetProcessProperties(request, CONTEXT)


async def test_the_entry_of_its_pid_is_taken(scripted: ScriptedProvider) -> None:
    answer = await asked(
        scripted,
        lambda pid: listing(
            {"ProcessId": pid + 1, "ImageName": "other"},
            {"ProcessId": pid, "ImageName": "ours", "KernelTime100ns": 30},
        ),
    )
    assert answer.stats.image_name == "ours"
    assert answer.stats.kernel_time.ToNanoseconds() == 3000


@pytest.mark.parametrize(
    "answer",
    [
        lambda pid: listing({"ProcessId": pid + 1}),
        lambda pid: listing("nonsense", {"ProcessId": str(pid)}),
        lambda _pid: refusing(HR.ERROR_NOT_SUPPORTED),
        lambda _pid: refusing(HR.INVALID_STATE),
        lambda _pid: refusing(HR.E_ACCESSDENIED),
    ],
    ids=["not listed", "nonsense", "no list", "ending", "denied"],
)
async def test_without_an_entry_there_are_no_figures_and_the_status_is_told(
    scripted: ScriptedProvider, answer: Callable[[int], Answer]
) -> None:
    found = await asked(scripted, answer)
    assert not found.HasField("stats")
    assert found.status.pid


async def test_what_is_listed_under_the_pid_of_one_that_has_ended_is_another(
    scripted: ScriptedProvider,
) -> None:
    found = await asked(scripted, lambda pid: listing({"ProcessId": pid}), ends=True)
    assert found.status.exited
    assert not found.HasField("stats")
