"""Prints a configuration file: every entry, what it does, and what would hold."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING

from hcsd.cli.configuration import FILE, comes_from
from hcsd.cli.configuration_entries import Kind, entries_of, toml_of
from hcsd.cli.listeners import state_dir_for
from hcsd.cli.output.text import show
from hcsd.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer

    from hcsd.cli.configuration import Configuration
    from hcsd.cli.configuration_entries import Entry

WIDTH = 96
HEAD = f"""\
# Settings of 'hcsd serve', version {__version__}.
#
# An entry behind a '#' has its default on this host. Take away the '#' to change it.
# 'hcsd config check FILE' checks a file, 'hcsd serve --config FILE' uses it.
# 'hcsd reload' has the daemon read it again. 'hcsd docs settings' explains all three.
#
# A bare number counts seconds where a time is wanted, and MiB where a size is wanted.
# A relative path begins in the folder of this file."""


def print_configuration(context: typer.Context) -> None:
    """Print a file with what `hcsd serve` would have been started with.

    Args:
        context: Its own.
    """
    show(*HEAD.splitlines())
    groups: dict[str, list[Entry]] = {}
    for entry in entries_of(context).values():
        groups.setdefault(entry.option.rich_help_panel or "", []).append(entry)
    for group, entries in groups.items():
        show("", "", f"# ---- {group} ----")
        for entry in entries:
            show("", *_lines(entry, context))


def _lines(entry: Entry, context: typer.Context) -> Iterator[str]:
    name = entry.option.name
    yield from textwrap.wrap(
        entry.option.help or "",
        WIDTH,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    live = " A change needs no restart." if entry.is_live else ""
    yield f"# It takes {entry.takes}.{live}"
    source = _source(entry, context)
    if source:
        yield f"{entry.key} = {entry.written(context.params[name])}  # from {source}"
    else:
        yield f"# {entry.key} = {_default(entry, context)}"


def _source(entry: Entry, context: typer.Context) -> str:
    """Say where a value comes from; "" for a default."""
    name = entry.option.name
    match comes_from(context, name):
        case "COMMANDLINE":
            return "the command line"
        case "ENVIRONMENT":
            return f"the variable {entry.option.envvar}"
        case "DEFAULT_MAP":
            file: Configuration = context.meta[FILE]
            return f"'{file.path}', line {file.lines[name]}"
    return ""


def _default(entry: Entry, context: typer.Context) -> str:
    """Return what holds without a word; an example where that is nothing."""
    value = entry.default()
    if entry.option.name == "listen":
        from hcsd_client import default_address

        value = [str(default_address(os.environ))]
    elif entry.option.name == "token_file":
        from hcsd.folders import default_token_file

        value = default_token_file()
    elif entry.option.name == "state_dir":
        value = state_dir_for(context.params["listen"] or ())
    if value is None:
        return "[]" if entry.kind is Kind.TEXTS else toml_of(entry.option.metavar)
    return entry.written(value)
