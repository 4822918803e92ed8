"""`hcsd run -t` and `hcsd attach` as a person uses them, on a real terminal."""

import itertools
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from pathlib import Path

import anyio
import pytest

from hcsd.cli.errors import RESTARTED
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.wire import HOST, Client, connected, sh
from tests.support.census import ended
from tests.support.daemon import Daemon
from tests.support.person import Person, at_terminal
from tests.support.proxy import proxying

DETACH = b"\x10\x11"  # ctrl-p ctrl-q
DETACHED = b"hcsd: detached; the process goes on\r\n"
CONSOLE = pb.ProcessSpec(console=pb.Console(columns=70, rows=20))
# Tells of its console's size now, and when it is told of a new one.
WATCHES_SIZE = "trap 'stty size' WINCH; stty size; while :; do sleep 1000 & wait; kill $!; done"
# As a shell with a prompt: repeats what it is told, and has a word for each signal at once.
TALKER = r"""
import os, signal, sys
for number, word in ((signal.SIGINT, b"caught\n"), (signal.SIGWINCH, b"drawn\n")):
    signal.signal(number, lambda *_, word=word: os.write(1, word))
os.write(1, b"ready\n")
for line in iter(sys.stdin.readline, ""):
    os.write(1, b"[%s]\n" % line.strip().encode())
"""
TALKS = f"stty -echo; exec {sys.executable} -ISc '{TALKER}'"
# Takes the whole screen, as an editor does.
DRAWS = r"""
    printf '\033[?1049h\033[?1h\033=\033[?25l'
    trap 'echo again' WINCH
    echo drawn
    while :; do sleep 1000 & wait; kill $!; done
"""
READS = "echo ready; read line"
COUNTER = itertools.count(1)

needs_bash = pytest.mark.skipif(not shutil.which("bash"), reason="uses job control of bash")


@pytest.fixture
def name() -> str:
    """An id that no other process of the daemon has."""
    return f"at-terminal-{next(COUNTER)}"


class Place:
    """Where the person sits: one daemon, one process."""

    def __init__(self, daemon: Daemon, client: Client, name: str) -> None:
        self.daemon = daemon
        self.client = client
        self.name = name
        self.full_name = f"{HOST}/processes/{name}"
        client.made.append(self.full_name)

    def run(
        self, *command: str, options: tuple[str, ...] = ("-it",), columns: int = 80, rows: int = 24
    ) -> AbstractContextManager[Person]:
        arguments = ["run", *options, "--name", self.name, "--", *command]
        return at_terminal(self.daemon.address, *arguments, columns=columns, rows=rows)

    def sh(self, script: str, *options: str) -> AbstractContextManager[Person]:
        return self.run("sh", "-c", script, options=("-it", *options))

    def attach(
        self, *options: str, columns: int = 80, rows: int = 24
    ) -> AbstractContextManager[Person]:
        return at_terminal(
            self.daemon.address, "attach", *options, self.name, columns=columns, rows=rows
        )

    async def process(self) -> pb.Process:
        return await self.client.get(self.full_name)

    async def is_running(self) -> bool:
        return (await self.process()).state == pb.PROCESS_STATE_RUNNING


@pytest.fixture
def place(daemon: Daemon, client: Client, name: str) -> Place:
    return Place(daemon, client, name)


@pytest.fixture
async def own_place(forgetful_daemon: Daemon, name: str) -> AsyncIterator[Place]:
    async with connected(forgetful_daemon.address) as client:
        yield Place(forgetful_daemon, client, name)


# --- the console ---


async def test_a_console_has_size_and_kind_of_the_terminal_from_the_start(place: Place) -> None:
    script = "stty size; echo $TERM; test -t 0 && test -t 1 && test -t 2; echo $?"
    with place.run("sh", "-c", script, columns=99, rows=33) as person:
        code, seen = await person.leave()
    assert (code, seen) == (0, b"33 99\r\nxterm-test\r\n0\r\n")


async def test_a_new_size_of_the_terminal_is_one_of_the_console(place: Place) -> None:
    with place.sh(WATCHES_SIZE) as person:
        await person.expect(rb"24 80\r\n")
        for columns, rows in ((132, 50), (20, 5)):
            person.resize(columns, rows)
            await person.expect(b"%d %d\r\n" % (rows, columns))


async def test_a_console_to_look_at_has_the_size_too_and_the_terminal_stays_as_it_is(
    place: Place,
) -> None:
    with place.run("sh", "-c", WATCHES_SIZE, options=("-t",)) as person:
        before = person.modes
        await person.expect(rb"24 80\r+\n")
        assert person.modes == before
        person.resize(132, 50)
        await person.expect(rb"50 132\r+\n")
        person.type(b"\x03")  # the terminal makes a signal of it, which the process gets
        code, _ = await person.leave()
    assert code == 130


JOB = r"""
import os, signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.signal(signal.SIGCONT, lambda *_: os.write(1, b"back\n"))
os.write(1, b"begun\n")
while True:
    signal.pause()
"""


@needs_bash
async def test_a_shell_controls_its_jobs(place: Place, tmp_path: Path) -> None:
    """Ctrl-C ends and Ctrl-Z stops what is in the foreground; the shell is not touched."""
    job = tmp_path / "job.py"
    job.write_text(JOB)
    bash = ("bash", "--norc", "--noprofile")
    with place.run(*bash, options=("-it", "-e", "PS1=> ", "-e", "HISTFILE=")) as person:
        await person.expect(b"> $")
        person.type(f"{sys.executable} -IS {job}\r".encode())
        await person.expect(b"begun\r\n")
        person.type(b"\x1a")
        await person.expect(b"Stopped")
        person.type(b"fg\r")
        await person.expect(b"back\r\n")
        person.type(b"\x03")
        await person.expect(b"> $")
        person.type(b"echo code=$?\r")
        await person.expect(b"code=130\r\n")
        person.type(b"exit 7\r")
        code, seen = await person.leave()
    assert code == 7
    assert b"hcsd:" not in seen


async def test_what_outlives_the_shell_holds_nobody_up(place: Place) -> None:
    with place.sh("trap '' HUP; sleep 1000 & echo bye; exit 5") as person:
        code, seen = await person.leave()
    assert (code, seen) == (5, b"bye\r\n")
    process = await place.process()
    assert process.exit.exit_time.ToNanoseconds() > 0
    assert not process.exit.output_complete


async def test_a_console_hangs_up_when_its_process_ends(place: Place) -> None:
    """What the shell leaves behind in the foreground is ended, as when a terminal is closed."""
    script = "set -m; sh -c 'echo pid=$$; exec sleep 1000'; exit"
    with place.sh(script) as person:
        found = await person.expect(rb"pid=(\d+)\r\n")
        await place.client.terminate(place.full_name)
        await ended(int(found[1]))
        code, _ = await person.leave()
    assert code == 137


async def test_every_byte_passes_both_ways(place: Place) -> None:
    data = bytes(range(256)) * 4
    script = f"stty raw -echo; printf ready; head -c {len(data)}"
    with place.sh(script, "--detach-keys", "") as person:
        await person.expect(b"ready")
        for start in range(0, len(data), 100):
            person.type(data[start : start + 100])
        code, seen = await person.leave()
    assert (code, seen) == (0, data)


async def test_a_slow_reader_gets_all(place: Place) -> None:
    """A megabyte, looked at only when the process has ended long ago."""
    count = 140_000
    with place.sh(f"echo begin; seq {count}") as person:
        await person.expect(b"begin\r\n")
        process = await place.client.wait(place.full_name)
        assert process.exit.exit_code == 0
        code, seen = await person.leave()
    assert code == 0
    assert len(seen) > 1_000_000
    assert seen == b"".join(b"%d\r\n" % number for number in range(1, count + 1))


async def test_a_paste_reaches_a_slow_reader_whole(place: Place) -> None:
    size = 300_000
    script = f"stty raw -echo; printf ready; head -c {size} | cksum"
    with place.sh(script) as person:
        await person.expect(b"ready")
        data = b"0123456789abcdef" * (size // 16)
        await anyio.to_thread.run_sync(_type_all, person, data)
        code, seen = await person.leave()
    assert code == 0
    assert seen.split()[1] == b"%d" % size


def _type_all(person: Person, data: bytes) -> None:
    for start in range(0, len(data), 1024):
        person.type(data[start : start + 1024])


# --- to leave and to return ---


async def test_the_keys_detach_and_attach_returns(place: Place) -> None:
    with place.sh(TALKS) as person:
        await person.expect(b"ready\r\n")
        person.type(b"one\rtwo\r" + DETACH)
        code, seen = await person.leave()
    assert code == 0
    message = f"hcsd: return to it with 'hcsd attach {place.name}', end it with"
    assert DETACHED + message.encode() in seen
    assert await place.is_running()
    with place.attach() as person:
        await person.expect(rb"ready\r\n\[one\]\r\n\[two\]\r\n(drawn\r\n)+$")
        person.type(b"three\r")
        await person.expect(rb"\[three\]\r\n")
        person.type(b"\x03")
        await person.expect(b"caught\r\n")
        await place.client.terminate(place.full_name)
        code, seen = await person.leave()
    assert (code, seen) == (137, b"hcsd: process was ended by SIGKILL\r\n")
    output = await place.client.read(place.full_name)
    said = output.stdout.replace(b"drawn\r\n", b"")
    assert said == b"ready\r\n[one]\r\n[two]\r\n[three]\r\ncaught\r\n"


async def test_keys_of_ones_own_detach_and_the_usual_ones_do_not(place: Place) -> None:
    script = "stty raw -echo; printf ready; cat"
    with place.sh(script, "--detach-keys", "ctrl-a,d") as person:
        await person.expect(b"ready")
        person.type(DETACH + b"\x01\x01x")
        await person.expect(re.escape(DETACH + b"\x01\x01x"))
        person.type(b"\x01")
        person.type(b"d")
        code, seen = await person.leave()
    assert code == 0
    assert DETACHED in seen


async def test_the_beginning_of_the_keys_alone_is_passed_on_in_time(place: Place) -> None:
    with place.sh("stty raw -echo; printf ready; head -c 1 | od -An -tx1") as person:
        await person.expect(b"ready")
        person.type(DETACH[:1])
        code, seen = await person.leave()
    assert (code, seen.split()) == (0, [b"10"])


async def test_a_full_screen_is_left_and_found_again(place: Place) -> None:
    with place.sh(DRAWS) as person:
        await person.expect(b"drawn\r\n")
        person.type(DETACH)
        code, seen = await person.leave()
    undone = b"\x1b[?25h\x1b>\x1b[?1l\x1b[?1049l"
    assert code == 0
    assert seen.index(undone) < seen.index(DETACHED)
    with place.attach() as person:
        await person.expect(rb"^\x1b\[\?1049h\x1b\[\?1h\x1b=\x1b\[\?25l")
        await person.expect(b"drawn\r\n")  # kept
        await person.expect(b"again\r\n")  # asked for, with a terminal of the same size
        await place.client.terminate(place.full_name)
        code, seen = await person.leave()
    assert code == 137
    assert undone in seen


async def test_whoever_attaches_brings_the_size(place: Place) -> None:
    await place.client.create(sh(WATCHES_SIZE), spec=CONSOLE, process_id=place.name)
    with place.attach(columns=132, rows=50) as person:
        await person.expect(rb"50 132\r\n")
        person.resize(60, 10)
        await person.expect(rb"10 60\r\n")


IDLE = {
    "bash": ("env", "PS1=here> ", "bash", "--norc", "--noprofile", "-i"),
    "dash": ("env", "PS1=here> ", "dash", "-i"),
    "python": (sys.executable, "-ISic", "import sys; sys.ps1 = 'here> '"),
    "read": ("sh", "-c", "printf 'here> '; read line"),
}


@pytest.mark.parametrize("times", [3, pytest.param(30, marks=pytest.mark.slow)])
@pytest.mark.parametrize("program", IDLE)
async def test_an_idle_prompt_is_there_each_time(place: Place, program: str, times: int) -> None:
    if program in {"bash", "dash"} and not shutil.which(program):
        pytest.skip(f"uses {program}")
    with place.run(*IDLE[program]) as person:
        await person.expect(b"here> ")
        person.type(DETACH)
        await person.leave()
    for _ in range(times):
        with place.attach() as person:
            await person.expect(b"here> ")
            person.type(DETACH)
            code, seen = await person.leave()
        assert (code, DETACHED in seen) == (0, True)


@pytest.mark.skipif(not shutil.which("vi"), reason="uses vi")
async def test_an_editor_is_there_for_who_types_and_for_who_watches(
    place: Place, tmp_path: Path
) -> None:
    text = tmp_path / "text"
    text.write_text("what is edited\n")
    with place.run("vi", str(text), options=("-it", "-e", "TERM=xterm")) as person:
        await person.expect(b"what is edited")
        with place.attach("--no-stdin") as watcher:
            await watcher.expect(b"what is edited")
            person.type(b"Onew words\x1b\x0c")  # and all is drawn again, in one piece
            await watcher.expect(b"new words")
            watcher.type(b"\x03")
            code, seen = await watcher.leave()
            assert code == 130
            assert seen.index(b"\x1b[?1049l") < seen.index(DETACHED)
        person.type(DETACH)
        await person.leave()
    with place.attach() as person:
        await person.expect(b"new words")
        await person.expect(b"what is edited")
        person.type(b"\x1b:wq\r")
        code, _ = await person.leave()
    assert code == 0
    assert text.read_text() == "new words\nwhat is edited\n"


async def test_what_is_no_longer_kept_is_not_missed(place: Place) -> None:
    await place.client.create(sh(f"seq 300000; {TALKS}"), spec=CONSOLE, process_id=place.name)
    await place.client.follow(place.full_name).until_out(b"ready")
    with place.attach() as person:
        await person.expect(rb"299999\r\n300000\r\nready\r\n(drawn\r\n)+")
        person.type(b"one\r")
        await person.expect(rb"^(drawn\r\n)*\[one\]\r\n")


async def test_a_console_can_be_watched_without_touching_it(place: Place) -> None:
    await place.client.create(sh(TALKS), spec=CONSOLE, process_id=place.name)
    with place.attach() as person, place.attach("--no-stdin") as watcher:
        person.type(b"aloud\r")
        await person.expect(rb"\[aloud\]\r\n")
        before = watcher.modes
        await watcher.expect(rb"ready\r+\n")  # what was there before, which may be all
        person.type(b"again\r")
        await watcher.expect(rb"\[again\]")
        assert watcher.modes == before
        watcher.type(b"\x03")
        code, seen = await watcher.leave()
        assert code == 130
        assert DETACHED in seen
        person.type(b"still\r")
        await person.expect(rb"\[still\]\r\n")


async def test_attaching_to_what_has_ended_tells_how(place: Place) -> None:
    await place.client.create(sh("echo x; exit 9"), spec=CONSOLE, process_id=place.name)
    await place.client.wait(place.full_name, service_pb.WAIT_FOR_OUTPUT_COMPLETE)
    with place.attach() as person:
        before = person.modes
        code, seen = await person.leave()
        assert person.modes == before
    assert code == 9
    hint = (
        f"hcsd: '{place.name}' has ended already; see what it wrote with 'hcsd logs {place.name}'"
    )
    assert seen == hint.encode() + b"\r\n"


async def test_whoever_cannot_type_changes_nothing(place: Place) -> None:
    with place.sh(WATCHES_SIZE) as first:
        await first.expect(rb"24 80\r\n")
        for options in ((), ("--no-stdin",)):
            with place.attach(*options, columns=132, rows=50) as second:
                if options:
                    await second.expect(rb"24 80\r")
                    second.resize(20, 5)
                    second.type(b"\x03")
                code, seen = await second.leave()
                assert code in {125, 130}
                assert bool(options) or seen.startswith(b"hcsd: cannot write to stdin")
        first.resize(70, 20)
        await first.expect(rb"^20 70\r\n")


async def test_one_at_a_time_types_and_another_may_take_the_place(place: Place) -> None:
    with place.sh(TALKS) as first:
        await first.expect(b"ready\r\n")
        with place.attach() as second:
            code, seen = await second.leave()
        assert code == 125
        assert b"take its place with 'hcsd attach --take-over" in seen
        first.type(b"mine\r")
        await first.expect(rb"\[mine\]\r\n")
        with place.attach("--take-over") as third:
            await third.expect(b"drawn\r\n")
            third.type(b"now mine\r")
            await third.expect(rb"\[now mine\]\r\n")
            code, seen = await first.leave()
            assert code == 125
            assert b"another writer took over" in seen
            third.type(DETACH)
            code, _ = await third.leave()
            assert code == 0
    with place.attach() as again:
        await again.expect(b"drawn\r\n")
        again.type(b"back\r")
        await again.expect(rb"\[back\]\r\n")


# --- the terminal afterwards ---


@pytest.mark.parametrize(
    ("ends", "expected"),
    [("exit", 3), ("kill", 137), ("detach", 0), ("SIGTERM", 143), ("SIGHUP", 129)],
)
async def test_the_terminal_is_put_back_however_the_session_ends(
    place: Place, ends: str, expected: int
) -> None:
    with place.sh("echo ready; read line; exit 3") as person:
        before = person.modes
        await person.expect(b"ready\r\n")
        assert person.modes != before
        if ends == "exit":
            person.type(b"\r")
        elif ends == "kill":
            await place.client.terminate(place.full_name)
        elif ends == "detach":
            person.type(DETACH)
        else:
            person.signal(signal.Signals[ends])
        code, seen = await person.leave()
        assert person.modes == before
    assert code == expected
    assert await place.is_running() is (ends not in {"exit", "kill"})
    assert (DETACHED in seen) is (ends not in {"exit", "kill"})


async def test_the_terminal_is_put_back_when_another_daemon_has_the_place_of_ours(
    forgetful_daemon: Daemon, daemon: Daemon
) -> None:
    async with proxying(forgetful_daemon.socket, forgetful_daemon.directory) as proxy:
        with at_terminal(proxy.address, "run", "-it", "--", "sh", "-c", READS) as person:
            before = person.modes
            await person.expect(b"ready\r\n")
            proxy.target = daemon.socket
            forgetful_daemon.kill()
            code, seen = await person.leave()
            assert person.modes == before
    assert code == 125
    told = rb"(^|\x1b8)" + re.escape(f"hcsd: {RESTARTED}".encode())  # a notice may be before it
    assert re.search(told, seen)


@pytest.mark.slow  # it is looked for until all attempts are used up, 10 s
async def test_the_terminal_is_put_back_when_the_daemon_is_gone(own_place: Place) -> None:
    with own_place.sh(READS) as person:
        before = person.modes
        await person.expect(b"ready\r\n")
        own_place.daemon.kill()
        code, seen = await person.leave()
        assert person.modes == before
    assert code == 125
    assert b" hcsd: connection lost, trying again" in seen
    assert re.search(rb"\x1b\[2K\x1b8hcsd: cannot reach a daemon[^\n]*\r\n$", seen)


async def test_what_is_typed_after_leaving_is_for_the_shell(place: Place) -> None:
    with place.sh(READS) as person:
        await person.expect(b"ready\r\n")
        person.type(DETACH)
        await person.expect(DETACHED)
        person.type(b"ls\r")
        await person.leave()
        assert person.unread() == b"ls\n"


async def test_what_is_said_at_the_end_is_on_a_line_of_its_own(place: Place) -> None:
    with place.sh("printf 'a prompt: '; read line") as person:
        await person.expect(b"a prompt: ")
        await place.client.terminate(place.full_name)
        code, seen = await person.leave()
    assert (code, seen) == (137, b"\r\nhcsd: process was ended by SIGKILL\r\n")


@pytest.mark.slow  # told after a pause that people wonder about, and to be read, 6 s
async def test_an_outage_is_told_on_the_last_line_and_goes_by(place: Place) -> None:
    async with proxying(place.daemon.socket, place.daemon.directory) as proxy:
        with at_terminal(
            proxy.address, "run", "-it", "--name", place.name, "--", "sh", "-c", TALKS
        ) as person:
            await person.expect(b"ready\r\n")
            proxy.target = place.daemon.directory / "nobody"
            proxy.cut()
            await person.expect(rb"\x1b7\x1b\[999;1H[^\n]*hcsd: connection lost, trying again")
            person.type(b"meanwhile\r")
            proxy.target = place.daemon.socket
            await person.expect(b"hcsd: connected again")
            await person.expect(rb"\x1b\[H\x1b\[J[^\x1b]*ready\r\n[^\x1b]*\[meanwhile\]\r\n")
            person.type(DETACH)
            code, _ = await person.leave()
    assert code == 0


async def test_a_process_that_ignores_an_interrupt_can_be_left_as_is_told_then(
    place: Place,
) -> None:
    script = "trap '' INT; echo ready; while :; do sleep 1000; done"
    arguments = ("run", "--name", place.name, "--", "sh", "-c", script)
    with at_terminal(place.daemon.address, *arguments) as person:
        await person.expect(b"ready\r\n")
        person.type(b"\x03")
        await person.expect(b"hcsd: the process has not ended; Ctrl-C again leaves it running\r\n")
        person.type(b"\x03")
        code, seen = await person.leave()
    assert (code, DETACHED in seen) == (130, True)
    assert await place.is_running()


async def test_a_stop_gives_the_terminal_back_for_as_long_as_it_lasts(place: Place) -> None:
    with place.sh(DRAWS) as person:
        before = person.modes
        await person.expect(b"drawn\r\n")
        during = person.modes
        person.signal(signal.SIGTSTP)
        await person.stopped()
        assert person.modes == before
        await person.expect(re.escape(b"\x1b[?1049l"))
        person.signal(signal.SIGCONT)
        await person.expect(re.escape(b"\x1b[?1049h"))
        await person.expect(b"again\r\n")
        assert person.modes == during


async def test_a_terminal_that_is_closed_leaves_the_process_running(place: Place) -> None:
    with place.sh(TALKS) as person:
        await person.expect(b"ready\r\n")
        person.hang_up()
        code, _ = await person.leave()
    assert code == 129
    assert await place.is_running()
