"""What every group of exports needs: the engine's tables, and the kickoff of an operation."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from hcsd.abi.functions import BY_NAME
from hcsd.abi.hresult import HR
from hcsd.embedded.faults import Fault, as_fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.abi.types import HCS_OPERATION
    from hcsd.embedded.core import Core, Operation
    from hcsd.embedded.keepers import Keepers
    from hcsd.embedded.memory import Memory
    from hcsd.embedded.system import System
    from hcsd.embedded.work import Work
    from hcsd.embedded.worker import Worker


class Exports:
    """What every group needs.

    Args:
        core: Handles and operations.
        strings: Strings that callers hold.
        worker: Where the work of operations is done.
        systems: The systems by id; guarded by `core.lock`.
        keepers: Where the keepers of new systems are started.
    """

    def __init__(
        self,
        core: Core,
        strings: Memory,
        worker: Worker,
        systems: dict[str, System],
        keepers: Keepers,
    ) -> None:
        self.keepers = keepers
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
        except Exception as error:
            fault = as_fault(error)
            self.core.refuse(operation, fault)
            raise fault from None
        self.worker.post(lambda: self._work(operation, work))

    def _work(self, operation: Operation, work: Work) -> None:
        done = functools.partial(self.core.complete, operation)
        try:
            work(done)
        except Exception as error:  # logged, unless it is a fault
            done(as_fault(error))


def require_no_options(options: int) -> None:
    """Refuse the options of a callback on a handle.

    Raises:
        Fault: ERROR_NOT_SUPPORTED: there are some.
    """
    if options:
        raise Fault(HR.ERROR_NOT_SUPPORTED, "operation callbacks on a handle are not offered")
