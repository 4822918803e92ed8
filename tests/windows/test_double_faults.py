"""Faults of the double that concern documents, the order of events, and pipes."""

from __future__ import annotations

import ctypes
import importlib
import json
import sys
from typing import TYPE_CHECKING

import pytest

from hcsd.abi import types as abi
from hcsd.abi.hresult import HR
from tests.windows.native import Events, Native, OperationFailedError, read_all, write
from tests.windows.test_double import finish, parameters, python, status_of

assert sys.platform == "win32"

if TYPE_CHECKING:
    from collections.abc import Iterator

_overlapped = importlib.import_module("_overlapped")  # the part of asyncio in C; has no types

HELD = 600_000  # milliseconds: until the reset
WAITS = python("import sys; sys.stdin.read()")
SYSTEM_EXITED = abi.HCS_EVENT_TYPE.HcsEventSystemExited
EXITED = abi.HCS_EVENT_TYPE.HcsEventProcessExited
CONFIGURATION = '{"SchemaVersion": {"Major": 2, "Minor": 1}, "Container": {}}'


@pytest.fixture
def host(native: Native) -> Iterator[abi.HCS_SYSTEM]:
    system = native.open_host()
    yield system
    native.call("HcsCloseComputeSystem", system)


def query(native: Native, host: abi.HCS_SYSTEM) -> str | None:
    return native.on_system("HcsGetComputeSystemProperties", host).document


def test_a_document_is_replaced_or_edited(native: Native, host: abi.HCS_SYSTEM) -> None:
    name = "HcsGetComputeSystemProperties"
    native.script(
        {"Function": name, "Document": None},
        {"Function": name, "Document": "half a \ud83d"},
        {"Function": name, "Find": '"host"', "Put": '"guest"'},
    )
    assert query(native, host) is None
    assert query(native, host) == "half a \ud83d"
    assert json.loads(query(native, host) or "")["Id"] == "guest"
    assert json.loads(query(native, host) or "")["Id"] == "host"


@pytest.mark.parametrize("way", ["Start", "Complete"])
def test_the_document_of_a_failure_is_edited(
    native: Native, host: abi.HCS_SYSTEM, way: str
) -> None:
    edit = {"Find": '"Error":-2147024809', "Put": '"Error":2147942487'}
    native.script({"Function": "HcsGetComputeSystemProperties", way: HR.E_INVALIDARG, **edit})
    with pytest.raises(OperationFailedError) as caught:
        query(native, host)
    assert json.loads(caught.value.document or "")["Error"] == HR.E_INVALIDARG


def test_the_document_of_an_event_is_edited(native: Native, host: abi.HCS_SYSTEM) -> None:
    native.script({"Function": "ProcessExited", "Find": '"ExitCode":0', "Put": '"ExitCode":-1'})
    events = Events()
    process, created = native.create(host, parameters("cmd /c exit 0"), events)
    assert status_of(events.next())["ExitCode"] == -1
    finish(native, process, created.stdio)


def test_all_calls_that_go_to_the_service_are_refused(native: Native, host: abi.HCS_SYSTEM) -> None:
    native.script({"Function": "*", "Start": HR.RPC_S_SERVER_UNAVAILABLE, "Times": 0})
    with pytest.raises(OperationFailedError) as caught:
        query(native, host)
    assert caught.value.hresult == HR.RPC_S_SERVER_UNAVAILABLE
    code, text = native.service_properties()
    assert (code, native.take(text) is not None) == (HR.RPC_S_SERVER_UNAVAILABLE, True)
    assert native.open_process(host, 4)[0] == HR.RPC_S_SERVER_UNAVAILABLE
    native.reset()
    assert query(native, host)


def test_a_call_may_answer_pending_though_it_has_started(
    native: Native, host: abi.HCS_SYSTEM
) -> None:
    native.script({"Function": "HcsGetComputeSystemProperties", "Returns": HR.OPERATION_PENDING})
    operation = native.create_operation(abi.HCS_OPERATION_COMPLETION(lambda *_: None))
    name = "HcsGetComputeSystemProperties"
    assert native.call(name, host, operation, None) == HR.OPERATION_PENDING
    document = abi.PWSTR()
    waited = ("HcsWaitForOperationResult", operation, 15_000, ctypes.byref(document))
    assert native.call(*waited) == 0
    assert native.take(document)
    native.call("HcsCloseOperation", operation)


def test_output_stays_open_until_the_reset(native: Native, host: abi.HCS_SYSTEM) -> None:
    native.script({"Function": "HcsCreateProcess", "KeepPipes": True})
    events = Events()
    process, created = native.create(host, parameters("cmd /c echo hi", "Out"), events)
    events.next()
    overlapped = _overlapped.Overlapped(0)
    assert read_until(created.stdio[1], b"hi\r\n") == b"hi\r\n"
    overlapped.ReadFile(created.stdio[1], 1)
    assert overlapped.pending
    native.reset()
    assert overlapped.getresult(True) == b""
    finish(native, process, created.stdio)


def read_until(handle: int, text: bytes) -> bytes:
    data = b""
    while text not in data:
        overlapped = _overlapped.Overlapped(0)
        overlapped.ReadFile(handle, 64)
        data += overlapped.getresult(True)
    return data


def test_pipes_that_are_given_again_are_the_same_and_can_be_bound_once(
    native: Native, host: abi.HCS_SYSTEM
) -> None:
    native.script({"Function": "HcsCreateProcess", "Reissue": True})
    events = Events()
    copies = python("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())")
    process, created = native.create(host, parameters(copies, "In Out"), events)
    again = native.on_process("HcsGetProcessInfo", process)
    assert again.pid == created.pid
    assert all(again.stdio[index] not in {0, created.stdio[index]} for index in (0, 1))
    port = _overlapped.CreateIoCompletionPort(-1, 0, 0, 0)
    _overlapped.CreateIoCompletionPort(created.stdio[1], port, 0, 0)
    with pytest.raises(OSError, match="WinError 87"):
        _overlapped.CreateIoCompletionPort(again.stdio[1], port, 0, 0)
    write(created.stdio[0], b"one ")
    write(again.stdio[0], b"two")
    native.close_handle(created.stdio[0])
    native.close_handle(again.stdio[0])
    native.on_process(
        "HcsModifyProcess", process,
        '{"Operation": "CloseHandle", "CloseHandle": {"Handle": "StdIn"}}',
    )  # fmt: skip
    events.next()
    with pytest.raises(OperationFailedError) as caught:
        native.on_process("HcsGetProcessInfo", process)
    assert caught.value.hresult == HR.PROCESS_ALREADY_STOPPED
    native.close_handle(created.stdio[1])
    native.close_handle(port)
    assert read_all(again.stdio[1]) == b"one two"
    finish(native, process, (0, again.stdio[1]))


def test_an_exit_event_is_held_until_the_reset(native: Native, host: abi.HCS_SYSTEM) -> None:
    native.script({"Function": "ProcessExited", "DelayMs": HELD})
    events = Events()
    process, created = native.create(host, parameters("cmd /c echo hi", "Out"), events)
    assert read_all(created.stdio[1]) == b"hi\r\n"
    document = None
    while '"Exited":true' not in (document or ""):
        document = native.on_process("HcsGetProcessProperties", process).document
    assert events.received.empty()
    native.reset()
    assert status_of(events.next())["ExitCode"] == 0
    finish(native, process, created.stdio)


def test_the_end_of_a_system_may_be_told_before_those_of_its_processes(native: Native) -> None:
    native.script({"Function": "ProcessExited", "SystemFirst": True})
    system, failed = native.create_system("first", CONFIGURATION)
    assert failed is None
    native.on_system("HcsStartComputeSystem", system)
    events = Events()
    native.listen_to_system(system, events)
    process, created = native.create(system, parameters(WAITS, "In"))
    native.listen(process, events)
    native.on_system("HcsTerminateComputeSystem", system)
    assert [events.next()[0], events.next()[0]] == [SYSTEM_EXITED, EXITED]
    finish(native, process, created.stdio)
    native.call("HcsCloseComputeSystem", system)


def test_the_highest_minor_of_each_schema_is_told(native: Native) -> None:
    code, text = native.service_properties()
    assert code == 0
    (basic,) = json.loads(native.take(text) or "")["Properties"]
    versions = {entry["Major"]: entry["Minor"] for entry in basic["SupportedSchemaVersions"]}
    assert versions[2] >= 1
