"""A console as a terminal: its modes, its size, what is typed at it and what is written to it.

What is typed comes as records of events, and not by ReadConsole: that could not be ended without a
key. A record that is there is read at once, so a reader waits for the console or for its own end.

    OPEN ──end(), on any thread──▶ ENDED: a read that waits, and every later one, returns nothing

A console has no signal that tells of a new size. Its records tell of the buffer and not of the
window, and only whoever reads them; so `size` is to be asked again and again, as docker does.

Source: "Console reference" of learn.microsoft.com. Virtual terminal input and output are there since
Windows 10 1607.
"""

from __future__ import annotations

import codecs
import ctypes
import errno
import msvcrt
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

assert sys.platform == "win32"  # noqa: S101, TID251  (there is no such console elsewhere)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROCESSED_INPUT, LINE_INPUT, ECHO_INPUT, MOUSE_INPUT = 0x1, 0x2, 0x4, 0x10
VIRTUAL_TERMINAL_INPUT = 0x200
PROCESSED_OUTPUT, VIRTUAL_TERMINAL_PROCESSING, NO_AUTO_RETURN = 0x1, 0x4, 0x8
KEY_EVENT = 1
ALT = 0x12  # its release brings the character whose code was typed at the number pad
INFINITE = 0xFFFFFFFF
WAIT_OBJECT_0 = 0
GENERIC_READ, GENERIC_WRITE, SHARE_READ_WRITE, OPEN_EXISTING = 0x80000000, 0x40000000, 3, 3
NO_HANDLE = ctypes.c_void_p(-1).value
RECORDS = 128  # of one read
PIECE = 8192  # characters of one write; 64 KiB is what older consoles take


_BOOL, _DWORD, _WORD, _HANDLE = ctypes.c_int32, ctypes.c_uint32, ctypes.c_uint16, ctypes.c_void_p
_COUNT = ctypes.POINTER(_DWORD)  # a result


class _Key(ctypes.Structure):
    _fields_ = (
        ("down", _BOOL),
        ("repeated", _WORD),
        ("key", _WORD),
        ("scan", _WORD),
        ("unit", _WORD),  # of UTF-16
        ("modifiers", _DWORD),
    )


class _Record(ctypes.Structure):
    """INPUT_RECORD; the other members of its union are no larger than `_Key`."""

    _fields_ = (("type", _WORD), ("event", _Key))


class _ScreenBuffer(ctypes.Structure):
    """CONSOLE_SCREEN_BUFFER_INFO."""

    _fields_ = (
        ("size", ctypes.c_int16 * 2),
        ("cursor", ctypes.c_int16 * 2),
        ("attributes", _WORD),
        ("window", ctypes.c_int16 * 4),  # left, top, right, bottom, all inside
        ("maximum", ctypes.c_int16 * 2),
    )


_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
for _name, _result, *_parameters in (
    ("GetConsoleMode", _BOOL, _HANDLE, _COUNT),
    ("SetConsoleMode", _BOOL, _HANDLE, _DWORD),
    ("GetConsoleScreenBufferInfo", _BOOL, _HANDLE, ctypes.POINTER(_ScreenBuffer)),
    ("ReadConsoleInputW", _BOOL, _HANDLE, ctypes.POINTER(_Record), _DWORD, _COUNT),
    ("WriteConsoleW", _BOOL, _HANDLE, ctypes.c_char_p, _DWORD, _COUNT, ctypes.c_void_p),
    (
        *("CreateFileW", _HANDLE, ctypes.c_wchar_p, _DWORD, _DWORD, ctypes.c_void_p),
        *(_DWORD, _DWORD, _HANDLE),
    ),
    ("CloseHandle", _BOOL, _HANDLE),
    ("CreateEventW", _HANDLE, ctypes.c_void_p, _BOOL, _BOOL, ctypes.c_wchar_p),
    ("SetEvent", _BOOL, _HANDLE),
    ("WaitForMultipleObjects", _DWORD, _DWORD, ctypes.POINTER(_HANDLE), _BOOL, _DWORD),
):
    _function = getattr(_kernel32, _name)
    _function.restype, _function.argtypes = _result, _parameters


def _check(result: int) -> None:
    if not result:
        raise ctypes.WinError(ctypes.get_last_error())


def _handle(descriptor: int) -> int:
    return msvcrt.get_osfhandle(descriptor)


def _mode(handle: int) -> int:
    mode = _DWORD()
    _check(_kernel32.GetConsoleMode(handle, mode))
    return mode.value


def is_console(descriptor: int) -> bool:
    """Tell whether a descriptor is a console; the null device, which is a "tty", is none."""
    try:
        _mode(_handle(descriptor))
    except OSError:
        return False
    return True


def size() -> tuple[int, int]:
    """Return columns and rows of the window of our console.

    Raises:
        OSError: We have none.
    """
    screen = _kernel32.CreateFileW(
        "CONOUT$", GENERIC_READ | GENERIC_WRITE, SHARE_READ_WRITE, None, OPEN_EXISTING, 0, None
    )
    _check(screen != NO_HANDLE)
    try:
        buffer = _ScreenBuffer()
        _check(_kernel32.GetConsoleScreenBufferInfo(screen, buffer))
    finally:
        _kernel32.CloseHandle(screen)
    left, top, right, bottom = buffer.window
    return right - left + 1, bottom - top + 1


@contextmanager
def raw_input(descriptor: int) -> Iterator[None]:
    """Have keys as bytes of a terminal while inside: no line, no echo, and Ctrl-C is a key.

    Raises:
        OSError: It is no console, or one without virtual terminal input.
    """
    handle = _handle(descriptor)
    before = _mode(handle)
    cooked = PROCESSED_INPUT | LINE_INPUT | ECHO_INPUT | MOUSE_INPUT
    _check(_kernel32.SetConsoleMode(handle, (before & ~cooked) | VIRTUAL_TERMINAL_INPUT))
    try:
        yield
    finally:
        _kernel32.SetConsoleMode(handle, before)


@contextmanager
def terminal_output(descriptor: int) -> Iterator[None]:
    """Have what is written obeyed as by a terminal while inside.

    Raises:
        OSError: It is no console, or one without virtual terminal processing.
    """
    handle = _handle(descriptor)
    before = _mode(handle)
    wanted = before | PROCESSED_OUTPUT | VIRTUAL_TERMINAL_PROCESSING
    if not _kernel32.SetConsoleMode(handle, wanted | NO_AUTO_RETURN):  # which came later
        _check(_kernel32.SetConsoleMode(handle, wanted))
    try:
        yield
    finally:
        _kernel32.SetConsoleMode(handle, before)


class Keys:
    """What is typed at a console in raw mode, as UTF-8.

    Thread: one reads, any may end it.

    Args:
        descriptor: The console; it stays the caller's.
    """

    def __init__(self, descriptor: int) -> None:
        # Never closed, since the thread may wait for it until the program ends.
        self._ended = _kernel32.CreateEventW(None, True, False, None)
        _check(self._ended)
        self._handle = _handle(descriptor)
        self._handles = (_HANDLE * 2)(self._ended, self._handle)
        self._records = (_Record * RECORDS)()
        self._decoder = codecs.getincrementaldecoder("utf-16-le")("replace")

    def end(self) -> None:
        """Let `read` return, now and from now on; idempotent."""
        _kernel32.SetEvent(self._ended)

    def read(self) -> bytes:
        """Wait for what is typed; b"" at the end.

        Raises:
            OSError: The console is gone.
        """
        while True:
            found = _kernel32.WaitForMultipleObjects(2, self._handles, False, INFINITE)
            if found == WAIT_OBJECT_0:
                return b""
            count = _DWORD()
            _check(found == WAIT_OBJECT_0 + 1)
            _check(_kernel32.ReadConsoleInputW(self._handle, self._records, RECORDS, count))
            units = b"".join(map(_typed, self._records[: count.value]))
            if text := self._decoder.decode(units):
                return str(text).encode()


def _typed(record: _Record) -> bytes:
    """Return what an event adds to what is typed, in UTF-16."""
    event = record.event
    if record.type != KEY_EVENT or not (event.down or (event.key == ALT and event.unit)):
        return b""
    # A key without a character is none of a terminal; but NUL, which Ctrl-Space sends, has no key.
    if not event.unit and (event.key or event.scan):
        return b""
    times: int = max(event.repeated, 1)
    return bytes(ctypes.c_uint16(event.unit)) * times


class Screen:
    """Writes UTF-8 to a console, whatever its code page is and wherever the bytes are cut.

    Thread: one at a time.

    Args:
        descriptor: The console; it stays the caller's.
    """

    def __init__(self, descriptor: int) -> None:
        self._handle = _handle(descriptor)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, chunks: Iterable[bytes]) -> None:
        """Write all of it.

        Raises:
            OSError: The console is gone (EIO, as for a terminal).
        """
        text = self._decoder.decode(b"".join(chunks))
        for start in range(0, len(text), PIECE):
            units = text[start : start + PIECE].encode("utf-16-le")
            while units:
                written = _DWORD()
                count = len(units) // 2
                if not _kernel32.WriteConsoleW(self._handle, units, count, written, None):
                    error = ctypes.get_last_error()
                    raise OSError(errno.EIO, f"the console is gone (error {error})")
                units = units[written.value * 2 :]
