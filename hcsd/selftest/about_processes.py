"""Questions about what a process is given: its environment, its console."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hcsd.hcs.errors import HcsError
from hcsd.selftest.question import Answer, NotHereError, Question

if TYPE_CHECKING:
    from hcsd.selftest.asking import Asking

EXIT_SECONDS = 8.0
CONSOLE_DIES = "0xC000013A"
ROWS, COLUMNS = 33, 101
ESCAPES = re.compile(r"\x1b(\[[^A-Za-z]*[A-Za-z]|\][^\x07]*\x07)")  # what a console draws with


async def _environment(it: Asking, added: dict[str, str]) -> list[str] | str:
    """Run a process with variables; returns those that it has, or the code of the refusal."""
    parameters = it.programs.variables("HCSD_SELFTEST") | {"Environment": added}
    try:
        process = await it.start(parameters)
    except HcsError as error:
        return error.code.symbol
    return (await process.text(it.seconds(EXIT_SECONDS))).splitlines()


async def empty_variable(it: Asking) -> Answer:
    """Give a process a variable with an empty value."""
    found = await _environment(it, {"HCSD_SELFTEST_ONE": "1", "HCSD_SELFTEST_NONE": ""})
    if isinstance(found, str):
        return Answer(found)
    if "HCSD_SELFTEST_ONE=1" not in found:
        return Answer("no variables", {"lines": found})
    return Answer("empty" if "HCSD_SELFTEST_NONE=" in found else "unset", {"lines": found})


async def names_of_one_spelling(it: Asking) -> Answer:
    """Give a process two variables whose names differ in case alone."""
    found = await _environment(it, {"hcsd_selftest_x": "first", "HCSD_SELFTEST_X": "last"})
    if isinstance(found, str):
        return Answer(found)
    values = [line.partition("=")[2] for line in found if "=" in line]
    said = " and ".join(values) if values else "neither"
    return Answer("both" if len(values) > 1 else said, {"lines": found})


async def console_without_stdin(it: Asking) -> Answer:
    """Run a process with a console and without a stdin pipe."""
    process = await it.start(it.programs.counts_long(7) | {"EmulateConsole": True}, pipes="o")
    code = await it.exit_code(process, EXIT_SECONDS)
    return Answer("runs" if code == "7" else f"ends with {code}")


async def console_size(it: Asking) -> Answer:
    """Run a process with a console of an odd size, and let it tell the size."""
    size: dict[str, object] = {"EmulateConsole": True, "ConsoleSize": [ROWS, COLUMNS]}
    process = await it.start(it.programs.console_size() | size, pipes="io")
    text = await process.text(it.seconds(EXIT_SECONDS))
    words = re.findall(r"\d+", ESCAPES.sub("", text))
    if not words:
        raise NotHereError("no program in the guest tells the size of its console")
    if str(COLUMNS) in words:
        return Answer("rows and columns" if str(ROWS) in words else "columns", {"text": text})
    return Answer("another", {"text": text})


QUESTIONS = (
    Question(
        "empty-variable",
        "Does a process get a variable of `Environment` whose value is empty?",
        "nothing; hcsshim leaves such variables out",
        ("empty",),
        "passes it on",
        "a process with such a variable prints its environment",
        empty_variable,
    ),
    Question(
        "variable-case",
        "Which of two variables does a process get whose names differ in case alone?",
        "nothing",
        ("last",),
        "sends one of them to a Windows guest: the last",
        "a process with two such variables prints its environment",
        names_of_one_spelling,
        of_windows=True,
    ),
    Question(
        "console-without-stdin",
        "Does a process with a console run on if it has no stdin pipe?",
        "nothing; hcsshim has seen it end with 0xC000013A",
        (f"ends with {CONSOLE_DIES}",),
        "asks for a stdin pipe with each console",
        "a process with EmulateConsole that takes a second, without CreateStdInPipe",
        console_without_stdin,
        12.0,
        of_windows=True,
    ),
    Question(
        "console-size",
        "Does a console have the size that `ConsoleSize` gives it?",
        "yes: rows, then columns",
        ("rows and columns", "columns"),
        "sends the size with the create, and again for each change",
        f"a console of {ROWS} rows and {COLUMNS} columns; `mode con` prints its size",
        console_size,
        12.0,
    ),
)
