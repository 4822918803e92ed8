"""Exports of processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.embedded.documents import parse
from hcsd.embedded.exports.base import Exports, require_no_options
from hcsd.embedded.handle import Handle
from hcsd.embedded.memory import event_caller, give_handle

if TYPE_CHECKING:
    from hcsd.abi.types import (
        HCS_EVENT_CALLBACK,
        HCS_OPERATION,
        HCS_PROCESS,
        HCS_SYSTEM,
        PCWSTR,
        PSECURITY_DESCRIPTOR,
    )
    from hcsd.embedded.memory import OutPointer
    from hcsd.embedded.process import Process
    from hcsd.embedded.work import Work


class ProcessExports(Exports):
    """Processes."""

    def HcsCreateProcess(
        self,
        computeSystem: HCS_SYSTEM,
        processParameters: PCWSTR,
        operation: HCS_OPERATION,
        _securityDescriptor: PSECURITY_DESCRIPTOR,
        process: OutPointer,
    ) -> None:
        def check() -> Work:
            system = self.core.systems.get(computeSystem.value).target
            made, work = system.create_process(processParameters.text)
            give_handle(process, self._open(made))
            return work

        self.kick_off("HcsCreateProcess", operation, check)

    def HcsOpenProcess(
        self, computeSystem: HCS_SYSTEM, processId: int, _access: int, process: OutPointer
    ) -> None:
        with self.core.lock:
            system = self.core.systems.get(computeSystem.value).target
            give_handle(process, self._open(system.find_process(processId)))

    def _open(self, process: Process) -> int:
        handle = Handle(process)
        with self.core.lock:
            process.handles.append(handle)
            return self.core.processes.add(handle)

    def HcsCloseProcess(self, process: HCS_PROCESS) -> None:
        with self.core.lock:
            handle = self.core.processes.remove(process.value)
            handle.target.handles.remove(handle)
            last = not handle.target.handles
            if last and handle.target.exited:
                handle.target.on_collected()
        handle.close()
        if last:
            handle.target.release()

    def HcsTerminateProcess(
        self, process: HCS_PROCESS, operation: HCS_OPERATION, options: PCWSTR
    ) -> None:
        self.kick_off(
            "HcsTerminateProcess", operation, lambda: self._target(process).terminate(options.text)
        )

    def HcsSignalProcess(
        self, process: HCS_PROCESS, operation: HCS_OPERATION, options: PCWSTR
    ) -> None:
        self.kick_off(
            "HcsSignalProcess", operation, lambda: self._target(process).signal(options.text)
        )

    def HcsModifyProcess(
        self, process: HCS_PROCESS, operation: HCS_OPERATION, settings: PCWSTR
    ) -> None:
        self.kick_off(
            "HcsModifyProcess", operation, lambda: self._target(process).modify(settings.text)
        )

    def HcsGetProcessInfo(self, process: HCS_PROCESS, operation: HCS_OPERATION) -> None:
        def check() -> Work:
            target = self._target(process)
            return target.tell_info

        self.kick_off("HcsGetProcessInfo", operation, check)

    def HcsGetProcessProperties(
        self, process: HCS_PROCESS, operation: HCS_OPERATION, propertyQuery: PCWSTR
    ) -> None:
        def check() -> Work:
            parse(propertyQuery.text, "ProcessPropertyQuery", {})
            target = self._target(process)
            return target.tell

        self.kick_off("HcsGetProcessProperties", operation, check)

    def HcsSetProcessCallback(
        self,
        process: HCS_PROCESS,
        callbackOptions: int,
        context: int | None,
        callback: HCS_EVENT_CALLBACK,
    ) -> None:
        require_no_options(callbackOptions)
        handle = self.core.processes.get(process.value)
        handle.set_callback(event_caller(callback, context))

    def _target(self, process: HCS_PROCESS) -> Process:
        return self.core.processes.get(process.value).target
