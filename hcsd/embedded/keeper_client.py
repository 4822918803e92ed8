"""The engine's end of the line to a keeper.

    UP ──socket ends, for whatever reason──▶ DOWN      every open request is answered ESRCH
     └──hang_up(): the keeper reads EOF, kills its descendants, exits──▶ DOWN

Requests are answered in order, so the answers' handlers are a queue. Thread: the worker's, all of
it, but for `keeper_pid`.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import logging
import os
import socket
import subprocess  # starts the keeper
import sys
import uuid
from typing import TYPE_CHECKING

from hcsd.embedded.descriptors import FEW
from hcsd.embedded.keeper import frames

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hcsd.embedded.keeper.frames import Message
    from hcsd.embedded.worker import Worker

logger = logging.getLogger(__name__)

PROGRAM = os.path.join(os.path.dirname(frames.__file__), "__main__.py")

# Not for the processes of a system: settings of the daemon, where its secrets are.
PRIVATE_PREFIX = "HCSD_"


class KeeperClient:
    """A keeper and the socket to it.

    Args:
        worker: Where everything runs.
        on_exit: Called with the pid and the return code of each process that ended. Negative: the
            signal; None: only its parent was told.
        on_down: Called once when the keeper is gone, after the last exit, with its exit status
            (negative: the signal that killed it).
        groups: Control groups of the system, which the keeper and all it starts belong to.

    Attributes:
        mark: Begins the marks of its processes.

    Raises:
        OSError: The keeper cannot be started, or put into its groups; nothing of it is left.
    """

    def __init__(
        self,
        worker: Worker,
        on_exit: Callable[[int, int | None], None],
        on_down: Callable[[int], None],
        groups: Sequence[str] = (),
    ) -> None:
        self.mark = uuid.uuid4().hex
        self._worker = worker
        self._on_exit = on_exit
        self._on_down = on_down
        self._answers: collections.deque[Callable[[Message], None]] = collections.deque()
        self._sock, theirs = socket.socketpair()
        self._up = True
        with theirs, contextlib.ExitStack() as failed:
            failed.callback(self._sock.close)
            self._keeper = subprocess.Popen(  # noqa: S603  (our own program)
                [
                    *(sys.executable, "-I", "-S", "-X", "utf8", PROGRAM),
                    *(str(theirs.fileno()), str(FEW), self.mark, *groups),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd="/",
                env={k: v for k, v in os.environ.items() if not k.startswith(PRIVATE_PREFIX)},
                start_new_session=True,
            )
            failed.callback(self._keeper.wait)
            failed.callback(self._keeper.kill)
            for group in groups:
                with open(os.path.join(group, "cgroup.procs"), "w", encoding="ascii") as file:
                    file.write(str(self._keeper.pid))
            failed.pop_all()
        worker.watch(self._sock, self._readable)

    @property
    def keeper_pid(self) -> int:
        """Pid of the keeper."""
        return self._keeper.pid

    def request(
        self, message: Message, fds: list[int], on_answer: Callable[[Message], None]
    ) -> None:
        """Send a request; its answer comes later, also if the keeper is gone.

        Ownership: the descriptors stay the caller's, who closes them when this returns.
        """
        if not self._up:
            self._refuse(on_answer, errno.ESRCH)
            return
        try:
            frames.send_frame(self._sock, {"id": 0, **message}, fds)
        except OSError as error:
            # Not queued: the answers that come are to the requests that were sent.
            logger.debug("cannot reach the keeper: %s", error)
            gone = isinstance(error, ConnectionError)
            self._refuse(on_answer, errno.ESRCH if gone else error.errno or errno.EIO)
        else:
            self._answers.append(on_answer)

    def hang_up(self) -> None:
        """Make the keeper kill what it keeps, and exit; `on_down` follows."""
        if self._up:
            self._sock.shutdown(socket.SHUT_WR)

    def _readable(self) -> None:
        frame = frames.receive_frame(self._sock)
        if frame is None:
            self._go_down()
            return
        message, _fds = frame
        if "exit" in message:
            pid, status = message["exit"], message["status"]
            assert isinstance(pid, int)  # noqa: S101  (both sides are ours)
            assert status is None or isinstance(status, int)  # noqa: S101
            self._on_exit(pid, status)
        else:
            self._answers.popleft()(message)

    def _go_down(self) -> None:
        self._up = False
        self._worker.unwatch(self._sock)
        self._sock.close()
        status = self._keeper.wait()  # it closed its socket by exiting
        self._answer_all()
        self._worker.post(lambda: self._on_down(status))

    def _answer_all(self) -> None:
        while self._answers:
            self._refuse(self._answers.popleft(), errno.ESRCH)

    def _refuse(self, on_answer: Callable[[Message], None], code: int) -> None:
        self._worker.post(lambda: on_answer({"error": code, "what": "system"}))
