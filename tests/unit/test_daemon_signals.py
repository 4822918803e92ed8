"""Which signal a guest is sent for a name, a number or a console event."""

import json

import pytest

from hcsd.daemon.errors import InvalidRequestError
from hcsd.daemon.guests import Guest
from hcsd.daemon.signals import CONSOLE_EVENTS, LINUX_SIGNALS, Kill, Signal, resolve, signal_name

WINDOWS, LINUX = Guest


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("INT", "CtrlC"),
        ("sigint", "CtrlC"),
        ("BREAK", "CtrlBreak"),
        ("QUIT", "CtrlBreak"),
        ("HUP", "CtrlClose"),
        ("TERM", "CtrlShutdown"),
        ("ctrllogoff", "CtrlLogOff"),
    ],
)
def test_windows_guests_get_events_for_names(text: str, event: str) -> None:
    options = resolve(Signal(signal_name=text), WINDOWS)
    assert options == json.dumps({"Signal": event})


@pytest.mark.parametrize(
    ("number", "event"),
    [
        (0, "CtrlC"),
        (1, "CtrlBreak"),
        (2, "CtrlClose"),
        (5, "CtrlLogOff"),
        (6, "CtrlShutdown"),
        (15, "CtrlShutdown"),
    ],
)
def test_windows_guests_get_events_for_numbers(number: int, event: str) -> None:
    options = resolve(Signal(signal_number=number), WINDOWS)
    assert options == json.dumps({"Signal": event})


@pytest.mark.parametrize("guest", [WINDOWS, LINUX])
def test_a_kill_is_a_kill_for_every_guest(guest: Guest) -> None:
    for sent in (
        Signal(signal_name="KILL"),
        Signal(signal_name="SIGKILL"),
        Signal(signal_number=9),
    ):
        assert resolve(sent, guest) is Kill.KILL


@pytest.mark.parametrize("name", sorted(LINUX_SIGNALS.keys() - {"KILL"}))
def test_linux_guests_get_numbers_for_names(name: str) -> None:
    number = LINUX_SIGNALS[name]
    for text in (name, f"SIG{name}", name.lower()):
        options = resolve(Signal(signal_name=text), LINUX)
        assert options == json.dumps({"Signal": number})
    assert signal_name(number) == name


@pytest.mark.parametrize("guest", [WINDOWS, LINUX])
@pytest.mark.parametrize("event", CONSOLE_EVENTS)
def test_console_events_go_to_every_guest_by_the_name_that_hcs_has(
    event: str, guest: Guest
) -> None:
    options = resolve(Signal(console_event=event), guest)
    assert options == json.dumps({"Signal": event})


@pytest.mark.parametrize("guest", [WINDOWS, LINUX])
@pytest.mark.parametrize(
    "sent",
    [
        Signal(signal_name="NONSENSE"),
        Signal(signal_name="SIGSIGTERM"),
        Signal(signal_number=-1),
        Signal(signal_number=65),
        Signal(console_event=""),
    ],
    ids=["name", "twice", "negative", "high", "event"],
)
def test_a_signal_that_a_guest_has_not_is_refused(sent: Signal, guest: Guest) -> None:
    with pytest.raises(InvalidRequestError):
        resolve(sent, guest)


def test_a_number_without_a_name_has_none() -> None:
    assert signal_name(0) == ""
    assert signal_name(40) == ""
