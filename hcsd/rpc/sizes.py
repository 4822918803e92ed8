"""How large messages to clients may be: 4 MiB, unless a client says otherwise, and none of ours does.

What shows one process or one system stays well below that, by the limits on what may be asked for
(`Limits.max_create_bytes`). Messages with many of them, and those with a document, are bounded here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hcsd.daemon.errors import RequestError
from hcsd.daemon.reasons import Reason

if TYPE_CHECKING:
    from google.protobuf.message import Message

    M = TypeVar("M", bound=Message)

MAX_BYTES = 4 * 1024 * 1024
MAX_CAPTURE_BYTES = 1024 * 1024  # of each stream in the answer of ExecProcess
PAGE_BYTES = 3 * 1024 * 1024  # of the entries of a page; one entry may be larger


def sendable(answer: M, remedy: str) -> M:
    """Return an answer that a client can take.

    Args:
        answer: The answer, with a document of HCS in it.
        remedy: What makes it smaller.

    Raises:
        RequestError: ANSWER_TOO_LARGE.
    """
    size = answer.ByteSize()
    if size > MAX_BYTES:
        raise RequestError(
            Reason.ANSWER_TOO_LARGE,
            f"the answer has {size} bytes, and a message at most {MAX_BYTES}: {remedy}",
            metadata={"bytes": str(size), "max_bytes": str(MAX_BYTES)},
        )
    return answer
