"""What one question has at hand: the calls, and processes to ask about.

Each question is asked on a thread and an event loop of its own, so that a call that never returns
holds up this question alone. What it has opened and started is noted in its `Asking`, which gives
all of it back at the end.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hcsd.abi.types import GENERIC_ALL
from hcsd.hcs.errors import HcsError
from hcsd.hcs.schema import ProcessStatus
from hcsd.selftest.calls import Calls, Done, Seen
from hcsd.selftest.process import Started

if TYPE_CHECKING:
    from hcsd.abi.types import HCS_OPERATION, HCS_PROCESS, HCS_SYSTEM
    from hcsd.hcs.library import Library
    from hcsd.hcs.operation import ProcessInfo
    from hcsd.selftest.programs import Parameters, Programs

POLL_SECONDS = 0.3
RETURN_SECONDS = 3.0


@dataclass(frozen=True)
class Subject:
    """Who is asked.

    Attributes:
        system_id: A running system; "" if only the host is asked.
        guest: Path of tests/windows/guest.exe in the system; "" without it.
        patience: By what all waits are multiplied.
    """

    library: Library
    system_id: str
    programs: Programs
    guest: str = ""
    patience: float = 1.0
    seen: Seen = field(default_factory=Seen)


class Asking(Calls):
    """What one question has at hand; everything in it is given back by `close`.

    Attributes:
        subject: Who is asked.
        started: What it has started.
        stuck: Whether a call of it has not returned; then its handles are left as they are.
    """

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject.library, subject.seen, subject.patience)
        self.subject = subject
        self.programs = subject.programs
        self.started: list[Started] = []
        self.stuck = False

    # Handles

    def open_system(self) -> HCS_SYSTEM:
        """Open the system once more."""
        handle: HCS_SYSTEM = self.library.HcsOpenComputeSystem(self.subject.system_id, GENERIC_ALL)
        self._opened.callback(self.library.HcsCloseComputeSystem, handle)
        return handle

    def open_process(self, pid: int, system: HCS_SYSTEM | None = None) -> HCS_PROCESS:
        """Open a process once more, by another handle of the system."""
        system = system or self.open_system()
        handle: HCS_PROCESS = self.library.HcsOpenProcess(system, pid, GENERIC_ALL)
        self._opened.callback(self.library.HcsCloseProcess, handle)
        return handle

    def keep_handle(self, handle: int) -> None:
        """Close a stdio handle at the end."""
        self._opened.callback(self.library.provider.close_handle, handle)

    # Processes

    def close_later(self, handle: HCS_PROCESS) -> None:
        """Close the handle of a process at the end."""
        self._opened.callback(self.library.HcsCloseProcess, handle)

    def note(self, handle: HCS_PROCESS, info: ProcessInfo) -> Started:
        """Note what was told of a process that has been started."""
        process = Started(handle, info)
        self.started.append(process)
        return process

    async def try_start(self, document: str) -> tuple[Done, Started | None]:
        """Start a process from a document, and tell how that went."""
        system = self.open_system()
        made: list[HCS_PROCESS] = []  # its handle, also of a create that fails later

        def start(operation: HCS_OPERATION) -> None:
            made.append(self.library.HcsCreateProcess(system, document, operation, None))
            self.close_later(made[0])

        done = await self.run(start, info=True)
        return done, None if done.info is None else self.note(made[0], done.info)

    async def start(
        self, parameters: Parameters, *, pipes: str = "ioe", listen: bool = True, read: bool = True
    ) -> Started:
        """Start a process that must start.

        Args:
            parameters: Members of its document.
            pipes: Its streams: of `i`, `o` and `e`.
            listen: Whether to ask for its events.
            read: Whether to read its output from now on.

        Raises:
            HcsError: It did not start.
        """
        members = parameters | {
            "CreateStdInPipe": "i" in pipes,
            "CreateStdOutPipe": "o" in pipes,
            "CreateStdErrPipe": "e" in pipes,
        }
        done, process = await self.try_start(Started.document(members))
        if process is None:
            assert done.error is not None  # noqa: S101  (one of both)
            raise done.error
        if listen:
            process.events = self.listen(process.handle)
        if read:
            process.read()
        return process

    async def status(self, process: Started) -> ProcessStatus:
        """Return its properties.

        Raises:
            HcsError: HCS does not tell.
        """
        done = await self.run(
            lambda operation: self.library.HcsGetProcessProperties(process.handle, operation, None)
        )
        if done.error is not None:
            raise done.error
        return ProcessStatus.parse(done.document)

    async def exit_code(self, process: Started, seconds: float) -> str:
        """Return its exit code as text, when it has exited, by its event or by its properties.

        Raises:
            TimeoutError: It runs on.
        """
        until = self._loop.time() + self.seconds(seconds)
        while True:
            try:
                event = await process.exit(min(POLL_SECONDS, until - self._loop.time()))
            except TimeoutError:
                status = await self.status(process)  # the event may have come before its listener
            else:
                status = ProcessStatus.parse(event.data)
            if status.exited:
                code = status.exit_code
                return "unknown" if code is None else str(code) if code < 256 else f"0x{code:08X}"
            if self._loop.time() >= until:
                raise TimeoutError

    async def signal(self, handle: HCS_PROCESS, signal: str | int) -> Done:
        """Send a signal by a handle."""
        document = Started.document({"Signal": signal})
        return await self.run(
            lambda operation: self.library.HcsSignalProcess(handle, operation, document)
        )

    async def terminate(self, handle: HCS_PROCESS) -> Done:
        """Kill a process by a handle."""
        return await self.run(
            lambda operation: self.library.HcsTerminateProcess(handle, operation, None)
        )

    async def close(self) -> None:
        """End what still runs, and give everything back, unless a call is stuck that uses it."""
        self.stuck = True  # until all is given back
        for process in self.started:
            process.close_streams(self.library.provider.close_handle)
            if not process.exited:
                with contextlib.suppress(HcsError, TimeoutError):  # it has ended
                    await self.terminate(self.open_process(process.pid))
        self.stuck = not self.calls_returned(self.seconds(RETURN_SECONDS))
        if not self.stuck:
            self._opened.close()
