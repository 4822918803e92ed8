"""Runs in the Windows Python at a console: puts records into its input, and says what was read.

    python console_probe.py PORT

Wine makes no records as of virtual terminal input. So they are written here as Windows makes them.
"""

import ctypes
import json
import os
import socket
import sys
import threading
from contextlib import suppress

from hcsd.win32 import console_io

assert sys.platform == "win32"

ALT, ARROW, SHIFT = 0x12, 0x26, 0x10
DOWN, UP = 1, 0
KEY, RESIZE = 1, 4

Record = tuple[int, int, int, int, int]  # type, down, repeated, key, unit


class NoticedError(Exception):
    pass


def key(text: str) -> list[Record]:
    """Records of what virtual terminal input makes of a key: a record without a key for each unit."""
    units = text.encode("utf-16-le", "surrogatepass")
    return [
        (KEY, DOWN, 1, 0, int.from_bytes(units[i : i + 2], "little"))
        for i in range(0, len(units), 2)
    ]


def put(handle: int, records: list[Record]) -> None:
    kernel32 = ctypes.WinDLL("kernel32")
    made = (console_io._Record * len(records))()
    for record, (kind, down, repeated, code, unit) in zip(made, records, strict=True):
        record.type = kind
        record.event.down, record.event.repeated = down, repeated
        record.event.key, record.event.unit = code, unit
    written = ctypes.c_uint32()
    assert kernel32.WriteConsoleInputW(
        ctypes.c_void_p(handle), made, len(records), ctypes.byref(written)
    )
    assert written.value == len(records)


def read(*batches: list[Record]) -> list[str]:
    """Put in one batch after the other, and read after each; the last key of each must be text."""
    keys = console_io.Keys(0)
    found = []
    for batch in batches:
        put(console_io._handle(0), batch)
        found.append(keys.read().hex())
    waiting = threading.Timer(0, keys.end)
    waiting.start()
    found += [keys.read().hex(), keys.read().hex()]
    waiting.join()
    return found


def modes() -> list[int]:
    return [console_io._mode(console_io._handle(stream)) for stream in (0, 1)]


def put_back() -> bool:
    """Tell whether an exception inside leaves modes as they were."""
    before = modes()
    with suppress(NoticedError), console_io.raw_input(0), console_io.terminal_output(1):
        inside = modes()
        assert inside[0] & 0x217 == 0x200, inside  # no processed, line, echo or mouse input
        assert inside[1] & 0x5 == 0x5, inside
        raise NoticedError
    return before == modes()


def main() -> None:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
        with console_io.raw_input(0):
            found = read(
                key("\x1b[A"),
                key("\x03"),
                key("\0"),
                [
                    (RESIZE, 0, 0, 0, 0),
                    (KEY, DOWN, 1, SHIFT, 0),
                    (KEY, UP, 1, ord("A"), ord("a")),
                    *key("b"),
                ],
                [(KEY, DOWN, 3, ord("A"), ord("a"))],
                [(KEY, DOWN, 1, ARROW, 0), (KEY, DOWN, 1, ALT, 0), (KEY, UP, 1, ALT, 0xE9)],
                key("\U0001f600"),
                [*key("\ud800"), *key("c")],
            )
        screen = console_io.Screen(1)
        for piece in ("<h\u00e9".encode()[:-1], "\u00e9".encode()[1:] + b"l\xff>", b"\r\n"):
            screen.write([piece])
        null = os.open("NUL", os.O_RDWR)
        told = {
            "keys": found,
            "put_back": put_back(),
            "size": console_io.size(),
            "null": console_io.is_console(null),
        }
        connection.sendall(json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    main()
