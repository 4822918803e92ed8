"""The test double, as a C caller meets it, with real processes behind it.

What the engine is tested against must itself be right: each of these is a fact of the reference.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from hcsd.abi import types as abi
from hcsd.abi.hresult import HR
from tests.windows import old_build
from tests.windows.conftest import OLD_DOUBLE
from tests.windows.native import (
    Events,
    Native,
    OperationFailedError,
    read_all,
    read_some,
    write,
)

assert sys.platform == "win32"

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EXITED = abi.HCS_EVENT_TYPE.HcsEventProcessExited
DISCONNECTED = abi.HCS_EVENT_TYPE.HcsEventServiceDisconnect
BROKEN_PIPE = 109
CTRL_C_EXIT = 0xC000013A
SLEEPER = f'"{sys.executable}" -c "import time; time.sleep(60)"'


@pytest.fixture
def host(native: Native) -> Iterator[abi.HCS_SYSTEM]:
    system = native.open_host()
    yield system
    native.call("HcsCloseComputeSystem", system)


def parameters(line: str, pipes: str = "", **members: object) -> str:
    """A ProcessParameters document; `pipes` names those asked for, such as ``"In Out"``."""
    asked = {f"CreateStd{name}Pipe": True for name in pipes.split()}
    return json.dumps({"CommandLine": line, **asked, **members})


def python(code: str) -> str:
    assert '"' not in code
    return f'"{sys.executable}" -I -c "{code}"'


def status_of(event: tuple[int, str | None]) -> dict[str, object]:
    kind, data = event
    assert kind == EXITED
    status: dict[str, object] = json.loads(data or "null")
    return status


def finish(native: Native, process: abi.HCS_PROCESS, handles: Iterable[int]) -> None:
    for handle in handles:
        if handle:
            native.close_handle(handle)
    native.call("HcsCloseProcess", process)


def exit_code(native: Native, host: abi.HCS_SYSTEM, line: str) -> object:
    events = Events()
    process, created = native.create(host, parameters(line), events)
    status = status_of(events.next())
    finish(native, process, created.stdio)
    assert status.pop("ProcessId") == created.pid
    assert status.pop("Exited") is True
    assert status.pop("LastWaitResult") == 0
    code = status.pop("ExitCode")
    assert status == {}
    return code


def test_every_export_of_the_table_is_there(native: Native) -> None:
    assert native.missing == []


def test_the_old_build_lacks_what_is_said_of_1809(native: Native) -> None:
    old = Native(OLD_DOUBLE)
    for name in old_build.LACKS:
        assert hasattr(native.library, name)
        assert not hasattr(old.library, name)
    assert old.missing == []


def test_output_of_a_process_is_read_to_its_end(native: Native, host: abi.HCS_SYSTEM) -> None:
    events = Events()
    process, created = native.create(host, parameters("cmd /c echo hi", "Out"), events)
    stdin, stdout, stderr = created.stdio
    assert (stdin, stderr) == (0, 0)
    assert read_all(stdout) == b"hi\r\n"
    assert status_of(events.next())["ExitCode"] == 0
    finish(native, process, created.stdio)


@pytest.mark.parametrize("code", [0, 1, 259, CTRL_C_EXIT, 0xFFFFFFFF])
def test_an_exit_code_arrives_as_32_unsigned_bits(
    native: Native, host: abi.HCS_SYSTEM, code: int
) -> None:
    ended = f"import ctypes; ctypes.windll.kernel32.ExitProcess({code})"
    assert exit_code(native, host, python(ended)) == code


def test_input_ends_only_when_both_copies_are_closed(native: Native, host: abi.HCS_SYSTEM) -> None:
    events = Events()
    echo = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])"
    process, created = native.create(host, parameters(python(echo), "In Out"), events)
    write(created.stdio[0], b"drawer")
    native.close_handle(created.stdio[0])
    with pytest.raises(TimeoutError):
        events.next(timeout=0.5)
    native.on_process(
        "HcsModifyProcess", process,
        '{"Operation": "CloseHandle", "CloseHandle": {"Handle": "StdIn"}}',
    )  # fmt: skip
    assert read_all(created.stdio[1]) == b"reward"
    assert status_of(events.next())["ExitCode"] == 0
    finish(native, process, created.stdio[1:])


def test_much_output_is_exact(native: Native, host: abi.HCS_SYSTEM) -> None:
    events = Events()
    much = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 20000)"
    process, created = native.create(host, parameters(python(much), "Out"), events)
    assert read_all(created.stdio[1]) == bytes(range(256)) * 20000
    events.next()
    finish(native, process, created.stdio)


def test_environment_is_added_and_the_directory_is_set(
    native: Native, host: abi.HCS_SYSTEM
) -> None:
    shown = "import os; print(os.environ['HCSD_A'], os.environ['PATH'] > '', os.getcwd(), end='')"
    document = parameters(
        python(shown),
        "Out",
        Environment={"HCSD_A": "a=€"[:2] + "b"},
        WorkingDirectory="C:\\windows",
    )
    events = Events()
    process, created = native.create(host, document, events)
    assert read_all(created.stdio[1]) == b"a=b True C:\\windows"
    events.next()
    finish(native, process, created.stdio)


def test_a_terminated_process_ends_with_1_and_a_second_time_is_refused(
    native: Native, host: abi.HCS_SYSTEM
) -> None:
    events = Events()
    process, created = native.create(host, parameters(SLEEPER), events)
    native.on_process("HcsTerminateProcess", process)
    assert status_of(events.next())["ExitCode"] == 1
    with pytest.raises(OperationFailedError) as failed:
        native.on_process("HcsTerminateProcess", process)
    assert failed.value.hresult == HR.PROCESS_ALREADY_STOPPED
    finish(native, process, created.stdio)


@pytest.mark.parametrize("name", ["CtrlC", "CtrlBreak", "CtrlClose", "CtrlLogOff", "CtrlShutdown"])
def test_a_control_event_ends_a_process_that_does_not_handle_it(
    native: Native, host: abi.HCS_SYSTEM, name: str
) -> None:
    events = Events()
    process, created = native.create(host, parameters("ping -n 60 127.0.0.1"), events)
    native.on_process("HcsSignalProcess", process, json.dumps({"Signal": name}))
    assert status_of(events.next())["ExitCode"] == CTRL_C_EXIT
    finish(native, process, created.stdio)


def test_a_process_may_handle_ctrl_c(native: Native, host: abi.HCS_SYSTEM) -> None:
    events = Events()
    handles = (
        "import signal, sys, time;"
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(42));"
        "print('ready', flush=True);"
        "[time.sleep(0.05) for _ in range(400)]"
    )
    process, created = native.create(host, parameters(python(handles), "Out"), events)
    assert read_some(created.stdio[1], 5) == b"ready"
    native.on_process("HcsSignalProcess", process, '{"Signal": "CtrlC"}')
    assert status_of(events.next())["ExitCode"] == 42
    finish(native, process, created.stdio)


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("HcsSignalProcess", '{"Signal": "SIGTERM"}'),
        ("HcsSignalProcess", '{"Signal": 2}'),
        ("HcsSignalProcess", '{"Signal": "CtrlC"'),
        ("HcsModifyProcess", "{}"),
        ("HcsModifyProcess", '{"Operation": "ConsoleSize", "ConsoleSize": [1, 2]}'),
        ("HcsModifyProcess", '{"Operation": "CloseHandle", "CloseHandle": {"Handle": "Std"}}'),
        ("HcsGetProcessProperties", '{"PropertyTypes": []}'),
        ("HcsTerminateProcess", '{"Force": true}'),
    ],
)
def test_a_document_that_is_not_right_is_refused_at_the_start(
    native: Native, host: abi.HCS_SYSTEM, name: str, document: str
) -> None:
    events = Events()
    process, created = native.create(host, parameters(SLEEPER), events)
    with pytest.raises(OperationFailedError) as failed:
        native.on_process(name, process, document)
    assert failed.value.at_start
    assert failed.value.hresult == HR.INVALID_JSON
    assert json.loads(failed.value.document or "null")["Error"] == HR.INVALID_JSON - (1 << 32)
    native.on_process("HcsTerminateProcess", process)
    events.next()
    finish(native, process, created.stdio)


@pytest.mark.parametrize(
    ("document", "hresult", "at_start"),
    [
        ('{"CommandLine": "x", "Cmd": 1}', HR.INVALID_JSON, True),
        ('{"CommandLine": 1}', HR.INVALID_JSON, True),
        ("[]", HR.INVALID_JSON, True),
        ("{} ", HR.INVALID_JSON, True),
        ('{"CommandLine": "x", "ConsoleSize": [1, 2]}', HR.INVALID_JSON, True),
        (
            '{"CommandLine": "x", "EmulateConsole": true, "ConsoleSize": {"Height": 1}}',
            HR.INVALID_JSON, True,
        ),
        ('{"CommandLine": "x", "RestrictedToken": true}', HR.ERROR_NOT_SUPPORTED, True),
        ('{"CommandLine": "no-such-program.exe"}', HR.ERROR_FILE_NOT_FOUND, False),
        (
            '{"CommandLine": "cmd", "WorkingDirectory": "C:\\\\no-such"}',
            HR.ERROR_DIRECTORY, False,
        ),
        ('{"CommandLine": "cmd", "User": "nobody-here"}', HR.ERROR_LOGON_FAILURE, False),
    ],
)  # fmt: skip
def test_a_create_that_fails_says_why(
    native: Native, host: abi.HCS_SYSTEM, document: str, hresult: int, at_start: bool
) -> None:
    with pytest.raises(OperationFailedError) as failed:
        native.create(host, document)
    assert (failed.value.hresult, failed.value.at_start) == (hresult, at_start)
    assert json.loads(failed.value.document or "null")["ErrorMessage"]


def test_a_process_is_opened_by_its_pid_while_it_runs(native: Native, host: abi.HCS_SYSTEM) -> None:
    events = Events()
    process, created = native.create(host, parameters(SLEEPER), events)
    found, opened = native.open_process(host, created.pid)
    assert found == 0
    status = native.on_process("HcsGetProcessProperties", opened).document
    assert json.loads(status or "") == {"ProcessId": created.pid, "Exited": False}
    native.on_process("HcsTerminateProcess", opened)
    events.next()
    native.call("HcsCloseProcess", opened)
    gone, _ = native.open_process(host, created.pid)
    assert gone == HR.ERROR_NOT_FOUND
    finish(native, process, created.stdio)


def test_closed_foreign_and_cut_handles_are_errors(native: Native, host: abi.HCS_SYSTEM) -> None:
    system = native.open_host()
    native.call("HcsCloseComputeSystem", system)
    for wrong in (system, abi.HCS_SYSTEM((host.value or 0) & 0xFFFFFFFF), abi.HCS_SYSTEM(None)):
        with pytest.raises(OperationFailedError) as failed:
            native.create(wrong, parameters("cmd"))
        assert failed.value.hresult == HR.ERROR_INVALID_HANDLE
    missing, _ = native.open_system("nope")
    assert missing == HR.SYSTEM_NOT_FOUND


def test_the_host_is_listed(native: Native) -> None:
    outcome = native.run(
        lambda operation: native.call("HcsEnumerateComputeSystems", '{"Ids": ["host"]}', operation)
    )
    (listed,) = json.loads(outcome.document or "")
    assert (listed["Id"], listed["State"]) == ("host", "Running")
    none = native.run(
        lambda operation: native.call("HcsEnumerateComputeSystems", '{"Ids": ["x"]}', operation)
    )
    assert none.document == "[]"


def test_a_console_has_the_size_it_was_given(native: Native, host: abi.HCS_SYSTEM) -> None:
    events = Events()
    shown = "import os; print(os.get_terminal_size(), os.isatty(1))"
    process, created = native.create(
        host,
        parameters(python(shown), "In Out", EmulateConsole=True, ConsoleSize=[33, 99]),
        events,
    )
    assert status_of(events.next())["ExitCode"] == 0
    assert b"columns=99, lines=33) True" in read_all(created.stdio[1])
    finish(native, process, created.stdio)


def test_a_console_is_typed_into_and_resized(native: Native, host: abi.HCS_SYSTEM) -> None:
    events = Events()
    line = "import os; print(input('? '), os.get_terminal_size().columns)"
    process, created = native.create(
        host, parameters(python(line), "In Out", EmulateConsole=True), events
    )
    native.on_process(
        "HcsModifyProcess", process,
        '{"Operation": "ConsoleSize", "ConsoleSize": {"Height": 40, "Width": 120}}',
    )  # fmt: skip
    write(created.stdio[0], b"hello\r")
    assert status_of(events.next())["ExitCode"] == 0
    assert b"hello 120" in read_all(created.stdio[1])
    finish(native, process, created.stdio)


def test_a_console_without_input_ends_at_once(native: Native, host: abi.HCS_SYSTEM) -> None:
    events = Events()
    process, created = native.create(host, parameters("cmd /k", "Out", EmulateConsole=True), events)
    assert status_of(events.next())["ExitCode"] == CTRL_C_EXIT
    finish(native, process, created.stdio)


# Faults


def test_a_start_fails_on_command(native: Native, host: abi.HCS_SYSTEM) -> None:
    native.script({"Function": "HcsCreateProcess", "Start": HR.E_FAIL, "Message": "as told"})
    with pytest.raises(OperationFailedError) as failed:
        native.create(host, parameters("cmd"))
    assert failed.value.at_start
    assert json.loads(failed.value.document or "")["ErrorMessage"] == "as told"
    assert exit_code(native, host, "cmd /c exit 3") == 3


def test_a_create_that_fails_spuriously_left_a_process(
    native: Native, host: abi.HCS_SYSTEM
) -> None:
    native.script({"Function": "HcsCreateProcess", "Complete": HR.E_INVALIDARG, "After": True})
    process = abi.HCS_PROCESS()
    with pytest.raises(OperationFailedError):
        native.run(lambda op: native.start_process(host, parameters(SLEEPER, "Out"), op, process))
    info = native.on_process("HcsGetProcessInfo", process)
    assert info.pid
    assert info.stdio[1]
    native.on_process("HcsTerminateProcess", process)
    assert read_all(info.stdio[1]) == b""
    finish(native, process, info.stdio)


def test_an_operation_completes_before_the_call_returns(
    native: Native, host: abi.HCS_SYSTEM
) -> None:
    native.script({"Function": "HcsCreateProcess", "Inline": True})
    returned: list[str] = []
    callback = abi.HCS_OPERATION_COMPLETION(lambda *_: returned.append("callback"))
    operation = native.create_operation(callback)
    process = abi.HCS_PROCESS()
    native.start_process(host, parameters("cmd /c exit 0"), operation, process)
    returned.append("call")
    assert returned == ["callback", "call"]
    native.call("HcsCloseOperation", operation)
    native.call("HcsCloseProcess", process)


def test_an_operation_that_never_completes_is_let_go_by_a_reset(
    native: Native, host: abi.HCS_SYSTEM
) -> None:
    native.script({"Function": "HcsGetComputeSystemProperties", "Never": True})
    completed: list[int] = []
    callback = abi.HCS_OPERATION_COMPLETION(lambda *_: completed.append(1))
    operation = native.create_operation(callback)
    assert native.call("HcsGetComputeSystemProperties", host, operation, None) == 0
    waited = native.call("HcsWaitForOperationResult", operation, 300, None)
    assert (waited, completed) == (HR.OPERATION_TIMEOUT, [])
    native.reset()
    waited = native.call("HcsWaitForOperationResult", operation, abi.INFINITE, None)
    assert (waited, completed) == (HR.SERVICE_DISCONNECT, [1])
    native.call("HcsCloseOperation", operation)


def test_an_exit_event_comes_twice_without_data_or_not_at_all(
    native: Native, host: abi.HCS_SYSTEM
) -> None:
    native.script(
        {"Function": "ProcessExited", "Events": 2},
        {"Function": "ProcessExited", "NoData": True},
        {"Function": "ProcessExited", "WaitFailed": True},
    )
    told = []
    for expected in (2, 1, 1):
        events = Events()
        process, created = native.create(host, parameters("cmd /c exit 5"), events)
        told.append([events.next() for _ in range(expected)])
        finish(native, process, created.stdio)
        assert events.received.empty()
    (first, again), without, (failed,) = told
    assert first == again
    assert without == [(EXITED, None)]
    assert "ExitCode" not in status_of(failed)


def test_an_exit_comes_before_the_create_is_complete(native: Native, host: abi.HCS_SYSTEM) -> None:
    native.script({"Function": "HcsCreateProcess", "ExitFirst": True})
    events = Events()
    process, created = native.create(host, parameters("cmd /c exit 5", "Out"), events)
    assert status_of(events.received.get_nowait())["ExitCode"] == 5
    assert read_all(created.stdio[1]) == b""
    finish(native, process, created.stdio)


def test_a_disconnect_reaches_every_callback_and_kills_the_handles(native: Native) -> None:
    system = native.open_host()
    events = Events()
    process, created = native.create(system, parameters(SLEEPER), events)
    native.disconnect()
    assert events.next() == (DISCONNECTED, None)
    with pytest.raises(OperationFailedError) as failed:
        native.on_process("HcsTerminateProcess", process)
    assert failed.value.hresult == HR.RPC_S_SERVER_UNAVAILABLE
    again = native.open_host()
    found, opened = native.open_process(again, created.pid)
    assert found == 0
    native.listen(opened, ended := Events())
    native.on_process("HcsTerminateProcess", opened)
    ended.next()
    for closed in (process, opened):
        native.call("HcsCloseProcess", closed)
    for handle in (system, again):
        native.call("HcsCloseComputeSystem", handle)


def test_a_hundred_processes_at_once(native: Native, host: abi.HCS_SYSTEM) -> None:
    started = []
    for number in range(100):
        events = Events()
        document = parameters(f"cmd /c exit {number}", "Out")
        started.append((number, events, *native.create(host, document, events)))
    for number, events, process, created in started:
        assert read_all(created.stdio[1]) == b""
        assert status_of(events.next())["ExitCode"] == number
        finish(native, process, created.stdio)


def test_a_string_that_is_not_freed_is_counted(native: Native) -> None:
    answered, text = native.service_properties()
    assert answered == 0
    assert native.live()["strings"] == 1
    assert "SupportedSchemaVersions" in (native.take(text) or "")
    assert native.live()["strings"] == 0
