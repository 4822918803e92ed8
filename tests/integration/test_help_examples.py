"""Every example that a help text shows does what it says: each is a line for a real shell and a real daemon.

The examples are found by walking all commands. What they name is there: processes, compute systems, files.
"""

import inspect
import os
import re
import shlex
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from hcsd.cli.help_text import CommandGroup
from hcsd_client import Client
from tests.integration.test_systems import document
from tests.support.command_tree import Node, tree
from tests.support.daemon import Daemon
from tests.support.shell import Shell, shell

ROOT = Path(__file__).parents[2]
LEAST = 2  # examples of each command


class Unusual(NamedTuple):
    """Examples that cannot be run to their ends as they stand.

    Attributes:
        pattern: A regular expression that is found in them.
        seen: What comes to a terminal, as a regular expression, whereupon they are ended; "" if they are only parsed.
        why: Why.
    """

    pattern: str
    seen: str
    why: str


UNUSUAL = [
    Unusual(r"hcsd service ", "", "there are services of this kind on Windows alone"),
    Unusual(r"hcsd serve\b(?!.*--print-config)", "ready at", "a daemon runs until it is ended"),
    Unusual(r"hcsd run .*-it\b", r"[#$] ", "somebody is to type"),
    Unusual(r"hcsd run .*; hcsd attach", r"shell\s.*[#$] ", "somebody is to type"),
    Unusual(r"hcsd attach(?!.*--no-stdin)", "it goes on", "somebody is to type"),
    Unusual(r"hcsd events .*(-f|--follow)\b", "EVENT|revision", "there is always more to come"),
    Unusual(r"hcsd stats(?!.*--count)", "host", "it shows anew what has changed"),
]
AS_ROOT = re.compile(r"-u nobody|--user nobody")  # others may not run processes as somebody else

# What examples name. Processes of some commands have ended; those of others go on until they are asked to end.
NAMES = re.compile(r"(?<![\w/.-])(build(?:-\d)?|db|helper|server|shell|web|worker)(?![\w.-])")
MADE = re.compile(r"--name[ =](\S+)|system create .*?(\S+)$")
IN_SYSTEM = re.compile(r"--system[ =](\w+)")
ABOUT_SYSTEMS = re.compile(r"hcsd (?:system|stats|top)\b")
NOT_STARTED = re.compile(r"hcsd system (?:start|rm(?! --force))\b")
WITH_CONSOLES = {"shell"}
ENDED = re.compile(r"hcsd (logs|rm|wait|attach --no-stdin)\b")
ENDS = "echo 'warning: it ends'"
GOES_ON = "trap 'exit 0' TERM; while :; do echo 'warning: it goes on'; sleep 0.05; done"
OWNER = "ci"
LABELS = {"app": "web"}
PID = "4242"
PORT = "7443"  # this machine may have another daemon there
FILES = {
    ".zfunc/_hcsd": "",
    "Makefile": "all test:\n\t@echo made\n",
    "hcsd.toml": "",
    "names.txt": "b\na\n",
    "serve": "#!/bin/sh\nexec sleep 1000\n",
    "web.env": "PORT=80\n",
    "web.json": document(owner=OWNER),
}

# What stderr has with an exit code of 0 may be a mere notice.
FAULT = re.compile(r"\b[Ee]rror\b|Traceback|cannot|usage")
EXAMPLES = {line: node for node in tree() for line in node.examples}

NEEDS = """'{node}' needs {least} examples that name it, and has {number}. In {file} give it what ends its help:

EPILOG = \"""\\b
Examples:
  {node} ...
  {node} ...
\"""

@app.command("{name}", epilog=EPILOG)

Then write its manual page: make generate"""

TRIED = """This example is in the help of '{node}', in {file}. It has to work as it stands.
If it is right, tell {here} what it needs: processes and systems are in NAMES, files in FILES,
and an example that goes on until somebody ends it, or that is not for this host, in UNUSUAL."""


@pytest.mark.parametrize("node", tree(), ids=str)
def test_every_command_has_examples(node: Node) -> None:
    number = sum(str(node) in line for line in node.examples)
    if number < LEAST and not isinstance(node.command, CommandGroup):
        name, file = node.words[-1], _file(node)
        pytest.fail(
            NEEDS.format(node=node, least=LEAST, number=number, name=name, file=file), pytrace=False
        )


def _file(node: Node) -> str:
    """Return where a command is defined."""
    function = node.command.callback
    assert function is not None
    return os.path.relpath(inspect.unwrap(function).__code__.co_filename, ROOT)


def _what_it_needs(line: str) -> str:
    node = EXAMPLES[line]
    return TRIED.format(node=node, file=_file(node), here=os.path.relpath(__file__, ROOT))


def test_every_unusual_example_is_there() -> None:
    for unusual in UNUSUAL:
        assert any(re.search(unusual.pattern, line) for line in EXAMPLES), unusual


@pytest.fixture(scope="module")
def bash() -> Iterator[Shell]:
    with tempfile.TemporaryDirectory(prefix="hcsd-") as folder, shell(Path(folder)) as opened:
        yield opened


class Stage(NamedTuple):
    """Where examples run.

    Attributes:
        client: Of a daemon in which there is nothing before and after.
        bash: Shells.
        folder: Where they run.
        variables: What they have as variables.
    """

    client: Client
    bash: Shell
    folder: Path
    variables: dict[str, str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text, "utf-8")
    Path("serve").chmod(0o755)
    return tmp_path


@pytest.fixture
async def stage(daemon: Daemon, bash: Shell, folder: Path) -> AsyncIterator[Stage]:
    variables = {key: value for key, value in os.environ.items() if not key.startswith("HCSD_")}
    variables |= dict.fromkeys(("HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"), str(folder))
    variables["HCSD_ADDRESS"] = daemon.address
    async with Client(daemon.address) as client:
        await _clear(client)
        yield Stage(client, bash, folder, variables)
        await _clear(client)


async def _clear(client: Client) -> None:
    async for process in client.list_processes():
        await client.delete_process(process.name, force=True, allow_missing=True)
    async for system in client.list_systems():
        if system.system_id != "host":
            await client.terminate_system(system.name)
            await client.wait_system(system.name)


@pytest.mark.parametrize("line", EXAMPLES)
async def test_an_example_works(line: str, stage: Stage) -> None:
    sys.stdout.write(_what_it_needs(line))  # pytest shows it if the test fails
    unusual = next((row for row in UNUSUAL if re.search(row.pattern, line)), None)
    if (unusual and not unusual.seen) or (AS_ROOT.search(line) and os.geteuid() != 0):
        _parse(line)
        return
    line = await _with_what_it_names(line, stage.client)
    variables = dict(stage.variables)
    if "hcsd serve" in line:  # which would listen there; it is to use the folder, also as root
        del variables["HCSD_ADDRESS"]
        variables["HCSD_TOKEN_FILE"] = str(stage.folder / "token")
    if unusual:
        seen = await stage.bash.see(line, unusual.seen, variables, stage.folder)
        assert re.search(unusual.seen, seen, re.DOTALL), seen
        assert not FAULT.search(seen), seen
        return
    done = await stage.bash.run(line, variables, stage.folder)
    code = re.search(r"exit (\d+)", line)
    assert done.code == (int(code[1]) if code else 0), done
    assert not FAULT.search(done.stderr), done


def _parse(line: str) -> None:
    """Read the words of commands, which are not run."""
    nodes = {node.words: node for node in tree()}
    for part in re.split(r"&&|\|\|", line):
        _, *words = shlex.split(part)
        node = nodes.get(tuple(words[:2])) or nodes[tuple(words[:1])]
        left = words[len(node.words) :]
        node.command.make_context(node.words[-1], left, parent=node.context.parent)


async def _with_what_it_names(line: str, client: Client) -> str:
    """Make what a line names and does not make itself; return it with what is so here."""
    made = {name for found in MADE.findall(line) for name in found}
    names = set(NAMES.findall(line)) - made
    names |= {"web"} if "$(" in line else set()  # which takes all that there are
    inside = IN_SYSTEM.search(line)
    systems = {inside[1]} if inside else names if ABOUT_SYSTEMS.search(line) else set()
    for name in systems:
        start = not NOT_STARTED.search(line)
        created = await client.create_system(document(owner=OWNER), system_id=name, start=start)
        if "system resume" in line:
            await client.pause_system(created.system.name)
    parent = f"systems/{inside[1]}" if inside else "systems/host"
    for name in names - systems:
        ended = ENDED.match(line)
        process = await client.create(
            ["sh", "-c", ENDS if ended else GOES_ON],
            console=name in WITH_CONSOLES,
            parent=parent,
            process_id=name,
            labels=LABELS,
        )
        if ended:
            await process.wait()
    if PID in line:
        process = await client.create(["sh", "-c", "sleep 1000 & echo $!; wait"], parent=parent)
        async for said in process.lines():
            return line.replace(PID, said.text.strip())
    return line.replace(PORT, "0")
