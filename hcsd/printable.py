"""Text from others, as it may be shown: what is not plainly visible in it is written as an escape.

A terminal obeys control characters, turns text round for bidirectional ones and shows nothing at all
for some. So a name or a message that somebody else chose could forge what is on the screen, or in a
log. Whatever shows such text sends it through here.
"""

from __future__ import annotations

import json
import re

# Characters that Unicode counts as letters, marks or symbols, and that show nothing: fillers,
# joiners, variation selectors and the empty Braille cell. `str.isprintable` knows all others:
# controls, formats, surrogates, what is private or unassigned, and separators but the space.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)


def is_printable(text: str) -> bool:
    """Return whether a text can be shown as it is."""
    return text.isprintable() and not _INVISIBLE.search(text)


def printable(text: str) -> str:
    """Return a text on one line, with the escapes of Python for what cannot be shown.

    A backslash stays as it is, so that paths stay readable. A text that was through here once does
    not change again.
    """
    if is_printable(text):
        return text
    return "".join(
        character if is_printable(character) else character.encode("unicode_escape").decode()
        for character in text
    )


def printable_json(value: object, indent: int | None = None) -> str:
    """Return a value as JSON, with the escapes of JSON for what cannot be shown.

    The value is the same: who reads the JSON gets every character back.

    Args:
        value: What `json.dumps` takes.
        indent: Spaces for each level; None puts all on one line.
    """
    return "\n".join(
        line
        if is_printable(line)
        else "".join(
            character if is_printable(character) else json.dumps(character)[1:-1]
            for character in line
        )
        # JSON has escaped the line feeds of the value, so that these are those of the layout. Other
        # ends of lines, which `splitlines` would cut at, may be part of the value.
        for line in json.dumps(value, indent=indent, ensure_ascii=False).split("\n")
    )
