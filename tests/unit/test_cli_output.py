"""There is one way from commands to a terminal, and what others chose is not obeyed at its end."""

import ast
from pathlib import Path

import pytest
from google.protobuf.struct_pb2 import Struct

import hcsd.cli.output.text
from hcsd.cli.output.json_output import print_json, print_json_array, print_json_line
from hcsd.cli.output.tables import print_table
from hcsd.cli.output.text import say, saying_later, show
from hcsd.cli.output.trees import print_tree, print_trees, tree_of
from hcsd.printable import is_printable

CLI = Path(hcsd.cli.output.text.__file__).parents[1]
# What prints, and what passes on the bytes of a process; and the folders that may use it.
PRINTS = {"print", "echo", "secho", "confirm", "prompt", "rich", "click"}
WRITES = {"write", "writev", "writelines", "write_all"}
MAY_PRINT = {"output"}
MAY_WRITE = {"output", "session"}

HOSTILE = "a\x1b]0;mine\x07\x9b31m\r\n\x85\u2028hcsd: b\u202e\u200b\x7f[bold]c[/x]"


def names(source: str) -> set[str]:
    """What a module calls or imports, by the last or the first word of its name."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                found.add(name)
            case ast.Import(names=aliases):
                found |= {alias.name.partition(".")[0] for alias in aliases}
            case ast.ImportFrom(module=str(module), names=aliases):
                found |= {module.partition(".")[0], *(alias.name for alias in aliases)}
    return found


def test_commands_print_by_way_of_output_alone() -> None:
    for path in CLI.rglob("*.py"):
        folder = path.relative_to(CLI).parts[0]
        used = names(path.read_text(encoding="utf-8"))
        if folder not in MAY_PRINT:
            assert not used & PRINTS, f"{path}: print with hcsd.cli.output, which escapes"
        if folder not in MAY_WRITE:
            assert not used & WRITES, f"{path}: print with hcsd.cli.output, which escapes"


@pytest.mark.parametrize(
    "source",
    [
        "print(x)",
        "typer.echo(x)",
        "from typer import secho",
        "from rich.console import Console",
        "import click.termui",
    ],
)
def test_another_way_is_found(source: str) -> None:
    assert names(source) & PRINTS


def test_lines_are_printable(capsys: pytest.CaptureFixture[str]) -> None:
    show(HOSTILE, "", HOSTILE)
    say(HOSTILE)
    with saying_later(lambda _text, _lasts: None):
        say(HOSTILE)
    shown, said = capsys.readouterr()
    assert shown.count("\n") == 3
    assert said.count("\nhcsd: ") == 1
    assert said.count("\n") == 2
    assert all(map(is_printable, (shown + said).split("\n")))


def test_tables_trees_and_json_are_printable(capsys: pytest.CaptureFixture[str]) -> None:
    message = Struct()
    message.update({HOSTILE: HOSTILE, "list": [HOSTILE, {HOSTILE: HOSTILE}]})
    print_table(["A", "B"], [[HOSTILE, HOSTILE]])
    print_tree({HOSTILE: HOSTILE, "more": {HOSTILE: [HOSTILE]}, HOSTILE * 2: {"x": HOSTILE}})
    print_trees([tree_of(message)] * 2)
    print_json(message)
    print_json_array([message])
    print_json_line({HOSTILE: HOSTILE})
    shown = capsys.readouterr().out
    assert shown.count("mine") > 20
    assert all(map(is_printable, shown.split("\n")))
