"""The pipe ends of a process that HCS has handed out and nobody has taken, and how to ask for them again.

    create ──▶ HELD ──take()──▶ TAKEN ──fetch()──▶ HELD
                 └──free()──▶ TAKEN

Ends are fetched again when an earlier client of HCS has had them, see `hcsd.hcs.missing`.

Thread: the event loop's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.hcs.lanes import Lane

if TYPE_CHECKING:
    from hcsd.hcs.handles import ProcessHandle
    from hcsd.hcs.operation import Operations, ProcessInfo


class ProcessStdio:
    """The pipe ends of one process.

    Args:
        operations: Of the engine.
        subject: Whose they are, for the texts of errors.
        info: What HCS gave out with the process; owned from here on.
    """

    def __init__(self, operations: Operations, subject: str, info: ProcessInfo | None) -> None:
        self._operations = operations
        self._subject = subject
        self._info = info

    def take(self) -> tuple[int, int, int]:
        """Hand over the pipe handles, stdin, stdout and stderr; 0 is none.

        Ownership: the caller closes them. Only the first call gets any.
        """
        info, self._info = self._info, None
        return (info.stdin, info.stdout, info.stderr) if info else (0, 0, 0)

    def free(self) -> None:
        """Close what nobody took; idempotent."""
        info, self._info = self._info, None
        if info is not None:
            info.close(self._operations.library)

    async def fetch(self, handle: ProcessHandle) -> None:
        """Ask HCS for the pipe ends of the process; then `take` has them.

        Args:
            handle: Of the process.

        Raises:
            HcsError: HCS gives none.
            HandleClosedError: The handle was closed.
        """
        library = self._operations.library
        with handle.use() as raw:
            self._info = await self._operations.run_for_process_info(
                Lane.QUERY,
                "HcsGetProcessInfo",
                lambda operation: library.HcsGetProcessInfo(raw, operation),
                subject=f"fetch the pipes of {self._subject}",
            )

    @property
    def outlives_process(self) -> bool:
        """Whether HCS has copies of the outputs that only `close_stdio` closes once the process has exited."""
        return self._operations.library.provider.outlives_client

    def kept_with(self, handle: int) -> tuple[int, ...]:
        """Return what the engine keeps with a handle that `take` has given; see `Provider.kept_with`."""
        return self._operations.library.provider.kept_with(handle) if handle else ()
