"""Runs the command line in the Windows Python, and gives it an event of the console that Wine does not send.

    python console_events.py EVENT ARGUMENT...

When somebody sets the event object `NAME`, the handler of the command is called as Windows would: on a
native thread made for it. Without a handler the event is Ctrl-Break, which the C runtime makes a signal of.
"""

import ctypes
import runpy
import signal
import sys
import threading
from collections.abc import Callable

from hcsd.win32 import console

assert sys.platform == "win32"

NAME = "hcsd-console-event"

kernel32 = ctypes.WinDLL("kernel32")
kernel32.CreateEventW.restype = kernel32.CreateThread.restype = ctypes.c_void_p


def main() -> None:
    event = int(sys.argv[1])
    handlers = []
    make = console.make_handler

    def make_and_keep(request: Callable[[str], None]) -> Callable[[int], int]:
        handlers.append(make(request))
        return handlers[-1]

    def give() -> None:
        asked = ctypes.c_void_p(kernel32.CreateEventW(None, True, False, NAME))
        kernel32.WaitForSingleObject(asked, -1)
        if not handlers:
            signal.raise_signal(signal.SIGBREAK)
            return
        kernel32.CreateThread(None, 0, handlers[-1], ctypes.c_void_p(event), 0, None)

    console.make_handler = make_and_keep
    threading.Thread(target=give, daemon=True).start()
    sys.argv[:] = ["hcsd", *sys.argv[2:]]
    runpy.run_module("hcsd", run_name="__main__")


if __name__ == "__main__":
    main()
