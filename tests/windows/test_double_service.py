"""The double as a service of its own: what it is to several clients, and when it is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from hcsd.abi import types as abi
from hcsd.abi.hresult import HR
from tests.windows.clients import SLEEPER, new_service
from tests.windows.native import Events, OperationFailedError, wait_for_end

assert sys.platform == "win32"

if TYPE_CHECKING:
    from tests.windows.clients import Connect
    from tests.windows.double_service import DoubleService

DISCONNECTED = abi.HCS_EVENT_TYPE.HcsEventServiceDisconnect
TIMEOUT = 30.0  # seconds; far beyond what anything here takes


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
    other = new_service()
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
