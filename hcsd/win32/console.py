"""Events of the console that end a program: Ctrl-Break, its closing, logging off, shutting down.

Windows calls the handler on a thread that it makes for the event. After all but Ctrl-Break it ends
the process as soon as the handler returns, or some seconds later at the latest (5 after closing).
So the handler does not return from those: the thread ends with the process, which is stopping.

Ctrl-C is left to `signal.signal`, by which Python also interrupts what the main thread waits for.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

assert sys.platform == "win32"  # noqa: S101, TID251  (there is no such console elsewhere)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CTRL_BREAK = 1
ENDS = {2: "closing of the console", 5: "logging off", 6: "shutting down"}
INFINITE = 0xFFFFFFFF

_Handler = ctypes.WINFUNCTYPE(ctypes.c_int32, ctypes.c_uint32)
_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.SetConsoleCtrlHandler.argtypes = [_Handler, ctypes.c_int32]
_kernel32.SetConsoleCtrlHandler.restype = ctypes.c_int32
_kernel32.Sleep.argtypes = [ctypes.c_uint32]
_kernel32.Sleep.restype = None


def make_handler(request: Callable[[str], None]) -> Callable[[int], int]:
    """Return a handler that passes the events on.

    Ownership: it must be kept for as long as Windows may call it.

    Args:
        request: Called with a name for each, on a thread of the console; must not block or log.
    """

    def receive(event: int) -> int:
        if event == CTRL_BREAK:
            request("Ctrl-Break")
            return True
        if event in ENDS:
            request(ENDS[event])
            _kernel32.Sleep(INFINITE)
        return False  # the next handler decides

    return _Handler(receive)


@contextmanager
def receive_events(request: Callable[[str], None]) -> Iterator[None]:
    """Pass the events on while inside, as `make_handler` says.

    Raises:
        OSError: Windows refused the handler.
    """
    handler = make_handler(request)
    if not _kernel32.SetConsoleCtrlHandler(handler, True):
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        yield
    finally:
        _kernel32.SetConsoleCtrlHandler(handler, False)
