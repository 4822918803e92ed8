"""Command lines, read by those who read them: CommandLineToArgvW, the C runtime, and cmd.

Wine stands in for Windows. Where its answer is not Windows's, a test says so.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcsd.daemon import windows_command
from hcsd.daemon.windows_command import MAX_UNITS, quote_windows
from hcsd.daemon.windows_environment import fold

assert sys.platform == "win32"

if TYPE_CHECKING:
    from pathlib import Path

GUEST = os.environ["HCSD_GUEST"]
PROGRAM = "C:\\a b\\tool.exe"
# What means something to some reader, and what needs more or less than a unit.
LETTERS = "ab\\\"' \t\n\r\v\x01=,;&|<>^()%!*?/-\x7f\xa0é€\U0001f600\ud83d\ude00\ud800"
WORDS = st.lists(st.text(alphabet=LETTERS) | st.text(st.characters(exclude_characters="\0")))

_split = ctypes.WinDLL("shell32", use_last_error=True).CommandLineToArgvW
_split.argtypes = [ctypes.c_wchar_p, ctypes.POINTER(ctypes.c_int)]
_split.restype = ctypes.POINTER(ctypes.c_void_p)
_free = ctypes.WinDLL("kernel32").LocalFree
_free.argtypes = [ctypes.c_void_p]


def utf16(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def split(line: str) -> list[bytes]:
    """Split a command line as Windows does, into words of UTF-16."""
    count = ctypes.c_int()
    words = _split(line, count)
    assert words, ctypes.WinError(ctypes.get_last_error())
    found = [utf16(ctypes.wstring_at(words[index])) for index in range(count.value)]
    _free(words)
    return found


def received(line: str) -> list[bytes]:
    """Start our guest by a command line, and return the words that the C runtime gave it."""
    ran = subprocess.run(line, capture_output=True, check=True)
    return words_of(ran.stdout)


def words_of(told: bytes) -> list[bytes]:
    words = [bytes.fromhex(word.decode()) for word in told.replace(b"\r", b"").split(b"\n")[:-1]]
    return [b"".join(word[i : i + 2][::-1] for i in range(0, len(word), 2)) for word in words]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (r"a\"b c", ['a\\"b', "c"]),  # the first word: no escapes
        (r'"a b\" c', ["a b\\", "c"]),
        (r'a "b\\" c', ["a", "b\\", "c"]),
        (r'a "b\\\" c"', ["a", 'b\\" c']),
        (r"a b\\c", ["a", "b\\\\c"]),
        ('a "" b', ["a", "", "b"]),
        ('a "b""c" d', ["a", 'b"c d']),  # to the C runtime since 2008 it is `b"c` and `d`
    ],
)
def test_this_splitter_follows_the_documented_rules(line: str, words: list[str]) -> None:
    assert split(line) == [utf16(word) for word in words]


@settings(deadline=None)
@given(WORDS)
def test_words_are_split_as_they_were_joined_unit_for_unit(words: list[str]) -> None:
    args = [PROGRAM, *words]
    if not list(windows_command.violations(args)):
        assert split(quote_windows(args)) == [utf16(word) for word in args]


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters='\0"'), min_size=1))
def test_a_program_is_the_first_word_whatever_is_in_its_name(program: str) -> None:
    if not windows_command.is_batch(program):
        assert split(quote_windows([program, "x"])) == [utf16(program), utf16("x")]


@settings(deadline=None, max_examples=8)  # each is a process
@given(st.lists(st.text(alphabet=LETTERS.replace("*", "").replace("?", "")), min_size=200))
def test_the_c_runtime_gives_a_program_the_same_words(words: list[str]) -> None:
    assert received(quote_windows([GUEST, "units", *words])) == [utf16(word) for word in words]


def test_the_longest_command_line_is_started_and_arrives_whole() -> None:
    args = [GUEST, "units", "€"]
    args[-1] *= MAX_UNITS - len(quote_windows(args)) + 1
    line = quote_windows(args)
    assert len(line) == MAX_UNITS
    assert received(line) == [utf16(args[-1])]
    # One unit more is refused by Windows. Wine starts it.


def test_no_variable_is_taken_for_another_that_windows_keeps_apart() -> None:
    upcase = ctypes.WinDLL("ntdll").RtlUpcaseUnicodeChar
    upcase.argtypes, upcase.restype = [ctypes.c_wchar], ctypes.c_wchar
    every = [chr(unit) for unit in range(1, 0x10000)]
    alike: dict[str, set[str]] = {}
    for character in every:
        alike.setdefault(fold(character), set()).add(upcase(character))
    assert not {ours: theirs for ours, theirs in alike.items() if len(theirs) > 1}
    missed = [c for c in every if upcase(c) != upcase(fold(c)) or fold(upcase(c)) != fold(c)]
    assert all(len(c.upper()) > 1 for c in missed)  # some Greek letters with an iota below


# --- batch files ---


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A batch file in a folder with a space, that says what it was given and passes it on."""
    path = tmp_path_factory.mktemp("a & b") / "tell all.bat"
    lines = [
        "@echo off",
        f'"{GUEST}" units %*',
        f'"{GUEST}" units "%~1."',  # the dot, for a backslash at the end
    ]
    path.write_text("\r\n".join(lines) + "\r\n")
    return path


@pytest.mark.parametrize(
    "word",
    [
        "plain",
        "a b",
        "a&echo b",
        "a|more",
        "a>b",
        "a<b",
        "^a^",
        "(a)",
        "a=b",
        "a,b;c",
        "C:\\a\\",
        "",
        "'",
        "é",
        "/?",
    ],
)
def test_a_batch_file_is_given_a_safe_word_as_it_is(batch: Path, word: str) -> None:
    args = [str(batch), word, "end"]
    assert not list(windows_command.violations(args))
    assert received(quote_windows(args)) == [utf16(text) for text in (word, "end", f"{word}.")]


@settings(deadline=None, max_examples=8)  # each is two processes
@given(words=st.lists(st.text(alphabet=LETTERS, max_size=9), min_size=50, max_size=300))
def test_a_batch_file_is_given_all_safe_words_as_they_are(batch: Path, words: list[str]) -> None:
    program = str(batch)
    safe = [word for word in words if not list(windows_command.violations([program, word]))]
    told = received(quote_windows([program, *safe]))
    assert told[:-1] == [utf16(word) for word in safe]
