"""What others choose is shown, and never obeyed by a terminal."""

import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hcsd.printable import is_printable, printable, printable_json

# Characters that a terminal obeys or does not show, and others that shells and JSON care about.
HOSTILE = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u061c\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u2060\ufeff\ufff9",
    *map(chr, range(0x202A, 0x202F)),
    *map(chr, range(0x2066, 0x206A)),
    *"\u034f\u115f\u3164\ufe0f\u2800\U000e0041\U000e0100\ue000\U0010ffff\ud800\udfff\udc80",
]
TEXT = st.text(
    st.one_of(st.sampled_from(HOSTILE), st.sampled_from("$()`'\";\\ -~*?né日"), st.characters())
)


@pytest.mark.parametrize("character", HOSTILE, ids=ascii)
def test_no_hostile_character_is_shown(character: str) -> None:
    assert not is_printable(f"a{character}b")
    assert printable(f"a{character}b").isascii()


@given(TEXT)
@example("\x1b]0;mine\x07")
def test_shown_text_has_only_visible_characters(text: str) -> None:
    shown = printable(text)
    # Cc, Cf, Cn, Co and Cs; Zl and Zp, and every space but the usual one.
    assert not [c for c in shown if unicodedata.category(c)[0] in "CZ" and c != " "]
    assert not set(shown) & set(HOSTILE)
    assert shown.encode().decode() == shown  # no half of a pair is left
    assert printable(shown) == shown


@pytest.mark.parametrize("text", ["", "plain", "C:\\Users\\me", "é 日本 🙂", "it's $HOME; `x`"])
def test_visible_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text
    assert printable_json(text) == json.dumps(text, ensure_ascii=False)


@given(st.dictionaries(TEXT, TEXT | st.lists(TEXT)), st.sampled_from([None, 2]))
def test_json_is_visible_and_the_same_value(value: object, indent: int | None) -> None:
    shown = printable_json(value, indent)
    assert all(map(is_printable, shown.split("\n")))
    assert json.loads(shown) == value
