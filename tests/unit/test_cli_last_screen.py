"""What is drawn of a process's screen for somebody who comes later."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hcsd.cli.terminal.last_screen import EMPTY, KEPT_BYTES, LastScreen

ROWS = 3
OTHER, MAIN = b"\x1b[?1049h", b"\x1b[?1049l"

# What asks the terminal something, or does a thing that is not drawing.
ASKS = [
    *(b"\x1b[c", b"\x1b[>c", b"\x1b[6n", b"\x1b[?6n", b"\x1b[14t", b"\x1b[>q", b"\x1b[?2026$p"),
    *(b"\x1b[x", b"\x1b[?u", b"\x1b[5i", b"\x1bZ", b"\x05", b"\x07", b"\x1bc", b"\x1b[22;0;0t"),
    *(b"\x1b]10;?\x07", b"\x1b]0;title\x1b\\", b"\x1b]52;c;?\x07", b"\x1bP+q544e\x1b\\"),
    *(b"\x1b_G a=q\x1b\\", b"\x1b[?1004h", b"\x1b[?2004h", b"\x1b[?25l", b"\x1b[>4;2m", b"\x1b="),
]
DRAWS = [
    *(b"\x1b[31m", b"\x1b[38:2::1:2:3m", b"\x1b[K", b"\x1b[2P", b"\x1b[4@", b"\x1b[A", b"\x1b[?7l"),
    *(b"\x1b(0", b"\x0e", b"\x0f", b"\t", b"\r", b"\b", b"\x1b7", b"\x1b8", b"\x1bM", b"\x1b[4h"),
    *("\u6f22\u5b57 \u00e9".encode(), b"\x1b]8;;http://x\x1b\\", b"\x1b[3S", b"\x1b[s", b"\x1b[u"),
]


def drawn(*pieces: bytes, rows: int = ROWS) -> bytes:
    """What is drawn on the empty screen."""
    screen = LastScreen()
    for piece in pieces:
        screen.feed(piece)
    return screen.draw(rows).rpartition(EMPTY)[2]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (b"$ ", b"$ "),
        (b"1\r\n2\r\n$ ", b"1\r\n2\r\n$ "),
        (b"1\r\n2\r\n3\r\n$ ", b"2\r\n3\r\n$ "),
        (b"1\r\n2\r\n3\r\n", b"2\r\n3\r\n"),
        (b"1\r\n2\r\n\x1b[H\x1b[2J\x1b[3J$ ", b"$ "),
        (b"1\r\n\x1b[2J\x1b[H$ ", b"\x1b[H$ "),
        (b"1\r\n\x1b[H\x1b[J$ \x1b[1;1H\x1b[J> ", b"> "),
        (b"1\r\n\x1bc$ ", b"$ "),
        # The cursor is put among the last lines: they hang on what was drawn since the last clear.
        (b"0\x1b[H\x1b[Ja\r\nb\r\nc\r\nd\x1b[2;1HB", b"a\r\nb\r\nc\r\nd\x1b[2;1HB"),
        (b"0\x1b[H\x1b[J\x1b[2;1Ha\r\nb\r\nc\r\nd", b"b\r\nc\r\nd"),
        # What was on the other screen is gone with it.
        (b"1\r\n$ vi\r\n" + OTHER + b"\x1b[H~\r\n~\r\n~" + MAIN + b"$ ", b"1\r\n$ vi\r\n$ "),
        (b"1\r\n" + MAIN + b"$ ", b"1\r\n$ "),
        (b"1\r\n" + OTHER + b"\x1b[H\x1b[2J\x1b[5;2Hx\n\n\n\n", b"\x1b[5;2Hx\n\n\n\n"),
        (b"1\r\n" + OTHER + b"a" + MAIN + OTHER + b"b", b"b"),
        (OTHER + b"a\x1bc$ ", b"$ "),
        # What has begun goes on with what comes next.
        (b"$ \x1b", b"$ \x1b"),
        (b"$ \x1b[3", b"$ \x1b[3"),
        (b"$ \x1b]0;tit", b"$ \x1b]0;tit"),
        (b"$ \xe6\xbc", b"$ \xe6\xbc"),
    ],
)
def test_a_screen_is_drawn_from_where_it_was_empty(written: bytes, expected: bytes) -> None:
    assert drawn(written) == expected
    assert drawn(*(written[at : at + 1] for at in range(len(written)))) == expected


def test_nothing_is_asked_and_nothing_done_twice() -> None:
    assert drawn(b"$ " + b"|".join(ASKS)).replace(b"|", b"") in {b"$ ", b""}
    assert drawn(b"$ " + b"|".join(DRAWS)) == b"$ " + b"|".join(DRAWS)


def test_nothing_written_leaves_the_screen_alone() -> None:
    assert LastScreen().draw(ROWS) == b""


@pytest.mark.parametrize(
    ("written", "ends"),
    [
        (b"", True),
        (b"1\r\n", True),
        (b"1\r\n\x1b[m\x1b[?2004h", True),
        (b"1\r\n$ ", False),
        (b"1\r\n\x1b[9;1H", False),
        (OTHER + b"vi", True),
        (b"1\r\n" + OTHER + b"vi" + MAIN + b"\x1b[?25h", True),
        (b"1" + OTHER + b"vi\r\n", False),
    ],
)
def test_it_is_known_where_a_line_begins_on_the_main_screen(written: bytes, ends: bool) -> None:
    screen = LastScreen()
    screen.feed(written)
    assert screen.ends_a_line is ends


def test_what_was_on_the_screen_goes_up_and_the_other_screen_is_entered() -> None:
    screen = LastScreen()
    screen.feed(b"$ ")
    assert b"\r\n\n" + EMPTY in screen.draw(ROWS)
    screen.feed(OTHER + b"\x1b[?25lvi")
    assert screen.draw(ROWS) == OTHER + b"\x1b[?25l" + EMPTY + b"vi"


@pytest.mark.parametrize("skips", [False, True])
def test_what_is_not_kept_any_more_is_not_missed(skips: bool) -> None:
    screen = LastScreen()
    screen.feed(b"1\r\n" + OTHER + b"\x1b[H\x1b[Jlost ")
    if skips:
        screen.skip()
    else:
        screen.feed(b"\x1b[2;2Hx" * (KEPT_BYTES // 3))
    screen.feed(b"half\r\nwhole")
    assert screen.draw(ROWS).endswith(b"whole")
    screen.feed(MAIN + b"$ ")
    assert screen.draw(ROWS).endswith(EMPTY + b"$ ")


QUESTION = re.compile(rb"\x1b\[[0-?]*[cntx]|\x05|\x1bZ|\x1b\]1\d;\?[^\x1b]*\x07")


@given(st.lists(st.sampled_from([*ASKS, *DRAWS, OTHER, MAIN, b"\n", b"text", b"\x1b", b"\x1b["])))
@example([b"\x1b", b"\x05", b"\x1b[c"])
def test_whatever_is_written_asks_nothing_again(pieces: list[bytes]) -> None:
    written = b"".join(pieces)
    assert not QUESTION.search(drawn(written))
