"""How a process starts: what is done between the fork and its program, in this order.

    line               what only the keeper may hold is closed: the socket to the engine, whose end
                       tells that the keeper is gone, and the lock on the control group
    control_group      control groups that the fork has not brought about are entered
    session            a session and a process group of its own
    terminal           stdio is in its place; a console becomes the controlling terminal
    oom_score_adj      0, or what was asked for
    limits             see `limits`; a nice value of 0
    umask              022, or what was asked for
    user               supplementary groups, then the group, then the user
    no_new_privileges  if it was asked for
    directory          entered as that user; without one his home, or / if that cannot be entered
    executable         looked for, and executed, as that user

Three things need no step. The fork brings the process into its control group of v2. Exec closes every descriptor above 2, for the keeper has no other kind. Exec makes all signals default
and blocks none, for the keeper handles some and neither ignores nor blocks any.

Limits of the memory come last, since the steps need some themselves.

The keeper prepares everything before the fork, so that the child only makes system calls. The first
step that fails ends the child, which writes what failed to a pipe. A program that was executed closes
the pipe. So the keeper need not wait: it polls the pipe, and an exec that hangs holds up nobody.

Each page that the child writes to is copied first, and that is most of what a start costs. So it is
one function, and a step that changes nothing is left out.

Two things are the defaults and cannot always be had: a daemon that may not lower its own oom score
or nice value has processes with the same.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import struct
import termios
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from hcsd.embedded.keeper.kernel import PR_SET_NO_NEW_PRIVS, fork_into, prctl
from hcsd.embedded.keeper.plan import OOM_SCORE_ADJ_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcsd.embedded.keeper.plan import Plan
    from hcsd.embedded.keeper.trees import Place

DEFAULT_UMASK = 0o022
ROOT = b"/"
PWD = b"PWD"
MISSING = {errno.ENOENT, errno.ENOTDIR}
FAILED = 127

_report = struct.Struct("=BiB")  # stage, errno, and which of the limits


# The names of the steps that can fail, and their numbers on the pipe.
STAGES = (
    *("control_group", "session", "terminal", "oom_score_adj", "limits", "user"),
    *("no_new_privileges", "directory", "executable"),
)
CONTROL_GROUP, SESSION, TERMINAL, OOM_SCORE_ADJ, LIMITS, USER = range(6)
NO_NEW_PRIVILEGES, DIRECTORY, EXECUTABLE = range(6, 9)
THIS_PROCESS = b"0"  # as the files of control groups have it


class Failure(NamedTuple):
    """Why a child did not come to its program.

    Attributes:
        stage: The step that failed, one of `STAGES`.
        code: The errno.
        limit: Name of the limit that could not be set; else "".
    """

    stage: str
    code: int
    limit: str = ""


def fork(plan: Plan, kept: Sequence[int], place: Place) -> tuple[int, int]:
    """Start a child; see the head of the module.

    Args:
        plan: What it is to become.
        kept: Descriptors that the keeper alone may hold.
        place: The control groups that it is to be in.

    Returns:
        Its pid, and the descriptor that tells how far it came: see `read_failure`. Ownership: of
        the descriptor, which does not block.

    Raises:
        OSError: The host has no room for it, or its group has not.
    """
    told, tell = os.pipe()
    try:
        os.set_blocking(told, False)
        pid = os.fork() if place.group < 0 else fork_into(place.group)
        if pid == 0:
            _become(plan, tell, kept, place.entered)
    except OSError:
        os.close(told)
        raise
    finally:
        os.close(tell)
    return pid, told


def read_failure(told: int, plan: Plan) -> Failure | None:
    """Read from the pipe of a child; None if it has come to its program, or was killed before.

    Raises:
        BlockingIOError: Neither is known yet.
    """
    data = os.read(told, _report.size)
    if len(data) < _report.size:
        return None
    stage, code, index = _report.unpack(data)
    return Failure(STAGES[stage], code, plan.limit_names[index] if stage == LIMITS else "")


def _become(  # noqa: PLR0912, PLR0915  (see the head)
    plan: Plan, tell: int, kept: Sequence[int], entered: Sequence[int]
) -> NoReturn:
    """Be the child: take the steps."""
    stage, index, code = CONTROL_GROUP, 0, errno.EIO
    try:
        for descriptor in kept:
            os.close(descriptor)
        for group in entered:
            os.write(group, THIS_PROCESS)

        stage = SESSION
        os.setsid()

        stage = TERMINAL
        stdin, stdout, stderr = plan.stdio
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        if plan.console:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        stage = OOM_SCORE_ADJ
        if plan.oom_score_adj is not None:
            _set_oom_score_adj(plan.oom_score_adj, required=plan.oom_score_adj_asked)

        stage = LIMITS
        if plan.reset_nice:
            _reset_nice()
        for number, limit in plan.limits:
            resource.setrlimit(number, limit)
            index += 1

        if plan.umask is not None:
            os.umask(plan.umask)

        stage = USER
        if plan.groups is not None:
            os.setgroups(plan.groups)
        if plan.gid is not None:
            os.setgid(plan.gid)
        if plan.uid is not None:
            os.setuid(plan.uid)

        stage = NO_NEW_PRIVILEGES
        if plan.no_new_privileges:
            prctl(PR_SET_NO_NEW_PRIVS)

        stage = DIRECTORY
        try:
            os.chdir(plan.directory or plan.home)
        except OSError:
            if plan.directory:
                raise
            os.chdir(ROOT)
        if PWD not in plan.environment:
            plan.environment[PWD] = os.getcwdb()

        stage = LIMITS
        for number, limit in plan.late_limits:
            resource.setrlimit(number, limit)
            index += 1

        stage = EXECUTABLE
        _execute(plan)
    except OSError as error:
        code = error.errno or errno.EIO
    except ValueError:  # how Python says that a limit may not be raised
        code = errno.EPERM if stage == LIMITS else errno.EINVAL
    except MemoryError:
        code = errno.ENOMEM
    finally:
        os.write(tell, _report.pack(stage, code, index))
        os._exit(FAILED)


def _set_oom_score_adj(value: bytes, *, required: bool) -> None:
    try:
        descriptor = os.open(OOM_SCORE_ADJ_FILE, os.O_WRONLY)
        os.write(descriptor, value)
        os.close(descriptor)
    except OSError:
        if required:
            raise


def _reset_nice() -> None:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, 0)


def _execute(plan: Plan) -> NoReturn:
    """Execute the first file that can be; of several failures the first that says more counts."""
    failure: OSError | None = None
    for path in plan.paths:
        try:
            os.execve(path, plan.argv, plan.environment)  # noqa: S606
        except OSError as error:
            missing = error.errno in MISSING
            if failure is None or (failure.errno in MISSING and not missing):
                failure = error
    assert failure is not None  # noqa: S101  (there is a path)
    raise failure
