"""What asks the daemon to stop on Windows.

Wine passes on Ctrl-C only. The handler of the other events is called as Windows would: on a native
thread made for it.
"""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.timeout(60)

STARTS = """
import asyncio, ctypes, logging, sys
from hcsd.cli.daemon_signals import answering_signals
from hcsd.cli.stop_requests import StopRequests
from hcsd.win32.console import make_handler

logging.basicConfig(level="INFO", stream=sys.stdout, format="%(message)s")
stops = StopRequests()
kernel32 = ctypes.WinDLL("kernel32")

async def main():
    stopped = asyncio.Event()
    stops.hand_to(stopped.set)
"""
ENDS = """
    await stopped.wait()

with answering_signals(stops, lambda: None):
    asyncio.run(main())
"""
CALL_HANDLER = """
    kernel32.CreateThread.restype = ctypes.c_void_p
    handler = make_handler(stops.request)
    event = ctypes.c_void_p({event})
    thread = ctypes.c_void_p(kernel32.CreateThread(None, 0, handler, event, 0, None))
"""
RETURNED = 'print("returned" if kernel32.WaitForSingleObject(thread, {ms}) == 0 else "waits")'


def run(code: str, *, console: bool = False) -> tuple[int, list[str]]:
    """Run it in a Python of its own; returns its exit code and the lines that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=50,
        check=False,
        creationflags=subprocess.CREATE_NEW_CONSOLE if console else 0,
    )
    return done.returncode, done.stdout.splitlines()


def test_ctrl_c_stops_it_in_order() -> None:
    send = "    assert kernel32.GenerateConsoleCtrlEvent(0, 0)"
    code, lines = run(STARTS + send + ENDS, console=True)
    # Before it may stand what Python says when Wine's sockets do not take its wake-up at once.
    assert (code, lines[-1:]) == (0, ["received SIGINT"])


def test_ctrl_break_stops_it_and_is_answered() -> None:
    send = CALL_HANDLER.format(event=1) + "    " + RETURNED.format(ms=10_000)
    code, lines = run(STARTS + send + ENDS)
    assert (code, sorted(lines)) == (0, ["received Ctrl-Break", "returned"])


@pytest.mark.parametrize(
    ("event", "name"), [(2, "closing of the console"), (5, "logging off"), (6, "shutting down")]
)
def test_what_ends_the_process_is_not_answered_before_it_has_ended(event: int, name: str) -> None:
    """Windows would end it at the answer."""
    send = CALL_HANDLER.format(event=event)
    looks = "    await stopped.wait()\n    " + RETURNED.format(ms=0)
    assert run(STARTS + send + looks + ENDS) == (0, [f"received {name}", "waits"])


def test_a_signal_before_the_loop_and_one_after_it_do_no_harm() -> None:
    early = STARTS + ENDS.replace(
        "    asyncio.run(main())",
        "    stops.request('early')\n    asyncio.run(main())\n    stops.request('late')",
    )
    assert run(early) == (0, ["received early"])


def test_a_signal_to_a_loop_with_much_to_do_is_no_traceback() -> None:
    full = """
import asyncio, contextlib, signal
from hcsd.cli.wake_on_signals import waking_on_signals

async def main():
    with waking_on_signals(), contextlib.suppress(BlockingIOError):
        while True:
            asyncio.get_running_loop()._csock.send(bytes(65536))
    with waking_on_signals():
        signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, lambda *_: print("handled"))
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", full], capture_output=True, timeout=60, check=True, text=True
    )
    assert (done.stdout, done.stderr) == ("handled\n", "")
