"""How far a reader of output has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.v1.process_pb2 import OutputCursor, Process
from hcsd_client._errors import check_same

if TYPE_CHECKING:
    from hcsd.v1 import process_pb2 as pb
    from hcsd.v1.process_service_pb2 import ReadOutputResponse, RunProcessResponse


class Place:
    """How far a reader has come, and so where another call goes on.

    Attributes:
        process: Whose output, as it was at the first `started`; None before it.
    """

    def __init__(self) -> None:
        self.process: Process | None = None
        self._offsets: dict[pb.OutputStream, int] = {}
        self._ended: set[pb.OutputStream] = set()
        self._exited = False
        self._sequence = 0  # of the last chunk
        self._before = 0  # chunks of the calls before this one

    @property
    def cursors(self) -> list[OutputCursor]:
        """What to ask for, to go on; empty before `started`."""
        return [OutputCursor(stream=s, offset=offset) for s, offset in self._offsets.items()]

    def note(self, event: ReadOutputResponse | RunProcessResponse) -> bool:
        """Note an event, and tell whether it is news rather than a repetition of a later call.

        Raises:
            NotFoundError: A later call has come to another process, which has got the name.
        """
        kind = event.WhichOneof("event")
        if kind == "chunk":
            chunk = event.chunk
            self._offsets[chunk.stream] = chunk.offset + len(chunk.data)
            if self._before:  # each call counts from 1
                chunk.sequence += self._before
            self._sequence = chunk.sequence
        elif kind == "gap":
            self._offsets[event.gap.stream] = event.gap.to_offset
        elif kind == "eof":
            known = event.eof.stream in self._ended
            self._ended.add(event.eof.stream)
            return not known
        elif kind == "exit":
            known, self._exited = self._exited, True
            return not known
        elif kind == "heartbeat":
            return False
        elif kind == "started":
            started = event.started
            if self.process is not None:
                check_same(self.process, started.process)
                self._before = self._sequence
                return False
            self.process = started.process
            self._offsets = {cursor.stream: cursor.offset for cursor in started.cursors}
        return True
