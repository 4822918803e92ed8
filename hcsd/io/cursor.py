"""One reader's place in a ring: an offset and no queue.

    state    event                                          next
    READING  take() finds bytes or a gap                    READING
    READING  take() finds nothing, the ring is open         WAITING
    READING  take() finds nothing, the ring is closed       READING, at_end
    WAITING  append or close of the ring: `wake` is called  READING
    any      close of the cursor                            closed

A new cursor is READING, and `wake` is called in no other place. So the consumer takes until it
gets None, and then either it is at the end or a wake will come: none is lost and none is spurious.

Thread: that of the ring.
"""

from collections.abc import Callable
from typing import NamedTuple, Self

from hcsd.io.ring_errors import CursorClosedError
from hcsd.io.ring_state import RingState


class Gap(NamedTuple):
    """Bytes a cursor will not get, because they were evicted before it came to them."""

    from_offset: int
    to_offset: int


class Cursor:
    """One reader's place in a ring, made by `Ring.open_cursor`.

    Usable in a `with` statement, which closes it.
    """

    __slots__ = ("_offset", "_state", "_wake")

    def __init__(self, state: RingState, offset: int, wake: Callable[[], None]) -> None:
        self._state = state
        self._offset = offset
        self._wake = wake

    @property
    def offset(self) -> int:
        """The offset of the next byte to take."""
        return self._offset

    @property
    def lag(self) -> int:
        """How many bytes the cursor is behind the end of the stream."""
        return self._state.chunks.end - self._offset

    @property
    def at_end(self) -> bool:
        """Whether the stream has ended and the cursor has come to its end."""
        return self._state.closed and self._offset == self._state.chunks.end

    @property
    def holds_up(self) -> bool:
        """Whether the writer of a BLOCK ring waits, and would even if there were no other cursor."""
        state = self._state
        waits = state.full and not state.closed
        return waits and state.room_before(self._offset) < state.enough_room

    def take(self, max_bytes: int) -> bytes | Gap | None:
        """Return what comes next and move past it.

        Args:
            max_bytes: at least 1.

        Returns:
            As many bytes as there are up to `max_bytes`; or the gap, once, if bytes were evicted
            before the cursor came to them; or None. After None, either the cursor is `at_end` or
            `wake` will be called.

        Raises:
            CursorClosedError: the cursor was closed.
        """
        state = self._state
        if self not in state.positions:
            raise CursorClosedError("cannot take from a cursor that was closed")
        if max_bytes < 1:
            raise ValueError(f"cannot take {max_bytes} bytes")
        chunks, offset = state.chunks, self._offset
        if offset == chunks.end:
            if not state.closed:
                state.waiting[self] = self._wake
            return None
        if offset < chunks.start:
            self._offset = state.positions[self] = chunks.start
            return Gap(offset, chunks.start)
        data = chunks.read(offset, max_bytes)
        self._offset = state.positions[self] = offset = offset + len(data)
        state.furthest = max(state.furthest, offset)
        if state.full:
            state.note_room()
        return data

    def close(self) -> None:
        """Give up the place; idempotent. `wake` is not called any more."""
        state = self._state
        if state.positions.pop(self, None) is not None:
            state.waiting.pop(self, None)
            state.note_room()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
