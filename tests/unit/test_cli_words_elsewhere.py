"""Words of other programs lead to ours: each hint is told, and what it says to type is understood."""

import re
import shlex
from collections.abc import Iterator, Sequence

import pytest
import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from hcsd.cli.main import app
from hcsd.cli.words_elsewhere import ALIASES, NAMELESS, OPTIONS, WORDS

HCSD = typer.main.get_command(app)
# What a command needs besides the option in question.
ARGUMENTS = {
    "": ["ps"],
    "attach": ["NAME"],
    "kill": ["NAME"],
    "logs": ["NAME"],
    "rm": ["NAME"],
    "run": ["--", "COMMAND"],
    "signal": ["NAME", "TERM"],
    "stop": ["NAME"],
    "system rm": ["SYSTEM"],
    "system stop": ["SYSTEM"],
    "wait": ["NAME"],
}
BETWEEN = {"<", ">", "|", "&&"}


def complaint(words: Sequence[str]) -> str:
    """Run the command line, which must refuse the words; return what it says."""
    with pytest.raises(TyperException) as caught:
        HCSD.main(list(words), prog_name="hcsd", standalone_mode=False)
    return caught.value.message


def understand(words: Sequence[str]) -> None:
    """Read a command line as far as its last option, and do nothing of what it says."""
    try:
        context = HCSD.make_context("hcsd", list(words))
        while isinstance(context.command, TyperGroup):
            rest = [*context._protected_args, *context.args]
            name, command, rest = context.command.resolve_command(context, rest)
            assert command is not None
            context = command.make_context(name, rest, parent=context)
    except typer.Exit as done:  # --help, --version
        code = done.exit_code
    else:
        code = 0
    assert code == 0


def command_lines(hint: str) -> Iterator[list[str]]:
    """Find the command lines in a hint: of each, the words after `hcsd`."""
    for quoted in re.findall(r"'([^']*)'", hint):
        words = shlex.split(quoted)
        if "hcsd" in words:
            ours = words[words.index("hcsd") + 1 :]
            end = next((at for at, word in enumerate(ours) if word in BETWEEN), len(ours))
            yield ours[:end]


def options_in(hint: str) -> Iterator[list[str]]:
    """Find the options in a hint, each with its value."""
    for quoted in re.findall(r"'(-[^']*)'", hint):
        yield shlex.split(quoted)


UNKNOWN_WORDS = [(group, word) for group, rows in WORDS.items() for word in rows]
UNKNOWN_OPTIONS = [(command, option) for command, rows in OPTIONS.items() for option in rows]


@pytest.mark.parametrize(("group", "word"), UNKNOWN_WORDS)
def test_a_word_of_others_is_answered(group: str, word: str) -> None:
    hint = WORDS[group][word]
    assert complaint([*group.split(), word, "x"]) == f"No such command '{word}'; {hint}"


@pytest.mark.parametrize(("command", "option"), UNKNOWN_OPTIONS)
def test_an_option_of_others_is_answered(command: str, option: str) -> None:
    hint = OPTIONS[command][option]
    for said in ([option, "x"], [f"{option}=x" if option.startswith("--") else f"{option}x"]):
        words = [*command.split(), *said, *ARGUMENTS.get(command, [])]
        assert complaint(words) == f"No such option: {option}; {hint}"


@pytest.mark.parametrize(
    ("command", "hint"),
    sorted(
        {(group, hint) for group, rows in WORDS.items() for hint in rows.values()}
        | {(command, hint) for command, rows in OPTIONS.items() for hint in rows.values()}
    ),
)
def test_what_a_hint_says_to_type_is_understood(command: str, hint: str) -> None:
    for words in command_lines(hint):
        understand(words)
    for words in options_in(hint):
        understand([*command.split(), *words, *ARGUMENTS.get(command, [])])


@pytest.mark.parametrize("command", NAMELESS)
def test_a_name_where_none_belongs_is_answered(command: str) -> None:
    told = complaint([command, "web"])
    assert told == f"Got unexpected extra argument(s) (web); {NAMELESS[command]}"
    for words in command_lines(NAMELESS[command]):
        understand(words)
    for words in options_in(NAMELESS[command]):
        understand([command, *words])


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["ps", "--since", "10m"], "'--filter ended=10m'"),
        (["stop", "--all"], "'hcsd ps -q'"),
        (["run", "-p", "MemoryMax=256M", "--", "true"], "'--memory 256m'"),
        (["run", "--property=CPUQuota=50%", "--", "true"], "'--cpus 0.5'"),
    ],
)
def test_what_a_newcomer_types_leads_on(words: list[str], answer: str) -> None:
    assert answer in complaint(words)


def test_hints_are_one_line_without_an_end() -> None:
    for rows in (*WORDS.values(), *OPTIONS.values()):
        for hint in rows.values():
            assert hint == " ".join(hint.split()).rstrip(".")
            assert "\\" not in hint
            assert hint.count("'") % 2 == 0, "an apostrophe looks like a quote"


def test_what_is_no_signal_leads_to_how_one_is_written() -> None:
    told = complaint(["kill", "-FOO", "x"])
    assert told == "No such option: -F; write -s SIGNAL, as in '-s HUP'"


@pytest.mark.parametrize("words", ALIASES)
def test_some_words_do_what_ours_do(words: tuple[str, ...]) -> None:
    said = complaint([*words, "--no-such-option"])
    assert said == complaint([*ALIASES[words], "--no-such-option"])


def test_a_word_that_nobody_types_is_answered_with_its_neighbours() -> None:
    assert complaint(["pss"]) == "No such command 'pss'. Did you mean 'ps'?"
    assert complaint(["system", "qwerty"]) == "No such command 'qwerty'."
    assert "\x1b" not in complaint(["\x1b[2J"])
