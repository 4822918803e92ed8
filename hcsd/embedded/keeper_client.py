"""The engine's end of the line to a keeper.

    UP ──socket ends, for whatever reason──▶ DOWN      every open request is answered ESRCH
     └──hang_up(): the keeper reads EOF, kills its descendants, exits──▶ DOWN

Every request has an id, by which its answer is known: a start is answered after later requests.
Thread: the worker's, all of it, but for `keeper_pid`.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import os
import socket
import subprocess  # starts the keeper
import sys
from typing import TYPE_CHECKING

from hcsd.embedded.keeper import frames
from hcsd.embedded.keeper.families import KEEPER_MARK
from hcsd.embedded.keeper.requests import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcsd.embedded.child_settings import ChildSettings
    from hcsd.embedded.keeper.frames import Message
    from hcsd.embedded.keeper.groups import Places
    from hcsd.embedded.worker import Worker

logger = logging.getLogger(__name__)

PROGRAM = os.path.join(os.path.dirname(frames.__file__), "__main__.py")

# Not for a keeper, unless a process may have them: settings of the daemon, where its secrets are.
PRIVATE_PREFIX = "HCSD_"


class KeeperClient:
    """A keeper and the socket to it.

    Args:
        worker: Where everything runs.
        on_exit: Called with the pid and the return code of each process that ended. Negative: the
            signal; None: only its parent was told.
        on_down: Called once when the keeper is gone, after the last exit, with its exit status
            (negative: the signal that killed it).
        settings: What is the same for all processes.
        mark: Begins the marks of its processes.
        places: Control groups of the system; None without any.

    Attributes:
        mark: As given.

    Raises:
        OSError: The keeper cannot be started; nothing of it is left.
    """

    def __init__(
        self,
        worker: Worker,
        on_exit: Callable[[int, int | None], None],
        on_down: Callable[[int], None],
        settings: ChildSettings,
        *,
        mark: str,
        places: Places | None,
    ) -> None:
        self.mark = mark
        self._worker = worker
        self._on_exit = on_exit
        self._on_down = on_down
        self._answers: dict[int, Callable[[Message], None]] = {}
        self._ids = itertools.count(1)
        self._sock, theirs = socket.socketpair()
        self._up = True
        with theirs, contextlib.ExitStack() as failed:
            failed.callback(self._sock.close)
            argument = Settings(
                descriptor=theirs.fileno(),
                mark=self.mark,
                pass_env=list(settings.pass_env),
                start_timeout=settings.start_timeout,
                places=places,
            ).to_argument()
            self._keeper = subprocess.Popen(  # noqa: S603  (our own program)
                [sys.executable, "-I", "-S", "-X", "utf8", PROGRAM, argument],
                pass_fds=[theirs.fileno()] + ([places.lock] if places else []),
                stdin=subprocess.DEVNULL,
                cwd="/",
                env=_environment(settings) | {KEEPER_MARK: self.mark},
                start_new_session=True,
            )
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
        number = next(self._ids)
        try:
            frames.send_frame(self._sock, {"id": number, **message}, fds)
        except OSError as error:
            logger.debug("cannot reach the keeper: %s", error)
            gone = isinstance(error, ConnectionError)
            self._refuse(on_answer, errno.ESRCH if gone else error.errno or errno.EIO)
        else:
            self._answers[number] = on_answer

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
        elif "oom" in message:
            pass
        elif "left" in message:
            logger.error("keeper %d could not end %s", self.keeper_pid, message["left"])
        else:
            number = message["id"]
            assert isinstance(number, int)  # noqa: S101
            self._answers.pop(number)(message)

    def _go_down(self) -> None:
        self._up = False
        self._worker.unwatch(self._sock)
        self._sock.close()
        status = self._keeper.wait()  # it closed its socket by exiting
        self._answer_all()
        self._worker.post(lambda: self._on_down(status))

    def _answer_all(self) -> None:
        answers, self._answers = self._answers, {}
        for on_answer in answers.values():
            self._refuse(on_answer, errno.ESRCH)

    def _refuse(self, on_answer: Callable[[Message], None], code: int) -> None:
        self._worker.post(lambda: on_answer({"error": code, "what": "system"}))


def _environment(settings: ChildSettings) -> dict[str, str]:
    """Return the environment of a keeper; what its processes get of it, the keeper decides."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in settings.pass_env or not name.startswith(PRIVATE_PREFIX)
    }
