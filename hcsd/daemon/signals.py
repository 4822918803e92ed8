"""Signals by name, number and console event, as each kind of guest takes them.

Windows guests know control events by name and nothing else; a kill is HcsTerminateProcess. Linux
guests know signal numbers. The embedded engine takes both: a console event reaches the process's
whole group, as Ctrl-C at a terminal does, a number the process alone.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from hcsd.daemon.errors import InvalidRequestError, Violation
from hcsd.hcs.schema import SignalProcessOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.daemon.guests import Guest


class Kill(enum.Enum):
    """Stands for the signal that no process can handle; it travels as a termination."""

    KILL = enum.auto()


class Delivery(enum.Enum):
    """What became of a signal."""

    DELIVERED = enum.auto()
    PENDING = enum.auto()
    ALREADY_EXITED = enum.auto()


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

# Control events by HCS's names, which every guest takes.
CONSOLE_EVENTS = ("CtrlC", "CtrlBreak", "CtrlClose", "CtrlLogOff", "CtrlShutdown")
_EVENTS_BY_NAME = {name.upper(): name for name in CONSOLE_EVENTS}

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


class Signal(NamedTuple):
    """A signal as somebody asks for it; exactly one member is set.

    Attributes:
        signal_name: Such as ``TERM``, with or without ``SIG``, or the name of a console event.
        signal_number: As the guest counts; for Windows guests those that containerd uses.
        console_event: Name of a control event, or "" for one that there is none.
        options_json: SignalProcessOptions document, passed through as it is.
    """

    signal_name: str | None = None
    signal_number: int | None = None
    console_event: str | None = None
    options_json: str | None = None


TERM = Signal(signal_number=LINUX_SIGNALS["TERM"])


def resolve(signal: Signal, guest: Guest) -> str | Kill:
    """Return the SignalProcessOptions document for a guest, or `Kill`.

    Raises:
        InvalidRequestError: The guest has no such signal; it names those that it has.
    """
    if signal.options_json is not None:
        return signal.options_json
    found: str | int | Kill | None
    if signal.console_event is not None:
        field, value, choices = "console_event", signal.console_event, "a ConsoleEvent"
        found = signal.console_event if signal.console_event in CONSOLE_EVENTS else None
    elif signal.signal_name is not None:
        field, value = "signal_name", signal.signal_name
        found, choices = _by_name(signal.signal_name, guest)
    else:
        number = signal.signal_number or 0
        field, value = "signal_number", str(number)
        found, choices = _by_number(number, guest)
    if found is None:
        message = f"is '{value}', and must be {choices} for this guest"
        raise InvalidRequestError([Violation(f"signal.{field}", "string.in", message)])
    return found if isinstance(found, Kill) else SignalProcessOptions(found).to_json()


def _by_name(text: str, guest: Guest) -> tuple[str | int | Kill | None, str]:
    name = text.upper().removeprefix("SIG")
    event = _EVENTS_BY_NAME.get(name)
    known: Mapping[str, str | int | Kill] = WINDOWS_NAMES
    if guest.has_signal_numbers:
        known = {**LINUX_SIGNALS, "KILL": Kill.KILL}
    choices = f"one of {', '.join([*known, *CONSOLE_EVENTS])}"
    return event or known.get(name), choices


def _by_number(number: int, guest: Guest) -> tuple[str | int | Kill | None, str]:
    if not guest.has_signal_numbers:
        return WINDOWS_NUMBERS.get(number), f"one of {', '.join(map(str, WINDOWS_NUMBERS))}"
    if number == KILL_NUMBER:
        return Kill.KILL, ""
    in_range = 1 <= number <= LAST_LINUX_SIGNAL
    return number if in_range else None, f"from 1 to {LAST_LINUX_SIGNAL}"
