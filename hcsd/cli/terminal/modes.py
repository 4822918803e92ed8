"""What a process has switched at the terminal, to undo it when one leaves and redo it on return.

Full-screen programs use a second screen, hide the cursor, and make arrow keys, pastes and the mouse
send other bytes. They put that right at their end, but one that was left or killed has not. Only
modes are followed, by the sequences that switch them; `last_screen.py` knows what is on the screen.
"""

from __future__ import annotations

import re
from collections import deque

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
PLAIN = b"\x1b[m\x1b(B\x0f\x1b[4l\x1b7\x1b[r\x1b8"  # no colours, ASCII, no inserting; all scrolls
LAST_LINE = b"\x1b[999;1H"
# What has more than two values, and what puts each back.
KEYS_WITH_MODIFIERS, CURSOR_STYLE = b"\x1b[>4m", b"\x1b[ q"

# Terminals pass over numbers that are longer, and Python refuses to read some of them.
_SWITCH = re.compile(
    rb"\x1b(?:\[\?(?P<modes>[\d;]{1,60})(?P<switch>[hl])|(?P<keypad>[=>])|(?P<reset>c)"
    rb"|\[(?P<colours>[\d;:]*)m|\[>4(?:;(?P<modifiers>\d{0,9}))?[mn]|\[(?P<style>\d{0,9}) q"
    rb"|\[(?P<push>>\d{0,9}u)|\[<(?P<pop>\d{0,9})u)"
)
_LONGEST = 64  # bytes of a sequence, generously: a part of one is kept until the rest has come
_MOST_PUSHED = 4096  # more than terminals keep; like them, we then forget the oldest


class TerminalModes:
    """Follows what a process writes."""

    def __init__(self) -> None:
        self._rest = b""
        self._reset()

    def _reset(self) -> None:
        self._changed: dict[int, None] = {}  # modes that are not as at the start, oldest first
        self._settings: dict[bytes, bytes] = {}  # what puts one back: what has changed it
        # Protocols of the keyboard, as kitty has them.
        self._pushed: deque[bytes] = deque(maxlen=_MOST_PUSHED)
        self._coloured = False

    @property
    def on_other_screen(self) -> bool:
        """Whether the process has switched to the second screen."""
        return not OTHER_SCREEN.isdisjoint(self._changed)

    def feed(self, data: bytes) -> None:
        """Take note of what the process writes."""
        data = self._rest + data
        end = 0
        for found in _SWITCH.finditer(data):
            self._note(found)
            end = found.end()
        start = data.rfind(b"\x1b", max(end, len(data) - _LONGEST))
        self._rest = data[start:] if start >= 0 else b""

    def undo(self) -> bytes:
        """Return what puts the terminal back; b"" if nothing has to be."""
        if not (self._changed or self._settings or self._pushed or self._coloured):
            return b""
        keyboard = b"\x1b[<%du" % len(self._pushed) if self._pushed else b""
        switches = b"".join(_switch(mode, on=mode in ON_AT_START) for mode in self._newest_first())
        # Who hides the cursor moves it all over the screen. Only leaving the other screen puts it
        # where it was before.
        lost = CURSOR_SHOWS in self._changed and not self.on_other_screen
        settings = b"".join(self._settings)
        return PLAIN + keyboard + settings + switches + (LAST_LINE if lost else b"")

    def redo(self) -> bytes:
        """Return what puts a terminal from its start to where the process has it."""
        switches = b"".join(_switch(mode, on=mode not in ON_AT_START) for mode in self._changed)
        return switches + b"".join(self._settings.values()) + b"".join(self._pushed)

    def _newest_first(self) -> list[int]:
        return list(reversed(self._changed))

    def _note(self, found: re.Match[bytes]) -> None:
        match found.lastgroup:
            case "reset":
                self._reset()
            case "keypad":
                self._switched(KEYPAD, on=found["keypad"] == b"=")
            case "switch":
                for mode in found["modes"].split(b";"):
                    self._switched(int(mode or b"0"), on=found["switch"] == b"h")
            case "colours":
                self._coloured = bool(found["colours"].strip(b"0;:"))
            case "push":
                self._pushed.append(found[0])
            case "pop":
                for _ in range(min(int(found["pop"] or b"1"), len(self._pushed))):
                    self._pushed.pop()
            case "style":
                self._set(CURSOR_STYLE, found)
            case _:
                self._set(KEYS_WITH_MODIFIERS, found)

    def _set(self, back: bytes, found: re.Match[bytes]) -> None:
        self._settings.pop(back, None)
        if (found["modifiers"] or found["style"] or b"").strip(b"0"):
            self._settings[back] = found[0]

    def _switched(self, mode: int, *, on: bool) -> None:
        if mode not in MODES:
            return
        self._changed.pop(mode, None)
        if on != (mode in ON_AT_START):
            self._changed[mode] = None


def _switch(mode: int, *, on: bool) -> bytes:
    if mode == KEYPAD:
        return b"\x1b=" if on else b"\x1b>"
    return b"\x1b[?%d%c" % (mode, b"h" if on else b"l")
