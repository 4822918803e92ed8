"""Processes between the fork and their program.

    begin() ──▶ STARTING ──exec closes the pipe──▶ answered with the pid, and kept by `children`
                  ├──a step fails──▶ refused with the step and the errno
                  └──the time is over──▶ killed, and refused with ETIMEDOUT

A program may hang in its exec: its file is leased, or lies on a file system that does not answer. So
nothing here waits. The loop polls the pipes, and asks when the next start is overdue. A child that
was refused is reaped like any other, and reported to nobody.

The engine may be gone when a start is to be answered. The next engine is told of each start that is under
way, as of a process that runs, for it will. So one that fails then has ended, with the code of its child.

While the system is paused no start is overdue; after the pause each has its time anew.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import time
from typing import TYPE_CHECKING, NamedTuple

from hcsd.embedded.keeper.accounts import find_account
from hcsd.embedded.keeper.child import (
    CONTROL_GROUP,
    DIRECTORY,
    EXECUTABLE,
    FAILED,
    STAGES,
    Failure,
    fork,
    read_failure,
)
from hcsd.embedded.keeper.families import kill
from hcsd.embedded.keeper.frames import Refusal
from hcsd.embedded.keeper.origins import MARK
from hcsd.embedded.keeper.plan import prepare
from hcsd.embedded.keeper.requests import StartRequest
from hcsd.embedded.keeper.spare import require_room

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from hcsd.embedded.keeper.attach import Request
    from hcsd.embedded.keeper.frames import Message
    from hcsd.embedded.keeper.kept import Kept
    from hcsd.embedded.keeper.plan import Plan
    from hcsd.embedded.keeper.requests import Settings
    from hcsd.embedded.keeper.trees import Trees

# What systemd gives its services.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OF_THE_HOST = ("LANG", "TZ")  # taken from the daemon, if it has them


class Start(NamedTuple):
    """A child that has not come to its program yet.

    Attributes:
        request: Id of the request.
        mark: What all that descends from it will inherit.
        told: Pipe that tells how far it came.
        plan: What it is to become.
        deadline: When it is overdue.
    """

    request: Request
    mark: str
    told: int
    plan: Plan
    deadline: float


class Calls(NamedTuple):
    """What is called about starts.

    Attributes:
        forked: With the pid of each, before it is kept.
        started: Before the answer, with the pid and the mark of each that runs.
        answer: With a request and its answer; returns whether whoever asked is still there.
        ended: With the pid and the exit code of each that has failed, of which nobody could be told.
    """

    forked: Callable[[int], None]
    started: Callable[[int, str], None]
    answer: Callable[[Request, Message], bool]
    ended: Callable[[int, int], None]


class Starts:
    """All of them.

    Args:
        settings: What the keeper was started with.
        private: Descriptors that no child may hold: the keeper's sockets, which change, and its lock.
        poll: Where the pipes are registered.
        trees: Where each has a control group.
        kept: What is kept of each.
        calls: What is told.
    """

    def __init__(
        self,
        settings: Settings,
        private: Sequence[int],
        poll: select.poll,
        trees: Trees,
        *,
        kept: Kept,
        calls: Calls,
    ) -> None:
        self._settings = settings
        self._private = private
        self._poll = poll
        self._trees = trees
        self._kept = kept
        self._calls = calls
        self._starts: dict[int, Start] = {}
        self._count = 0
        self._null = os.open(os.devnull, os.O_RDWR)
        names = (*OF_THE_HOST, *settings.pass_env)
        self._passed = {name: os.environ[name] for name in names if name in os.environ}

    def pids(self) -> list[int]:
        """Return the pids of those that have not come to their program."""
        return list(self._starts)

    @property
    def next_deadline(self) -> float | None:
        """When the first of them is overdue; None if there is none."""
        # Each has the same time, so the first to begin is the first to be overdue.
        return next(iter(self._starts.values())).deadline if self._starts else None

    def begin(self, asked: Request, message: Message, fds: list[int]) -> None:
        """Start a process; it is answered later.

        Args:
            asked: Who is answered.
            message: The request.
            fds: Those of stdio, and then those to keep. Ownership: the caller's, but for those that
                are taken out of the list.

        Raises:
            Refusal: It cannot even be forked: there is no such user, or no room.
        """
        request = StartRequest.of(message)
        given_to_child = sum(request.stdio)
        require_room(fds, given_to_child + len(request.keep))
        given = iter(fds)
        account = find_account(request.user, request.uid, request.gid, request.groups)
        self._count += 1
        mark = f"{self._settings.mark}.{self._count}"
        environment = {
            "PATH": PATH,
            **account.environment,
            **self._passed,
            **request.environment,
            MARK: mark,
        }
        try:
            plan = prepare(
                argv=request.argv,
                environment=environment,
                directory=request.directory,
                stdio=[next(given) if asked else self._null for asked in request.stdio],
                console=request.console,
                account=account,
                limits=request.limits,
                umask=request.umask,
                oom_score_adj=request.oom_score_adj,
                no_new_privileges=request.no_new_privileges,
            )
        except ValueError:  # a text that stands for no bytes
            raise Refusal(STAGES[EXECUTABLE], errno.EINVAL) from None
        if account.uid is not None:
            _give_away(fds[:given_to_child], account.uid)
        pid, told = self._fork(plan, mark)
        self._calls.forked(pid)
        held = dict(zip(request.keep, fds[given_to_child:], strict=True))
        del fds[given_to_child:]
        self._kept.begin(pid, mark, request.tag, held)
        deadline = time.monotonic() + self._settings.start_timeout
        self._starts[pid] = Start(asked, mark, told, plan, deadline)
        self._poll.register(told, select.POLLIN)

    def _fork(self, plan: Plan, mark: str) -> tuple[int, int]:
        """Fork a process into its control groups."""
        try:
            place = self._trees.make(mark)
        except OSError as error:
            raise Refusal(STAGES[CONTROL_GROUP], error.errno or errno.EAGAIN) from None
        pid = None
        try:
            pid, told = fork(plan, self._private, place)
        except OSError as error:
            if not self._trees.enter_by_itself(error):
                raise Refusal("fork", error.errno or errno.EAGAIN) from None
        else:
            return pid, told
        finally:
            self._trees.release(place)
            self._trees.forked(pid, mark)
        return self._fork(plan, mark)

    def settle(self, ready: Container[int]) -> None:
        """Answer those whose pipe has something to tell.

        Args:
            ready: Descriptors that can be read.
        """
        for pid in [pid for pid, start in self._starts.items() if start.told in ready]:
            self.settle_one(pid)

    def settle_one(self, pid: int) -> None:
        """Answer one, if it is a start and its pipe has something to tell."""
        start = self._starts.get(pid)
        if start is None:
            return
        try:
            failure = read_failure(start.told, start.plan)
        except BlockingIOError:
            return
        self._forget(pid)
        if failure is None:
            self._calls.started(pid, start.mark)
            self._calls.answer(start.request, {"pid": pid, "mark": start.mark})
        else:
            self._refuse(pid, start, failure)

    def expire(self) -> None:
        """Kill and refuse those that are overdue."""
        now = time.monotonic()
        for pid in [pid for pid, start in self._starts.items() if start.deadline <= now]:
            start = self._starts[pid]
            stage = DIRECTORY if _is_outside(pid, start.plan) else EXECUTABLE
            kill(pid)
            self._forget(pid)
            self._refuse(pid, start, Failure(STAGES[stage], errno.ETIMEDOUT))

    def abandon(self) -> None:
        """Kill all of them, at the end of the keeper: whoever waits learns of that end."""
        for pid in self.pids():
            kill(pid)
            self._forget(pid)

    def renew(self) -> None:
        """Give each its time anew."""
        deadline = time.monotonic() + self._settings.start_timeout
        for pid, start in self._starts.items():
            self._starts[pid] = start._replace(deadline=deadline)

    def _forget(self, pid: int) -> None:
        told = self._starts.pop(pid).told
        self._poll.unregister(told)
        os.close(told)

    def _refuse(self, pid: int, start: Start, failure: Failure) -> None:
        refusal = Refusal(failure.stage, failure.code, failure.limit)
        if self._calls.answer(start.request, refusal.answer):
            self._kept.forget(start.mark)
        else:
            self._calls.ended(pid, FAILED)


def _is_outside(pid: int, plan: Plan) -> bool:
    """Tell whether a child has not come into its directory; that can hang, too."""
    try:
        where = os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return False
    return where == "/" and plan.directory not in {b"", b"/"}


def _give_away(fds: list[int], uid: int) -> None:
    """Give the stdio of a program to its user, so that it may open it again, as /dev/stdout."""
    for fd in fds:
        with contextlib.suppress(OSError):  # not every system lets pipes be given away
            os.fchown(fd, uid, -1)
