"""Show what hcsd does, on this machine and in a few seconds: ``python -m tests.demo``.

It starts a daemon on a private socket, runs real processes through it, says of each what was asked
and what came back, checks that against what should have come, and stops the daemon. Nothing stays.
The first thing that is not as it should be ends it with code 1.
"""

import asyncio
import hashlib
import io
import signal
import sys
import time

import anyio
import psutil
from rich.console import Console
from rich.text import Text

from hcsd.v1 import process_pb2 as pb
from hcsd_client import CallError, Client, ExecutableNotFoundError, HcsdClientError, NotFoundError
from tests.support.daemon import Daemon, DaemonFailedError, serving

STREAMS = {pb.OUTPUT_STREAM_STDOUT: "stdout", pb.OUTPUT_STREAM_STDERR: "stderr"}
# It goes on only when its line was seen here: if output were held back, it would wait for ever.
TALK = 'for i in 1 2 3; do echo "out $i"; read go; echo "err $i" >&2; read go; done; exit 7'
AT_ONCE = 50
PATIENCE = 60  # seconds; many times what it takes
MIB = 2**20
RANDOM = """\
import hashlib, os, sys
seen = hashlib.sha256()
for _ in range(200):
    block = os.urandom(1 << 20)
    seen.update(block)
    sys.stdout.buffer.write(block)
sys.stderr.write(seen.hexdigest())
"""


class UnexpectedError(Exception):
    """Something else came back than what should have."""


class Page:
    """What is shown. Colours only on a terminal."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace", line_buffering=True)  # not all have a tick
        self._console = Console(highlight=False, soft_wrap=True)
        self._steps = 0

    def step(self, title: str) -> None:
        self._steps += 1
        self._print(f"\n{self._steps}. {title}", "bold")

    def ask(self, what: str) -> None:
        self._print(f"   > {what}", "cyan")

    def got(self, what: str, style: str = "") -> None:
        self._print(f"     {what}", style)

    def check(self, what: str, got: object, wanted: object) -> None:
        """Show what came back, or raise UnexpectedError if something else was wanted."""
        if got != wanted:
            raise UnexpectedError(f"{what}: expected {wanted!r}, got {got!r}")
        self._print(f"   ✓ {what}", "green")

    def end(self, what: str, style: str = "bold") -> None:
        self._print(f"\n{what}", style)

    def _print(self, line: str, style: str = "") -> None:
        self._console.print(Text(line, style))


class Demo:
    """The steps, in the order in which they are shown."""

    def __init__(self, page: Page, client: Client) -> None:
        self._page = page
        self._client = client

    async def all(self) -> None:
        """Go through the steps, and leave a process behind for the end."""
        host = await self._client.get_host()
        self._page.got(f"hcsd {host.version}, engine {host.engine}, guests are {host.guest_os}")
        steps = [self.output, self.many, self.killed, self.stdin, self.console, self.big]
        for step in (*steps, self.errors):
            await step()
        await self._client.create_process(["sleep", "1000"])

    async def output(self) -> None:
        page = self._page
        page.step("Output arrives while the program runs, each stream for itself")
        page.ask(f"sh -c '{TALK}'")
        page.ask("a line on its stdin whenever a line of it has come")
        talk = pb.ProcessSpec(argv=pb.Argv(args=["sh", "-c", TALK]), stdin_mode=pb.STDIN_MODE_PIPE)
        said, code = [], None
        async with self._client.run_process(talk) as run:
            async for event in run:
                if event.HasField("chunk"):
                    stream, text = STREAMS[event.chunk.stream], event.chunk.data.decode()
                    said.append(f"{stream}: {text.rstrip()}")
                    page.got(said[-1], "yellow" if stream == "stderr" else "")
                    await run.write_stdin(b"\n")
                elif event.HasField("exit"):
                    code = event.exit.exit_code
        turns = [f"{stream} {n}" for n in (1, 2, 3) for stream in ("stdout: out", "stderr: err")]
        page.check("six lines, in turn", said, turns)
        page.check("exit code 7", code, 7)

    async def many(self) -> None:
        page = self._page
        page.step(f"{AT_ONCE} processes at once, each with its own exit code")
        page.ask(f"sh -c 'exit N' for N from 0 to {AT_ONCE - 1}")
        begin = time.monotonic()
        codes = await asyncio.gather(*map(self._exit, range(AT_ONCE)))
        page.got(f"all have ended, {time.monotonic() - begin:.2f} s later")
        page.check(f"{AT_ONCE} codes, all right", codes, list(range(AT_ONCE)))

    async def _exit(self, code: int) -> int | None:
        async with self._client.run_process(["sh", "-c", f"exit {code}"]) as run:
            ends = [event.exit async for event in run if event.HasField("exit")]
        return ends[0].exit_code if ends else None

    async def killed(self) -> None:
        page, end = self._page, pb.ProcessExit()
        page.step("Death by a signal is told apart from an exit code")
        page.ask("sleep 1000, then the signal TERM")
        async with self._client.run_process(["sleep", "1000"]) as run:
            async for event in run:
                if event.HasField("started"):
                    await run.signal("TERM")
                elif event.HasField("exit"):
                    end = event.exit
        page.got(f"{pb.ExitReason.Name(end.reason)}: {end.signal_name}, code {end.exit_code}")
        page.check("signal TERM, code 128 + 15", (end.signal_name, end.exit_code), ("TERM", 143))

    async def stdin(self) -> None:
        page = self._page
        page.step("Bytes stay bytes, and end-of-file comes when it is asked for")
        sent = b"hello\0\xff\xfe\n" + bytes(range(256))
        page.ask(f"cat, {len(sent)} bytes that are no text on its stdin, then the end of stdin")
        cat = pb.ProcessSpec(argv=pb.Argv(args=["cat"]), stdin_mode=pb.STDIN_MODE_PIPE)
        async with self._client.run_process(cat) as run:
            await run.write_stdin(sent)
            await run.close_stdin()
            back = b"".join([event.chunk.data async for event in run])
        page.got(f"{back[:16]!r} … {len(back)} bytes")
        page.check("the same bytes came back", back, sent)

    async def console(self) -> None:
        page, seen = self._page, b""
        page.step("A console, resized while the program runs")
        script = "stty size; read line; stty size"
        page.ask(f"sh -c '{script}' on 80 columns and 24 rows; resize to 132 and 43; Enter")
        size = pb.Console(columns=80, rows=24)
        shell = pb.ProcessSpec(argv=pb.Argv(args=["sh", "-c", script]), console=size)
        async with self._client.run_process(shell) as run:
            async for event in run:
                seen += event.chunk.data
                if event.HasField("chunk") and seen.count(b"\n") == 1:
                    await run.resize(columns=132, rows=43)
                    await run.write_stdin(b"\n")
        first, _echo_of_enter, second = (*seen.decode().splitlines(), "", "", "")[:3]
        page.got(f"{first}, then {second}")
        page.check("rows and columns, before and after", (first, second), ("24 80", "43 132"))

    async def big(self) -> None:
        page = self._page
        page.step("200 MiB of random bytes arrive as they were written")
        page.ask("python: random bytes to stdout, then their SHA-256 to stderr")
        seen, size, wanted = hashlib.sha256(), 0, b""
        begin = time.monotonic()
        async with self._client.run_process([sys.executable, "-c", RANDOM]) as run:
            async for event in run:
                if event.chunk.stream == pb.OUTPUT_STREAM_STDOUT:
                    seen.update(event.chunk.data)
                    size += len(event.chunk.data)
                elif event.chunk.stream == pb.OUTPUT_STREAM_STDERR:
                    wanted += event.chunk.data
        took = time.monotonic() - begin
        page.got(f"{size / MIB:.0f} MiB in {took:.1f} s, SHA-256 {seen.hexdigest()[:16]}…")
        page.check("size and checksum", (size, seen.hexdigest()), (200 * MIB, wanted.decode()))

    async def errors(self) -> None:
        page = self._page
        page.step("What cannot be done is said clearly")
        await self._refused("no-such-program", ExecutableNotFoundError, 0x80070002)
        await self._refused("true", NotFoundError, 0x8037010E, parent="systems/nowhere")

    async def _refused(
        self, program: str, kind: type[CallError], hresult: int, parent: str = "systems/host"
    ) -> None:
        self._page.ask(f"{program} in {parent}")
        try:
            await self._client.create_process([program], parent=parent)
        except kind as error:
            self._page.got(f"{type(error).__name__}: {error}", "yellow")
            self._page.check(f"with the HRESULT {hresult:#x}", error.hresult, hresult)
        else:
            raise UnexpectedError(f"'{program}' was started in {parent}")


async def show(page: Page, daemon: Daemon) -> None:
    with anyio.fail_after(PATIENCE):
        async with Client(daemon.address) as client:
            await Demo(page, client).all()


def end(page: Page, daemon: Daemon) -> None:
    page.step("The end: the daemon takes everything with it")
    page.ask("SIGTERM, while 'sleep 1000' is running")
    descendants = psutil.Process(daemon.pid).children(recursive=True)
    page.check("there it is", [p.name() for p in descendants].count("sleep"), 1)
    daemon.stop()
    page.check("the daemon ended with code 0", daemon.wait(), 0)
    page.check("no process is left", [p for p in descendants if p.is_running()], [])
    page.check("nor its socket", daemon.socket.exists(), wanted=False)


def run(page: Page) -> None:
    page.step("A daemon on a private socket")
    page.ask("hcsd serve --listen unix:///…")
    begin = time.monotonic()
    with serving(own_group=True) as daemon:
        page.got(f"ready after {time.monotonic() - begin:.2f} s at {daemon.address}")
        anyio.run(show, page, daemon)
        end(page, daemon)
    page.end(f"All as it should be, in {time.monotonic() - begin:.1f} s.")


def main() -> int:
    page = Page()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        run(page)
    except KeyboardInterrupt:
        page.end("Interrupted. The daemon was stopped.")
        return 130
    except (UnexpectedError, DaemonFailedError, HcsdClientError, TimeoutError) as error:
        page.end(f"FAILED: {str(error) or f'not done after {PATIENCE} s'}", "bold red")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
