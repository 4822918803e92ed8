"""An engine is killed with SIGKILL, and another one on the same directory goes on with what it had."""

import contextlib
import fcntl
import functools
import json
import os
import select
import signal
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_PROCESS
from hcsd.embedded import keepers
from hcsd.embedded.keeper.procfs import descendants
from hcsd.embedded.timings import DEFAULT_TIMINGS, Timings
from hcsd.hcs.errors import HcsError
from tests.support.census import descriptors_of, is_running, marked, marking, until
from tests.support.outliving import DONE, FORKING, Client, Program, Script, Told, parameters
from tests.support.tracer import tracing


class Take(Protocol):
    """Takes over what is in the directory."""

    def __call__(self, window: float = ..., timings: Timings = ...) -> Client: ...


class Killed(Protocol):
    """Runs a script in a program, and kills that when the script is through; what it has said."""

    def __call__(self, script: Script, window: float = ...) -> list[int]: ...


@pytest.fixture(scope="module", autouse=True)
def server() -> None:
    """What forks the programs is there before a test counts anything."""
    process = FORKING.Process(target=os.getpid)
    process.start()
    process.join()
    process.close()


@pytest.fixture
def mark() -> Iterator[str]:
    """Nothing that a test has started is left when it ends."""
    with marking() as mark:
        yield mark
        until(lambda: not marked(mark), "nothing is left")


@pytest.fixture
def state(tmp_path: Path, mark: str) -> Path:
    directory = tmp_path / "engine"
    directory.mkdir(mode=0o700)
    return directory


@pytest.fixture
def take(state: Path) -> Iterator[Take]:
    """What was taken over is ended in order, and then no file is left."""
    clients: list[Client] = []

    def make(window: float = 60.0, timings: Timings = DEFAULT_TIMINGS) -> Client:
        clients.append(Client(str(state), window, timings))
        return clients[-1]

    yield make
    for client in clients:
        client.provider.close()
    assert not clients or list(state.iterdir()) == []


@pytest.fixture
def killed(state: Path) -> Killed:
    def run(script: Script, window: float = 60.0) -> list[int]:
        program = Program(script, str(state), window)
        said: list[int] = []
        while (word := program.hear()) != DONE:
            said.append(word)
        program.kill()
        return said

    return run


def everything(descriptor: int) -> bytes:
    """All that comes, to the end."""
    found = bytearray()
    while piece := os.read(descriptor, 1 << 16):
        found += piece
    os.close(descriptor)
    return bytes(found)


def exit_of(client: Client, process: HCS_PROCESS) -> dict[str, object]:
    """The status of a process, once it has ended."""
    found: dict[str, object] = {}

    def has_ended() -> bool:
        found.update(client.status(process))
        return found["Exited"] is True

    until(has_ended, "it has ended")
    return found


def as_pid(kept: dict[str, object]) -> int:
    pid = kept["ProcessId"]
    assert isinstance(pid, int)
    return pid


def reads_lines(client: Client, told: Told) -> None:
    it = client.start(
        client.system(), 'while read l; do echo "$l!"; done; exit 7', "io", Tag="mine"
    )
    os.write(it.info.stdin, b"one\n")
    assert os.read(it.info.stdout, 100) == b"one!\n"
    os.write(it.info.stdin, b"two\n")
    told.send(it.info.pid)


def test_a_process_goes_on_with_every_byte_and_its_exit(killed: Killed, take: Take) -> None:
    (pid,) = killed(reads_lines)
    client = take()
    system = client.system()
    assert client.kept(system) == [{"ProcessId": pid, "Tag": "mine", "Exited": False}]
    it = client.again(system, pid)
    assert it.info.pid == pid
    os.write(it.info.stdin, b"three\n")
    os.close(it.info.stdin)
    client.close_stdio(it.handle, "StdIn")
    assert everything(it.info.stdout) == b"two!\nthree!\n"
    status = exit_of(client, it.handle)
    assert status["ExitCode"] == 7
    assert client.kept(system) == [{"ProcessId": pid, "Tag": "mine", "Exited": True}]
    client.library.HcsCloseProcess(it.handle)
    assert client.kept(system) == []


def test_the_stdio_is_given_out_once_for_each_take_over(killed: Killed, take: Take) -> None:
    (pid,) = killed(reads_lines)
    client = take()
    it = client.again(client.system(), pid)
    other = client.again(client.system(), pid)
    assert it.info.stdin
    assert it.info.stdout
    assert not other.info.has_stdio
    it.info.close(client.library)


def leaves_four(client: Client, told: Told) -> None:
    """Three that end when their stdin does, and one that has ended."""
    system = client.system()
    for script in ("read x; exit 5", "read x; kill -9 $$", "read x; echo late; exit 6"):
        told.send(client.start(system, script, "io").info.pid)
    it = client.start(system, "echo early; exit 8", "o")
    exit_of(client, it.handle)
    told.send(it.info.pid)


def test_what_has_ended_while_nobody_looked_and_before_is_told_with_its_time(
    killed: Killed, take: Take
) -> None:
    before = time.time_ns()
    pids = killed(leaves_four)
    first = take()
    system = first.system()
    for pid in pids[:3]:  # whose stdin is in its hands: they end when it is gone
        it = first.again(system, pid)
        first.close_stdio(it.handle, "StdIn")
        it.info.close(first.library)
    first.provider.close(keep=True)
    until(lambda: not any(map(is_running, pids)), "all have ended")
    client = take()
    system = client.system()
    ends = []
    for pid in pids:
        it = client.again(system, pid)
        status = client.status(it.handle)
        assert before < int(str(status["ExitTime"])) < time.time_ns()
        # Of outputs that are read to the end nothing is kept.
        output = everything(it.info.stdout) if it.info.stdout else b""
        ends.append((status["Exited"], status["ExitCode"], status.get("Signal"), output))
        client.library.HcsCloseProcess(it.handle)
    assert ends == [
        (True, 5, None, b""), (True, 137, 9, b""), (True, 6, None, b"late\n"), (True, 8, None, b"early\n")
    ]  # fmt: skip
    assert client.kept(system) == []


def starts_late(client: Client, told: Told) -> None:
    """A start whose answer nobody hears: the keeper gets the request when the program is dead."""
    system = client.system()
    keeper = client.keeper()
    os.kill(keeper, signal.SIGSTOP)
    document = parameters("echo there; exec sleep 1000", "o", Tag="lost")
    client.begin(
        lambda operation: client.library.HcsCreateProcess(system, document, operation, None)
    )
    sent = client.begin(
        lambda operation: client.library.HcsPauseComputeSystem(system, operation, None)
    )
    until(lambda: client.provider._systems["host"]._shown.value == "Paused", "both were sent")
    client.library.HcsCloseOperation(sent)
    told.send(keeper)


def test_a_start_whose_answer_was_lost_is_found_by_its_tag(killed: Killed, take: Take) -> None:
    """The keeper is stopped all the while: who takes it over continues it."""
    (keeper,) = killed(starts_late)
    client = take()
    assert client.keeper() == keeper
    system = client.system()
    (kept,) = client.kept(system)
    assert kept == {"ProcessId": kept["ProcessId"], "Tag": "lost", "Exited": False}
    assert client.names() == {"host": "Paused"}
    client.run(lambda operation: client.library.HcsResumeComputeSystem(system, operation, None))
    it = client.again(system, as_pid(kept))
    assert os.read(it.info.stdout, 100) == b"there\n"
    it.info.close(client.library)


def is_paused(client: Client, told: Told) -> None:
    system = client.create("other")
    client.start_system(system)
    it = client.start(system, 'while read l; do echo "$l"; done', "io")
    client.run(lambda operation: client.library.HcsPauseComputeSystem(system, operation, None))
    os.write(it.info.stdin, b"line\n")
    told.send(it.info.pid)


def test_a_paused_system_is_paused_and_can_be_resumed_and_ended(killed: Killed, take: Take) -> None:
    (pid,) = killed(is_paused)
    client = take()
    assert client.names() == {"host": "Running", "other": "Paused"}
    system = client.system("other")
    it = client.again(system, pid)
    assert select.select([it.info.stdout], [], [], 0)[0] == []
    client.run(lambda operation: client.library.HcsResumeComputeSystem(system, operation, None))
    assert os.read(it.info.stdout, 100) == b"line\n"
    it.info.close(client.library)
    client.run(lambda operation: client.library.HcsTerminateComputeSystem(system, operation, None))
    until(lambda: client.names()["other"] == "Stopped", "it has stopped")
    client.library.HcsCloseComputeSystem(system)
    assert client.names() == {"host": "Running"}


def has_trees(client: Client, told: Told) -> None:
    system = client.system()
    for _ in range(2):
        it = client.start(system, "setsid sleep 1000 & echo $!; exec sleep 1000", "o")
        told.send(it.info.pid)
        told.send(int(os.read(it.info.stdout, 100)))


def test_trees_processes_and_adopted_ones_are_killed_after_a_take_over(
    killed: Killed, take: Take
) -> None:
    first, below_first, second, below_second = killed(has_trees)
    client = take()
    system = client.system()
    tree = client.open(system, first)
    document = client.run(
        lambda operation: client.library.HcsTerminateProcess(tree, operation, '{"Tree":true}')
    )
    assert json.loads(document or "") == {"DescendantsKilled": 1}
    assert not is_running(below_first)
    assert exit_of(client, tree)["Signal"] == 9
    for pid in (second, below_second):
        handle = client.open(system, pid)
        client.terminate(handle)
        assert exit_of(client, handle)["Exited"] is True


def adopts(client: Client, told: Told) -> None:
    system = client.system()
    it = client.start(system, "sleep 1000 & echo $!; wait", "o")
    pid = int(os.read(it.info.stdout, 100))
    client.status(client.open(system, pid))  # which tells when it is watched
    told.send(pid)


def test_an_adopted_process_stays_so_and_its_end_is_remembered(killed: Killed, take: Take) -> None:
    (pid,) = killed(adopts)
    first = take()
    first.provider.close(keep=True)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_running(pid), "it is dead")
    client = take()
    system = client.system()
    handle = client.open(system, pid)
    assert exit_of(client, handle)["Exited"] is True
    client.library.HcsCloseProcess(handle)
    with pytest.raises(HcsError):
        client.open(system, pid)
    assert [kept["Tag"] for kept in client.kept(system)] == [""]  # it was not started by a call


def has_many(client: Client, told: Told) -> None:
    client.create("created")
    other = client.create("other")
    client.start_system(other)
    for system in (client.system(), other):
        told.send(client.start(system, "sleep 1000 & exec sleep 1000").info.pid)
    told.send(client.keeper())


def test_when_the_window_is_over_everything_ends(killed: Killed, take: Take, state: Path) -> None:
    pids = killed(has_many, window=0.0)
    until(lambda: not any(map(is_running, pids)), "all have ended")
    client = take()
    assert client.names() == {"host": "Running", "created": "Created"}
    assert len(list(state.iterdir())) == 3


def test_a_system_that_was_never_started_can_be_started_later(killed: Killed, take: Take) -> None:
    killed(has_many)
    client = take()
    assert client.names() == {"host": "Running", "created": "Created", "other": "Running"}
    system = client.system("created")
    client.start_system(system)
    assert exit_of(client, client.start(system, "exit 3").handle)["ExitCode"] == 3


def test_of_a_keeper_that_was_killed_meanwhile_nothing_is_left(
    killed: Killed, take: Take, state: Path
) -> None:
    *pids, keeper = killed(has_many)
    os.kill(keeper, signal.SIGKILL)
    client = take()
    assert client.names() == {"host": "Running", "created": "Created", "other": "Running"}
    until(lambda: not is_running(pids[0]), "it was ended")
    assert is_running(pids[1])
    assert client.kept(client.system()) == []
    assert len(list(state.iterdir())) == 5


def test_a_keeper_that_does_not_answer_is_ended_with_all_it_keeps(
    killed: Killed, take: Take
) -> None:
    *pids, keeper = killed(has_many)
    with tracing(keeper):
        client = take(timings=Timings(silence=0.3))
    until(lambda: not is_running(keeper), "it was killed")
    assert client.keeper() != keeper
    until(lambda: not is_running(pids[0]), "it was ended")


def dies_before_the_keeper(client: Client, told: Told) -> None:
    system = client.create("other")
    dies = lambda *_arguments: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
    pytest.MonkeyPatch().setattr(keepers, "start_keeper", dies)
    told.send(DONE)
    client.start_system(system)


def test_a_program_that_dies_between_the_socket_and_the_keeper_leaves_no_system(
    state: Path, take: Take
) -> None:
    program = Program(dies_before_the_keeper, str(state), 60.0)
    assert program.hear() == DONE
    program.wait()
    assert len(list(state.iterdir())) == 4
    client = take()
    assert client.names() == {"host": "Running"}
    assert len(list(state.iterdir())) == 2


def asks_for_the_end(client: Client, told: Told) -> None:
    """The keeper is stopped, so that it hears of the end together with the death of the program."""
    system = client.create("other")
    client.start_system(system)
    told.send(client.start(system, "exec sleep 1000").info.pid)
    os.kill(client.keeper("other"), signal.SIGSTOP)
    client.run(lambda operation: client.library.HcsTerminateComputeSystem(system, operation, None))


def test_a_system_that_was_told_to_end_ends(killed: Killed, take: Take) -> None:
    (pid,) = killed(asks_for_the_end)
    client = take()
    until(lambda: "other" not in client.names(), "it has ended")
    assert not is_running(pid)


def drains(client: Client, told: Told) -> None:
    system = client.create("other")
    client.start_system(system)
    it = client.start(
        system, "trap 'read x; exit 9' TERM; echo; while :; do sleep 0.01; done", "io"
    )
    os.read(it.info.stdout, 1)
    client.run(lambda operation: client.library.HcsShutDownComputeSystem(system, operation, None))
    told.send(it.info.pid)


def test_a_shutdown_goes_on(killed: Killed, take: Take) -> None:
    (pid,) = killed(drains)
    client = take()
    system = client.system("other")
    with pytest.raises(HcsError) as caught:
        client.start(system, "exit 0")
    assert caught.value.hresult == HR.SYSTEM_ALREADY_STOPPED
    it = client.again(system, pid)
    os.write(it.info.stdin, b"\n")
    assert exit_of(client, it.handle)["ExitCode"] == 9
    it.info.close(client.library)


def has_a_console(client: Client, told: Told) -> None:
    it = client.start(
        client.system(), "read x; stty size; read x; stty size", "io", EmulateConsole=True
    )
    spool, *bridge = client.provider.kept_with(it.info.stdin)
    os.write(spool, b"0123456789")
    os.lseek(spool, 4, os.SEEK_SET)
    os.write(bridge[1], b"in the bridge")
    back = client.provider.kept_with(it.info.stdout)
    os.write(back[1], b"on the way back")
    assert client.provider.kept_with(it.info.stdin) == ()  # they are the caller's
    told.send(it.info.pid)


def test_a_console_is_given_out_with_what_is_kept_with_it(killed: Killed, take: Take) -> None:
    (pid,) = killed(has_a_console)
    client = take()
    it = client.again(client.system(), pid)
    spool, *bridge = client.provider.kept_with(it.info.stdin)
    assert os.lseek(spool, 0, os.SEEK_CUR) == 4
    assert os.read(spool, 100) == b"456789"
    assert os.read(bridge[0], 100) == b"in the bridge"
    back = client.provider.kept_with(it.info.stdout)
    assert os.read(back[0], 100) == b"on the way back"
    for descriptor in (spool, *bridge, *back):
        os.close(descriptor)
    client.modify(it.handle, Operation="ConsoleSize", ConsoleSize={"Height": 33, "Width": 99})
    os.write(it.info.stdin, b"\n\n")
    found = b""
    while found.count(b"33 99") < 2:
        found += os.read(it.info.stdout, 100)
    assert exit_of(client, it.handle)["ExitCode"] == 0
    it.info.close(client.library)


def test_a_pipe_is_given_out_with_its_spool_and_end_of_file_comes_when_all_is_closed(
    take: Take,
) -> None:
    client = take()
    keeper = client.keeper()
    system = client.system()
    client.library.HcsCloseProcess(client.start(system, "exit 0").handle)  # which finds it at work
    before = descriptors_of(keeper)
    it = client.start(system, "cat; echo end", "ioe")
    (spool,) = client.provider.kept_with(it.info.stdin)
    assert client.provider.kept_with(it.info.stdout) == ()
    assert os.fstat(spool).st_size == 0
    os.close(spool)
    os.write(it.info.stdin, b"some ")
    os.close(it.info.stdin)
    client.close_stdio(it.handle, "StdIn")
    assert everything(it.info.stdout) == b"some end\n"
    exit_of(client, it.handle)
    client.library.HcsCloseProcess(it.handle)
    os.close(it.info.stderr)
    until(lambda: descriptors_of(keeper) == before, "the keeper has closed its copies")


def test_outputs_that_are_closed_are_not_given_out_again_also_after_the_end(take: Take) -> None:
    first = take()
    system = first.system()
    it = first.start(system, "echo err >&2; echo out; read x", "ioe")
    assert os.read(it.info.stdout, 100) == b"out\n"  # or closing its output could end it before
    first.close_stdio(it.handle, "StdOut")
    first.close_stdio(it.handle, "StdIn")
    it.info.close(first.library)
    exit_of(first, it.handle)
    first.provider.close(keep=True)
    second = take()
    other = second.again(second.system(), it.info.pid)
    assert (other.info.stdin, other.info.stdout) == (0, 0)
    assert os.read(other.info.stderr, 100) == b"err\n"
    other.info.close(second.library)
    second.close_stdio(other.handle, "StdErr")
    second.provider.close(keep=True)
    third = take()
    assert not third.again(third.system(), it.info.pid).info.has_stdio


def does_nothing(client: Client, told: Told) -> None:
    told.send(client.keeper())


def test_two_take_overs_in_a_row_are_one_as_good_as_the_other(killed: Killed, take: Take) -> None:
    (pid,) = killed(reads_lines)
    for _ in range(2):
        killed(does_nothing)
    client = take()
    it = client.again(client.system(), pid)
    os.close(it.info.stdin)
    client.close_stdio(it.handle, "StdIn")
    assert everything(it.info.stdout) == b"two!\n"
    assert exit_of(client, it.handle)["ExitCode"] == 7


def test_the_end_of_a_keeper_that_was_taken_over_is_noticed_and_told(
    killed: Killed, take: Take
) -> None:
    """Nobody reaps it here: it is another's child."""
    *pids, keeper = killed(has_many)
    client = take()
    os.kill(keeper, signal.SIGKILL)
    until(lambda: client.keeper() != keeper and client.names()["host"] == "Running", "a new one")
    until(lambda: not is_running(pids[0]), "it was ended")


def test_the_socket_is_for_its_owner_alone(killed: Killed, take: Take, state: Path) -> None:
    killed(does_nothing)
    (path,) = state.glob("*.sock")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    for folder in (path, state):
        folder.chmod(folder.stat().st_mode | 0o007)
    other = FORKING.Process(target=intrude, args=(path,))
    other.start()
    other.join()
    assert other.exitcode == 0
    other.close()
    assert take().names() == {"host": "Running"}


def intrude(path: Path) -> None:
    """Exit with 0 if the keeper takes nothing from another user."""
    os.chdir(path.parent)
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path.name)
        request = b'{"id":0,"resume":0}'
        with contextlib.suppress(ConnectionError):
            sock.sendall(len(request).to_bytes(4, "big") + request)
            assert sock.recv(1) == b""


def test_a_file_that_cannot_be_read_costs_its_system_and_nothing_else(
    killed: Killed, take: Take, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pids = killed(has_many)
    for path in state.glob("*.json"):
        if '"id": "created"' in path.read_text():
            path.write_bytes(b"\0" * 10)
    client = take()
    assert client.names() == {"host": "Running", "other": "Running"}
    assert all(map(is_running, pids))
    assert "cannot be read, and its system is not restored" in caplog.text


def test_a_folder_that_cannot_be_written_costs_the_restore_and_nothing_else(
    mark: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "engine"
    directory.mkdir()
    client = Client(str(directory))
    directory.rename(tmp_path / "elsewhere")
    system = client.create("other")
    client.start_system(system)
    assert exit_of(client, client.start(system, "exit 3").handle)["ExitCode"] == 3
    client.provider.close()
    assert "'other' will end with this daemon, for its state cannot be written" in caplog.text


def hangs_in_a_start(client: Client, told: Told, program: str) -> None:
    system = client.system()
    keeper = client.keeper()
    document = json.dumps({"CommandArgs": [program], "Tag": program})
    client.begin(
        lambda operation: client.library.HcsCreateProcess(system, document, operation, None)
    )
    until(lambda: len(descendants(keeper)) == 1, "it is under way")


@pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="only Linux has leases")
def test_a_start_that_is_under_way_is_listed_and_can_be_killed(
    killed: Killed, take: Take, leased: str
) -> None:
    killed(functools.partial(hangs_in_a_start, program=leased))
    client = take()
    system = client.system()
    (kept,) = client.kept(system)
    assert (kept["Tag"], kept["Exited"]) == (leased, False)
    handle = client.open(system, as_pid(kept))
    client.terminate(handle)
    assert exit_of(client, handle)["Exited"] is True


@pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="only Linux has leases")
def test_a_start_that_fails_while_nobody_waits_for_it_has_ended(
    killed: Killed, take: Take, leased: str
) -> None:
    """It hangs until the lease is let go, and then it finds a program that is being written."""
    killed(functools.partial(hangs_in_a_start, program=leased))
    client = take()
    system = client.system()
    (kept,) = client.kept(system)
    handle = client.open(system, as_pid(kept))
    (descriptor,) = (
        int(path.name) for path in Path("/proc/self/fd").iterdir() if is_link_to(path, leased)
    )
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    assert exit_of(client, handle)["ExitCode"] == 127
    client.library.HcsCloseProcess(handle)
    assert client.kept(system) == []


def is_link_to(path: Path, target: str) -> bool:
    with contextlib.suppress(OSError):  # the listing's own
        return str(path.readlink()) == target
    return False


def writes_to_a_pipe(client: Client, told: Told, path: str) -> None:
    """The keeper of a system that is made now has the pipe as its stderr."""
    pipe = os.open(path, os.O_WRONLY)
    os.dup2(pipe, 2)
    client.start_system(client.create("other"))


def test_who_reads_what_a_program_logs_sees_its_end(
    killed: Killed, take: Take, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    os.mkfifo(path)
    read = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(read, True)
    killed(functools.partial(writes_to_a_pipe, path=str(path)))
    assert everything(read) == b""
    assert take().names() == {"host": "Running", "other": "Running"}
