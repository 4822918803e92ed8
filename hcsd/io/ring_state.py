"""What a ring and its cursors share: the bytes, where each cursor stands, and who waits.

The ring adds bytes, its cursors move over them, and each of them may have to wake the other side:

- A cursor that found nothing is in `waiting`, with the `wake` that it is owed.
- The writer of a BLOCK ring is owed `on_room` while `full` is set. `room()` at 0 sets it, whatever
  made it so. `on_room` is called once when a quarter of the capacity has become free: less would
  wake the writer for a few bytes at a time.
"""

from collections.abc import Callable

from hcsd.io.chunks import ChunkStore
from hcsd.io.segments import SegmentStore


class RingState:
    """The state that `Ring` and `Cursor` move; nobody else uses it.

    Attributes:
        capacity: how many bytes are retained at most, but for those that were added beyond it.
        kept_behind: how many of them stay behind the slowest cursor if the ring blocks.
        blocks: whether the ring holds its writer back rather than drop bytes.
        on_room: called when a full ring has room again.
        chunks: the bytes retained, in memory or in files.
        positions: where each open cursor stands.
        waiting: the cursors that are owed a wake, oldest first, with that wake.
        furthest: the offset after the last byte that any cursor was given.
        dropped_bytes: how many bytes left the ring that lay beyond `furthest`.
        closed: whether the stream has ended.
        full: whether the writer is owed a call of `on_room`; only if the ring blocks.
    """

    __slots__ = (
        "blocks",
        "capacity",
        "chunks",
        "closed",
        "dropped_bytes",
        "enough_room",
        "full",
        "furthest",
        "kept_behind",
        "on_room",
        "positions",
        "waiting",
    )

    def __init__(
        self,
        capacity: int,
        *,
        kept_behind: int,
        blocks: bool,
        on_room: Callable[[], None] | None,
        store: SegmentStore | None,
    ) -> None:
        self.capacity = capacity
        self.kept_behind = kept_behind
        self.blocks = blocks
        self.on_room = on_room
        self.enough_room = max(1, capacity // 4)  # to wake a writer for
        self.chunks: ChunkStore | SegmentStore = ChunkStore() if store is None else store
        self.positions: dict[object, int] = {}
        self.waiting: dict[object, Callable[[], None]] = {}
        self.furthest = 0
        self.dropped_bytes = 0
        self.closed = False
        self.full = False

    def room(self) -> int:
        """Return how many bytes may be added now to a ring that blocks and is open."""
        return self.room_before(min(self.positions.values(), default=0))

    def room_before(self, slowest: int) -> int:
        """Return how many bytes there is room for if the slowest cursor stands at that offset."""
        chunks = self.chunks
        keep_from = max(chunks.start, slowest - self.kept_behind)
        return max(0, self.capacity - (chunks.end - keep_from))

    def evict(self, offset: int) -> None:
        """Free the bytes before an offset, and count those that no cursor was given."""
        self.dropped_bytes += max(0, offset - max(self.furthest, self.chunks.start))
        self.chunks.drop_before(offset)

    def note_room(self) -> None:
        """Mark the ring full or tell the writer of room, after anything but an append."""
        if not self.blocks:
            return
        room = 0 if self.closed else self.room()
        if not room:
            self.full = True
        elif self.full and room >= self.enough_room:
            self.full = False
            if self.on_room is not None:
                self.on_room()

    def wake_waiting(self) -> None:
        """Wake the cursors that are owed it."""
        woken = list(self.waiting.items())
        self.waiting.clear()
        for cursor, wake in woken:
            if cursor in self.positions:  # else another one's wake has closed it
                wake()
