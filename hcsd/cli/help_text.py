"""Help texts: of one command, as man pages have them, without the notation of Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from typer.core import TyperCommand

if TYPE_CHECKING:
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


def write_rows(formatter: Formatter, title: str, rows: list[tuple[str, str]]) -> None:
    """Write a section of a help text, if it has something."""
    if rows:
        with formatter.section(title):
            formatter.write_dl(rows)


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
        """Write arguments, and options by their groups; a group is what typer calls a panel."""
        arguments: list[tuple[str, str]] = []
        groups: dict[str, list[tuple[str, str]]] = {"Options": []}
        for param in self.get_params(ctx):
            record = None if param.name in self.unlisted else param.get_help_record(ctx)
            if record and param.param_type_name == "argument":
                arguments.append((record[0].partition(" <")[0], record[1]))
            elif record:
                group = getattr(param, "rich_help_panel", None) or "Options"
                groups.setdefault(group, []).append(record)
        write_rows(formatter, "Arguments", arguments)
        for group, options in groups.items():
            write_rows(formatter, group, options)
