"""What crosses the C boundary by address: strings and handles that go out, events that go in.

A string that goes out is a buffer kept here until the caller frees it with `LocalFree`. It is
handed out through an optional pointer; where the caller passed NULL there is nothing to free.
"""

from __future__ import annotations

import ctypes
import threading
from typing import TYPE_CHECKING

from hcsd.abi.types import HCS_EVENT, PCWSTR, wide

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.abi.types import HCS_EVENT_CALLBACK, HCS_PROCESS_INFORMATION

    OutPointer = ctypes._Pointer[ctypes.c_void_p]  # noqa: SLF001  (the types have no other names)
    InfoPointer = ctypes._Pointer[HCS_PROCESS_INFORMATION]  # noqa: SLF001


class Memory:
    """The strings that callers hold. Thread: any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buffers: dict[int, ctypes.Array[ctypes.c_char]] = {}

    def __len__(self) -> int:
        """Return how many strings have not been freed."""
        return len(self._buffers)

    def give_text(self, pointer: OutPointer, text: str | None) -> None:
        """Store a new string, or NULL, where the pointer points."""
        if not pointer:
            return
        address = None
        if text is not None:
            buffer = ctypes.create_string_buffer(wide(text))
            address = ctypes.addressof(buffer)
            with self._lock:
                self._buffers[address] = buffer
        pointer.contents.value = address

    def free(self, address: int) -> bool:
        """Free a string; False if it is none of ours, or was freed before."""
        with self._lock:
            return self._buffers.pop(address, None) is not None


def give_handle(pointer: OutPointer, handle: int) -> None:
    """Store a handle where the pointer points."""
    pointer.contents.value = handle


def give_process_info(pointer: InfoPointer, pid: int, stdio: tuple[int, int, int]) -> None:
    """Store process information where the pointer points."""
    info = pointer.contents
    info.ProcessId, info.Reserved = pid, 0
    info.StdInput, info.StdOutput, info.StdError = stdio


def event_caller(
    callback: HCS_EVENT_CALLBACK, context: int | None
) -> Callable[[int, str | None], None]:
    """Wrap an event callback so that it is called with a type and a document.

    The event and its text live until the callback returns, and no longer.
    """

    def call(event_type: int, data: str | None) -> None:
        text = None if data is None else ctypes.create_string_buffer(wide(data))
        event = HCS_EVENT()
        event.Type = event_type
        event.EventData = PCWSTR(None if text is None else ctypes.addressof(text))
        callback(ctypes.pointer(event), context)

    return call
