"""Runs in the Windows Python at a console: the command line, and what tests want to know of it.

    python at_console.py PORT ARGUMENT...

It connects to PORT of this host. It tells there, each in a line of JSON, the modes of the console, and
when `hcsd ARGUMENT...` has ended its exit code and the modes again. Lines that come are obeyed meanwhile:
`interrupt` is an event as of Ctrl-C, everything else the arguments of the program of
double/console, which is where HCSD_CONSOLE says.
"""

import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from typing import IO

assert sys.platform == "win32"

CTRL_C = 0

_kernel32 = ctypes.WinDLL("kernel32")
_kernel32.GetStdHandle.restype = _kernel32.CreateEventW.restype = ctypes.c_void_p


def modes() -> list[int]:
    """Return the modes of input and output."""
    found = []
    for stream in (-10, -11):
        mode = ctypes.c_uint32()
        handle = ctypes.c_void_p(_kernel32.GetStdHandle(stream))
        assert _kernel32.GetConsoleMode(handle, ctypes.byref(mode))
        found.append(mode.value)
    return found


def obey(link: IO[str]) -> None:
    for line in link:
        if line.strip() == "event":
            asked = ctypes.c_void_p(_kernel32.CreateEventW(None, True, False, "hcsd-console-event"))
            _kernel32.SetEvent(asked)
        elif line.strip() == "interrupt":
            _kernel32.GenerateConsoleCtrlEvent(CTRL_C, 0)
        else:
            subprocess.run([os.environ["HCSD_CONSOLE"], *line.split()], check=False)


def ignore(event: int) -> int:
    """Leave Ctrl-C to the command."""
    return event == CTRL_C


def main() -> None:
    port, *arguments = sys.argv[1:]
    with socket.create_connection(("127.0.0.1", int(port))) as connection:
        link = connection.makefile("rw", encoding="utf-8")
        handler = ctypes.WINFUNCTYPE(ctypes.c_int32, ctypes.c_uint32)(ignore)
        _kernel32.SetConsoleCtrlHandler(handler, True)
        print(json.dumps({"modes": modes()}), file=link, flush=True)
        process = subprocess.Popen([sys.executable, "-P", *arguments])
        threading.Thread(target=obey, args=(link,), daemon=True).start()
        code = process.wait()
        print(json.dumps({"modes": modes(), "code": code}), file=link, flush=True)


if __name__ == "__main__":
    main()
