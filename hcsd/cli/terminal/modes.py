"""What a process has switched at the terminal, to undo it when one leaves and redo it on return.

Full-screen programs use a second screen, hide the cursor, and make arrow keys, pastes and the mouse
send other bytes. They put that right at their end, but one that was left or killed has not. Only
modes are followed, by the sequences that switch them; what is on the screen is the program's to
draw again.
"""

from __future__ import annotations

import re

CURSOR_SHOWS = 25
ON_AT_START = {7, CURSOR_SHOWS}  # 7: lines wrap
OTHER_SCREEN = {47, 1047, 1049}
KEYPAD = 66  # of the DEC private modes; terminals know it by ESC = and ESC > everywhere
MODES = {
    1,  # arrow keys
    5,  # reverse video
    6,  # origin in the scroll region
    *ON_AT_START,
    *OTHER_SCREEN,
    KEYPAD,
    *(9, 1000, 1002, 1003, 1004, 1005, 1006, 1015),  # mouse and focus
    2004,  # pastes in brackets
}
PLAIN = b"\x1b[m\x1b(B\x1b7\x1b[r\x1b8"  # no colours, ASCII; all of the screen scrolls
LAST_LINE = b"\x1b[999;1H"

_SWITCH = re.compile(rb"\x1b(?:\[\?([\d;]+)([hl])|([=>])|(c))")
_LONGEST = 64  # bytes of a sequence, generously: a part of one is kept until the rest has come


class TerminalModes:
    """Follows what a process writes."""

    def __init__(self) -> None:
        self._changed: dict[int, None] = {}  # modes that are not as at the start, oldest first
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take note of what the process writes."""
        data = self._rest + data
        for modes, switch, keypad, reset in _SWITCH.findall(data):
            if reset:
                self._changed.clear()
            elif keypad:
                self._note(KEYPAD, on=keypad == b"=")
            else:
                for mode in modes.split(b";"):
                    self._note(int(mode or b"0"), on=switch == b"h")
        # The last sequence may be complete; to switch once more what it switches does no harm.
        start = data.rfind(b"\x1b", max(0, len(data) - _LONGEST))
        self._rest = data[start:] if start >= 0 else b""

    def undo(self) -> bytes:
        """Return what puts the terminal back; b"" if nothing has to be."""
        if not self._changed:
            return b""
        switches = b"".join(_switch(mode, on=mode in ON_AT_START) for mode in self._newest_first())
        # Who hides the cursor moves it all over the screen. Only leaving the other screen puts it
        # where it was before.
        lost = CURSOR_SHOWS in self._changed and not OTHER_SCREEN & self._changed.keys()
        return PLAIN + switches + (LAST_LINE if lost else b"")

    def redo(self) -> bytes:
        """Return what puts a terminal from its start to where the process has it."""
        return b"".join(_switch(mode, on=mode not in ON_AT_START) for mode in self._changed)

    def _newest_first(self) -> list[int]:
        return list(reversed(self._changed))

    def _note(self, mode: int, *, on: bool) -> None:
        if mode not in MODES:
            return
        self._changed.pop(mode, None)
        if on != (mode in ON_AT_START):
            self._changed[mode] = None


def _switch(mode: int, *, on: bool) -> bytes:
    if mode == KEYPAD:
        return b"\x1b=" if on else b"\x1b>"
    return b"\x1b[?%d%c" % (mode, b"h" if on else b"l")
