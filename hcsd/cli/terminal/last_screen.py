"""What a process has on its screen, from the bytes that it wrote last.

Whoever comes to a console later must see what is on it. A new size makes most programs draw again,
but none has to: a plain shell at its prompt, or `read`, writes nothing then, and others ignore a size
that they have already. To keep a screen as an emulator does would repeat in Python what the terminal
does better. So the terminal itself is the emulator: it is given an empty screen, and once more the
last of what was written, from a place where the screen was empty, or could as well have been:

    on the other screen                   the last time it was cleared or entered
    text                                  the beginning of the last lines, as many as the screen has
    lines among which the cursor is put   the last time the screen was cleared
    none of these is kept any more        the beginning of a line

What was written on the other screen meanwhile is left out of the main one. Of the bytes only those
come again that draw. Others would ask the terminal something, and the process would read the answer
as if it were typed; or would do something a second time, such as ring the bell.
"""

from __future__ import annotations

import re

from hcsd.cli.terminal.modes import OTHER_SCREEN, TerminalModes

KEPT_BYTES = 1024 * 1024  # as much as the daemon keeps by default
USUAL_ROWS = 24

_CUT = rb"\x1b(?:[ -/]*|\[[0-?]*[ -/]*|[\]PX^_][^\x07\x18\x1a\x1b]*\x1b?)\Z"  # the rest is to come
_DRAWS = (
    rb"\x1b\[[\d;:]*[@-MPSTXZ`abdefgmrsu]"  # moves, erases, scrolls, colours
    rb"|\x1b\[\?[\d;]*[JK]|\x1b\[(?:4|20)[hl]|\x1b\[\?[67][hl]"
    rb"|\x1b[78DEHM]|\x1b[()*+][0-~]|\x1b#[3-68]"
    rb"|\x1b\]8;[^\x07\x18\x1a\x1b]*(?:\x07|\x1b\\)"  # a link
    rb"|[\b\t\n\v\f\r\x0e\x0f]"
)
_DOES_NOT = (
    rb"\x1b\[[0-?]*[ -/]*[@-~]"
    rb"|\x1b[\]PX^_][^\x07\x18\x1a\x1b]*(?:\x07|\x1b\\)?"
    rb"|\x1b[ -/]*[0-~]|[\x00-\x1f\x7f]"
)
_SEQUENCE = re.compile(rb"(" + _CUT + rb"|" + _DRAWS + rb")|" + _DOES_NOT)
_COLOURS = re.compile(rb"\x1b\[[\d;:]*m")
_CLEARS = re.compile(rb"(?:\x1b\[(?:1;1)?H)?\x1b\[2J(?:\x1b\[3J)?|\x1b\[(?:1;1)?H\x1b\[0?J|\x1bc")
_PUTS_CURSOR = re.compile(rb"\x1b\[[\d;]*[Hfdr]|\x1bc")
_SWITCH = re.compile(rb"\x1b(?:\[\?([\d;]{1,60})([hl])|c)")

EMPTY = b"\x1b[m\x1b[H\x1b[J"


class LastScreen:
    """Follows what a process writes."""

    def __init__(self) -> None:
        self.modes = TerminalModes()
        self._kept = bytearray()
        self._forgotten = TerminalModes()  # where what is kept begins
        self._is_cut = False

    @property
    def ends_a_line(self) -> bool:
        """Whether what comes next on the main screen begins a line."""
        line = self._text().rpartition(b"\n")[2]
        return not _COLOURS.sub(b"", _only_drawing(line)).strip(b"\r")

    def feed(self, data: bytes) -> None:
        """Take note of what the process writes."""
        self.modes.feed(data)
        self._kept += data
        if len(self._kept) > 2 * KEPT_BYTES:  # not each time: to move the rest costs most
            self._forget(len(self._kept) - KEPT_BYTES)

    def skip(self) -> None:
        """Take note that something is missing before what comes next."""
        self._forget(len(self._kept))

    def draw(self, rows: int) -> bytes:
        """Return what makes an empty screen of a terminal look as that of the process.

        Args:
            rows: How many the terminal has; 0 if that is not known.
        """
        rows = rows or USUAL_ROWS
        modes = self.modes.redo()
        if not self._kept:
            return modes
        if self.modes.on_other_screen:
            return modes + EMPTY + _only_drawing(self._on_other_screen())
        # What the screen shows goes up to what was there before, the line of the cursor excepted.
        up = b"\x1b7\x1b[r\x1b8\r" + b"\n" * (rows - 1)
        return modes + up + EMPTY + _only_drawing(self._last(rows))

    def _forget(self, size: int) -> None:
        self._forgotten.feed(bytes(self._kept[:size]))
        del self._kept[:size]
        self._is_cut = True

    def _on_other_screen(self) -> bytes:
        _, began, other = self._pieces()[-1]
        return other[_cleared_last(other, 0 if began else self._next_line(other)) :]

    def _last(self, rows: int) -> bytes:
        text = self._text()
        lines = len(text)
        for _ in range(rows):
            lines = text.rfind(b"\n", 0, lines)
            if lines < 0:
                break
        begins = lines + 1 if lines >= 0 else self._next_line(text)
        if _PUTS_CURSOR.search(text, begins):
            begins = _cleared_last(text, self._next_line(text))
        return text[begins:]

    def _text(self) -> bytes:
        """Return what is kept of the main screen."""
        return b"".join(piece for is_other, _, piece in self._pieces() if not is_other)

    def _next_line(self, text: bytes) -> int:
        """Return where what is kept begins to be whole."""
        return text.find(b"\n") + 1 if self._is_cut else 0

    def _pieces(self) -> list[tuple[bool, bool, bytes]]:
        """Cut what is kept where it goes from one screen to the other.

        Returns:
            Of each piece: whether it is for the other screen, whether its beginning is kept, and itself.
        """
        data, start = bytes(self._kept), 0
        is_other, began = self._forgotten.on_other_screen, not self._is_cut
        pieces = []
        for switch in _SWITCH.finditer(data):
            modes = map(int, filter(None, (switch[1] or b"").split(b";")))
            if switch[1] and OTHER_SCREEN.isdisjoint(modes):
                continue
            pieces.append((is_other, began, data[start : switch.start()]))
            is_other, began, start = switch[2] == b"h", True, switch.start()
        return [*pieces, (is_other, began, data[start:])]


def _cleared_last(data: bytes, otherwise: int) -> int:
    """Return where the screen was empty last."""
    ends = [found.end() for found in _CLEARS.finditer(data)]
    return ends[-1] if ends else otherwise


def _only_drawing(data: bytes) -> bytes:
    return _SEQUENCE.sub(rb"\1", data)
