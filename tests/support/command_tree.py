"""All commands there are, found by walking what typer has made of them, and what their help texts consist of."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import typer
from typer.core import TyperCommand

from hcsd.cli.help_text import Block, CommandGroup, blocks_of
from hcsd.cli.main import app


@dataclass(frozen=True)
class Node:
    """A command, or a group of commands.

    Attributes:
        words: What one types to run it, without `hcsd`.
        command: What typer has made of it.
        context: Its context.
    """

    words: tuple[str, ...]
    command: TyperCommand | CommandGroup
    context: typer.Context

    def __str__(self) -> str:
        return " ".join(("hcsd", *self.words))

    @property
    def children(self) -> "list[Node]":
        found = getattr(self.command, "commands", {})
        return [_node((*self.words, name), found[name], self.context) for name in found]

    @property
    def blocks(self) -> list[Block]:
        """What follows the options."""
        return blocks_of(self.command.epilog)

    @property
    def examples(self) -> list[str]:
        """The lines for a shell that the help shows."""
        return [line for block in self.blocks if block.title == "Examples" for line in block.lines]


@functools.cache
def tree() -> tuple[Node, ...]:
    """Return every command that help lists, each group before its own, from `hcsd` on."""
    return tuple(_below(_node((), typer.main.get_command(app), None)))


def _below(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        if not child.command.hidden:
            yield from _below(child)


def _node(words: tuple[str, ...], command: object, parent: typer.Context | None) -> Node:
    assert isinstance(command, TyperCommand | CommandGroup), (
        f"{' '.join(words)}: make the group by typer.Typer(cls=CommandGroup, ...), a command with cls=PlainCommand"
    )
    name = words[-1] if words else "hcsd"
    context = typer.Context(command, parent=parent, info_name=name, **command.context_settings)
    return Node(words, command, context)
