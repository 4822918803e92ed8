"""Signals by name, number and console event, as each kind of guest takes them.

Windows guests know control events by name and nothing else; a kill is HcsTerminateProcess. Linux
guests know signal numbers. The embedded engine takes both: a console event reaches the process's
whole group, as Ctrl-C at a terminal does, a number the process alone.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from hcsd.hcs.schema import SignalProcessOptions
from hcsd.service.errors import InvalidRequestError, Violation
from hcsd.v1 import process_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kill(enum.Enum):
    """Stands for the signal that no process can handle; it travels as a termination."""

    KILL = enum.auto()


# Linux numbers, whatever the host of the daemon is.
LINUX_SIGNALS: Mapping[str, int] = {
    name: number
    for number, name in enumerate(
        (
            *("HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV"),
            *("USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN"),
            *("TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS"),
        ),
        start=1,
    )
}
_LINUX_NAMES = {number: name for name, number in LINUX_SIGNALS.items()}
LAST_LINUX_SIGNAL = 64
KILL_NUMBER = LINUX_SIGNALS["KILL"]

CONSOLE_EVENTS: Mapping[int, str] = {
    pb.CONSOLE_EVENT_CTRL_C: "CtrlC",
    pb.CONSOLE_EVENT_CTRL_BREAK: "CtrlBreak",
    pb.CONSOLE_EVENT_CTRL_CLOSE: "CtrlClose",
    pb.CONSOLE_EVENT_CTRL_LOG_OFF: "CtrlLogOff",
    pb.CONSOLE_EVENT_CTRL_SHUTDOWN: "CtrlShutdown",
}
_EVENTS_BY_NAME = {name.upper(): name for name in CONSOLE_EVENTS.values()}

# What Windows guests are sent for the names people use, and for the numbers containerd uses.
WINDOWS_NAMES: Mapping[str, str | Kill] = {
    "INT": "CtrlC",
    "BREAK": "CtrlBreak",
    "QUIT": "CtrlBreak",
    "HUP": "CtrlClose",
    "TERM": "CtrlShutdown",
    "KILL": Kill.KILL,
}
WINDOWS_NUMBERS: Mapping[int, str | Kill] = {
    0: "CtrlC",
    1: "CtrlBreak",
    2: "CtrlClose",
    5: "CtrlLogOff",
    6: "CtrlShutdown",
    9: Kill.KILL,
    15: "CtrlShutdown",
}


def signal_name(number: int) -> str:
    """Return the name of a Linux signal, such as ``KILL``; "" if it has none."""
    return _LINUX_NAMES.get(number, "")


def resolve(signal: pb.ProcessSignal, guest_os: str) -> str | Kill:
    """Return the SignalProcessOptions document for a guest, or `Kill`.

    Args:
        signal: What the client asks for.
        guest_os: ``Windows`` or ``Linux``.

    Raises:
        InvalidRequestError: The guest has no such signal; it names those that it has.
    """
    kind = signal.WhichOneof("signal")
    if kind == "options_json":
        return signal.options_json
    if kind == "console_event":
        found: str | int | Kill | None = CONSOLE_EVENTS.get(signal.console_event)
        choices = "a ConsoleEvent"
    elif kind == "signal_name":
        found, choices = _by_name(signal.signal_name, guest_os)
    else:
        found, choices = _by_number(signal.signal_number, guest_os)
    if found is None:
        raise InvalidRequestError(
            [Violation(f"signal.{kind}", "string.in", f"must be {choices} for this guest")]
        )
    return found if isinstance(found, Kill) else SignalProcessOptions(found).to_json()


def _by_name(text: str, guest_os: str) -> tuple[str | int | Kill | None, str]:
    name = text.upper().removeprefix("SIG")
    event = _EVENTS_BY_NAME.get(name)
    known: Mapping[str, str | int | Kill] = WINDOWS_NAMES
    if guest_os != "Windows":
        known = {**LINUX_SIGNALS, "KILL": Kill.KILL}
    choices = f"one of {', '.join([*known, *_EVENTS_BY_NAME.values()])}"
    return event or known.get(name), choices


def _by_number(number: int, guest_os: str) -> tuple[str | int | Kill | None, str]:
    if guest_os == "Windows":
        return WINDOWS_NUMBERS.get(number), f"one of {', '.join(map(str, WINDOWS_NUMBERS))}"
    if number == KILL_NUMBER:
        return Kill.KILL, ""
    in_range = 1 <= number <= LAST_LINUX_SIGNAL
    return number if in_range else None, f"from 1 to {LAST_LINUX_SIGNAL}"
