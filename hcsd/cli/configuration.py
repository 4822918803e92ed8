"""The configuration file of `hcsd serve`: TOML, with an entry for each option, by its long name.

Whatever is wrong with a file is found at once, and told with its line, its key and what would be right.
A daemon and `hcsd config check` use the same words.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import typer
from typer.exceptions import TyperException

from hcsd.cli import exit_codes
from hcsd.cli.commands.limit_options import window_of
from hcsd.cli.configuration_entries import NO_ENTRIES, entries_of
from hcsd.cli.configuration_lines import Statement, statements, syntax_problem
from hcsd.cli.did_you_mean import did_you_mean
from hcsd.cli.output.text import say
from hcsd.daemon.on_stop import OnStop
from hcsd.listen.state_dir import CAN_RESTORE
from hcsd.private.files import NotPrivateError, read_trusted_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hcsd.cli.configuration_entries import Entry
    from hcsd_client import Address

FILE = "hcsd.configuration"  # where the context of a command has the file that was read
MOST_BYTES = 65_536  # a file with all entries and their explanations has a tenth
UTF8_MARK = b"\xef\xbb\xbf"  # some editors of Windows write it
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")  # so does the `>` of its PowerShell


class Problem(NamedTuple):
    """What is wrong with a file.

    Attributes:
        path: The file.
        line: Where, from 1; 0 for the whole file.
        key: The entry, as it is written there; "" if it is about none.
        text: What is wrong, with the remedy.
    """

    path: Path
    line: int
    key: str
    text: str

    def __str__(self) -> str:
        """Return it as people read it."""
        place = f"{self.path}:{self.line}" if self.line else f"{self.path}"
        return ": ".join(filter(None, (place, self.key, self.text)))


@dataclass(slots=True)
class Configuration:
    """What a file says.

    Attributes:
        path: The file.
        defaults: What the options get from it, by their names; only what is good.
        lines: Where each entry is, by the name of its option, good or bad.
        problems: What is wrong with it, in the order of its lines.
    """

    path: Path
    defaults: dict[str, object] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def misfits(self) -> Iterator[Problem]:
        """Yield what does not fit together in the file, if nobody else says anything."""
        values = dict.fromkeys(self.lines) | self.defaults
        for name, text in misfits(values):
            yield self.problem_of(name, text)

    def problem_of(self, name: str, text: str) -> Problem:
        """Return a problem of the entry for an option."""
        return Problem(self.path, self.lines[name], name.replace("_", "-"), text)


def read_configuration(path: Path, context: typer.Context) -> Configuration:
    """Read a file.

    Args:
        path: The file.
        context: That of `hcsd serve`.
    """
    found = Configuration(path)
    try:
        text = _text_of(path)
    except NotPrivateError as error:
        found.problems.append(Problem(path, 0, "", str(error)))
        return found
    if wrong := syntax_problem(text):
        found.problems.append(Problem(path, wrong.line, "", wrong.text))
        return found
    reader = _Reader(found, entries_of(context), context)
    for statement in statements(text):
        try:
            reader.take(statement)
        except TyperException as error:
            key = f"[{statement.key}]" if statement.is_table else statement.key
            found.problems.append(Problem(path, statement.line, key, error.message))
    return found


def misfits(values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the names of options that are of no use with the others, and why.

    Args:
        values: What options are given, by their names; None where only that is known.
    """
    for one, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
        if one in values and other not in values:
            yield one, f"needs --{other.replace('_', '-')}, too"
    given = [name for name in ("tls_cert", "tls_client_ca") if name in values]
    if given and not _has_tcp(values.get("listen", ())):
        yield (
            given[0],
            "is for TCP, and the daemon listens at no TCP address; add one with --listen",
        )
    yield from _misfits_of_restart(values)


def _misfits_of_restart(values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield what is of no use because nothing outlives the daemon."""
    window = values.get("restore_window")
    wanted = []
    if "state_dir" in values:
        wanted.append(("state_dir", ""))
    if values.get("on_stop") == OnStop.KEEP:
        wanted.append(("on_stop", "keep "))
    for name, value in wanted:
        if not CAN_RESTORE:
            yield name, f"{value}is not possible on Windows yet; leave it out"
        elif window is not None and not window_of(window):
            yield name, f"{value}needs --restore-window, which is 0; leave out one of them"
        elif "state_dir" not in values and not _has_unix(values.get("listen", ())):
            yield name, f"{value}needs --state-dir, since the daemon listens at no Unix socket"


def refuse_misfits(context: typer.Context) -> None:
    """Refuse options of `hcsd serve` that are of no use with the others.

    Raises:
        typer.BadParameter: The command line has such an option.
        typer.Exit: The file has such an entry, which was told.
    """
    values = {
        name: value for name, value in context.params.items() if value or type(value) is float
    }
    file: Configuration | None = context.meta.get(FILE)
    for name, text in misfits(values):
        if file is not None and comes_from(context, name) == "DEFAULT_MAP":
            say(str(file.problem_of(name, text)))
            raise typer.Exit(exit_codes.FAILED)
        raise typer.BadParameter(f"--{name.replace('_', '-')} {text}")


def comes_from(context: typer.Context, name: str) -> str:
    """Return who says what an option is: COMMANDLINE, ENVIRONMENT, DEFAULT_MAP (the file) or DEFAULT."""
    source = context.get_parameter_source(name)
    return source.name if source else "DEFAULT"


class _Reader:
    """Takes the statements of a file one after the other."""

    def __init__(
        self, found: Configuration, entries: Mapping[str, Entry], context: typer.Context
    ) -> None:
        self._found = found
        self._entries = entries
        self._context = context
        self._folder = found.path.absolute().parent
        self._spelt: dict[str, str] = {}

    def take(self, statement: Statement) -> None:
        """Take a statement.

        Raises:
            TyperException: It is wrong.
        """
        if statement.is_table:
            msg = "there are no tables; move its entries above it, by the long names of the options"
            raise typer.BadParameter(msg)
        name = statement.key.replace("-", "_")
        entry = self._entries.get(name)
        if entry is None:
            raise typer.BadParameter(self._unknown(name))
        if name in self._found.lines:
            before = f"'{self._spelt[name]}' in line {self._found.lines[name]}"
            raise typer.BadParameter(f"is the same as {before}; leave out one of them")
        self._found.lines[name] = statement.line
        self._spelt[name] = statement.key
        value = entry.accept(statement.value, self._folder, self._context)
        self._found.defaults[name] = value

    def _unknown(self, name: str) -> str:
        if name in NO_ENTRIES:
            return "is for the command line alone; leave it out"
        known = [entry.key for entry in self._entries.values()]
        meant = did_you_mean(name.lower().replace("_", "-"), known)
        return f"there is no such entry; {meant or 'hcsd serve --print-config lists all'}"


def _text_of(path: Path) -> str:
    """Return what is in a file.

    Raises:
        NotPrivateError: It cannot be read, or must not be trusted.
    """
    try:
        data = read_trusted_file(path.absolute(), MOST_BYTES)
    except OSError as error:
        remedy = "name another"
        if isinstance(error, FileNotFoundError):
            remedy += ", or make one with 'hcsd serve --print-config'"
        raise NotPrivateError(f"cannot read it: {error.strerror}; {remedy}") from error
    if data.startswith(UTF16_MARKS):
        raise NotPrivateError("it is UTF-16; save it as UTF-8")
    try:
        return data.removeprefix(UTF8_MARK).decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NotPrivateError(f"it is not UTF-8 in line {line}; save it as UTF-8") from error


def _has_tcp(addresses: object) -> bool:
    """Return whether a daemon that is told to listen there listens at TCP; True if nobody knows."""
    parsed = _parsed(addresses)
    return not parsed or not all(address.is_unix for address in parsed)


def _has_unix(addresses: object) -> bool:
    """Return whether such a daemon listens at a Unix socket; True if nobody knows."""
    parsed = _parsed(addresses)
    return not parsed or any(address.is_unix for address in parsed)


def _parsed(addresses: object) -> list[Address]:
    """Return where a daemon listens; nothing if nobody knows."""
    import hcsd.rpc  # noqa: F401  (before the client: it loads gRPC as a daemon needs it)
    from hcsd_client import default_address, parse_address

    if not isinstance(addresses, (list, tuple)):
        return []
    return [parse_address(text) for text in addresses] or [default_address(os.environ)]
