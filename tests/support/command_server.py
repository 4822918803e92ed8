"""The server that forks commands for tests/support/commands.py.

Each byte that comes through its socket asks for one command. With it come the three streams, a file
with the `Request`, and a pipe. Into the pipe the server writes the pid of the command, `STOPPED`
whenever the command stops, and at last its exit code. It ends with the other end of its socket.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import re
import select
import signal
import socket
import struct
import sys
import threading
import time
from typing import TypedDict

import typer.main

import hcsd.__main__
import hcsd.cli
import hcsd.failpoints

# All that commands load: these modules, and all that is in ours that are packages. It must start no
# threads and open no files.
LOADED = (
    "typer._adapters",
    "typer._click.decorators",
    "pydantic.plugin._loader",
    "anyio._backends._asyncio",
    "psutil",
    "hcsd.rpc",  # before the client: it loads gRPC as a daemon needs it
    "hcsd_client",
    "hcsd.cli",
    "hcsd.daemon",
    "hcsd.embedded",
    "hcsd.engine",
    "hcsd.listen",
    "hcsd.logs",
    "rich.console",
    "rich.table",
)
ELSEWHERE = re.compile(r"\.terminal\.windows$|\.__main__$")  # what other systems and programs load
STOPPED = 1 << 32  # no exit code
NUMBER = struct.Struct("q")
READ_BYTES = 1 << 16


class Request(TypedDict):
    """A command to start."""

    arguments: list[str]
    environment: dict[str, str]
    directory: str
    terminal: bool


PYTHON_IGNORES = {signal.SIGPIPE, signal.SIGXFSZ}


def _serve(control: socket.socket) -> list[str] | None:
    """Start commands until nobody can ask for one.

    Returns:
        In a process that was forked, the arguments of its command; in the server None.
    """
    # The test that came first may have blocked or ignored signals; commands must not inherit that.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in set(signal.valid_signals()) - PYTHON_IGNORES:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the commands
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    running: dict[int, int] = {}  # the pipe of each command, by its pid
    while True:
        ready, _, _ = select.select([control.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, READ_BYTES)
            _report(running)
        if control.fileno() in ready:
            asked, descriptors, _, _ = socket.recv_fds(control, 1, 5)
            if not asked:
                return None
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                return _become(*descriptors[:4])
            running[pid] = descriptors.pop()
            os.write(running[pid], NUMBER.pack(pid))
            for descriptor in descriptors:
                os.close(descriptor)


def _report(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        if not pid:
            return
        stopped = os.WIFSTOPPED(status)
        number = STOPPED if stopped else os.waitstatus_to_exitcode(status)
        with contextlib.suppress(BrokenPipeError):
            os.write(running[pid], NUMBER.pack(number))
        if not stopped:
            os.close(running.pop(pid))


def _become(stdin: int, stdout: int, stderr: int, request: int) -> list[str]:
    """Take over what a command is started with; return its arguments."""
    with os.fdopen(request) as file:
        wanted: Request = json.load(file)
    if wanted["terminal"]:
        os.login_tty(stdin)
    else:
        for number, descriptor in enumerate((stdin, stdout, stderr)):
            os.dup2(descriptor, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(wanted["directory"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    time.tzset()  # as at the start of a program
    importlib.reload(hcsd.cli)  # which sets a variable
    importlib.reload(hcsd.failpoints)  # which reads one
    for name, mode, buffering in (("stdin", "r", -1), ("stdout", "w", -1), ("stderr", "w", 1)):
        old = getattr(sys, name)
        kind = {"encoding": old.encoding, "errors": old.errors, "closefd": False}
        setattr(sys, name, open(old.fileno(), mode, buffering, **kind))  # noqa: SIM115
    return wanted["arguments"]


def _end(code: object) -> None:
    """End as Python does, but do not take all objects apart: that copies every page of the server.

    It took four fifths of the processor time of a small command. What is installed ends as usual, as
    test_distributions.py has it.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except (OSError, ValueError):
        sys.exit(code)  # type: ignore[arg-type]  # Python says what is wrong with them
    if not isinstance(code, int):
        sys.exit(code)  # type: ignore[arg-type]  # a text, which it prints
    os._exit(code)


def main() -> None:
    for name in LOADED:
        module = importlib.import_module(name)
        own = getattr(module, "__path__", ()) if name.startswith("hcsd") else ()
        for inside in pkgutil.walk_packages(own, f"{name}."):
            if not ELSEWHERE.search(inside.name):
                importlib.import_module(inside.name)
    # What the command line makes of its functions is the same for each command.
    typer.main.get_command = functools.cache(typer.main.get_command)
    typer.main.get_command(hcsd.cli.main.app)
    gc.collect()
    gc.freeze()  # a collection in a command would copy all pages
    arguments = _serve(socket.socket(fileno=int(sys.argv[1])))
    if arguments is not None:
        sys.argv = ["hcsd", *arguments]
        code: object = 0
        try:
            hcsd.__main__.main()
        except SystemExit as end:
            code = end.code or 0
        _end(code)


if __name__ == "__main__":
    main()
