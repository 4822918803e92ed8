"""A library that lacks optional exports is served, and what needs one of them is refused by its name."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, cast

import grpc
import pytest

from hcsd.abi.functions import FUNCTIONS, Function
from hcsd.abi.hresult import HR
from hcsd.hcs.errors import NotSupportedError
from hcsd.hcs.host import Host
from hcsd.hcs.library import Library, MissingExportsError
from hcsd.hcs.process import Process
from hcsd.hcs.system import PROCESS_LIST, ComputeSystem
from hcsd.rpc.status import to_status
from tests.support.engines import CountingProvider, Engine
from tests.support.guest import Guest
from tests.support.running import run, running

if TYPE_CHECKING:
    from hcsd.hcs.library import Provider

pytestmark = pytest.mark.anyio

Feature = Callable[[Host, ComputeSystem, Process], Awaitable[object]]

# What is refused without an export. The others have no feature of their own.
FEATURES: dict[str, Feature] = {
    "HcsCreateComputeSystem": lambda host, _system, _process: host.create_system("new", "{}"),
    "HcsStartComputeSystem": lambda _host, system, _process: system.start(),
    "HcsShutDownComputeSystem": lambda _host, system, _process: system.shut_down(),
    "HcsTerminateComputeSystem": lambda _host, system, _process: system.terminate(),
    "HcsPauseComputeSystem": lambda _host, system, _process: system.pause(),
    "HcsResumeComputeSystem": lambda _host, system, _process: system.resume(),
    "HcsSaveComputeSystem": lambda _host, system, _process: system.save(),
    "HcsModifyComputeSystem": lambda _host, system, _process: system.modify("{}"),
    "HcsSignalProcess": lambda _host, _system, process: process.signal(None),
    "HcsModifyProcess": lambda _host, _system, process: process.resize_console(25, 80),
    "HcsGetServiceProperties": lambda host, _system, _process: host.schema_versions(),
    "HcsModifyServiceSettings": lambda host, _system, _process: host.modify_service_settings("{}"),
}
UNSEEN = {
    "HcsGetProcessInfo",  # a create that HCS reports as failed counts as failed then
    "HcsCancelOperation",  # best effort
    "HcsGetOperationContext",
    "HcsSetOperationContext",
    "HcsSetOperationCallback",
    "HcsGetOperationType",
    "HcsGetOperationId",
    "HcsWaitForOperationResult",
    "HcsWaitForOperationResultAndProcessInfo",
}


class Without:
    """A provider that lacks exports, and is otherwise another one."""

    def __init__(self, provider: CountingProvider, names: set[str]) -> None:
        self._provider = provider
        self._names = names

    def __getattr__(self, name: str) -> object:
        return getattr(self._provider, name)

    def address(self, function: Function) -> int | None:
        return None if function.name in self._names else self._provider.address(function)


def without(provider: CountingProvider, *names: str) -> "Provider":
    return cast("Provider", Without(provider, set(names)))


def test_one_that_is_missing_is_named(provider: CountingProvider) -> None:
    required = {row.name for row in FUNCTIONS} - FEATURES.keys() - UNSEEN
    for name in FEATURES.keys() | UNSEEN:
        assert Library(without(provider, name)).missing == (name,)
    for name in required:
        with pytest.raises(MissingExportsError, match=rf"exports: {name}$"):
            Library(without(provider, name))


@pytest.fixture
async def poor(provider: CountingProvider, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Host]:
    """An engine without any optional export."""
    host = Host(without(provider, *FEATURES, *UNSEEN))
    assert set(host.library.missing) == FEATURES.keys() | UNSEEN
    (logged,) = [record for record in caplog.records if record.name == "hcsd.hcs.host"]
    assert all(name in logged.getMessage() for name in FEATURES)
    yield host
    host._lanes.close()  # the provider is closed by its own fixture


async def test_processes_run_without_all_of_them(poor: Host, engine: Engine, guest: Guest) -> None:
    assert engine.system_id in [entry.id for entry in await poor.systems()]
    system = await poor.open_system(engine.system_id)
    assert (await system.properties()).state == "Running"
    assert await run(system, guest.prints("out")) == (0, b"out", b"")
    assert (await run(system, guest.exits(3))).code == 3
    async with running(system, guest.sleeps()) as it:
        assert json.loads(await system.raw_properties(PROCESS_LIST) or "")["ProcessList"]
        again = await system.open_process(it.pid)
        assert await it.process.terminate()
        end = await it.end()
        assert await again.exited.wait() == end
        again.close()
    system.close()


async def test_what_needs_one_is_refused_by_its_name(
    poor: Host, engine: Engine, guest: Guest
) -> None:
    system = await poor.open_system(engine.system_id)
    async with running(system, guest.sleeps()) as it:
        for export, feature in FEATURES.items():
            with pytest.raises(NotSupportedError, match=f"no {export} .*Windows 10 1809") as caught:
                await feature(poor, system, it.process)
            assert (caught.value.hresult, caught.value.function) == (
                HR.ERROR_PROC_NOT_FOUND,
                export,
            )
            status = to_status(caught.value)
            assert status.code == grpc.StatusCode.UNIMPLEMENTED.value[0]
            assert f"no {export} " in status.message
        # The system goes on, with what runs in it.
        assert (await system.properties()).state == "Running"
        assert await it.process.terminate()
        await it.end()
    system.close()
