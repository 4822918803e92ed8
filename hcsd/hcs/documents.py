"""The one place where text of HCS becomes text of Python, and its JSON documents become values.

    a string of HCS ──valid_text──▶ text that UTF-8 can hold ──load──▶ values, or a DocumentError

HCS writes UTF-16 and does not look at what it writes. A name that a guest or a client chose may hold
half of a surrogate pair, as a unit or as an escape of JSON. UTF-8 has no form for that, so a message
with it cannot be sent, and some readers of JSON refuse the escape. It becomes U+FFFD here. What goes
the other way, to HCS, stays as it is: see `hcsd.abi.types.wide`.

Documents are read leniently: a member that is missing, or is not what the schema says, has its
default. What JSON can say and the contract cannot costs the value that says it and nothing beside it:

    NaN, Infinity, a number that is too large for a double     null
    an integer of more digits than 64 bits can have            null
    an array or object deeper than `MAX_DEPTH`                 null
    an integer that its member has no room for                 the default of the member

Thread: any. Source: RFC 8259; Microsoft's HCS schema reference.
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from typing import TYPE_CHECKING, TypeGuard

from hcsd.abi.hresult import HR
from hcsd.hcs.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Members = Mapping[str, object]

MAX_UINT32 = 0xFFFFFFFF
MAX_INT64 = (1 << 63) - 1
MAX_DEPTH = 64  # documents of HCS have about ten levels
MAX_DIGITS = 20  # of an integer of 64 bits, with its sign

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_HALF = re.compile("[\ud800-\udfff]")
# An escape of JSON: a pair of halves, a half alone, or any other, which may be a backslash.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_HEX = re.compile(r"0[xX][0-9a-fA-F]{1,16}|[89a-fA-F][0-9a-fA-F]{7}")  # without a 0x: a failure
_DECIMAL = re.compile(r"[+-]?[0-9]{1,20}")


def valid_text(text: str) -> str:
    """Return the text with U+FFFD for each half of a surrogate pair, and for each escape of one."""
    if not text.isascii():
        text = _HALF.sub(REPLACEMENT, text)
    if "\\u" in text:
        text = _ESCAPE.sub(lambda match: r"\ufffd" if match["half"] else match[0], text)
    return text


def load(text: str | None, what: str) -> object:
    """Return the value of a document.

    Args:
        text: The document.
        what: Name of its type, for the error.

    Raises:
        DocumentError: It is absent, or not JSON.
    """
    if not text:
        msg = f"{what} document is missing"
        raise DocumentError(msg)
    text = valid_text(text)
    try:
        try:
            value: object = _DECODER.decode(text)
        except RecursionError:
            value = _DECODER.decode(_shallow(text))
    except ValueError as error:
        msg = f"{what} document is not JSON: {error}"
        raise DocumentError(msg) from error
    return value


def load_object(text: str | None, what: str) -> dict[str, object]:
    """Return the members of a document that is an object.

    Raises:
        DocumentError: It is absent, or not an object.
    """
    value = load(text, what)
    if not isinstance(value, dict):
        msg = f"{what} document is not an object"
        raise DocumentError(msg)
    return value


def string(members: Members, name: str) -> str:
    """Return a member that is a string; "" by default."""
    value = members.get(name)
    return value if isinstance(value, str) else ""


def word(members: Members, name: str, known: Iterable[str]) -> str:
    """Return a member that is one of some words, in whatever case; another word as it is."""
    text = string(members, name)
    folded = text.casefold()
    return next((each for each in known if each.casefold() == folded), text)


def integer(members: Members, name: str, most: int = MAX_UINT32) -> int:
    """Return a member that is an integer from 0 to `most`; 0 by default."""
    value = members.get(name)
    return value if is_integer(value) and 0 <= value <= most else 0


def hresult(members: Members, name: str) -> int:
    """Return a member that is a result code, in unsigned 32 bits.

    HCS writes a signed number. Others were seen to write it unsigned, extended to 64 bits with or
    without its sign, or as a string, in decimal or hexadecimal.

    Returns:
        The code; 0, which is success, if the member is absent or null; E_UNEXPECTED if it cannot be
        read.
    """
    value = members.get(name)
    if value is None:
        return 0
    if isinstance(value, str):
        text = value.strip()
        if _HEX.fullmatch(text):
            value = int(text, 16)
        elif _DECIMAL.fullmatch(text):
            value = int(text)
    if not is_integer(value):
        return int(HR.E_UNEXPECTED)
    # Of 64 bits the upper 33 are equal, if it was extended with its sign and then read unsigned.
    extended = value >> 31 == MAX_UINT32 << 1 | 1
    known = extended or -(1 << 31) <= value <= MAX_UINT32
    return value & MAX_UINT32 if known else int(HR.E_UNEXPECTED)


def timestamp(members: Members, name: str) -> float | None:
    """Return a member that is an RFC 3339 time, in POSIX seconds; None without one, or a zone.

    HCS gives it with a tenth of a microsecond.
    """
    try:
        time = datetime.fromisoformat(string(members, name))
        return time.timestamp() if time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def is_integer(value: object) -> TypeGuard[int]:
    """Tell whether a value is an integer, and not a bool, which is one in Python."""
    return type(value) is int


def _whole(digits: str) -> int | None:
    return int(digits) if len(digits) <= MAX_DIGITS else None


def _fraction(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


# Not strict: a tab or line feed in a string is taken, too.
_DECODER = json.JSONDecoder(
    parse_int=_whole, parse_float=_fraction, parse_constant=lambda _name: None, strict=False
)


def _shallow(text: str) -> str:
    """Return a document with null for what is deeper than `MAX_DEPTH`."""
    depth = begin = kept = 0
    pieces: list[str] = []
    for match in _TOKEN.finditer(text):
        mark = match[0]
        if mark in "[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                begin = match.start()
        elif mark in "]}":
            depth -= 1
            if depth == MAX_DEPTH:
                pieces += text[kept:begin], "null"
                kept = match.end()
    if depth > MAX_DEPTH:  # it ends within: nobody can read that
        kept = len(text)
    return "".join((*pieces, text[kept:]))
