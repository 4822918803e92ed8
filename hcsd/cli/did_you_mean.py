"""What somebody probably meant by a name that does not exist."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 3


def did_you_mean(said: str, known: Sequence[str], certain: Sequence[str] = ()) -> str:
    """Return a question with the likely names; "" if there are none, or too many to list.

    Args:
        said: The name that does not exist.
        known: Names that exist.
        certain: Those among them that are meant for sure, if there are any.
    """
    likely = (
        certain
        or [name for name in known if name.startswith(said)]
        or difflib.get_close_matches(said, known, n=MOST)
    )
    if 0 < len(likely) <= MOST:
        return f"did you mean {' or '.join(map(repr, likely))}?"
    return ""
