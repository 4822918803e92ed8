"""What reaches HCS of a call about a system, and what becomes of one that fails half-way."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import anyio
import pytest

from hcsd.abi.hresult import HR, Kind
from hcsd.abi.types import HCS_EVENT_TYPE, HCS_OPERATION, PCWSTR
from hcsd.daemon.daemon import Daemon
from hcsd.daemon.errors import RequestError
from hcsd.daemon.settings import Limits
from hcsd.hcs.timings import DEFAULT_TIMINGS, Timings
from hcsd.rpc.compute_system_service import ComputeSystemService
from hcsd.rpc.host_service import HostService
from hcsd.v1 import compute_system_pb2 as pb
from hcsd.v1 import compute_system_service_pb2 as service_pb
from hcsd.v1 import host_service_pb2 as host_pb
from tests.support.scripted import Operation, ScriptedProvider
from tests.support.scripting import host_of, until_none_is_live

if TYPE_CHECKING:
    from hcsd.rpc.calls import Context
    from tests.support.scripted import Pointer

pytestmark = pytest.mark.anyio

NAME = "systems/scripted"
# No writer of JSON gives this back as it is: spaces, order, a name twice, escapes, a large number.
DOCUMENT = ' {"b" :1e2,"a":\t"\\u00e4\\/ ä 😀" ,\n"b": 18446744073709551616, "n":null}\r\n '
CONTEXT = cast("Context", None)
PROPERTIES = {"Id": "scripted", "SystemType": "Container", "RuntimeOsType": "Linux"}
EXITED = '{"Status":0,"ExitType":"GracefulExit"}'

Call = Callable[[ComputeSystemService], Awaitable[object]]


@asynccontextmanager
async def daemon_of(
    provider: ScriptedProvider, timings: Timings = DEFAULT_TIMINGS
) -> AsyncIterator[Daemon]:
    """A daemon without its listeners."""
    provider.script["HcsGetComputeSystemProperties"] = describing("Running")
    async with host_of(provider, timings) as host, anyio.create_task_group() as tasks:
        daemon = Daemon(host, Limits(shutdown_grace=0.05), tasks)
        try:
            yield daemon
        finally:
            await daemon.close()
            tasks.cancel_scope.cancel()


def describing(state: str) -> Callable[[Operation], int]:
    document = json.dumps({**PROPERTIES, "State": state})
    return lambda operation: operation.complete(document=document)


def record(
    provider: ScriptedProvider, export: str, *, result: int = 0, answer: str | None = None
) -> list[str]:
    """Take down the documents that an export is given; the last one of each call."""
    given: list[str] = []

    def act(*arguments: object) -> int:
        given.append([arg.text or "" for arg in arguments if isinstance(arg, PCWSTR)][-1])
        if export == "HcsCreateComputeSystem":
            provider._give_handle(cast("Pointer", arguments[-1]), provider._systems)
        for arg in arguments:
            if isinstance(arg, HCS_OPERATION):
                return provider._operation(arg).complete(result, answer)
        provider._give_text(cast("Pointer", arguments[-1]), answer)
        return result

    provider.replaced[export] = act
    return given


@pytest.mark.parametrize(
    ("export", "call"),
    [
        (
            "HcsStartComputeSystem",
            lambda service: service.StartComputeSystem(
                service_pb.StartComputeSystemRequest(name=NAME, options_json=DOCUMENT), CONTEXT
            ),
        ),
        (
            "HcsPauseComputeSystem",
            lambda service: service.PauseComputeSystem(
                service_pb.PauseComputeSystemRequest(name=NAME, options_json=DOCUMENT), CONTEXT
            ),
        ),
        (
            "HcsResumeComputeSystem",
            lambda service: service.ResumeComputeSystem(
                service_pb.ResumeComputeSystemRequest(name=NAME, options_json=DOCUMENT), CONTEXT
            ),
        ),
        (
            "HcsSaveComputeSystem",
            lambda service: service.SaveComputeSystem(
                service_pb.SaveComputeSystemRequest(name=NAME, options_json=DOCUMENT), CONTEXT
            ),
        ),
        (
            "HcsTerminateComputeSystem",
            lambda service: service.TerminateComputeSystem(
                service_pb.TerminateComputeSystemRequest(name=NAME, options_json=DOCUMENT), CONTEXT
            ),
        ),
        (
            "HcsModifyComputeSystem",
            lambda service: service.ModifyComputeSystem(
                service_pb.ModifyComputeSystemRequest(name=NAME, settings_json=DOCUMENT), CONTEXT
            ),
        ),
    ],
)
async def test_a_document_reaches_hcs_byte_for_byte(
    scripted: ScriptedProvider, export: str, call: Call
) -> None:
    given = record(scripted, export)
    async with daemon_of(scripted) as daemon:
        await call(ComputeSystemService(daemon))
    assert given == [DOCUMENT]


async def test_the_options_of_a_shutdown_reach_hcs_byte_for_byte(
    scripted: ScriptedProvider,
) -> None:
    given = record(scripted, "HcsShutDownComputeSystem")
    request = service_pb.ShutDownComputeSystemRequest(name=NAME, options_json=DOCUMENT)
    request.timeout.FromSeconds(0)
    async with daemon_of(scripted) as daemon:
        await ComputeSystemService(daemon).ShutDownComputeSystem(request, CONTEXT)
    assert given == [DOCUMENT]


async def test_a_query_and_its_answer_pass_byte_for_byte(scripted: ScriptedProvider) -> None:
    async with daemon_of(scripted) as daemon:
        service = ComputeSystemService(daemon)
        await service.GetComputeSystem(service_pb.GetComputeSystemRequest(name=NAME), CONTEXT)
        given = record(scripted, "HcsGetComputeSystemProperties", answer=DOCUMENT)
        request = service_pb.GetComputeSystemPropertiesRequest(
            name=NAME, property_query_json=DOCUMENT
        )
        answer = await service.GetComputeSystemProperties(request, CONTEXT)
        assert given == [DOCUMENT]
        assert answer.properties_json == DOCUMENT
        scripted.replaced.clear()


async def test_documents_of_the_service_pass_byte_for_byte(scripted: ScriptedProvider) -> None:
    given = record(scripted, "HcsGetServiceProperties", answer=DOCUMENT)
    changes = record(scripted, "HcsModifyServiceSettings", answer=DOCUMENT)
    async with daemon_of(scripted) as daemon:
        service = HostService(daemon, list)
        query = host_pb.GetServicePropertiesRequest(property_query_json=DOCUMENT)
        told = await service.GetServiceProperties(query, CONTEXT)
        assert told.properties_json == DOCUMENT
        change = host_pb.ModifyServiceSettingsRequest(settings_json=DOCUMENT)
        assert (await service.ModifyServiceSettings(change, CONTEXT)).result_json == DOCUMENT
    assert given == changes == [DOCUMENT]


async def test_a_host_tells_what_it_lacks_and_is_served_all_the_same() -> None:
    provider = ScriptedProvider(missing={"HcsGetServiceProperties", "HcsPauseComputeSystem"})
    async with daemon_of(provider) as daemon:
        host = await HostService(daemon, list).GetHost(host_pb.GetHostRequest(), CONTEXT)
        assert set(host.missing_functions) == {"HcsGetServiceProperties", "HcsPauseComputeSystem"}
        assert not host.schema_versions
        service = ComputeSystemService(daemon)
        with pytest.raises(RequestError, match="no HcsPauseComputeSystem") as caught:
            await service.PauseComputeSystem(
                service_pb.PauseComputeSystemRequest(name=NAME), CONTEXT
            )
        assert caught.value.kind is Kind.UNSUPPORTED
        found = await service.GetComputeSystem(
            service_pb.GetComputeSystemRequest(name=NAME), CONTEXT
        )
        assert found.system.state == pb.COMPUTE_SYSTEM_STATE_RUNNING
    assert not provider.misuse


async def test_a_configuration_reaches_hcs_byte_for_byte(scripted: ScriptedProvider) -> None:
    given = record(scripted, "HcsCreateComputeSystem")
    async with daemon_of(scripted) as daemon:
        request = service_pb.CreateComputeSystemRequest(
            system_id="scripted", configuration_json=DOCUMENT
        )
        await ComputeSystemService(daemon).CreateComputeSystem(request, CONTEXT)
    assert given == [DOCUMENT]


async def test_a_system_that_does_not_start_is_terminated(scripted: ScriptedProvider) -> None:
    record(scripted, "HcsCreateComputeSystem")
    record(scripted, "HcsStartComputeSystem", result=HR.TERMINATED_DURING_START)
    async with daemon_of(scripted) as daemon:
        request = service_pb.CreateComputeSystemRequest(
            system_id="scripted", configuration_json="{}", start=True
        )
        with pytest.raises(RequestError) as caught:
            await ComputeSystemService(daemon).CreateComputeSystem(request, CONTEXT)
        assert caught.value.kind is Kind.ABORTED
        assert caught.value.metadata["function"] == "HcsStartComputeSystem"
        assert caught.value.metadata["system"] == NAME
        assert len(scripted.called("HcsTerminateComputeSystem")) == 1
    await until_none_is_live(scripted, "systems")


async def test_the_handle_is_closed_when_a_system_has_ended(scripted: ScriptedProvider) -> None:
    async with daemon_of(scripted) as daemon:
        service = ComputeSystemService(daemon)
        request = service_pb.GetComputeSystemRequest(name=NAME)
        for _ in range(3):  # one handle serves all
            await service.GetComputeSystem(request, CONTEXT)
        assert scripted.live()["systems"] == 1
        callback = scripted.system_events[-1]
        scripted._deliver(*callback, HCS_EVENT_TYPE.HcsEventSystemExited, EXITED)
        wait = service_pb.WaitComputeSystemRequest(name=NAME)
        ended = (await service.WaitComputeSystem(wait, CONTEXT)).system
        assert ended.state == pb.COMPUTE_SYSTEM_STATE_STOPPED
        assert ended.exit.exit_type == pb.COMPUTE_SYSTEM_EXIT_TYPE_GRACEFUL_EXIT
    await until_none_is_live(scripted, "systems")


async def test_a_system_that_is_gone_without_a_word_has_ended_with_an_unknown_exit(
    scripted: ScriptedProvider,
) -> None:
    async with daemon_of(scripted, Timings(exit_event_grace=0.01)) as daemon:
        service = ComputeSystemService(daemon)
        request = service_pb.GetComputeSystemRequest(name=NAME)
        await service.GetComputeSystem(request, CONTEXT)
        scripted.answers["HcsGetComputeSystemProperties"] = HR.SYSTEM_NOT_FOUND
        scripted.answers["HcsOpenComputeSystem"] = HR.SYSTEM_NOT_FOUND
        ended = (await service.GetComputeSystem(request, CONTEXT)).system
        assert ended.state == pb.COMPUTE_SYSTEM_STATE_STOPPED
        assert ended.exit.exit_type == pb.COMPUTE_SYSTEM_EXIT_TYPE_UNKNOWN
        assert ended.exit.status == HR.SYSTEM_NOT_FOUND
        scripted.answers.clear()
