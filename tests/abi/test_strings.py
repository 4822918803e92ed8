"""Wide strings: UTF-16LE on every platform, and no byte read that might not be there."""

import ctypes
import mmap
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcsd.abi.types import FUNCTYPE, HLOCAL, PCWSTR, PVOID, PWSTR, read_wide, wide

PAGE = mmap.PAGESIZE


def address_of(memory: ctypes.Array[ctypes.c_char], offset: int = 0) -> int:
    return ctypes.addressof(memory) + offset


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("", b"\0\0"),
        ("ab", b"a\0b\0\0\0"),
        ("é€", b"\xe9\x00\xac\x20\0\0"),
        ("😀", b"\x3d\xd8\x00\xde\0\0"),
        ("\ud83d", b"\x3d\xd8\0\0"),
        ("\udc80x", b"\x80\xdcx\0\0\0"),
        ("aĀ", b"a\0\0\x01\0\0"),
    ],
)
def test_text_becomes_units_and_text_again(text: str, units: bytes) -> None:
    assert wide(text) == units
    assert read_wide(address_of(ctypes.create_string_buffer(units, len(units)))) == text


@pytest.mark.parametrize(("text", "index"), [("\0", 0), ("ab\0c", 2), ("ab\0", 2)])
def test_embedded_nul_is_refused_by_position(text: str, index: int) -> None:
    with pytest.raises(ValueError, match=rf"embedded NUL \(at index {index}\)"):
        PCWSTR.from_param(text)


def test_null_is_not_read() -> None:
    with pytest.raises(ValueError, match="NULL"):
        read_wide(0)
    assert PWSTR().text is None
    assert PCWSTR(None).text is None


@given(
    text=st.text(st.characters(exclude_characters="\0")),
    repeat=st.sampled_from([1, 97, 2047, 2048]),
    shift=st.integers(0, 9),
)
def test_any_text_survives_at_any_address(text: str, repeat: int, shift: int) -> None:
    units = wide(text * repeat)
    memory = ctypes.create_string_buffer(b"\xff" * shift + units + b"\xff" * 64)
    # Two lone surrogates that meet are a pair, so units are compared and not code points.
    assert wide(read_wide(address_of(memory, shift))) == units


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize(
    "length", [0, 1, 255, 256, 257, 2047, 2048, 2049, 4096, 100_000], ids="{}-units".format
)
@pytest.mark.parametrize("unit", ["a", "Ā", "\U0001f600"])
def test_a_string_of_any_length_ends_where_it_ends(unit: str, length: int, shift: int) -> None:
    text = unit * length
    memory = ctypes.create_string_buffer(b"\xff" * shift + wide(text) + b"Z\0" * 8)
    assert read_wide(address_of(memory, shift)) == text


def test_zero_bytes_of_neighbouring_units_are_no_terminator() -> None:
    text = "aĀ" * 5000
    assert read_wide(address_of(ctypes.create_string_buffer(wide(text)))) == text


def protect(address: int, *, readable: bool) -> None:
    """Say whether a page may be touched."""
    if sys.platform == "win32":
        protection = ctypes.c_ulong(0x04 if readable else 0x01)  # PAGE_READWRITE, PAGE_NOACCESS
        before = ctypes.c_ulong()
        change = ctypes.windll.kernel32.VirtualProtect
        change.argtypes = [PVOID, ctypes.c_size_t, ctypes.c_ulong, ctypes.POINTER(ctypes.c_ulong)]
        assert change(address, PAGE, protection, ctypes.byref(before))
    else:
        change = ctypes.CDLL(None, use_errno=True).mprotect
        change.argtypes = [PVOID, ctypes.c_size_t, ctypes.c_int]
        allowed = mmap.PROT_READ | mmap.PROT_WRITE if readable else 0
        assert change(address, PAGE, allowed) == 0


@pytest.fixture
def two_pages() -> Iterator[ctypes.Array[ctypes.c_char]]:
    """Two pages, of which the second must not be read."""
    pages = (ctypes.c_char * (2 * PAGE)).from_buffer(mmap.mmap(-1, 2 * PAGE))
    second = address_of(pages, PAGE)
    protect(second, readable=False)
    yield pages
    protect(second, readable=True)


@pytest.mark.parametrize("text", ["", "a", "ab😀", "x" * (PAGE // 2 - 1)], ids=len)
def test_nothing_behind_the_terminators_page_is_read(
    two_pages: ctypes.Array[ctypes.c_char], text: str
) -> None:
    units = wide(text)
    start = address_of(two_pages, PAGE - len(units))
    ctypes.memmove(start, units, len(units))
    assert read_wide(start) == text


def test_argument_arrives_as_the_text_that_was_passed() -> None:
    received: list[str | None] = []
    callee = FUNCTYPE(None, PCWSTR)(lambda text: received.append(text.text))
    given_units = ctypes.create_string_buffer(wide("by address"))
    callee("a😀\ud800")
    callee("")
    callee(None)
    callee(PCWSTR(address_of(given_units)))
    callee(PWSTR(address_of(given_units)))
    assert received == ["a😀\ud800", "", None, "by address", "by address"]


def test_a_call_reports_an_embedded_nul_and_is_not_made() -> None:
    received: list[object] = []
    callee = FUNCTYPE(None, PCWSTR)(received.append)
    with pytest.raises(ctypes.ArgumentError, match="embedded NUL"):
        callee("a\0b")
    assert not received


@pytest.mark.parametrize("value", [b"bytes", bytearray(2), 1.5, ["a"], HLOCAL(8), PVOID(8)])
def test_only_text_and_addresses_of_text_are_strings(value: object) -> None:
    callee = FUNCTYPE(None, PCWSTR)(lambda _: None)
    with pytest.raises(ctypes.ArgumentError, match="expected PCWSTR"):
        callee(value)
