"""The output of one process: a ring of each stream, and the order in which they were filled."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from typing import TYPE_CHECKING

from hcsd.daemon.streams import Stream
from hcsd.io import ReadingOrder, Ring, SegmentStore, begin_at, begin_with_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from hcsd.daemon.spec import ResolvedSpec

BYTES_FOR_ONE_READING = 128  # of one ring: the index takes a sixteenth of what both may hold
MOST_READINGS = (
    65_536  # who begins in the middle looks through all of them, which holds up the loop
)
ORDER = "order"  # name of the file of readings
NUMBERS = {stream: number for number, stream in enumerate(Stream)}
STREAMS = tuple(Stream)


class Rings(dict[Stream, Ring]):
    """The rings of a process; that of a stream without a pipe has ended.

    Half of a ring that blocks is for what is on its way to a reader, see `io.ring`.

    Args:
        resolved: What the daemon does by its spec.
        folder: Where their files are, which outlive the daemon; "" to keep all in memory.
        restored: Whether an earlier run of the daemon has left files there.

    Attributes:
        order: When the streams were read, and in which order.
    """

    def __init__(self, resolved: ResolvedSpec, folder: str = "", *, restored: bool = False) -> None:
        size = resolved.ring_bytes
        self._folder = folder
        self._stores: list[SegmentStore] = []
        for stream in Stream if folder else ():
            self._stores.append(
                SegmentStore(folder, stream.value, capacity=size, restored=restored)
            )
        self.order = ReadingOrder(
            min(size // BYTES_FOR_ONE_READING, MOST_READINGS),
            path=f"{folder}/{ORDER}" if folder else None,
            restored=restored,
        )
        for stream, number in NUMBERS.items():
            ring = self[stream] = Ring(
                size,
                resolved.overflow,
                kept_behind=size // 2,
                on_append=functools.partial(self.order.note, number),
                store=self._stores[number] if folder else None,
            )
            if not resolved.options.has_pipe(stream):
                ring.close()
            elif folder and self._stores[number].cut:
                ring.close(forced=True)
        if restored:
            self.order.settle({NUMBERS[stream]: ring for stream, ring in self.items()})

    @property
    def readers(self) -> int:
        """How many cursors there are."""
        return sum(ring.readers for ring in self.values())

    @property
    def size(self) -> int:
        """How many bytes they may come to hold; of a stream that has ended, what it does hold."""
        return sum(
            ring.held_bytes if ring.closed else max(ring.held_bytes, ring.capacity)
            for ring in self.values()
        )

    @property
    def forced(self) -> bool:
        """Whether a stream was given up before its end."""
        return any(ring.forced for ring in self.values())

    def begin(
        self, streams: Iterable[Stream], *, since: int | None, lines: int | None
    ) -> dict[Stream, int]:
        """Find where to begin to read, if not at the start of what is kept.

        Args:
            streams: Which are read.
            since: Leave out what was read before this moment, in nanoseconds since 1970.
            lines: Begin with this many last lines of the streams together.

        Returns:
            The offsets; none of a stream that begins where it begins anyway.
        """
        rings = {NUMBERS[stream]: self[stream] for stream in streams}
        found = []
        if since is not None:
            found.append(begin_at(self.order, rings, since))
        if lines is not None:
            found.append(begin_with_lines(self.order, rings, lines))
        return {STREAMS[n]: max(begins[n] for begins in found) for n in rings if found}

    def free(self) -> None:
        """Free what they hold; whoever reads it later is told of a gap."""
        for ring in self.values():
            ring.clear()
        self.order.clear()

    def leave(self) -> None:
        """Hold no files open, and leave them to the next run of the daemon."""
        for store in self._stores:
            store.close()
        self.order.close()

    def remove(self) -> None:
        """Remove the files; the streams have been closed."""
        if not self._folder:
            return
        for store in self._stores:
            store.remove()
        self.order.remove()
        with contextlib.suppress(
            OSError
        ):  # there never was anything, or somebody else has put it there
            os.rmdir(self._folder)

    def close(self) -> None:
        """End every stream that has not ended, and free what they hold."""
        for ring in self.values():
            ring.close(forced=True)
        if not self._folder:  # else the files are removed next
            self.free()


def remove_strange_streams(folder: str, uids: Collection[str]) -> None:
    """Remove the files of processes that an earlier run was about to forget. It blocks.

    Args:
        folder: Where the folders of all processes are; "" for nowhere.
        uids: Whose files stay.
    """
    if folder:
        with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name not in uids:
                    shutil.rmtree(entry.path, ignore_errors=True)
