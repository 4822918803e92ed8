r"""Command lines of Windows, made of a program and its arguments.

Windows starts a program with one line of text, and whoever is started splits it. There are three
readers, and their rules differ:

* CreateProcess and the program itself read the first word: it ends at the next quote, or at the first
  character up to the space. Backslashes are plain there. So it is always in quotes, and one with a
  quote cannot be written. Without quotes CreateProcess would also try `tool arg.exe` for `tool arg`.
* CommandLineToArgvW and the C runtime read the other words: blanks separate them, backslashes count
  only in front of a quote. Every word can be written so.
* A batch file is run by `cmd.exe /c "LINE"`, which expands and splits the line by rules of its own
  before the batch file sees it ("BatBadBut"). In quotes it leaves everything but `"`, `%`, `!` and the
  end of the line as it is. There is no way to write those that holds for all settings of cmd.

Sources: "Parsing C command-line arguments", CommandLineToArgvW, CreateProcessW and cmd on
learn.microsoft.com.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hcsd.daemon.errors import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_UNITS = 32_767 - 1  # CreateProcessW's limit, in UTF-16 units; its NUL is one of them
MAX_BATCH_UNITS = 8_191 - 2  # cmd's limit; CreateProcess adds two quotes
BATCH = (".bat", ".cmd")
ARGS = "spec.argv.args"
REMEDY = "give the whole line as 'command_line'"

_SEPARATES = re.compile('[\\x00-\\x20"]')
_BEFORE_QUOTE = re.compile(r'(?<!\\)(\\*)("|\Z)')  # the quotes around a word, too
_UNSAFE_IN_BATCH = re.compile('[\\x00-\\x08\\x0a-\\x1f\\x7f"%!]')
_PLAIN_IN_BATCH = re.compile(r"[A-Za-z0-9#$*+\-./:?@\\_]+")


def units(text: str) -> int:
    """Return the length of a text as Windows counts it, in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def is_batch(program: str) -> bool:
    """Tell whether CreateProcess gives a program to cmd.

    It goes by the end of the name, whatever is in the file. Dots and spaces behind it do not count.
    PATHEXT does not either: to a name without an extension CreateProcess adds `.exe` alone.
    """
    return program.rstrip(" .").lower().endswith(BATCH)


def quote_windows(args: Sequence[str]) -> str:
    """Join a program and its arguments into a command line that is split into the same ones.

    Args:
        args: What `violations` finds nothing wrong with.
    """
    program, *rest = args
    quote = _quote_for_batch if is_batch(program) else _quote
    return " ".join([f'"{program}"', *map(quote, rest)])


def violations(args: Sequence[str]) -> Iterator[Violation]:
    """Find what cannot be written into a command line."""
    batch = is_batch(args[0])
    if '"' in args[0]:
        yield Violation(
            f"{ARGS}[0]",
            "string.not_contains",
            "must not contain '\"': no program of Windows has one in its name, and no command line"
            " can hold it; leave the quotes out, a name with spaces needs none here",
        )
    elif batch and (found := _UNSAFE_IN_BATCH.search(args[0])):
        yield _unsafe(0, found[0])
    if batch:
        yield from _violations_in_batch(args)
    yield from too_long(quote_windows(args), "spec.argv", batch=batch)


def too_long(line: str, field: str, *, batch: bool = False) -> Iterator[Violation]:
    """Find a command line that is too long.

    Args:
        line: The command line.
        field: What it was made of.
        batch: Whether cmd will read it.
    """
    size, limit = units(line), MAX_BATCH_UNITS if batch else MAX_UNITS
    if size > limit:
        reader = "cmd, which runs batch files," if batch else "Windows"
        yield Violation(
            field,
            "string.max_len",
            f"makes a command line of {size} UTF-16 units, but {reader} takes at most {limit}; pass"
            " long texts by stdin or in a file",
        )


def _violations_in_batch(args: Sequence[str]) -> Iterator[Violation]:
    for index, arg in enumerate(args[1:], start=1):
        if found := _UNSAFE_IN_BATCH.search(arg):
            yield _unsafe(index, found[0])
        elif arg.endswith("\\") and not _PLAIN_IN_BATCH.fullmatch(arg):
            yield Violation(
                f"{ARGS}[{index}]",
                "string.not_contains",
                "must not end in a backslash: it needs quotes, and programs that the batch file passes"
                f" it on to would take the last one for a part of it; leave it out, or {REMEDY}",
            )


def _unsafe(index: int, character: str) -> Violation:
    shown = f"'{character}'" if character.isprintable() else f"U+{ord(character):04X}"
    return Violation(
        f"{ARGS}[{index}]",
        "string.not_contains",
        f"must not contain {shown}: batch files are run by cmd, and no quoting keeps it from changing"
        f" that; {REMEDY}, or run 'cmd /c' yourself",
    )


def _quote(arg: str) -> str:
    """Quote for CommandLineToArgvW: in front of a quote each backslash is doubled."""
    if arg and not _SEPARATES.search(arg):
        return arg
    escaped = _BEFORE_QUOTE.sub(lambda found: found[1] * 2 + found[2].replace('"', '\\"'), arg)
    return f'"{escaped}"'


def _quote_for_batch(arg: str) -> str:
    return arg if _PLAIN_IN_BATCH.fullmatch(arg) else f'"{arg}"'
