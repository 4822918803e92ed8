"""Help texts: of one command, as man pages have them, without the notation of Python."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    import typer


class Formatter(Protocol):
    """What writes a help text, as far as it is used here; typer has no public name for it."""

    width: int

    def section(self, name: str) -> AbstractContextManager[None]:
        """Put what is written meanwhile under a heading."""

    def write_dl(self, rows: list[tuple[str, str]]) -> None:
        """Write words and what they mean."""

    def write_paragraph(self) -> None:
        """Begin a paragraph."""

    def write_text(self, text: str) -> None:
        """Write a paragraph."""


Rows = list[tuple[str, str]]


def write_rows(formatter: Formatter, title: str, rows: Rows) -> None:
    """Write a section of a help text, if it has something."""
    if rows:
        with formatter.section(title):
            formatter.write_dl(rows)


def rows_by_group(
    command: TyperCommand | TyperGroup, ctx: typer.Context, unlisted: Iterable[str] = ()
) -> dict[str, Rows]:
    """Return arguments and options with what they mean, by their groups; a group is what typer calls a panel.

    Args:
        command: Whose they are.
        ctx: Its context.
        unlisted: Parameters to leave out.
    """
    groups: dict[str, Rows] = {"Arguments": [], "Options": []}
    for param in command.get_params(ctx):
        record = None if param.name in unlisted else param.get_help_record(ctx)
        if record and param.param_type_name == "argument":
            groups["Arguments"].append((record[0].partition(" <")[0], record[1]))
        elif record:
            group = getattr(param, "rich_help_panel", None) or "Options"
            groups.setdefault(group, []).append(record)
    return {group: rows for group, rows in groups.items() if rows}


class Block(NamedTuple):
    """A part of what follows the options in a help text.

    Attributes:
        title: What is above it; "" if it is a paragraph.
        lines: What is written there.
    """

    title: str
    lines: list[str]

    @property
    def rows(self) -> Rows:
        """Words and what they mean, if that is what it consists of; else nothing."""
        if self.title == "Examples" or "  " not in self.lines[0]:
            return []
        rows: Rows = []
        for line in self.lines:
            word, _, text = line.partition("  ")
            before = (
                ("", "") if word else rows.pop()
            )  # without a word, it goes on with the last one
            rows.append((before[0] or word, f"{before[1]} {text.strip()}".strip()))
        return rows


def blocks_of(epilog: str | None) -> list[Block]:
    """Return the parts of what follows the options; one with a title begins with a line of a mere backspace."""
    found = []
    for text in re.split(r"\n\s*\n", inspect.cleandoc(epilog or "")):
        lines = text.removeprefix("\b\n").splitlines()
        title = lines.pop(0)[:-1] if text.startswith("\b\n") and lines[0].endswith(":") else ""
        if lines:
            found.append(Block(title, [line.removeprefix("  ") for line in lines]))
    return found


def write_blocks(formatter: Formatter, epilog: str | None) -> None:
    """Write what follows the options."""
    for block in blocks_of(epilog):
        if not block.title:
            formatter.write_paragraph()
            formatter.write_text("\n".join(block.lines))
        elif block.rows:
            write_rows(formatter, block.title, block.rows)
        else:
            with formatter.section(block.title):
                formatter.write_text("\n".join(["\b", *block.lines]))


class PlainCommand(TyperCommand):
    """A command whose help is in plain words.

    Attributes:
        unlisted: Parameters that the help leaves out.
    """

    unlisted: ClassVar[frozenset[str]] = frozenset()

    def collect_usage_pieces(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Return the words of the usage line."""
        pieces = super().collect_usage_pieces(ctx)
        return [piece.replace("{", "").replace("}", "") for piece in pieces]

    def format_options(self, ctx: typer.Context, formatter: Formatter) -> None:  # type: ignore[override]
        """Write arguments, and options by their groups."""
        for group, rows in rows_by_group(self, ctx, self.unlisted).items():
            write_rows(formatter, group, rows)

    def format_epilog(self, ctx: typer.Context, formatter: Formatter) -> None:  # type: ignore[override]
        """Write what follows the options."""
        write_blocks(formatter, self.epilog)


class CommandGroup(TyperGroup):
    """A command that consists of others, which `help` and `-h` before their names tell about, too."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Take the options before the command."""
        flags = ctx.help_option_names
        asked = args[:1] == ["help"] or (args[:1] and args[0] in flags)
        if asked and (words := [word for word in args[1:] if word[:1] != "-" and word != "help"]):
            args = [*_leading(self, words), flags[0]]
        elif asked:
            args = [flags[0]]
        return super().parse_args(ctx, args)

    def rows_of_commands(self) -> dict[str, Rows]:
        """Return the commands with their summaries, by their sections."""
        return {"Commands": self._rows(self.commands)}

    def _rows(self, names: Iterable[str]) -> Rows:
        width = max(map(len, self.commands))
        # In full: the formatter can break lines, but the summary itself would be cut short.
        return [(name.ljust(width), self.commands[name].get_short_help_str(1000)) for name in names]

    def format_commands(self, ctx: typer.Context, formatter: Formatter) -> None:  # type: ignore[override]
        """Write what commands there are."""
        for title, rows in self.rows_of_commands().items():
            write_rows(formatter, title, rows)

    def format_epilog(self, ctx: typer.Context, formatter: Formatter) -> None:  # type: ignore[override]
        """Write what follows the commands."""
        write_blocks(formatter, self.epilog)


def _leading(group: CommandGroup, words: Sequence[str]) -> Sequence[str]:
    """Return those of the words that name a command; others are no business of its help."""
    for number, word in enumerate(words, 1):
        command = group.commands.get(word)
        if isinstance(command, CommandGroup):
            return [*words[:number], *_leading(command, words[number:])]
        return words[:number]
    return []
