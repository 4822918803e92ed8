"""The double as a service of its own: what it is to several clients, and to those that die.

A client is a DLL of its own in this process, or a process with one.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import pytest

from hcsd.abi import types as abi
from hcsd.abi.hresult import HR
from tests.windows.conftest import DOUBLE
from tests.windows.double_service import DoubleService
from tests.windows.native import Events, Native, OperationFailedError, wait_for_end

assert sys.platform == "win32"

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXITED = abi.HCS_EVENT_TYPE.HcsEventProcessExited
DISCONNECTED = abi.HCS_EVENT_TYPE.HcsEventServiceDisconnect
PROGRAM = DOUBLE.with_name("hcsd-double.exe")
TIMEOUT = 30.0  # seconds; far beyond what anything here takes
NUMBERS = itertools.count()
SLEEPER = json.dumps({"CommandLine": "ping -n 60 127.0.0.1"})
EPHEMERAL = json.dumps(
    {
        "SchemaVersion": {"Major": 2, "Minor": 1},
        "Owner": "test",
        "ShouldTerminateOnLastHandleClosed": True,
        "Container": {},
    }
)
LASTING = EPHEMERAL.replace("true", "false")

# A process that opens the host and does as told; it prints what it made, and lives on.
CLIENT = """
import json, os, sys
from pathlib import Path
from hcsd.abi import types as abi
from tests.windows.native import Events, Native
native = Native(Path(os.environ["HCSD_DOUBLE"]))
host = native.open_host()
def tell(*what):
    print(json.dumps(what), flush=True)
"""
LIVES_ON = "\nsys.stdin.read()\n"


@pytest.fixture
def service() -> Iterator[DoubleService]:
    with DoubleService(f"test-{os.getpid()}-{next(NUMBERS)}", [str(PROGRAM)]) as started:
        yield started


class Connect(Protocol):
    def __call__(self) -> Native: ...


@pytest.fixture
def connect(service: DoubleService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Make clients in this process. Such a DLL stays loaded."""
    for name, value in service.variable.items():
        monkeypatch.setenv(name, value)

    def make() -> Native:
        folder = tmp_path / f"client-{next(NUMBERS)}"
        folder.mkdir()
        for part in (DOUBLE, PROGRAM):
            shutil.copy(part, folder)
        return Native(folder / DOUBLE.name)

    return make


@contextmanager
def process(
    service: DoubleService, code: str
) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """Run a client in a process of its own; yields it and the numbers that it tells."""
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT + code + LIVES_ON],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | service.variable,
    )
    assert client.stdin is not None
    assert client.stdout is not None
    with client, client.stdin, client.stdout:
        try:
            yield client, json.loads(client.stdout.readline())
        finally:
            client.kill()


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


def test_a_handle_means_nothing_to_another_client(connect: Connect) -> None:
    one, other = connect(), connect()
    host = one.open_host()
    with pytest.raises(OperationFailedError) as failed:
        other.on_system("HcsGetComputeSystemProperties", host)
    assert failed.value.hresult == HR.ERROR_INVALID_HANDLE
    other.call("HcsCloseComputeSystem", host)
    assert one.on_system("HcsGetComputeSystemProperties", host).hresult == 0
    assert (one.live()["systems"], other.live()["systems"]) == (1, 0)
    one.call("HcsCloseComputeSystem", host)


def test_an_exit_is_told_to_every_client(connect: Connect) -> None:
    one, other = connect(), connect()
    hosts = one.open_host(), other.open_host()
    process, created = one.create(hosts[0], SLEEPER, events := Events())
    _, opened = other.open_process(hosts[1], created.pid)
    other.listen(opened, again := Events())
    other.on_process("HcsTerminateProcess", opened)
    assert events.next() == again.next()
    one.call("HcsCloseProcess", process)
    other.call("HcsCloseProcess", opened)
    one.call("HcsCloseComputeSystem", hosts[0])
    other.call("HcsCloseComputeSystem", hosts[1])


def test_a_service_that_is_killed_ends_its_processes_and_is_told(
    service: DoubleService, connect: Connect
) -> None:
    native = connect()
    host = native.open_host()
    native.listen_to_system(host, of_host := Events())
    process, created = native.create(host, SLEEPER, of_process := Events())
    service.script({"Function": "HcsGetProcessProperties", "Never": True})
    completed = threading.Event()
    operation = native.create_operation(abi.HCS_OPERATION_COMPLETION(lambda *_: completed.set()))
    assert native.call("HcsGetProcessProperties", process, operation, None) == 0
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(
            native.call, "HcsWaitForOperationResult", operation, abi.INFINITE, None
        )
        service.kill()
        assert waiting.result(TIMEOUT) == HR.SERVICE_DISCONNECT
    assert of_host.next() == of_process.next() == (DISCONNECTED, None)
    assert completed.wait(TIMEOUT)
    assert native.call("HcsGetOperationResult", operation, None) == HR.SERVICE_DISCONNECT
    wait_for_end(created.pid)
    assert native.open_system("host")[0] == HR.RPC_S_SERVER_UNAVAILABLE
    service.start()
    again = native.open_host()
    found, _ = native.open_process(host, created.pid)
    assert found == HR.RPC_S_SERVER_UNAVAILABLE
    native.call("HcsCloseOperation", operation)
    native.call("HcsCloseProcess", process)
    for handle in (host, again):
        native.call("HcsCloseComputeSystem", handle)
    assert of_host.received.empty()
    assert of_process.received.empty()
    assert not any(value for name, value in service.counts().items() if name != "clients")


def test_calls_that_block_do_not_hold_up_one_another(
    service: DoubleService, connect: Connect
) -> None:
    native = connect()
    host = native.open_host()
    service.script({"Function": "HcsGetComputeSystemProperties", "Never": True, "Times": 0})
    callback = abi.HCS_OPERATION_COMPLETION(lambda *_: None)
    operations = [native.create_operation(callback) for _ in range(64)]
    for operation in operations:
        assert native.call("HcsGetComputeSystemProperties", host, operation, None) == 0
    with ThreadPoolExecutor(len(operations)) as pool:
        begun = threading.Barrier(len(operations) + 1)

        def wait(operation: abi.HCS_OPERATION) -> int:
            begun.wait(TIMEOUT)
            return native.call("HcsWaitForOperationResult", operation, abi.INFINITE, None)

        waiting = [pool.submit(wait, operation) for operation in operations]
        begun.wait(TIMEOUT)
        other = native.run(
            lambda operation: native.call("HcsEnumerateComputeSystems", None, operation)
        )
        assert "host" in (other.document or "")
        assert not any(each.done() for each in waiting)
        service.reset()
        assert {each.result(TIMEOUT) for each in waiting} == {HR.SERVICE_DISCONNECT}
    for operation in operations:
        native.call("HcsCloseOperation", operation)
    native.call("HcsCloseComputeSystem", host)


def test_a_handle_is_closed_in_its_own_callback(connect: Connect) -> None:
    native = connect()
    host = native.open_host()
    closed = threading.Event()
    process, _ = native.create(host, SLEEPER)

    def close(*_: object) -> None:
        native.call("HcsCloseProcess", process)
        closed.set()

    callback = abi.HCS_EVENT_CALLBACK(close)
    assert native.call("HcsSetProcessCallback", process, 0, None, callback) == 0
    native.on_process("HcsTerminateProcess", process)
    assert closed.wait(TIMEOUT)
    native.call("HcsCloseComputeSystem", host)
    assert native.live()["processes"] == 0


def test_a_close_waits_for_the_callback(connect: Connect) -> None:
    native = connect()
    host = native.open_host()
    inside, leave = threading.Event(), threading.Event()
    process, _ = native.create(host, SLEEPER)

    def receive(*_: object) -> None:
        inside.set()
        leave.wait(TIMEOUT)

    callback = abi.HCS_EVENT_CALLBACK(receive)
    assert native.call("HcsSetProcessCallback", process, 0, None, callback) == 0
    native.on_process("HcsTerminateProcess", process)
    assert inside.wait(TIMEOUT)
    with ThreadPoolExecutor() as pool:
        closing = pool.submit(native.call, "HcsCloseProcess", process)
        assert native.on_system("HcsGetComputeSystemProperties", host).hresult == 0
        assert not closing.done()
        leave.set()
        closing.result(TIMEOUT)
    native.call("HcsCloseComputeSystem", host)


def test_the_first_client_starts_a_service_that_stays(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = DoubleService(f"test-{os.getpid()}-{next(NUMBERS)}", [str(PROGRAM)])
    for name, value in other.variable.items():
        monkeypatch.setenv(name, value)
    rule = {"Function": "HcsOpenComputeSystem", "Start": HR.E_FAIL}
    monkeypatch.setenv("HCSD_DOUBLE_SCRIPT", json.dumps([rule]))
    with pytest.raises(subprocess.CalledProcessError):
        other.counts()
    native = connect()
    assert native.open_system("host")[0] == HR.E_FAIL
    native.call("HcsCloseComputeSystem", native.open_host())
    clients = other.counts()["clients"]
    assert isinstance(clients, list)
    assert [client["pid"] for client in clients] == [os.getpid()]
    other.stop()
    assert native.open_system("host")[0] == HR.RPC_S_SERVER_UNAVAILABLE
