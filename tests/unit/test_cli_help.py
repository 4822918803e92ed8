"""Ways to ask for help, and what it looks like."""

import pytest
from typer.testing import CliRunner

from hcsd.cli.main import app
from tests.support.command_tree import tree


def said(*words: str, columns: int = 80) -> tuple[int, str]:
    done = CliRunner().invoke(app, words, terminal_width=columns, prog_name="hcsd")
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("asked", "command"),
    [
        ("help", ""),
        ("help help", ""),
        ("help --help", ""),
        ("-h --version", ""),
        ("help run", "run"),
        ("help run -d make all", "run"),
        ("help run --", "run"),
        ("-h run", "run"),
        ("--help run", "run"),
        ("run -h", "run"),
        ("help system", "system"),
        ("help system create", "system create"),
        ("system help create", "system create"),
        ("system -h create", "system create"),
        ("help system help create web", "system create"),
    ],
)
def test_each_way_to_ask_leads_to_the_help(asked: str, command: str) -> None:
    assert said(*asked.split()) == said(*command.split(), "--help")


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("rnu", "No such command 'rnu'. Did you mean 'run'?"),
        ("help lgos", "No such command 'lgos'. Did you mean 'logs'?"),
        ("help exec", "hcsd run --system SYSTEM"),
        ("system creat", "No such command 'creat'. Did you mean 'create'?"),
        ("help system creat", "No such command 'creat'. Did you mean 'create'?"),
        ("ps --al", "Possible options: --all"),
        ("system create --strat", "Possible options: --start"),
    ],
)
def test_a_slip_is_told_with_what_was_meant(typed: str, told: str) -> None:
    code, output = said(*typed.split(), columns=200)
    assert code == 2
    assert told in output


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_help_fits_its_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for node in tree():
        lines = node.context.get_help().splitlines()
        too_long = {line.strip() for line in lines if len(line) > columns}
        # Examples are for the clipboard and so never broken, but a usual terminal has to have room for them.
        too_long -= set(node.examples if columns == 60 else ())
        assert not too_long, f"the help of '{node}' has lines of more than {columns} columns"


def test_a_summary_is_never_cut_short() -> None:
    for node in tree():
        assert ".." not in node.context.get_help().partition("\n\n")[2], node
