"""A bounded byte ring with absolute offsets, one writer and any number of cursors.

Offsets count bytes since the stream began. The ring retains `start_offset` to `end_offset`, at
most `capacity` bytes; appending moves the end, and the start follows one capacity behind. A reader
is a cursor, an offset and no queue, so it costs nothing while it waits, and two cursors see the
same bytes at the same offsets.

Which side gives way is the creator's choice:

- DROP_OLDEST: `append` takes everything. A cursor left behind the start gets one `Gap` and
  goes on from the start.
- BLOCK: `append` takes `room()` bytes, so the slowest cursor is at most one capacity behind and
  loses nothing. Without a cursor nothing is evicted, like in a plain pipe. What a process that has
  ended left in its pipe goes `beyond` the capacity: nobody is held back any more.

What a cursor took may be lost on the way to its reader, who then comes back for it. So bytes that a
former cursor took stay in a BLOCK ring, and `kept_behind` bytes of the capacity are for what lies
behind the slowest cursor; it is then so much less behind.

The stream: OPEN, then CLOSED by the first `close`, which says whether the end was forced. Closing
keeps what is retained; `clear` frees it in either state.

`cursor` says when a cursor is woken, `ring_state` when the writer of a BLOCK ring is.

A ring whose bytes are to outlive this process is given a store of files. It then takes bytes by
`splice`, past the memory of this process, and begins with what the store was restored with.

Nothing else here does I/O, and nothing blocks or locks.

Thread: all calls come from one thread. `wake` and `on_room` are called last, when the ring's state
is consistent, so they may call the ring; they must not raise.
"""

import enum
from collections.abc import Callable

from hcsd.io.cursor import Cursor
from hcsd.io.linux import can_splice
from hcsd.io.ring_errors import OffsetOutOfRangeError, RingClosedError, RingFullError
from hcsd.io.ring_state import RingState
from hcsd.io.segments import SegmentStore


class Overflow(enum.Enum):
    """What gives way when a ring is full: its oldest bytes or its writer."""

    BLOCK = "block"
    DROP_OLDEST = "drop_oldest"


class Ring:
    """The bytes of one stream; see the module for how it moves.

    Args:
        capacity: how many bytes are retained, at least 1.
        overflow: what gives way when the ring is full.
        on_room: called when a full BLOCK ring has room again; may be set later.
        kept_behind: how many bytes stay behind the slowest cursor of a BLOCK ring, from 0 to half
            the capacity.
        on_append: called with the end of the stream after each append, before readers are woken.
        store: keeps the bytes in files; None keeps them in memory. It stays the caller's, who removes
            the files; the ring closes it with the stream.
    """

    def __init__(
        self,
        capacity: int,
        overflow: Overflow,
        on_room: Callable[[], None] | None = None,
        *,
        kept_behind: int = 0,
        on_append: Callable[[int], None] | None = None,
        store: SegmentStore | None = None,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"a ring needs a capacity of at least 1 byte, not {capacity}")
        if not 0 <= kept_behind <= capacity // 2:
            raise ValueError(
                f"a ring of {capacity} bytes cannot keep {kept_behind} behind a cursor"
            )
        self._overflow = overflow
        self._forced = False
        self._on_append = on_append
        self._store = store
        self._state = RingState(
            capacity,
            kept_behind=kept_behind,
            blocks=overflow is Overflow.BLOCK,
            on_room=on_room,
            store=store,
        )
        self._state.note_room()  # what was restored may fill it

    @property
    def on_room(self) -> Callable[[], None] | None:
        """What is called when a full BLOCK ring has room again."""
        return self._state.on_room

    @on_room.setter
    def on_room(self, call: Callable[[], None] | None) -> None:
        self._state.on_room = call

    @property
    def capacity(self) -> int:
        """How many bytes are retained at most."""
        return self._state.capacity

    @property
    def overflow(self) -> Overflow:
        """What gives way when the ring is full."""
        return self._overflow

    @property
    def start_offset(self) -> int:
        """The offset of the first byte retained."""
        return self._state.chunks.start

    @property
    def end_offset(self) -> int:
        """The offset after the last byte, which is the length of the stream so far."""
        return self._state.chunks.end

    @property
    def held_bytes(self) -> int:
        """How many bytes are retained."""
        return self.end_offset - self.start_offset

    @property
    def dropped_bytes(self) -> int:
        """How many bytes were evicted or cleared that lay beyond all that any cursor was given."""
        return self._state.dropped_bytes

    @property
    def closed(self) -> bool:
        """Whether the stream has ended."""
        return self._state.closed

    @property
    def forced(self) -> bool:
        """Whether the stream was ended before its own end was seen."""
        return self._forced

    @property
    def splices(self) -> bool:
        """Whether `splice` is to be used rather than `append`, so that bytes outlive this process."""
        return self._store is not None and not self._store.in_memory and can_splice()

    @property
    def readers(self) -> int:
        """How many cursors are open."""
        return len(self._state.positions)

    def room(self) -> int:
        """Return how many bytes `append` should be given now; a DROP_OLDEST ring takes any."""
        state = self._state
        if state.closed:
            return 0
        return state.room() if state.blocks else state.capacity

    def append(self, data: bytes, *, beyond: bool = False) -> None:
        """Add `data` to the end of the stream and wake the cursors that wait for it.

        Args:
            data: the bytes.
            beyond: a BLOCK ring takes them whether it has room or not, and keeps what it has.

        Raises:
            RingClosedError: the stream has ended.
            RingFullError: the ring is BLOCK and has less room than that; nothing was added.
        """
        state = self._state
        if state.closed:
            raise RingClosedError("cannot append to a stream that has ended")
        size = len(data)
        if state.blocks:
            room = state.room()
            if size > room and not beyond:
                raise RingFullError(f"cannot append {size} bytes to a ring with room for {room}")
            state.full = state.full or room <= size
        if not size:
            return
        chunks = state.chunks
        keep_from = chunks.end + size - state.capacity
        if keep_from > chunks.start and not (beyond and state.blocks):
            state.evict(keep_from)
            data = data[-state.capacity :]
        chunks.append(data)
        if self._on_append is not None:
            self._on_append(chunks.end)
        if state.waiting:
            state.wake_waiting()

    def splice(self, descriptor: int, size: int, *, beyond: bool = False) -> int:
        """Move up to `size` bytes from a pipe to the end of the stream, as `append` does.

        Args:
            descriptor: the pipe's reading end.
            size: at least 1; at most what `room` says, unless it goes beyond.
            beyond: as for `append`.

        Returns:
            How many; 0 at the end of the pipe, which ends no stream by itself.

        Raises:
            RingClosedError: the stream has ended.
            RingFullError: the ring is BLOCK and has less room than that; nothing was moved.
            BlockingIOError: the pipe is empty.
            MemoryError: the files are full, and there is no memory either; the bytes are lost.
        """
        state, store = self._state, self._store
        if state.closed:
            raise RingClosedError("cannot append to a stream that has ended")
        room = state.room() if state.blocks else 0
        if state.blocks and size > room and not beyond:
            raise RingFullError(f"cannot append {size} bytes to a ring with room for {room}")
        if store is None:
            raise ValueError("a ring in memory cannot splice")
        count = store.splice(descriptor, size)
        if not count:
            return 0
        if state.blocks:
            state.full = state.full or room <= count
        keep_from = store.end - state.capacity
        if keep_from > store.start and not (beyond and state.blocks):
            state.evict(keep_from)
        if self._on_append is not None:
            self._on_append(store.end)
        if state.waiting:
            state.wake_waiting()
        return count

    def close(self, *, forced: bool = False) -> None:
        """End the stream and wake every waiting cursor; only the first call counts.

        Args:
            forced: the stream is cut, rather than at its own end.
        """
        if self._state.closed:
            return
        self._forced = forced
        self._state.closed = True
        self._state.chunks.close()
        self._state.wake_waiting()

    def clear(self) -> None:
        """Free the retained bytes; a cursor that had not taken them gets a gap."""
        self._state.evict(self._state.chunks.end)
        self._state.note_room()

    def peek(self, offset: int, size: int) -> bytes:
        """Return retained bytes without a cursor, which would count as a reader.

        Args:
            offset: of the first one, from the start to before the end.
            size: how many; at least 1.
        """
        return self._state.chunks.read(offset, size)

    def tail_offset(self, last_bytes: int) -> int:
        """Return the offset from which at most the last `last_bytes` retained bytes follow."""
        return max(self.start_offset, self.end_offset - max(last_bytes, 0))

    def open_cursor(self, offset: int, wake: Callable[[], None]) -> Cursor:
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
        state = self._state
        if not 0 <= offset <= state.chunks.end:
            raise OffsetOutOfRangeError(offset, state.chunks.start, state.chunks.end)
        cursor = Cursor(state, offset, wake)
        state.positions[cursor] = offset
        state.note_room()
        return cursor
