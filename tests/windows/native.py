"""The exports of the test double, called as C would call them: no part of the engine between."""

from __future__ import annotations

import _winapi
import ctypes
import importlib
import json
import queue
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from hcsd.abi import types as abi
from hcsd.abi.functions import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

assert sys.platform == "win32"

_overlapped = importlib.import_module("_overlapped")  # the part of asyncio in C; has no types

COUNTED = ("operations", "systems", "processes", "strings", "created systems")

Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a completed operation gave: its code, unsigned, its document, and process information."""

    hresult: int
    document: str | None
    pid: int = 0
    stdio: tuple[int, int, int] = (0, 0, 0)


class Export(Protocol):
    """A bound export."""

    def __call__(self, *arguments: object) -> object: ...


class OperationFailedError(Exception):
    def __init__(self, hresult: int, document: str | None, *, at_start: bool) -> None:
        super().__init__(f"0x{hresult:08X} {'at the start' if at_start else ''}: {document}")
        self.hresult = hresult
        self.document = document
        self.at_start = at_start


@dataclass
class Events:
    """Events of one handle, in their order."""

    received: queue.SimpleQueue[tuple[int, str | None]] = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        def receive(event: ctypes._Pointer[abi.HCS_EVENT], _context: int | None) -> None:
            raw = event.contents
            self.received.put((raw.Type, raw.EventData.text))

        self.callback = abi.HCS_EVENT_CALLBACK(receive)

    def next(self, timeout: float = 15.0) -> tuple[int, str | None]:
        """Wait for the next one.

        Raises:
            TimeoutError: There is none.
        """
        try:
            return self.received.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError from None


def read_all(handle: int) -> bytes:
    """Read an overlapped handle to its end."""
    pieces = []
    while True:
        overlapped = _overlapped.Overlapped(0)
        try:
            overlapped.ReadFile(handle, 65536)
            pieces.append(overlapped.getresult(True))
        except BrokenPipeError:
            return b"".join(pieces)


def read_some(handle: int, size: int) -> bytes:
    overlapped = _overlapped.Overlapped(0)
    overlapped.ReadFile(handle, size)
    data: bytes = overlapped.getresult(True)
    return data


def write(handle: int, data: bytes) -> None:
    """Write to an overlapped handle."""
    overlapped = _overlapped.Overlapped(0)
    overlapped.WriteFile(handle, data)
    assert overlapped.getresult(True) == len(data)


def wait_for_end(pid: int, milliseconds: int = 15_000) -> None:
    """Wait until a process of anyone has ended; at once if there is none."""
    try:
        process = _winapi.OpenProcess(_winapi.SYNCHRONIZE, False, pid)
    except OSError:
        return
    try:
        assert _winapi.WaitForSingleObject(process, milliseconds) == _winapi.WAIT_OBJECT_0
    finally:
        _winapi.CloseHandle(process)


class Native:
    """A loaded double.

    Args:
        path: The DLL.
    """

    def __init__(self, path: Path) -> None:
        self.library = ctypes.WinDLL(str(path))
        self.kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        self.kernel32.CloseHandle.argtypes = [ctypes.c_void_p]
        self.missing: list[str] = []
        self._functions: dict[str, Export] = {}
        self._callbacks: list[object] = []  # a thunk must outlive its last call
        for row in FUNCTIONS:
            library = self.kernel32 if row.module == "kernel32" else self.library
            try:
                address = ctypes.cast(getattr(library, row.name), ctypes.c_void_p).value
            except AttributeError:
                self.missing.append(row.name)
            else:
                self._functions[row.name] = row.prototype(address)

    def call(self, name: str, *arguments: object) -> int:
        """Call an export that answers an HRESULT or nothing; returns the code, unsigned."""
        result = self._functions[name](*arguments)
        return result & 0xFFFFFFFF if isinstance(result, int) else 0

    def create_operation(
        self, callback: abi.HCS_OPERATION_COMPLETION, context: int | None = None
    ) -> abi.HCS_OPERATION:
        self._callbacks.append(callback)
        operation = self._functions["HcsCreateOperation"](context, callback)
        assert isinstance(operation, abi.HCS_OPERATION)
        return operation

    def take(self, text: abi.PWSTR) -> str | None:
        """Copy a string that was given out, and free it."""
        copy = text.text
        if text.value:
            self.call("LocalFree", text)
        return copy

    def script(self, *rules: Document) -> None:
        function = self.library.HcsdDoubleScript
        function.argtypes, function.restype = [abi.PCWSTR], ctypes.c_int32
        assert function(json.dumps(rules)) == 0

    def reset(self) -> None:
        self.library.HcsdDoubleReset()

    def disconnect(self) -> None:
        self.library.HcsdDoubleDisconnect()

    def live(self) -> dict[str, int]:
        """Count what has been given out and not been given back."""
        counts = (ctypes.c_uint64 * len(COUNTED))()
        self.library.HcsdDoubleLive(counts)
        pipes = self.library.HcsdDoublePipes
        pipes.restype = ctypes.c_uint64
        return dict(zip(COUNTED, counts, strict=True)) | {"pipes": pipes()}

    def repeated_starts(self) -> int:
        function = self.library.HcsdDoubleRepeatedStarts
        function.restype = ctypes.c_uint64
        return int(function())

    # Systems and processes

    def open_system(self, system_id: str) -> tuple[int, abi.HCS_SYSTEM]:
        system = abi.HCS_SYSTEM()
        access = abi.GENERIC_ALL
        result = self.call("HcsOpenComputeSystem", system_id, access, ctypes.byref(system))
        return result, system

    def open_host(self) -> abi.HCS_SYSTEM:
        result, system = self.open_system("host")
        assert result == 0, hex(result)
        return system

    def run(
        self,
        start: Callable[[abi.HCS_OPERATION], int],
        *,
        process_info: bool = False,
        timeout: float = 15.0,
    ) -> Outcome:
        """Run an operation by its completion callback.

        Raises:
            OperationFailedError: It failed, at the start or later.
            TimeoutError: It did not complete.
        """
        completed: queue.SimpleQueue[int] = queue.SimpleQueue()
        callback = abi.HCS_OPERATION_COMPLETION(lambda op, _context: completed.put(op.value))
        operation = self.create_operation(callback, 7)
        try:
            hresult = start(operation) & 0xFFFFFFFF
            if hresult:
                raise OperationFailedError(hresult, self.fetch(operation).document, at_start=True)
            try:
                assert completed.get(timeout=timeout) == operation.value
            except queue.Empty:
                raise TimeoutError from None
            outcome = self.fetch(operation, process_info=process_info)
        finally:
            self.call("HcsCloseOperation", operation)
        if outcome.hresult:
            raise OperationFailedError(outcome.hresult, outcome.document, at_start=False)
        return outcome

    def fetch(self, operation: abi.HCS_OPERATION, *, process_info: bool = False) -> Outcome:
        document = abi.PWSTR()
        if not process_info:
            hresult = self.call("HcsGetOperationResult", operation, ctypes.byref(document))
            return Outcome(hresult, self.take(document))
        info = abi.HCS_PROCESS_INFORMATION()
        hresult = self.call(
            "HcsGetOperationResultAndProcessInfo",
            operation, ctypes.byref(info), ctypes.byref(document),
        )  # fmt: skip
        stdio = [handle.value or 0 for handle in (info.StdInput, info.StdOutput, info.StdError)]
        return Outcome(hresult, self.take(document), info.ProcessId, (stdio[0], stdio[1], stdio[2]))

    def create_system(
        self, system_id: str, configuration: str
    ) -> tuple[abi.HCS_SYSTEM, OperationFailedError | None]:
        """Create a system; the handle is to be closed, also if that failed."""
        system = abi.HCS_SYSTEM()
        out = ctypes.byref(system)
        try:
            self.run(
                lambda operation: self.call(
                    "HcsCreateComputeSystem", system_id, configuration, operation, None, out
                )
            )
        except OperationFailedError as error:
            return system, error
        return system, None

    def on_system(self, name: str, system: abi.HCS_SYSTEM, document: str | None = None) -> Outcome:
        arguments = (document, None) if name == "HcsModifyComputeSystem" else (document,)
        return self.run(lambda operation: self.call(name, system, operation, *arguments))

    def listen_to_system(self, system: abi.HCS_SYSTEM, events: Events) -> int:
        self._callbacks.append(events)
        return self.call("HcsSetComputeSystemCallback", system, 0, None, events.callback)

    def start_process(
        self,
        system: abi.HCS_SYSTEM,
        parameters: str,
        operation: abi.HCS_OPERATION,
        process: abi.HCS_PROCESS,
    ) -> int:
        out = ctypes.byref(process)
        return self.call("HcsCreateProcess", system, parameters, operation, None, out)

    def create(
        self, system: abi.HCS_SYSTEM, parameters: str, events: Events | None = None
    ) -> tuple[abi.HCS_PROCESS, Outcome]:
        """Start a process; with `events`, they are asked for before the create can be complete."""
        process = abi.HCS_PROCESS()

        def start(operation: abi.HCS_OPERATION) -> int:
            result = self.start_process(system, parameters, operation, process)
            if events is not None and process.value:
                self.listen(process, events)
            return result

        try:
            return process, self.run(start, process_info=True)
        except BaseException:
            if process.value:
                self.call("HcsCloseProcess", process)
            raise

    def listen(self, process: abi.HCS_PROCESS, events: Events) -> int:
        self._callbacks.append(events)
        return self.call("HcsSetProcessCallback", process, 0, None, events.callback)

    def on_process(
        self, name: str, process: abi.HCS_PROCESS, document: str | None = None
    ) -> Outcome:
        arguments = () if name == "HcsGetProcessInfo" else (document,)
        return self.run(
            lambda operation: self.call(name, process, operation, *arguments),
            process_info=name == "HcsGetProcessInfo",
        )

    def open_process(self, system: abi.HCS_SYSTEM, pid: int) -> tuple[int, abi.HCS_PROCESS]:
        process = abi.HCS_PROCESS()
        access = abi.GENERIC_ALL
        return self.call("HcsOpenProcess", system, pid, access, ctypes.byref(process)), process

    def service_properties(self) -> tuple[int, abi.PWSTR]:
        text = abi.PWSTR()
        query = '{"PropertyTypes": ["Basic"]}'
        return self.call("HcsGetServiceProperties", query, ctypes.byref(text)), text

    def close_handle(self, handle: int) -> None:
        assert self.kernel32.CloseHandle(handle), ctypes.get_last_error()
