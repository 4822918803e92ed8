"""The exports of computecore.dll, grouped as its reference is.

Each method is the export of its name, with the parameters of its row in the table. It returns None
for S_OK and raises `Fault` for an HRESULT; how that becomes a C function is the provider's work.
An export without a method here is answered ERROR_NOT_SUPPORTED.

Naming: parameters and methods have Microsoft's names, in the reference's order.
"""

from __future__ import annotations

import functools
import json
import logging
import os
from typing import TYPE_CHECKING

from hcsd.abi.functions import BY_NAME
from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_INVALID_OPERATION_ID, HCS_OPERATION_TYPE, INFINITE
from hcsd.embedded import memory
from hcsd.embedded.configuration import SCHEMA, parse_configuration
from hcsd.embedded.documents import SYSTEM_QUERY, parse
from hcsd.embedded.faults import Fault
from hcsd.embedded.opened import Opened
from hcsd.embedded.system import System

if TYPE_CHECKING:
    import ctypes
    from collections.abc import Callable

    from hcsd.abi.types import (
        HANDLE,
        HCS_EVENT_CALLBACK,
        HCS_OPERATION,
        HCS_OPERATION_COMPLETION,
        HCS_PROCESS,
        HCS_PROCESS_INFORMATION,
        HCS_SYSTEM,
        HLOCAL,
        PCWSTR,
        PSECURITY_DESCRIPTOR,
    )
    from hcsd.embedded.core import Core, Operation
    from hcsd.embedded.process import Process
    from hcsd.embedded.system import Work
    from hcsd.embedded.worker import Worker

    OutPointer = ctypes._Pointer[ctypes.c_void_p]  # noqa: SLF001  (the type has no other name)

SCHEMA_VERSIONS = [dict(zip(("Major", "Minor"), SCHEMA, strict=True))]
SERVICE_QUERY = {"PropertyTypes": lambda value: isinstance(value, list), "PropertyQueries": bool}

logger = logging.getLogger(__name__)


class Exports:
    """What every group needs.

    Args:
        core: Handles and operations.
        strings: Strings that callers hold.
        worker: Where the work of operations is done.
        systems: The systems by id; guarded by `core.lock`.
    """

    def __init__(
        self, core: Core, strings: memory.Memory, worker: Worker, systems: dict[str, System]
    ) -> None:
        self.core = core
        self.strings = strings
        self.worker = worker
        self.systems = systems

    def kick_off(self, export: str, handle: HCS_OPERATION, check: Callable[[], Work]) -> None:
        """Start an operation: `check` runs here and now, the work it returns on the worker.

        Raises:
            Fault: The request is refused; the operation keeps the reason.
        """
        if self.worker.closed:
            raise Fault(HR.SERVICE_DISCONNECT, "the embedded engine has ended")
        operation = self.core.operations.get(handle.value)
        kind = BY_NAME[export].operation
        assert kind is not None  # noqa: S101  (of an export that takes an operation)
        self.core.kick_off(operation, kind)
        try:
            work = check()
        except Fault as fault:
            self.core.refuse(operation, fault)
            raise
        self.worker.post(lambda: self._work(operation, work))

    def _work(self, operation: Operation, work: Work) -> None:
        done = functools.partial(self.core.complete, operation)
        try:
            work(done)
        except Fault as fault:
            done(fault)
        except Exception:
            logger.exception("work of the embedded engine failed")
            done(Fault(HR.E_UNEXPECTED, "the embedded engine failed; its log says why"))


class OperationExports(Exports):
    """Operations."""

    def HcsCreateOperation(self, context: int | None, callback: HCS_OPERATION_COMPLETION) -> int:
        operation = self.core.create_operation()
        self._track(operation, context, callback)
        return operation.handle

    def HcsCloseOperation(self, operation: HCS_OPERATION) -> None:
        self.core.close_operation(operation.value)

    def HcsGetOperationContext(self, operation: HCS_OPERATION) -> int | None:
        return self.core.operations.get(operation.value).context

    def HcsSetOperationContext(self, operation: HCS_OPERATION, context: int | None) -> None:
        self.core.operations.get(operation.value).context = context

    def HcsSetOperationCallback(
        self, operation: HCS_OPERATION, context: int | None, callback: HCS_OPERATION_COMPLETION
    ) -> None:
        tracked = self.core.operations.get(operation.value)
        if self.core.result(tracked)[0] != HR.OPERATION_NOT_STARTED:
            raise Fault(HR.OPERATION_ALREADY_STARTED, "the operation was started")
        self._track(tracked, context, callback)

    def _track(
        self, operation: Operation, context: int | None, callback: HCS_OPERATION_COMPLETION
    ) -> None:
        operation.context = context
        operation.callback = callback or None

    def HcsGetOperationType(self, operation: HCS_OPERATION) -> int:
        return self.core.operations.get(operation.value).type

    def HcsGetOperationId(self, operation: HCS_OPERATION) -> int:
        try:
            return self.core.operations.get(operation.value).id
        except Fault:
            return HCS_INVALID_OPERATION_ID

    def HcsCancelOperation(self, operation: HCS_OPERATION) -> None:
        self.core.operations.get(operation.value)
        raise Fault(HR.E_NOTIMPL, "operations cannot be cancelled")

    def HcsGetOperationResult(self, operation: HCS_OPERATION, result: OutPointer) -> int:
        hresult, document = self.core.result(self.core.operations.get(operation.value))
        self.strings.give_text(result, document)
        return hresult

    def HcsGetOperationResultAndProcessInfo(
        self,
        operation: HCS_OPERATION,
        info: ctypes._Pointer[HCS_PROCESS_INFORMATION],
        result: OutPointer,
    ) -> int:
        tracked = self.core.operations.get(operation.value)
        if tracked.type not in {
            HCS_OPERATION_TYPE.HcsOperationTypeCreateProcess,
            HCS_OPERATION_TYPE.HcsOperationTypeGetProcessInfo,
        }:
            raise Fault(HR.E_INVALIDARG, "the operation has no process information")
        hresult, document = self.core.result(tracked)
        if info and hresult == 0 and tracked.process_info is not None:
            pid, *stdio = tracked.process_info()
            memory.give_process_info(info, pid, (stdio[0], stdio[1], stdio[2]))
        self.strings.give_text(result, document)
        return hresult

    def HcsWaitForOperationResult(
        self, operation: HCS_OPERATION, timeoutMs: int, result: OutPointer
    ) -> int:
        self._wait(operation, timeoutMs)
        return self.HcsGetOperationResult(operation, result)

    def HcsWaitForOperationResultAndProcessInfo(
        self,
        operation: HCS_OPERATION,
        timeoutMs: int,
        info: ctypes._Pointer[HCS_PROCESS_INFORMATION],
        result: OutPointer,
    ) -> int:
        self._wait(operation, timeoutMs)
        return self.HcsGetOperationResultAndProcessInfo(operation, info, result)

    def _wait(self, operation: HCS_OPERATION, timeout_ms: int) -> None:
        tracked = self.core.operations.get(operation.value)
        timeout = None if timeout_ms == INFINITE else timeout_ms / 1000
        if not self.core.wait(tracked, timeout):
            raise Fault(HR.OPERATION_TIMEOUT, "the operation is not complete")


class SystemExports(Exports):
    """Compute systems."""

    def HcsEnumerateComputeSystems(self, query: PCWSTR, operation: HCS_OPERATION) -> None:
        def check() -> Work:
            wanted = parse(query.text, "SystemQuery", SYSTEM_QUERY)
            return lambda done: done(document=json.dumps(self._matching(wanted)))

        self.kick_off("HcsEnumerateComputeSystems", operation, check)

    def _matching(self, query: dict[str, object]) -> list[dict[str, object]]:
        """Members combine with AND, values inside a member with OR; an empty list asks nothing."""
        with self.core.lock:
            found = [system.summary() for system in self.systems.values()]
        keys = {"Ids": "Id", "Names": "Name", "Types": "SystemType", "Owners": "Owner"}
        return [
            properties
            for properties in found
            if all(
                not (wanted := query.get(name))
                or (isinstance(wanted, list) and properties.get(key) in wanted)
                for name, key in keys.items()
            )
        ]

    def HcsCreateComputeSystem(
        self,
        id: PCWSTR,  # noqa: A002
        configuration: PCWSTR,
        operation: HCS_OPERATION,
        _securityDescriptor: PSECURITY_DESCRIPTOR,
        system: OutPointer,
    ) -> None:
        def check() -> Work:
            if not id.text:
                raise Fault(HR.E_INVALIDARG, "a compute system needs an id")
            asked = parse_configuration(configuration.text, os.cpu_count() or 1)
            with self.core.lock:
                if id.text in self.systems:
                    raise Fault(HR.SYSTEM_ALREADY_EXISTS, f"compute system '{id.text}' exists")
                made = System(id.text, asked, self.core.lock, self.worker, self.systems)
                self.systems[id.text] = made
                memory.give_handle(system, self.core.systems.add(made.opened()))
            return lambda done: done()

        self.kick_off("HcsCreateComputeSystem", operation, check)

    def HcsOpenComputeSystem(self, id: PCWSTR, _access: int, system: OutPointer) -> None:  # noqa: A002
        with self.core.lock:
            found = self.systems.get(id.text or "")
            if found is None:
                raise Fault(HR.SYSTEM_NOT_FOUND, f"no compute system '{id.text}'")
            memory.give_handle(system, self.core.systems.add(found.opened()))

    def HcsCloseComputeSystem(self, computeSystem: HCS_SYSTEM) -> None:
        with self.core.lock:
            opened = self.core.systems.remove(computeSystem.value)
            opened.target.closed(opened)
        opened.close()

    def HcsStartComputeSystem(
        self, computeSystem: HCS_SYSTEM, operation: HCS_OPERATION, options: PCWSTR
    ) -> None:
        self._ask("HcsStartComputeSystem", System.start, computeSystem, operation, options)

    def HcsShutDownComputeSystem(
        self, computeSystem: HCS_SYSTEM, operation: HCS_OPERATION, options: PCWSTR
    ) -> None:
        self._ask("HcsShutDownComputeSystem", System.shut_down, computeSystem, operation, options)

    def HcsTerminateComputeSystem(
        self, computeSystem: HCS_SYSTEM, operation: HCS_OPERATION, options: PCWSTR
    ) -> None:
        self._ask("HcsTerminateComputeSystem", System.terminate, computeSystem, operation, options)

    def HcsPauseComputeSystem(
        self, computeSystem: HCS_SYSTEM, operation: HCS_OPERATION, options: PCWSTR
    ) -> None:
        self._ask("HcsPauseComputeSystem", System.pause, computeSystem, operation, options)

    def HcsResumeComputeSystem(
        self, computeSystem: HCS_SYSTEM, operation: HCS_OPERATION, options: PCWSTR
    ) -> None:
        self._ask("HcsResumeComputeSystem", System.resume, computeSystem, operation, options)

    def HcsSaveComputeSystem(
        self, computeSystem: HCS_SYSTEM, operation: HCS_OPERATION, options: PCWSTR
    ) -> None:
        self._ask("HcsSaveComputeSystem", System.save, computeSystem, operation, options)

    def HcsModifyComputeSystem(
        self,
        computeSystem: HCS_SYSTEM,
        operation: HCS_OPERATION,
        configuration: PCWSTR,
        _identity: HANDLE,
    ) -> None:
        self._ask(
            "HcsModifyComputeSystem",
            System.modify_setting,
            computeSystem,
            operation,
            configuration,
        )

    def HcsGetComputeSystemProperties(
        self, computeSystem: HCS_SYSTEM, operation: HCS_OPERATION, propertyQuery: PCWSTR
    ) -> None:
        self._ask(
            "HcsGetComputeSystemProperties",
            System.properties,
            computeSystem,
            operation,
            propertyQuery,
        )

    def _ask(
        self,
        export: str,
        method: Callable[[System, str | None], Work],
        handle: HCS_SYSTEM,
        operation: HCS_OPERATION,
        document: PCWSTR,
    ) -> None:
        self.kick_off(
            export,
            operation,
            lambda: method(self.core.systems.get(handle.value).target, document.text),
        )

    def HcsSetComputeSystemCallback(
        self,
        computeSystem: HCS_SYSTEM,
        callbackOptions: int,
        context: int | None,
        callback: HCS_EVENT_CALLBACK,
    ) -> None:
        _require_no_options(callbackOptions)
        opened = self.core.systems.get(computeSystem.value)
        opened.set_callback(memory.event_caller(callback, context))


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
            memory.give_handle(process, self._open(made))
            return work

        self.kick_off("HcsCreateProcess", operation, check)

    def HcsOpenProcess(
        self, computeSystem: HCS_SYSTEM, processId: int, _access: int, process: OutPointer
    ) -> None:
        with self.core.lock:
            system = self.core.systems.get(computeSystem.value).target
            memory.give_handle(process, self._open(system.find(processId)))

    def _open(self, process: Process) -> int:
        opened = Opened(process)
        with self.core.lock:
            process.handles.append(opened)
            return self.core.processes.add(opened)

    def HcsCloseProcess(self, process: HCS_PROCESS) -> None:
        with self.core.lock:
            opened = self.core.processes.remove(process.value)
            opened.target.handles.remove(opened)
            last = not opened.target.handles
        opened.close()
        if last:
            opened.target.release()

    def HcsTerminateProcess(
        self, process: HCS_PROCESS, operation: HCS_OPERATION, options: PCWSTR
    ) -> None:
        def check() -> Work:
            target = self._target(process)
            return target.system.terminate_process(target, options.text)

        self.kick_off("HcsTerminateProcess", operation, check)

    def HcsSignalProcess(
        self, process: HCS_PROCESS, operation: HCS_OPERATION, options: PCWSTR
    ) -> None:
        def check() -> Work:
            target = self._target(process)
            return target.system.signal(target, options.text)

        self.kick_off("HcsSignalProcess", operation, check)

    def HcsModifyProcess(
        self, process: HCS_PROCESS, operation: HCS_OPERATION, settings: PCWSTR
    ) -> None:
        def check() -> Work:
            target = self._target(process)
            return target.system.modify_process(target, settings.text)

        self.kick_off("HcsModifyProcess", operation, check)

    def HcsGetProcessInfo(self, process: HCS_PROCESS, operation: HCS_OPERATION) -> None:
        def check() -> Work:
            target = self._target(process)
            return lambda done: done(process_info=target.info())

        self.kick_off("HcsGetProcessInfo", operation, check)

    def HcsGetProcessProperties(
        self, process: HCS_PROCESS, operation: HCS_OPERATION, propertyQuery: PCWSTR
    ) -> None:
        def check() -> Work:
            parse(propertyQuery.text, "ProcessPropertyQuery", {})
            target = self._target(process)
            return lambda done: done(document=target.status())

        self.kick_off("HcsGetProcessProperties", operation, check)

    def HcsSetProcessCallback(
        self,
        process: HCS_PROCESS,
        callbackOptions: int,
        context: int | None,
        callback: HCS_EVENT_CALLBACK,
    ) -> None:
        _require_no_options(callbackOptions)
        opened = self.core.processes.get(process.value)
        opened.set_callback(memory.event_caller(callback, context))

    def _target(self, process: HCS_PROCESS) -> Process:
        return self.core.processes.get(process.value).target


class ServiceExports(Exports):
    """The service, and the free function of its strings."""

    def HcsGetServiceProperties(self, propertyQuery: PCWSTR, result: OutPointer) -> None:
        query = parse(propertyQuery.text, "Service_PropertyQuery", SERVICE_QUERY)
        types = query.get("PropertyTypes", [])
        if types != ["Basic"]:
            raise Fault(HR.ERROR_NOT_SUPPORTED, "the embedded engine has Basic properties only")
        self.strings.give_text(
            result, json.dumps({"Properties": [{"SupportedSchemaVersions": SCHEMA_VERSIONS}]})
        )

    def LocalFree(self, memory_block: HLOCAL) -> int | None:
        address = memory_block.value
        return None if not address or self.strings.free(address) else address


def _require_no_options(options: int) -> None:
    if options:
        raise Fault(HR.ERROR_NOT_SUPPORTED, "operation callbacks on a handle are not offered")
