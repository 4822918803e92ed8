"""Documents of JSON as bytes that tell whether they are whole.

Texts of all kinds come back as they were, also lone surrogates and two of them beside each other: they
are encoded as they are, and not as escapes of JSON, of which two would be read as one character.
"""

from __future__ import annotations

import json
import zlib
from typing import cast

from hcsd.daemon.state.codec import CodecError

CHECK_BYTES = 4  # of the CRC before each document

_json = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def text_bytes(text: str) -> bytes:
    """Return a text as bytes, whatever it holds."""
    return text.encode(errors="surrogatepass")


def pack(key: bytes, document: object) -> bytes:
    """Return a document as bytes that tell whether they are whole, and of this key."""
    data = text_bytes(_json(document))
    return zlib.crc32(data, zlib.crc32(key)).to_bytes(CHECK_BYTES, "big") + data


def unpack(key: bytes, packed: object) -> object:
    """Return the document that was packed.

    Raises:
        CodecError: The bytes are damaged, or of another key.
    """
    if not isinstance(packed, bytes) or len(packed) <= CHECK_BYTES:
        msg = "no document"
        raise CodecError(msg)
    data = packed[CHECK_BYTES:]
    if zlib.crc32(data, zlib.crc32(key)).to_bytes(CHECK_BYTES, "big") != packed[:CHECK_BYTES]:
        msg = "a damaged document"
        raise CodecError(msg)
    try:
        return cast("object", json.loads(data.decode(errors="surrogatepass")))
    except (ValueError, RecursionError) as error:
        raise CodecError(str(error)) from error
