"""The state of a compute system, and who hears of its end.

`lifecycle` says which states there are. They are changed by the worker alone, and only here.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from hcsd.abi.extensions import EVENT_OUT_OF_MEMORY
from hcsd.abi.types import HCS_EVENT_TYPE
from hcsd.embedded.lifecycle import Call, SystemState, require
from hcsd.embedded.system_documents import exit_status

if TYPE_CHECKING:
    from collections.abc import Sequence


class Listener(Protocol):
    """An open handle."""

    def deliver(self, event: int, data: str | None) -> None:
        """Tell whoever has it of an event."""


class StatefulSystem:
    """What a system is without what runs in it.

    Args:
        system_id: Its id.
        lock: Guards every field.

    Attributes:
        id: As given.
        ended: Set when nothing of it is left.
    """

    def __init__(self, system_id: str, lock: threading.RLock) -> None:
        self.id = system_id
        self.ended = threading.Event()
        self._state = SystemState.CREATED
        self._shown = SystemState.CREATED  # what it was before it was told to end
        self._exit_type = ""
        self._lock = lock

    def require(self, call: Call) -> None:
        """Let a call pass that is legal now.

        Raises:
            Fault: It is not.
        """
        require(call, self._state)

    def report_out_of_memory(self) -> None:
        """Tell that the host has killed something in it for want of memory. Thread: the worker's."""
        with self._lock:
            handles = () if self._state is SystemState.STOPPED else self._listeners()
        for handle in handles:
            handle.deliver(EVENT_OUT_OF_MEMORY, None)

    def _stop(self) -> None:
        """Nothing of it is left: tell everybody."""
        document = exit_status(self._exit_type)
        with self._lock:
            self._enter(SystemState.STOPPED, self._exit_type)
            handles = self._listeners()
            if not handles:
                self._leave()
        for handle in handles:
            handle.deliver(HCS_EVENT_TYPE.HcsEventSystemExited, document)

    def _listeners(self) -> Sequence[Listener]:
        """Return all open handles to it. Lock held."""
        raise NotImplementedError

    def _leave(self) -> None:
        """Be forgotten: it has stopped, and nobody has it open."""
        raise NotImplementedError

    def _enter(self, state: SystemState, exit_type: str = "") -> None:
        with self._lock:
            self._state, self._exit_type = state, exit_type
            if state is not SystemState.ENDING:
                self._shown = state
