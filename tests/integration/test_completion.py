"""TAB in real shells: whatever systems are called, nothing runs and nothing comes out unquoted."""

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import termios
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import anyio
import anyio.to_thread
import pytest

from hcsd.v1 import compute_system_service_pb2 as system_pb
from tests.integration.test_systems import document
from tests.integration.wire import Client
from tests.support import commands
from tests.support.daemon import Daemon

PATIENCE = 30.0  # seconds; a busy machine
# What would run `touch ran`, or mean something else than itself, if a shell had it as it is.
IDS = [
    "tab$(touch ran)",
    "tab`touch ran`",
    "tab;touch ran;",
    "tab'\"\n\x1b]0;ran\x07",
    "tab*",
    "tab~{a,b}",
    "-rf-tab",
    "~tab",
]
UNIQUE = "systems/tab%24"
WHOLE = "systems/tab%24%28touch%20ran%29"
READY = "PROMPT> "
SHELLS = {
    "bash": ["bash", "--noprofile", "--norc", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
START = {
    "bash": "PS1='PROMPT''> '; bind 'set enable-bracketed-paste off'; source completion",
    "zsh": "PS1='PROMPT''> '; autoload -Uz compinit; compinit -D; setopt extendedglob; . ./completion",
    "fish": "function fish_prompt; echo -n 'PROMPT''> '; end; source completion",
}


class Shell:
    """What a person types and sees."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self.seen = ""

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def expect(self, pattern: str) -> str:
        """Look until it is seen; returns what came up to its end."""
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.seen)):
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._terminal], [], [], max(0, left))
            assert ready, f"{pattern!r} has not come; seen: {self.seen!r}"
            self.seen += os.read(self._terminal, 4096).decode(errors="replace")
        before, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return before


@contextmanager
def shell_of(name: str, folder: Path, address: str) -> Iterator[Shell]:
    """An interactive shell at a terminal, with a command `hcsd` that prints its arguments."""
    hcsd = folder / "bin" / "hcsd"
    hcsd.parent.mkdir()
    hcsd.write_text(
        f"""#!/bin/sh
[ -z "$_HCSD_COMPLETE" ] || exec {shlex.quote(sys.executable)} -m hcsd "$@"
printf '<%s>' "$@"
echo '<end>'
"""
    )
    hcsd.chmod(0o755)
    terminal, inside = pty.openpty()
    termios.tcsetwinsize(inside, (50, 200))
    process = subprocess.Popen(
        ["/usr/bin/setsid", "--ctty", *SHELLS[name]],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        cwd=folder,
        env={
            "HCSD_ADDRESS": address,
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PATH": f"{hcsd.parent}:{os.environ['PATH']}",
            "TERM": "vt100",
        },
    )
    os.close(inside)
    try:
        yield Shell(terminal)
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


@pytest.fixture
async def systems(client: Client) -> AsyncIterator[None]:
    """Systems with the ids."""
    for system_id in IDS:
        await client.systems.CreateComputeSystem(
            system_pb.CreateComputeSystemRequest(system_id=system_id, configuration_json=document())
        )
    yield
    for system_id in IDS:
        name = f"systems/{quote(system_id, safe='')}"
        await client.systems.TerminateComputeSystem(
            system_pb.TerminateComputeSystemRequest(name=name)
        )


@pytest.mark.parametrize("name", SHELLS)
@pytest.mark.usefixtures("systems")
async def test_tab_runs_nothing_and_puts_nothing_unquoted_on_the_line(
    daemon: Daemon, tmp_path: Path, name: str
) -> None:
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    script = await commands.run(["completion", name], dict(os.environ))
    (tmp_path / "completion").write_bytes(script.stdout)
    with shell_of(name, tmp_path, daemon.address) as shell:
        shell.type(f"{START[name]}\n")
        shell.expect(READY)
        shell.type("hcsd system inspect tab\t\n")
        line = await anyio.to_thread.run_sync(shell.expect, "<end>")
        assert "<system><inspect><tab><end>" in line
        shell.type(f"hcsd system inspect {UNIQUE}\t\n")
        line = await anyio.to_thread.run_sync(shell.expect, "<end>")
        assert f"<system><inspect><{WHOLE}><end>" in line
        shell.type("hcsd system inspect systems/\t\t")  # all of them are listed
        line = await anyio.to_thread.run_sync(shell.expect, r"%7Etab")
        assert "\x1b]0" not in line
    assert not (tmp_path / "ran").exists()
