"""Exports of operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_INVALID_OPERATION_ID, HCS_OPERATION_TYPE, INFINITE
from hcsd.embedded.exports.base import Exports
from hcsd.embedded.faults import Fault
from hcsd.embedded.memory import give_process_info

if TYPE_CHECKING:
    from hcsd.abi.types import HCS_OPERATION, HCS_OPERATION_COMPLETION
    from hcsd.embedded.core import Operation
    from hcsd.embedded.memory import InfoPointer, OutPointer


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
        info: InfoPointer,
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
            give_process_info(info, pid, (stdio[0], stdio[1], stdio[2]))
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
        info: InfoPointer,
        result: OutPointer,
    ) -> int:
        self._wait(operation, timeoutMs)
        return self.HcsGetOperationResultAndProcessInfo(operation, info, result)

    def _wait(self, operation: HCS_OPERATION, timeout_ms: int) -> None:
        tracked = self.core.operations.get(operation.value)
        timeout = None if timeout_ms == INFINITE else timeout_ms / 1000
        if not self.core.wait(tracked, timeout):
            raise Fault(HR.OPERATION_TIMEOUT, "the operation is not complete")
