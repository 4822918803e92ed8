"""What the configuration file may say: an entry for each option of `hcsd serve`, made from that option."""

from __future__ import annotations

import datetime as dt
import enum
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from typer.core import TyperOption

from hcsd.cli.commands.limit_options import METAVARS, written
from hcsd.cli.did_you_mean import did_you_mean
from hcsd.daemon.setting import MIB, Unit
from hcsd.daemon.settings import OPTIONS, Limits
from hcsd.daemon.shorten import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.daemon.setting import Setting

# What only the command line can say.
NO_ENTRIES = frozenset({"config", "print_config", "as_service", "help"})
# What can change while the daemon runs, beside limits and times that say so themselves.
LIVE = frozenset({"log_level", "on_stop"})
MOST_SHOWN = 80  # bytes of a value in a message
MOST_INTEGER = 2**63 - 1  # of TOML


class Kind(enum.Enum):
    """What an entry takes, in words, and as which types of TOML."""

    TIME = ('a time, as in "90s" or "15m"', (str, int, float))  # a bare number counts seconds
    SIZE = ('a size, as in "512m" or "2g"', (str, int, float))  # a bare number counts MiB
    COUNT = ("a number, as in 100", (int,))
    CHOICE = ("one of ", (str,))
    FILE = ("the path of a file", (str,))
    DIR = ("the path of a folder", (str,))
    TEXTS = ("a text, or an array of texts", (str, list))

    def __init__(self, takes: str, types: tuple[type, ...]) -> None:
        self.takes = takes
        self.types = types


_BY_METAVAR = {metavar: Kind[metavar] for metavar in (*METAVARS.values(), "DIR")}
_NAMES = {
    bool: "a boolean",
    int: "a number",
    float: "a fraction",
    str: "a text",
    list: "an array",
    dict: "a table",
    dt.date: "a date",
    dt.time: "a time of day",
    dt.datetime: "a date",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry.

    Attributes:
        key: How it is written.
        option: The option of the same name.
        kind: What it takes.
        setting: The limit that it sets; None if it sets none.
        choices: The texts that it takes; empty if it takes any.
    """

    key: str
    option: TyperOption
    kind: Kind
    setting: Setting | None
    choices: tuple[str, ...]

    @property
    def takes(self) -> str:
        """What it takes, in words."""
        return self.kind.takes + ", ".join(map(toml_of, self.choices))

    @property
    def is_live(self) -> bool:
        """Whether a change holds without a restart of the daemon."""
        return self.option.name in LIVE or (self.setting is not None and self.setting.live)

    def accept(self, value: object, folder: Path, context: typer.Context) -> object:
        """Return what a file gives the entry as the option takes it.

        Args:
            value: As TOML has it.
            folder: Where relative paths begin.
            context: That of `hcsd serve`.

        Raises:
            typer.BadParameter: The entry cannot have it.
        """
        shown = shorten(toml_of(value), MOST_SHOWN)
        if type(value) not in self.kind.types:
            quotes = ", without quotes" if (self.kind, type(value)) == (Kind.COUNT, str) else ""
            msg = f"{shown} is {_NAMES[type(value)]}; write {self.takes}{quotes}"
            raise typer.BadParameter(msg)
        if isinstance(value, int) and abs(value) > MOST_INTEGER:
            raise typer.BadParameter(f"{shown} is out of range")
        if isinstance(value, str) and self.choices and value not in self.choices:
            meant = did_you_mean(value.lower(), self.choices)
            msg = f"{shown} is not known; write {self.takes}{meant and f'; {meant}'}"
            raise typer.BadParameter(msg)
        if self.kind in {Kind.FILE, Kind.DIR}:
            value = _path(str(value), folder)
        elif self.kind is Kind.TEXTS:
            value = [value] if isinstance(value, str) else value
            for text in value if isinstance(value, list) else ():
                if not isinstance(text, str):
                    msg = f"{toml_of(text)} in the array is {_NAMES[type(text)]}; write texts alone"
                    raise typer.BadParameter(msg)
        self.option.process_value(context, value)
        return value

    def written(self, value: object) -> str:
        """Return a value that the option has, as the file would say it."""
        if self.setting is None and self.kind is Kind.TIME and isinstance(value, float):
            return toml_of(written(Unit.SECONDS, value))
        if self.setting is None or not isinstance(value, (int, float)):
            return toml_of(list(value) if isinstance(value, tuple) else value)
        text = written(self.setting.unit, value)
        return text if self.kind is Kind.COUNT else toml_of(text)

    def default(self) -> object:
        """Return what holds on this host if nobody says anything; None if that is nothing."""
        if self.setting is None:
            return self.option.default
        value: float = getattr(Limits(), self.setting.name)
        return value // MIB * MIB if self.kind is Kind.SIZE else value


def entries_of(context: typer.Context) -> Mapping[str, Entry]:
    """Return the entries by the names of their options, in the order of the help.

    Args:
        context: That of `hcsd serve`.
    """
    settings = {setting.key: setting for setting in OPTIONS.values()}
    found = {}
    for option in context.command.params:
        if not isinstance(option, TyperOption) or option.name in NO_ENTRIES:
            continue
        choices = tuple(str(choice) for choice in option.type_descriptor.choices or ())
        kind = _BY_METAVAR.get(option.metavar or "", Kind.FILE)
        if choices or option.multiple:
            kind = Kind.CHOICE if choices else Kind.TEXTS
        key = option.opts[0].removeprefix("--")
        found[option.name] = Entry(key, option, kind, settings.get(option.name), choices)
    return found


def toml_of(value: object) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, (bool, str, Path)):
        text = json.dumps(value if isinstance(value, bool) else str(value), ensure_ascii=False)
        return text.replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(map(toml_of, value))}]"
    if isinstance(value, dict):
        inside = ", ".join(f"{key} = {toml_of(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, int) and abs(value) > MOST_INTEGER:
        return hex(value)
    return str(value)


def _path(text: str, folder: Path) -> str:
    if not text:
        raise typer.BadParameter('"" names no file; write its path')
    if "\0" in text:
        raise typer.BadParameter(f"{toml_of(text)} is no path: it has a NUL in it")
    if text.startswith("~"):
        msg = f"{toml_of(text)} begins with '~', which only shells know; write the whole path"
        raise typer.BadParameter(msg)
    return str(folder / text)
