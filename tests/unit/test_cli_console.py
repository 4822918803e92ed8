"""What a session at a console knows of keys and of terminals."""

import os

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from hcsd.cli.terminal.detach_keys import DETACH_KEYS, DetachKeys, parse_keys
from hcsd.cli.terminal.modes import PLAIN, TerminalModes
from hcsd.cli.terminal.terminal import Size, Terminal


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (DETACH_KEYS, b"\x10\x11"),
        ("ctrl-a,d", b"\x01d"),
        ("Ctrl-A, ctrl-[", b"\x01\x1b"),
        ("ctrl-@,ctrl-\\,ctrl-],ctrl-^,ctrl-_", b"\x00\x1c\x1d\x1e\x1f"),
        ("~", b"~"),
        ("", b""),
    ],
)
def test_keys_are_read(text: str, keys: bytes) -> None:
    assert parse_keys(text) == keys


@pytest.mark.parametrize("text", ["ctrl-", "ctrl-1", "ctrl-ab", "ab", "a,,b", "é", "\t", "ctrl-é"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a key"):
        parse_keys(text)


def test_keys_are_found_wherever_reads_cut_them() -> None:
    keys = DetachKeys(DETACH_KEYS)
    assert keys.feed(b"a\x10b\x10") == (b"a\x10b", False)
    assert keys.holding
    assert keys.feed(b"\x10") == (b"\x10", False)
    assert keys.feed(b"\x11rest") == (b"", True)


def test_keys_that_repeat_themselves_are_found() -> None:
    keys = DetachKeys("a,a,b")
    assert [keys.feed(b"%c" % key) for key in b"aaab"] == [
        (b"", False),
        (b"", False),
        (b"a", False),
        (b"", True),
    ]


def test_what_is_held_back_can_be_passed_on_after_all() -> None:
    keys = DetachKeys(DETACH_KEYS)
    keys.feed(b"\x10")
    assert keys.release() == b"\x10"
    assert not keys.holding
    assert keys.feed(b"\x11") == (b"\x11", False)


@given(st.lists(st.text("ab", max_size=4)), st.text("ab", max_size=4))
def test_nothing_typed_is_lost_or_doubled(pieces: list[str], sequence: str) -> None:
    keys = DetachKeys(",".join(sequence))
    passed, found = b"", False
    for piece in pieces:
        some, found = keys.feed(piece.encode())
        passed += some
        if found:
            break
    typed = "".join(pieces).encode()
    assert found is (bool(sequence) and sequence.encode() in typed)
    if found:
        assert passed == typed.partition(sequence.encode())[0]
    else:
        assert passed + keys.release() == typed


def test_nothing_switched_is_nothing_to_undo() -> None:
    modes = TerminalModes()
    modes.feed(b"\x1b[31mred\x1b[m \x1b[2J\x1b[5;7H\x1b[?12l\x1b[?25h\x1b[?2004h> \x1b[?2004l")
    assert (modes.undo(), modes.redo()) == (b"", b"")


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_what_is_switched_is_undone_from_the_last_to_the_first(size: int) -> None:
    modes = TerminalModes()
    data = b"\x1b[?1049h\x1b[?1;7777h\x1b=text\x1b[?25l\x1b[?1000;1006h"
    for start in range(0, len(data), size):
        modes.feed(data[start : start + size])
    redo = b"\x1b[?1049h\x1b[?1h\x1b=\x1b[?25l\x1b[?1000h\x1b[?1006h"
    assert modes.redo() == redo
    assert modes.undo().endswith(b"\x1b[?1006l\x1b[?1000l\x1b[?25h\x1b>\x1b[?1l\x1b[?1049l")


def test_a_reset_of_the_terminal_undoes_all() -> None:
    modes = TerminalModes()
    modes.feed(b"\x1b[?1049h\x1b[?25l\x1bc")
    assert modes.undo() == b""


def test_a_cursor_that_was_hidden_on_the_only_screen_ends_below_what_was_drawn() -> None:
    modes = TerminalModes()
    modes.feed(b"\x1b[?25l")
    assert modes.undo().endswith(b"\x1b[?25h\x1b[999;1H")


@pytest.mark.parametrize(
    ("written", "undo", "redo"),
    [
        (b"\x1b[31mred", b"", b""),
        (b"\x1b[>4;2m", b"\x1b[>4m", b"\x1b[>4;2m"),  # vim has other keys with modifiers
        (b"\x1b[5 q", b"\x1b[ q", b"\x1b[5 q"),
        (b"\x1b[>1u\x1b[>5u", b"\x1b[<2u", b"\x1b[>1u\x1b[>5u"),
        (b"\x1b[>1u\x1b[>5u\x1b[<u", b"\x1b[<1u", b"\x1b[>1u"),
    ],
)
def test_colours_keyboard_and_cursor_are_put_back(written: bytes, undo: bytes, redo: bytes) -> None:
    modes = TerminalModes()
    for byte in written:
        modes.feed(bytes([byte]))
    assert modes.undo() == PLAIN + undo
    assert modes.redo() == redo


@pytest.mark.parametrize(
    "written",
    [b"\x1b[31m\x1b[0;0m", b"\x1b[>4;2m\x1b[>4m", b"\x1b[5 q\x1b[0 q", b"\x1b[>1u\x1b[<9u"],
)
def test_what_a_process_puts_back_itself_is_left_alone(written: bytes) -> None:
    modes = TerminalModes()
    modes.feed(written)
    assert (modes.undo(), modes.redo()) == (b"", b"")


@given(st.binary())
def test_whatever_is_written_is_followed(data: bytes) -> None:
    modes = TerminalModes()
    modes.feed(b"\x1b[?" + data)
    modes.feed(data)
    assert modes.undo().count(b"l") <= len(data) + 10


@pytest.mark.skipif(os.name == "nt", reason="uses a pseudo-terminal")
def test_a_terminal_that_is_gone_has_no_size_and_no_modes() -> None:
    controller, inside = os.openpty()
    terminal = Terminal(inside, raw=True)
    os.close(controller)
    with terminal.raw():
        assert not terminal.size
    os.close(inside)


def test_a_size_with_a_side_of_zero_is_not_known() -> None:
    assert Size(80, 25)
    assert not Size(80, 0)
    assert not Size(0, 25)


def test_what_no_terminal_obeys_is_passed_over_and_what_is_kept_is_bounded() -> None:
    modes = TerminalModes()
    digits = b"9" * 5000
    modes.feed(
        b"".join(b"\x1b[" + form % digits for form in (b"?%bh", b"<%b\x75", b"%b q", b">4;%bm"))
    )
    assert (modes.undo(), modes.redo()) == (b"", b"")
    modes.feed(b"\x1b[>1u" * 100_000)
    assert len(modes.redo()) < 100_000
