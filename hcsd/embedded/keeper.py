"""The keeper: the process that every process of one embedded compute system descends from.

The engine starts one keeper per system, as a small single-threaded Python without site-packages,
and talks to it over a socket pair. The keeper starts the system's processes, reaps them, signals
them, and reports their ends. Four promises rest on it being a process of its own:

* It is the subreaper of the system: a descendant whose parent dies becomes the keeper's child, so
  "belongs to the system" is "descends from the keeper", whatever sessions it made for itself.
* The system ends with the engine, also when the daemon is killed with SIGKILL: the socket then
  reads end-of-file, and the keeper kills its descendants until it has none, and exits.
* No process is forked from, and no child is reaped by, the threaded gRPC process. Starting a
  process never holds the daemon's interpreter lock.
* A signal cannot hit a reused pid: only the keeper reaps, and it signals only what it has not
  reaped yet. What others reap, it kills through a pidfd that was checked after it was opened.

A process with all that descends from it is a tree. A descendant belongs to the tree by its parents;
if those are gone, by its session, which only a member can have made; and if it has left that as
well, by the mark that it has inherited in its environment.

A descendant that was not started here can be adopted: it is signalled, and its end is reported, through
a pidfd. Its exit code goes to its parent, and is known here only if that has died.

    KEEPING ──shut down──▶ DRAINING ──no child is left──▶ exits 0
       │                      └──the grace is over──▶ kills ──▶ exits FORCED
       └──the engine hangs up, also from DRAINING──▶ kills ──▶ exits 0

Paused, it keeps every member stopped, and whoever it has not stopped itself is not continued.

Messages are frames: a 4-byte length, then JSON; descriptors travel with the length. The engine
sends requests, each answered once, in order; `exit` messages come between. The keeper never blocks
on sending, so that both sides cannot wait for each other.

Run as ``python -I -S keeper.py FD LIMIT MARK [GROUP…]``; imports the standard library only. LIMIT is
how many descriptors its processes may have unless they ask for more: the daemon itself may have
more. MARK begins the marks of its processes. Each GROUP is a control group of the system's own, to
be removed at the end.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import errno
import fcntl
import json
import os
import pwd
import resource
import select
import signal
import socket
import subprocess  # starting processes is its work
import sys
import termios
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container

PR_SET_CHILD_SUBREAPER = 36
ON_LINUX = sys.platform == "linux"  # noqa: TID251  (the kernel offers more there)
HEADER = 4
MAX_FDS = 3

MARK = "HCS_PROCESS_MARK"  # a variable of every process, with a value that no other process has
BATCH = 100  # of descriptors at a time
LOOKS = 10  # at the ancestors of a process; one that dies meanwhile leaves a hole (arbitrary)
PATIENCE = 2.0  # seconds for members to die, or to stop; what the kernel holds takes longer
FORCED = 3  # exit status of a keeper that had to kill at the end of a shutdown

Message = dict[str, object]
Identity = tuple[int, int]  # a pid and when its process started, in clock ticks


def send_frame(sock: socket.socket, message: Message, fds: list[int]) -> None:
    """Send one frame on a blocking socket, with descriptors (copies; the caller keeps its own).

    Raises:
        OSError: The other side is gone.
    """
    body = json.dumps(message).encode()
    header = len(body).to_bytes(HEADER, "big")
    if fds:
        rights = array.array("i", fds)
        sock.sendmsg([header], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        sock.sendall(body)
    else:
        sock.sendall(header + body)


def receive_frame(sock: socket.socket) -> tuple[Message, list[int]] | None:
    """Receive one frame from a blocking socket; None at end-of-file.

    Ownership: the descriptors are the caller's.
    """
    try:
        header, fds, _flags, _address = socket.recv_fds(sock, HEADER, MAX_FDS)
        header += _exactly(sock, HEADER - len(header)) if header else b""
        if len(header) < HEADER:
            return None
        body = _exactly(sock, int.from_bytes(header, "big"))
    except ConnectionError:
        return None
    return (json.loads(body), fds) if body else None


def _exactly(sock: socket.socket, size: int) -> bytes:
    """Read that many bytes, or nothing if the stream ends first."""
    parts: list[bytes] = []
    while size:
        part = sock.recv(size)
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def descendants(root: int) -> list[int]:
    """Return the pids of every living descendant of a process (Linux)."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                stat = file.read()
        except OSError:
            continue  # it ended between the listing and the look
        state, parent = stat[stat.rindex(b")") + 2 :].split(maxsplit=2)[:2]
        if state != b"Z":
            children.setdefault(int(parent), []).append(int(name))
    found: list[int] = []
    todo = [root]
    while todo:
        todo = [child for parent in todo for child in children.get(parent, [])]
        found += todo
    return found


class StartError(Exception):
    """A process cannot be started.

    Attributes:
        what: ``executable``, ``directory`` or ``user``.
        code: The errno.
    """

    def __init__(self, what: str, code: int) -> None:
        super().__init__(what, code)
        self.what = what
        self.code = code


class Keeper:
    """The keeper's loop. One thread, one socket.

    Args:
        sock: Its end of the pair, blocking.
        mark: Begins the mark of each process.
    """

    def __init__(self, sock: socket.socket, mark: str) -> None:
        self._sock = sock
        self._mark = mark
        self._out = bytearray()
        self._paused: set[Identity] | None = None  # whom to continue; None while not paused
        self._deadline: float | None = None  # of a shutdown
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._marks: dict[int, object] = {}  # of the children
        self._adopted: dict[int, int] = {}  # pid to pidfd
        self._poll = select.poll()
        self._count = 0

    def run(self) -> int:
        """Serve requests until the engine is gone, then end every descendant.

        Returns:
            The exit status.
        """
        wake, wake_in = socket.socketpair()
        for end in (wake, wake_in):
            end.setblocking(False)
        signal.set_wakeup_fd(wake_in.fileno(), warn_on_full_buffer=False)
        self._poll.register(wake, select.POLLIN)
        serving = left = True
        while serving and (left or self._deadline is None):
            self._poll.register(self._sock, select.POLLIN | (select.POLLOUT if self._out else 0))
            wait = None if self._deadline is None else self._deadline - time.monotonic()
            if wait is not None and wait <= 0:
                self._end()
                return FORCED
            ready = self._poll.poll(None if wait is None else wait * 1000)
            for fd, events in ready:
                if fd == wake.fileno():
                    wake.recv(4096)
                elif fd == self._sock.fileno() and events & ~select.POLLOUT:
                    serving = self._serve()
            left = self._reap(os.WNOHANG)
            self._report_unreaped([fd for fd, _ in ready])
            self._flush()
        self._end()
        return 0

    def _serve(self) -> bool:
        frame = receive_frame(self._sock)
        if frame is None:
            return False
        request, fds = frame
        try:
            answer = self._carry_out(request, fds)
        except StartError as error:
            answer = {"error": error.code, "what": error.what}
        except Exception:
            # Ours to mend, but no reason to end everything that runs in the system.
            sys.excepthook(*sys.exc_info())
            answer = {"error": errno.EIO, "what": "system"}
        finally:
            for fd in fds:
                os.close(fd)
        self._send({"id": request["id"], **answer})
        return True

    def _carry_out(self, request: Message, fds: list[int]) -> Message:
        if "argv" in request:
            return self._spawn(request, fds)
        if "adopt" in request:
            return self._adopt(request, fds)
        if "pause" in request:
            code = self._pause() if request["pause"] else self._resume()
            return {"error": code, "what": "system"} if code else {}
        if "grace" in request:
            self._shut_down(float(str(request["grace"])))
            return {}
        return self._signal(request)

    def _shut_down(self, grace: float) -> None:
        """Ask every member to end."""
        self._deadline = time.monotonic() + grace
        for pid in descendants(os.getpid()):
            with contextlib.suppress(OSError):  # it has ended, or is another user's
                os.kill(pid, signal.SIGTERM)

    def _pause(self) -> int:
        """Stop every member; return an errno if one cannot be.

        A process that has been sent a stop runs no more code of its own, and cannot fork. So
        whoever is started meanwhile is seen in the next look, and the look that finds the same
        processes as the one before, all of them stopped, has found all. What the kernel holds
        counts as stopped: it may be waiting for a stopped child that shares its memory.
        """
        if self._paused is None:
            self._paused = set()
        deadline = time.monotonic() + PATIENCE
        before: set[Identity] | None = None
        code = 0
        while True:
            found = {
                (pid, entry.started): entry
                for pid in descendants(os.getpid())
                if (entry := look_at(pid)) is not None
            }
            moving = [
                member
                for member, entry in found.items()
                if entry.state not in b"Tt" and (entry.state != b"D" or member not in self._paused)
            ]
            if not moving and before == found.keys():
                return 0
            if code or time.monotonic() > deadline:
                self._resume()
                return code or errno.ETIMEDOUT
            for member in moving:
                code = _send_to(member, signal.SIGSTOP) or code
            self._paused |= set(moving)
            before = set(found)

    def _resume(self) -> int:
        """Continue whom the pause has stopped."""
        members, self._paused = self._paused or set(), None
        code = 0
        for member in members:
            code = _send_to(member, signal.SIGCONT) or code
        return code

    def _spawn(self, request: Message, fds: list[int]) -> Message:
        argv, directory, environment = request["argv"], request["directory"], request["environment"]
        assert isinstance(argv, list)  # noqa: S101  (both sides are ours; for the type checker)
        assert isinstance(environment, dict)  # noqa: S101
        given = iter(fds)
        stdio = [next(given) if asked else subprocess.DEVNULL for asked in _flags(request["stdio"])]
        account = _account(str(request["user"]))
        self._count += 1
        mark = f"{self._mark}.{self._count}"
        if account.uid is not None:
            for fd in fds:
                # So that the program may open its stdio again, as /dev/stdout. Not every system
                # lets pipes be given away.
                with contextlib.suppress(OSError):
                    os.fchown(fd, account.uid, -1)
        try:
            child = subprocess.Popen(  # noqa: S603  (what to run is the caller's to say)
                argv,
                stdin=stdio[0],
                stdout=stdio[1],
                stderr=stdio[2],
                cwd=str(directory) or None,
                env={**os.environ, **account.environment, **environment, MARK: mark},
                start_new_session=True,
                user=account.uid,
                group=account.gid,
                extra_groups=account.groups,
                # Safe here: the keeper has one thread. Nothing else makes a terminal the
                # controlling one of a session that exists only in the child.
                preexec_fn=_take_terminal if request["console"] else None,  # noqa: PLW1509
            )
        except OSError as error:
            where = "directory" if _is_unusable(str(directory)) else "executable"
            raise StartError(where, error.errno or errno.EINVAL) from None
        except (ValueError, subprocess.SubprocessError):
            raise StartError("executable", errno.EINVAL) from None
        self._children[child.pid], self._marks[child.pid] = child, mark
        return {"pid": child.pid, "mark": mark}

    def _adopt(self, request: Message, fds: list[int]) -> Message:
        pid = request["adopt"]
        assert isinstance(pid, int)  # noqa: S101
        if not fds:  # there was no room for it
            return {"error": errno.EMFILE, "what": "process"}
        descriptor = self._adopted[pid] = os.dup(fds[0])
        self._poll.register(descriptor, select.POLLIN)
        return {}

    def _report_unreaped(self, ready: Container[int]) -> None:
        """Report the ends of adopted processes that were not ours to reap."""
        for pid, descriptor in list(self._adopted.items()):
            if descriptor in ready and has_ended(descriptor):
                self._report_adopted(pid, None)

    def _report_adopted(self, pid: int, status: int | None) -> None:
        """Report the end of an adopted process."""
        descriptor = self._adopted.pop(pid)
        self._poll.unregister(descriptor)
        os.close(descriptor)
        self._send({"exit": pid, "status": status})

    def _signal(self, request: Message) -> Message:
        pid, number = request["pid"], request.get("number")
        assert isinstance(pid, int)  # noqa: S101
        if "tree" in request:
            mark = request["tree"]
            root = pid if self._marks.get(pid) == mark else 0
            code = Tree(root, str(mark), self._children).kill()
            return {"error": code, "what": "process"} if code else {}
        assert isinstance(number, int)  # noqa: S101
        if pid not in self._children and pid not in self._adopted:
            return {"error": errno.ESRCH, "what": "process"}
        if self._paused is not None and number == signal.SIGCONT:
            if (entry := look_at(pid)) is not None:
                self._paused.add((pid, entry.started))  # when the others go on
            return {}
        if pid in self._adopted:
            return self._signal_adopted(pid, number)
        try:
            # Not reaped yet, so neither the pid nor the group of that number can be another's.
            (os.killpg if request.get("group") else os.kill)(pid, number)
        except OSError as error:
            return {"error": error.errno or errno.EPERM, "what": "process"}
        return {}

    def _signal_adopted(self, pid: int, number: int) -> Message:
        """Signal an adopted process, alone: its group may have others that nobody has named."""
        try:
            signal.pidfd_send_signal(self._adopted[pid], number)
        except OSError as error:
            return {"error": error.errno or errno.EPERM, "what": "process"}
        return {}

    def _reap(self, options: int) -> bool:
        """Collect children that ended; False when there are no children at all."""
        while True:
            try:
                pid, status = os.waitpid(-1, options)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            child = self._children.pop(pid, None)
            if child is None:
                if pid in self._adopted:
                    self._report_adopted(pid, os.waitstatus_to_exitcode(status))
            else:
                del self._marks[pid]
                child.returncode = os.waitstatus_to_exitcode(status)
                self._send({"exit": pid, "status": child.returncode})
            options = os.WNOHANG

    def _send(self, message: Message) -> None:
        body = json.dumps(message).encode()
        self._out += len(body).to_bytes(HEADER, "big") + body

    def _flush(self) -> None:
        while self._out:
            try:
                sent = self._sock.send(self._out, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                self._out.clear()  # the engine is gone: nobody is left to tell
                return
            del self._out[:sent]

    def _end(self) -> None:
        """Kill until nothing is left: what a dying process leaves behind becomes our child.

        What the keeper may not kill, such as a program that runs as another user, is left alone.
        """
        me = os.getpid()
        while True:
            left = descendants(me) if ON_LINUX else list(self._children)
            refused = [pid for pid in left if not _kill(pid)]
            alive = self._reap(os.WNOHANG if refused else 0)
            self._flush()
            if not alive or (refused and refused == left):
                return


def _kill(pid: int) -> bool:
    """Kill a process; False if that is not allowed."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return True  # it ended by itself
    except OSError:
        return False
    return True


def open_descendant(pid: int, ancestor: int) -> int | None:
    """Return a pidfd of a living process if it descends from another one, else None (Linux).

    Ownership: the caller closes it.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except (OSError, OverflowError):
        return None
    # Alive after the look as it was before: no other process has had the pid meanwhile.
    if _descends(pid, ancestor) and not has_ended(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def has_ended(descriptor: int) -> bool:
    """Tell whether the process of a pidfd has ended."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _descends(pid: int, ancestor: int) -> bool:
    for _ in range(LOOKS):
        above = pid
        while (entry := look_at(above)) is not None:
            above = entry.parent
            if above == ancestor:
                return True
        if above == 0:  # the parent of the first of all processes
            return False
    return False


class Entry(NamedTuple):
    """What the kernel tells of a living process.

    Attributes:
        state: Its state letter.
        parent: Pid of its parent.
        session: Its session.
        started: When it started, in clock ticks.
    """

    state: bytes
    parent: int
    session: int
    started: int


def look_at(pid: int) -> Entry | None:
    """Look at a process; None if there is none, or a zombie (Linux)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    if fields[0] == b"Z":
        return None
    return Entry(fields[0], int(fields[1]), int(fields[3]), int(fields[19]))


def children_of(pid: int) -> list[int]:
    """Return the pids of all children of a process, dead ones included (Linux)."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it has ended
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found += map(int, file.read().split())
    return found


class Tree:
    """A process and all that descends from it (Linux).

    Args:
        root: Its pid if it is a child that has not been reaped, else 0.
        mark: Its mark.
        others: All other processes that were started here, and so are no part of it.
    """

    def __init__(self, root: int, mark: str, others: Container[int]) -> None:
        self._root = root
        self._mark = f"{MARK}={mark}".encode()
        self._others = others
        self._sessions: set[int] = set()

    def kill(self) -> int:
        """Kill all of it, and return when nothing is left.

        What a dying process starts is found by looking again, until there is nothing new.

        Returns:
            0, or the errno if something may not be killed, or starts others faster than they can
            be.
        """
        deadline = time.monotonic() + PATIENCE
        seen: set[Identity] = set()  # also what is refused, or does not die in time
        refused = 0
        while found := self._members() - seen:
            if time.monotonic() > deadline:
                return errno.ETIMEDOUT
            seen |= found
            batch = list(found)
            for begin in range(0, len(batch), BATCH):
                refused = _kill_all(batch[begin : begin + BATCH], deadline) or refused
        return refused

    def _members(self) -> set[Identity]:
        """Find what belongs to it now. Whoever has lost its parents is a child of the keeper."""
        me = os.getpid()
        found: set[Identity] = set()
        ours = [pid for pid in children_of(me) if pid == self._root or pid not in self._others]
        todo = [(pid, me) for pid in ours]
        while todo:
            pid, parent = todo.pop()
            entry = look_at(pid)
            if entry is None or entry.parent != parent:
                continue  # it has ended; the pid may be another's by now
            if parent != me or self._is_root(pid, entry):
                found.add((pid, entry.started))
                self._sessions.add(entry.session)
                todo += [(child, pid) for child in children_of(pid)]
        return found

    def _is_root(self, pid: int, entry: Entry) -> bool:
        """Tell whether a child of the keeper, of which nothing else is known, belongs to the tree."""
        return pid == self._root or entry.session in self._sessions or self._is_marked(pid)

    def _is_marked(self, pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return self._mark in file.read().split(b"\0")
        except OSError:
            return False  # it has ended, or belongs to somebody else


def kill_marked(mark: str) -> None:
    """Kill whoever has inherited a mark that begins so, whatever its parents (Linux)."""
    prefix = f"{MARK}={mark}.".encode()
    deadline = time.monotonic() + PATIENCE
    seen: set[Identity] = set()
    while found := _marked(prefix) - seen:
        if time.monotonic() > deadline:
            return
        seen |= found
        batch = list(found)
        for begin in range(0, len(batch), BATCH):
            _kill_all(batch[begin : begin + BATCH], deadline)


def _marked(prefix: bytes) -> set[Identity]:
    found: set[Identity] = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended, or belongs to somebody else
            entry = look_at(int(name))
            with open(f"/proc/{name}/environ", "rb") as file:
                variables = file.read().split(b"\0")
            if entry is not None and any(item.startswith(prefix) for item in variables):
                found.add((int(name), entry.started))
    return found


def _send_to(member: Identity, number: int) -> int:
    """Send a signal to a process that may have ended; return the errno if that is not allowed."""
    pid, started = member
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return 0
    try:
        now = look_at(pid)
        if now is not None and now.started == started:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return 0
    except OSError as error:
        return error.errno or errno.EPERM
    finally:
        os.close(descriptor)
    return 0


def _leave(group: str) -> None:
    """Leave a control group for the one above, and remove it."""
    with contextlib.suppress(OSError):  # something that may not be killed is in it
        with open(os.path.join(os.path.dirname(group), "cgroup.procs"), "w") as file:
            file.write(str(os.getpid()))
        os.rmdir(group)


def _kill_all(members: list[Identity], deadline: float) -> int:
    """Kill processes and wait until they are dead; return the errno if one may not be killed."""
    poll = select.poll()
    dying: set[int] = set()
    opened: list[int] = []
    refused = 0
    try:
        for pid, started in members:
            try:
                descriptor = os.pidfd_open(pid)
                opened.append(descriptor)
                now = look_at(pid)
                if now is None or now.started != started:
                    continue  # it has ended; the pid may be another's by now
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            except ProcessLookupError:
                continue
            except PermissionError as error:
                refused = error.errno or errno.EPERM
            else:
                poll.register(descriptor, select.POLLIN)
                dying.add(descriptor)
        while dying and (left := deadline - time.monotonic()) > 0:
            for descriptor, _ in poll.poll(left * 1000):
                poll.unregister(descriptor)
                dying.remove(descriptor)
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return refused


class _Account:
    """Whom a process runs as; all None for "as the engine"."""

    def __init__(self, entry: pwd.struct_passwd | None) -> None:
        self.uid = entry.pw_uid if entry else None
        self.gid = entry.pw_gid if entry else None
        self.groups = os.getgrouplist(entry.pw_name, entry.pw_gid) if entry else None
        self.environment = (
            {"HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name} if entry else {}
        )


def _account(user: str) -> _Account:
    if not user:
        return _Account(None)
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except (KeyError, ValueError):  # ValueError: not even a possible name or number
        raise StartError("user", errno.ENOENT) from None
    if os.geteuid() not in {0, entry.pw_uid}:
        raise StartError("user", errno.EPERM)
    return _Account(None if entry.pw_uid == os.geteuid() else entry)


def _is_unusable(directory: str) -> bool:
    """Tell whether a process cannot start in a directory; "" is no directory of its own."""
    return bool(directory) and not (os.path.isdir(directory) and os.access(directory, os.X_OK))


def _flags(value: object) -> list[bool]:
    assert isinstance(value, list)  # noqa: S101
    return [bool(item) for item in value]


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _normal_signals() -> None:
    """Give every process of the system default signals, whatever the daemon was started with.

    An ignored signal stays ignored across exec, one with a handler does not; so the keeper itself
    outlives INT, HUP and TERM with a handler that does nothing.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda _number, _frame: None)


def main() -> None:
    """Take what the arguments tell, and keep a system."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), hard))
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.set_inheritable(False)
    _normal_signals()
    if ON_LINUX:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    status = Keeper(sock, sys.argv[3]).run()
    for group in sys.argv[4:]:
        _leave(group)
    sys.exit(status)


if __name__ == "__main__":
    main()
