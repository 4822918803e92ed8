"""What is left of a client of the double that ends, in order or not."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from hcsd.abi import types as abi
from hcsd.abi.hresult import HR
from tests.windows.clients import SLEEPER, process
from tests.windows.native import Events, wait_for_end

assert sys.platform == "win32"

if TYPE_CHECKING:
    from tests.windows.clients import Connect
    from tests.windows.double_service import DoubleService

EXITED = abi.HCS_EVENT_TYPE.HcsEventProcessExited
TIMEOUT = 30.0  # seconds; far beyond what anything here takes
EPHEMERAL = json.dumps(
    {
        "SchemaVersion": {"Major": 2, "Minor": 1},
        "Owner": "test",
        "ShouldTerminateOnLastHandleClosed": True,
        "Container": {},
    }
)
LASTING = EPHEMERAL.replace("true", "false")

STARTS = f"""
process, created = native.create(host, {SLEEPER!r})
tell(created.pid)
"""


def test_a_process_outlives_a_client_that_is_killed(
    service: DoubleService, connect: Connect
) -> None:
    with process(service, STARTS) as (killed, (pid,)):
        killed.kill()
        killed.wait(TIMEOUT)
    service.await_idle()
    (left,) = service.left()
    assert (left["orderly"], left["systems"], left["processes"]) == (False, 1, 1)
    native = connect()
    host = native.open_host()
    found, opened = native.open_process(host, pid)
    assert found == 0
    native.listen(opened, ended := Events())
    native.on_process("HcsTerminateProcess", opened)
    kind, status = ended.next()
    assert (kind, json.loads(status or "")["ExitCode"]) == (EXITED, 1)
    native.call("HcsCloseProcess", opened)
    native.call("HcsCloseComputeSystem", host)
    counts = service.counts()
    assert (counts["systems"], counts["processes"], counts["pipes"]) == (0, 0, 0)


SYSTEMS = f"""
made = [native.create_system(name, text)[0] for name, text in
        [("lasting", {LASTING!r}), ("ephemeral", {EPHEMERAL!r})]]
for system in made:
    native.on_system("HcsStartComputeSystem", system)
pids = [native.create(system, {SLEEPER!r})[1].pid for system in made]
tell(*pids)
"""


def test_a_system_ends_with_its_client_only_if_it_was_made_so(
    service: DoubleService, connect: Connect
) -> None:
    with process(service, SYSTEMS) as (killed, (lasting, ephemeral)):
        killed.kill()
        killed.wait(TIMEOUT)
    wait_for_end(ephemeral)
    service.await_idle()
    native = connect()
    assert native.open_system("ephemeral")[0] == HR.SYSTEM_NOT_FOUND
    found, system = native.open_system("lasting")
    assert found == 0
    found, opened = native.open_process(system, lasting)
    assert found == 0
    native.call("HcsCloseProcess", opened)
    native.on_system("HcsTerminateComputeSystem", system)
    native.call("HcsCloseComputeSystem", system)
    wait_for_end(lasting)
    assert service.counts()["created systems"] == 0


LEAVES = """
operation = native.create_operation(abi.HCS_OPERATION_COMPLETION(lambda *_: None))
process, created = native.create(host, '{"CommandLine": "cmd /c exit", "CreateStdOutPipe": true}')
native.service_properties()
tell()
"""


def test_what_a_client_leaves_is_known(service: DoubleService) -> None:
    with process(service, LEAVES) as (client, _):
        assert service.counts()["strings"] == 1
        assert client.stdin is not None
        client.stdin.close()
        assert client.wait(TIMEOUT) == 0
    service.await_idle()
    (left,) = service.left()
    del left["pid"]
    assert left == {
        "orderly": True, "operations": 1, "systems": 1, "processes": 1, "strings": 1, "pipes": 1,
    }  # fmt: skip


WAITS_IN_CALLBACK = f"""
import threading
inside = threading.Event()
def received(*_):
    inside.set()
    threading.Event().wait()
callback = abi.HCS_EVENT_CALLBACK(received)
process, created = native.create(host, {SLEEPER!r})
native.call("HcsSetProcessCallback", process, 0, None, callback)
tell(created.pid)
inside.wait()
tell()
"""


def test_a_client_may_die_in_its_callback(service: DoubleService, connect: Connect) -> None:
    native = connect()
    with process(service, WAITS_IN_CALLBACK) as (client, (pid,)):
        host = native.open_host()
        _, opened = native.open_process(host, pid)
        native.listen(opened, ended := Events())
        native.on_process("HcsTerminateProcess", opened)
        assert client.stdout is not None
        client.stdout.readline()  # the event is delivered to one after the other
        client.kill()
        client.wait(TIMEOUT)
    assert ended.next()[0] == EXITED
    native.call("HcsCloseProcess", opened)
    native.call("HcsCloseComputeSystem", host)
