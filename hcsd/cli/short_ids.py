"""Ids that nobody chose, in short: how lists show them, and which one is meant by a part of it.

The daemon issues ULIDs: ten characters of time, then sixteen of chance. Those of one minute begin
alike in the first six or seven characters, so a beginning that tells them apart is long, and looks like
its neighbours. The last six characters are one of a thousand million, so a list shows these:
``8JNFTG`` for ``01M8R0H1N4NPWM6NEPQW8JNFTG``. The ids of containers and GUIDs are chance from the start on.
They are shown by their beginning, as docker does.

Commands take either end of such an id, and the beginning of what lists show of it, from four characters
on, in any case. The beginning of a ULID tells when it was made, and is the same for whatever else was made
then. So it must reach four characters into the chance: when one of two has been removed, its time must not
stand for the other. Digits alone are none, since who types them means a pid. Names that people chose have
no short form: when ``web`` has ended,
``hcsd stop web`` must not stop ``web-2``.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

LEAST = 4  # characters that are typed of an id; as git has it


class Kind(NamedTuple):
    """A kind of ids that programs make.

    Attributes:
        form: All of its ids.
        shown: How many characters of one to show, if that is enough to tell it from others.
        by_end: Whether its end tells it from others, rather than its beginning.
        alike: How many characters at its beginning others may have, too.
    """

    form: re.Pattern[str]
    shown: int
    by_end: bool
    alike: int = 0


KINDS = (
    Kind(re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}"), 6, by_end=True, alike=10),  # a ULID
    Kind(re.compile(r"[0-9a-f]{64}"), 12, by_end=False),  # of containerd and docker
    Kind(re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"), 8, by_end=False),
)


def is_part(text: str) -> bool:
    """Tell whether a text may be a part of an id that nobody chose."""
    return len(text) >= LEAST and not text.isdecimal() and bool(re.fullmatch("[0-9A-Za-z-]+", text))


def stands_for(text: str, whole: str) -> bool:
    """Tell whether a text is one end of an id that nobody chose, all of it, or a beginning of what lists show."""
    kind = _kind_of(whole)
    if not is_part(text) or kind is None:
        return False
    part, shown, whole = text.upper(), _part(whole, kind, 0).upper(), whole.upper()
    begins = len(part) >= kind.alike + LEAST and whole.startswith(part)
    return begins or whole.endswith(part) or shown.startswith(part)


def shortened(ids: Iterable[str]) -> dict[str, str]:
    """Return the forms in which a list shows ids: each is one that commands take for no other of them."""
    shown = {whole: whole for whole in ids}
    left = {whole: kind for whole in shown if (kind := _kind_of(whole))}
    longer = 0
    while left:
        parts = {whole: _part(whole, kind, longer) for whole, kind in left.items()}
        shown |= parts
        alike = Counter(part.upper() for part in parts.values())
        left = {
            whole: kind
            for whole, kind in left.items()
            if parts[whole] != whole
            and (alike[parts[whole].upper()] > 1 or not is_part(parts[whole]))
        }
        longer += 1
    return shown


def _kind_of(whole: str) -> Kind | None:
    return next((kind for kind in KINDS if kind.form.fullmatch(whole)), None)


def _part(whole: str, kind: Kind, longer: int) -> str:
    length = kind.shown + longer
    return whole[-length:] if kind.by_end else whole[:length]
