"""Ids that nobody chose have short forms, and each stands for its id alone."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hcsd.cli.short_ids import LEAST, shortened, stands_for
from hcsd.daemon.names import new_ulid

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID = "01M8R0H1N4NPWM6NEPQW8JNFTG"
CONTAINER = "3f2a" * 16
GUID = "A1b2c3d4-1111-2222-3333-444455556666"

# Of few characters, so that they are alike.
ulids = st.builds(lambda tail: f"01M8R0H1N4{tail}", st.text("0A1", min_size=16, max_size=16))
ids = st.lists(
    st.one_of(
        ulids,
        st.text("0a", min_size=64, max_size=64),
        st.sampled_from([GUID, GUID[:-1] + "7"]),
        st.from_regex("[a-z]{1,4}", fullmatch=True),
    ),
    unique=True,
    max_size=20,
)


@pytest.mark.parametrize(
    ("said", "whole", "is_meant"),
    [
        ("8JNFTG", ULID, True),
        ("8jnftg", ULID, True),
        ("01m8r0h1n4npwm", ULID, True),
        ("01m8r0h1n4", ULID, False),  # what else was made then has that, too
        ("01m8r0h1n4npw", ULID, False),
        (ULID.lower(), ULID, True),
        ("NFTG", ULID, True),
        ("8jnf", ULID, True),  # how that which lists show begins
        ("8JNFT", ULID, True),
        ("FTG", ULID, False),  # too short
        ("NEPQ", ULID, False),  # neither end
        ("3f2a3f2a3f2a", CONTAINER, True),
        ("a1b2", GUID, True),
        ("a1b2c3d4-1111", GUID, True),
        ("1234", f"{ULID[:-4]}1234", False),  # it may be a pid
        ("web-", "web-2", False),  # somebody has chosen it
        ("abcd", "abcdef", False),
        ("", ULID, False),
        ("01M8*", ULID, False),
    ],
)
def test_what_stands_for_an_id(said: str, whole: str, is_meant: bool) -> None:
    assert stands_for(said, whole) is is_meant


@given(ids)
@example([ULID, f"01M8R0GZV6HJV1XZSPD4{ULID[-6:]}"])
@example([f"01M8R0GZV6HJV1XZSPD4{digits}" for digits in ("123456", "1234567"[-6:], "654321")][::2])
def test_what_a_list_shows_stands_for_its_id_alone(wholes: list[str]) -> None:
    shown = shortened(wholes)
    assert list(shown) == wholes
    for whole, form in shown.items():
        if form == whole:
            continue
        assert len(form) >= LEAST
        by_form = [other for other in wholes if stands_for(form, other)]
        # Its other end may look like another's, which is then an ambiguity, and no mistake.
        assert whole in by_form
        ends = [other for other in by_form if other.endswith(form) or other.startswith(form)]
        assert len({other for other in ends if _same_end(form, other, whole)}) == 1


def _same_end(form: str, other: str, whole: str) -> bool:
    return other.endswith(form) if whole.endswith(form) else other.startswith(form)


def test_short_forms_are_short_and_names_stay() -> None:
    shown = shortened([ULID, CONTAINER, GUID, "web", "a-long-name-that-somebody-chose"])
    assert [*shown.values()] == [
        *("8JNFTG", CONTAINER[:12], "A1b2c3d4", "web", "a-long-name-that-somebody-chose")
    ]
    assert shortened([f"{ULID[:-7]}A123456"]) == {f"{ULID[:-7]}A123456": "A123456"}


def test_ids_of_the_daemon_are_known() -> None:
    made = new_ulid()
    assert set(made) <= set(CROCKFORD)
    assert stands_for(made, made)
    assert len(shortened([made])[made]) < len(made)
    assert not set(made) & set(string.ascii_lowercase)
