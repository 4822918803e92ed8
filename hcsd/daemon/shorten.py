"""Texts of others, cut to a size."""

from __future__ import annotations

MESSAGE_BYTES = 1024  # of what an error says
DOCUMENT_BYTES = 1024 * 1024  # of a document that HCS has sent; its own have some KiB


def shorten(text: str, limit: int = MESSAGE_BYTES) -> str:
    """Cut a text to so many bytes of UTF-8; a character that UTF-8 does not have becomes `?`."""
    encoded = text[: limit + 1].encode(errors="replace")  # a character has at least one byte
    if len(encoded) > limit:
        return encoded[: limit - len("…".encode())].decode(errors="ignore") + "…"
    return encoded.decode()


def whole_or_nothing(document: str) -> str:
    """Return a document that is not too large to be kept, else "": half of one is of no use."""
    text = document.encode(errors="replace")
    return text.decode() if len(text) <= DOCUMENT_BYTES else ""
