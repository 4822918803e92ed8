"""The exports of the test double, called as C would call them: no part of the engine between."""

from __future__ import annotations

import ctypes
import json
import queue
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hcsd.abi import types as abi
from hcsd.abi.functions import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

assert sys.platform == "win32"

COUNTED = ("operations", "systems", "processes", "strings")

Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a completed operation gave: its code, unsigned, its document, and process information."""

    hresult: int
    document: str | None
    pid: int = 0
    stdio: tuple[int, int, int] = (0, 0, 0)


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
        return self.received.get(timeout=timeout)


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
        self._functions: dict[str, Callable[..., int]] = {}
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
        """Call an export and return its plain result, an HRESULT unsigned."""
        result = self._functions[name](*arguments)
        return result & 0xFFFFFFFF if isinstance(result, int) else result

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
        counts = (ctypes.c_uint64 * 4)()
        self.library.HcsdDoubleLive(counts)
        pipes = self.library.HcsdDoublePipes
        pipes.restype = ctypes.c_uint64
        return dict(zip(COUNTED, counts, strict=True)) | {"pipes": pipes()}

    def repeated_starts(self) -> int:
        function = self.library.HcsdDoubleRepeatedStarts
        function.restype = ctypes.c_uint64
        return int(function())

    # Systems and processes

    def open_host(self) -> abi.HCS_SYSTEM:
        system = abi.HCS_SYSTEM()
        result = self.call("HcsOpenComputeSystem", "host", abi.GENERIC_ALL, ctypes.byref(system))
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
        self._callbacks.append(callback)
        operation = self._functions["HcsCreateOperation"](7, callback)
        try:
            hresult = start(operation) & 0xFFFFFFFF
            if hresult:
                raise OperationFailedError(
                    hresult, self.fetch(operation).document, at_start=True
                )
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

    def create(
        self, system: abi.HCS_SYSTEM, parameters: str, events: Events | None = None
    ) -> tuple[abi.HCS_PROCESS, Outcome]:
        """Start a process; with `events`, they are asked for before the create can be complete."""
        process = abi.HCS_PROCESS()

        def start(operation: abi.HCS_OPERATION) -> int:
            result = self.call(
                "HcsCreateProcess", system, parameters, operation, None, ctypes.byref(process)
            )
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

    def close_handle(self, handle: int) -> None:
        assert self.kernel32.CloseHandle(handle), ctypes.get_last_error()
