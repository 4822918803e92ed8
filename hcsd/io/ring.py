"""A bounded byte ring with absolute offsets, one writer and any number of cursors.

Offsets count bytes since the stream began. The ring retains `start_offset` to `end_offset`, at
most `capacity` bytes; appending moves the end, and the start follows one capacity behind. A reader
is a cursor, an offset and no queue, so it costs nothing while it waits, and two cursors see the
same bytes at the same offsets.

Which side gives way is the creator's choice:

- DROP_OLDEST: `append` takes everything. A cursor left behind the start gets one `Gap` and
  goes on from the start.
- BLOCK: `append` takes `room()` bytes, so the slowest cursor is at most one capacity behind and
  loses nothing. Without a cursor nothing is evicted, like in a plain pipe.

What a cursor took may be lost on the way to its reader, who then comes back for it. So bytes that a
former cursor took stay in a BLOCK ring, and `kept_behind` bytes of the capacity are for what lies
behind the slowest cursor; it is then so much less behind.

The stream: OPEN, then CLOSED by the first `close`, which says whether the end was forced. Closing
keeps what is retained; `clear` frees it in either state.

The cursor, and whose turn it is:

    state    event                                          next
    READING  take() finds bytes or a gap                    READING
    READING  take() finds nothing, the ring is open         WAITING
    READING  take() finds nothing, the ring is closed       READING, at_end
    WAITING  append or close of the ring: `wake` is called  READING
    any      close of the cursor                            closed

A new cursor is READING, and `wake` is called in no other place. So the consumer takes until it
gets None, and then either it is at the end or a wake will come: none is lost and none is spurious.

The writer of a BLOCK ring: with `room()` at 0 the ring is full, whatever made it so, and
`on_room` is called once when a quarter of the capacity has become free. Less would wake the writer
for a few bytes at a time.

Nothing here does I/O, blocks or locks.

Thread: all calls come from one thread. `wake` and `on_room` are called last, when the ring's state
is consistent, so they may call the ring; they must not raise.
"""

# A ring and its cursors are one state machine; what they share stays private to this module.
# ruff: noqa: SLF001

import enum
from collections.abc import Callable
from typing import NamedTuple, Self

from hcsd.errors import HcsdError
from hcsd.io.chunks import ChunkStore


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


class Overflow(enum.Enum):
    """What gives way when a ring is full: its oldest bytes or its writer."""

    BLOCK = "block"
    DROP_OLDEST = "drop_oldest"


class Gap(NamedTuple):
    """Bytes a cursor will not get, because they were evicted before it came to them."""

    from_offset: int
    to_offset: int


class Ring:
    """The bytes of one stream; see the module for how it moves.

    Args:
        capacity: how many bytes are retained, at least 1.
        overflow: what gives way when the ring is full.
        on_room: called when a full BLOCK ring has room again; may be set later.
        kept_behind: how many bytes stay behind the slowest cursor of a BLOCK ring, from 0 to half
            the capacity.
    """

    def __init__(
        self,
        capacity: int,
        overflow: Overflow,
        on_room: Callable[[], None] | None = None,
        *,
        kept_behind: int = 0,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"a ring needs a capacity of at least 1 byte, not {capacity}")
        if not 0 <= kept_behind <= capacity // 2:
            raise ValueError(
                f"a ring of {capacity} bytes cannot keep {kept_behind} behind a cursor"
            )
        self.on_room = on_room
        self._capacity = capacity
        self._kept_behind = kept_behind
        self._enough_room = max(1, capacity // 4)  # to wake a writer for
        self._overflow = overflow
        self._blocks = overflow is Overflow.BLOCK
        self._chunks = ChunkStore()
        self._closed = False
        self._forced = False
        self._full = False  # on_room is owed; never true of a DROP_OLDEST ring
        self._dropped_bytes = 0
        self._furthest = 0  # the offset after the last byte that any cursor was given
        self._positions: dict[Cursor, int] = {}  # where each open cursor stands
        self._waiting: dict[Cursor, None] = {}  # the cursors owed a wake, oldest first

    @property
    def capacity(self) -> int:
        """How many bytes are retained at most."""
        return self._capacity

    @property
    def overflow(self) -> Overflow:
        """What gives way when the ring is full."""
        return self._overflow

    @property
    def start_offset(self) -> int:
        """The offset of the first byte retained."""
        return self._chunks.start

    @property
    def end_offset(self) -> int:
        """The offset after the last byte, which is the length of the stream so far."""
        return self._chunks.end

    @property
    def dropped_bytes(self) -> int:
        """How many bytes were evicted or cleared that lay beyond all that any cursor was given."""
        return self._dropped_bytes

    @property
    def closed(self) -> bool:
        """Whether the stream has ended."""
        return self._closed

    @property
    def forced(self) -> bool:
        """Whether the stream was ended before its own end was seen."""
        return self._forced

    @property
    def readers(self) -> int:
        """How many cursors are open."""
        return len(self._positions)

    def room(self) -> int:
        """Return how many bytes `append` should be given now; a DROP_OLDEST ring takes any."""
        if self._closed:
            return 0
        if not self._blocks:
            return self._capacity
        return self._room_before(min(self._positions.values(), default=0))

    def append(self, data: bytes) -> None:
        """Add `data` to the end of the stream and wake the cursors that wait for it.

        Raises:
            RingClosedError: the stream has ended.
            RingFullError: the ring is BLOCK and has less room than that; nothing was added.
        """
        if self._closed:
            raise RingClosedError("cannot append to a stream that has ended")
        size = len(data)
        if self._blocks:
            room = self.room()
            if size > room:
                raise RingFullError(f"cannot append {size} bytes to a ring with room for {room}")
            self._full = self._full or room == size
        if not size:
            return
        keep_from = self._chunks.end + size - self._capacity
        if keep_from > self._chunks.start:
            self._evict(keep_from)
            data = data[-self._capacity :]
        self._chunks.append(data)
        if self._waiting:
            self._wake_waiting()

    def close(self, *, forced: bool = False) -> None:
        """End the stream and wake every waiting cursor; only the first call counts.

        Args:
            forced: the stream is cut, rather than at its own end.
        """
        if self._closed:
            return
        self._closed = True
        self._forced = forced
        self._wake_waiting()

    def clear(self) -> None:
        """Free the retained bytes; a cursor that had not taken them gets a gap."""
        self._evict(self._chunks.end)
        self._note_room()

    def tail_offset(self, last_bytes: int) -> int:
        """Return the offset from which at most the last `last_bytes` retained bytes follow."""
        return max(self._chunks.start, self._chunks.end - max(last_bytes, 0))

    def open_cursor(self, offset: int, wake: Callable[[], None]) -> "Cursor":
        """Open a cursor at `offset`; one before the start gets a gap first.

        Args:
            offset: the first byte wanted, from 0 to the end of the stream.
            wake: called when a cursor that found nothing may take again.

        Raises:
            OffsetOutOfRangeError: the offset is negative or past the end, where nobody can have
                bytes to resume after, whether the stream is still open or not.

        Ownership:
            The caller closes the cursor. Until then it holds a BLOCK ring's writer back.
        """
        if not 0 <= offset <= self._chunks.end:
            raise OffsetOutOfRangeError(offset, self._chunks.start, self._chunks.end)
        cursor = Cursor(self, offset, wake)
        self._positions[cursor] = offset
        self._note_room()
        return cursor

    def _room_before(self, slowest: int) -> int:
        """Return how many bytes there is room for if the slowest cursor stands at that offset."""
        keep_from = max(self._chunks.start, slowest - self._kept_behind)
        return self._capacity - (self._chunks.end - keep_from)

    def _evict(self, offset: int) -> None:
        self._dropped_bytes += max(0, offset - max(self._furthest, self._chunks.start))
        self._chunks.drop_before(offset)

    def _note_room(self) -> None:
        """Mark the ring full or tell the writer of room, after anything but an append."""
        if not self._blocks:
            return
        room = self.room()
        if not room:
            self._full = True
        elif self._full and room >= self._enough_room:
            self._full = False
            if self.on_room is not None:
                self.on_room()

    def _wake_waiting(self) -> None:
        woken = list(self._waiting)
        self._waiting.clear()
        for cursor in woken:
            if cursor in self._positions:  # else another one's wake has closed it
                cursor._wake()


class Cursor:
    """One reader's place in a ring, made by `Ring.open_cursor`.

    Usable in a `with` statement, which closes it.
    """

    __slots__ = ("_offset", "_ring", "_wake")

    def __init__(self, ring: Ring, offset: int, wake: Callable[[], None]) -> None:
        self._ring = ring
        self._offset = offset
        self._wake = wake

    @property
    def offset(self) -> int:
        """The offset of the next byte to take."""
        return self._offset

    @property
    def lag(self) -> int:
        """How many bytes the cursor is behind the end of the stream."""
        return self._ring._chunks.end - self._offset

    @property
    def at_end(self) -> bool:
        """Whether the stream has ended and the cursor has come to its end."""
        return self._ring._closed and self._offset == self._ring._chunks.end

    @property
    def holds_up(self) -> bool:
        """Whether the writer of a BLOCK ring waits, and would even if there were no other cursor."""
        ring = self._ring
        waits = ring._full and not ring._closed
        return waits and ring._room_before(self._offset) < ring._enough_room

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
        ring = self._ring
        if self not in ring._positions:
            raise CursorClosedError("cannot take from a cursor that was closed")
        if max_bytes < 1:
            raise ValueError(f"cannot take {max_bytes} bytes")
        chunks, offset = ring._chunks, self._offset
        if offset == chunks.end:
            if not ring._closed:
                ring._waiting[self] = None
            return None
        if offset < chunks.start:
            self._offset = ring._positions[self] = chunks.start
            return Gap(offset, chunks.start)
        data = chunks.read(offset, max_bytes)
        self._offset = ring._positions[self] = offset = offset + len(data)
        ring._furthest = max(ring._furthest, offset)
        if ring._full:
            ring._note_room()
        return data

    def close(self) -> None:
        """Give up the place; idempotent. `wake` is not called any more."""
        ring = self._ring
        if ring._positions.pop(self, None) is not None:
            ring._waiting.pop(self, None)
            ring._note_room()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
