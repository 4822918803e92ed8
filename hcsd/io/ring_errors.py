"""What a ring refuses, each as an error of its own."""

from hcsd.errors import HcsdError


class RingError(HcsdError):
    """A ring cannot do what was asked."""


class RingClosedError(RingError):
    """The stream has ended, so nothing can be appended."""


class RingFullError(RingError):
    """A BLOCK ring was given more than it has room for."""


class CursorClosedError(RingError):
    """The cursor was closed by its owner."""


class OffsetOutOfRangeError(RingError):
    """No byte of the stream has this offset, nor does the next one.

    Attributes:
        offset: what was asked for.
        start_offset: the first offset retained at that time.
        end_offset: the end of the stream at that time.
    """

    def __init__(self, offset: int, start_offset: int, end_offset: int) -> None:
        super().__init__(f"offset {offset} is outside a stream that ends at {end_offset}")
        self.offset = offset
        self.start_offset = start_offset
        self.end_offset = end_offset
