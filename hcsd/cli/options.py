"""Options and arguments that several commands share."""

from __future__ import annotations

import enum
import os
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from hcsd.cli.complete_names import complete_processes, complete_systems
from hcsd.cli.output.templates import Template
from hcsd.cli.terminal.detach_keys import check_keys


class OutputFormat(enum.StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[
    OutputFormat, typer.Option("--output", "-o", help="How to print the result.")
]
_FORMAT_HELP = (
    "Print this of each, as in '{{.name}}', '{{json .labels}}' or 'table {{.name}}\\t{{.pid}}', with"
    " the fields of --output json; 'json' is all on a line."
)
FormatOption = Annotated[
    Template | None,
    typer.Option("--format", metavar="TEMPLATE", parser=Template.of, help=_FORMAT_HELP),
]
ShortFormatOption = Annotated[
    Template | None,
    typer.Option("--format", "-f", metavar="TEMPLATE", parser=Template.of, help=_FORMAT_HELP),
]
NoTruncOption = Annotated[
    bool,
    typer.Option(
        "--no-trunc", help="Shorten nothing and leave no column out at a terminal, either."
    ),
]
SystemOption = Annotated[
    str | None,
    typer.Option(
        "--system",
        metavar="SYSTEM",
        help="Compute system, by its id or its name.",
        autocompletion=complete_systems,
    ),
]
SystemArgument = Annotated[
    str,
    typer.Argument(
        metavar="SYSTEM",
        help="Compute system, by its id or its name.",
        autocompletion=complete_systems,
    ),
]
SystemsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="SYSTEM",
        help="Compute systems, by their ids or names.",
        autocompletion=complete_systems,
    ),
]
NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="Process, by its id, a part of one that was issued, or its full name.",
        autocompletion=complete_processes,
    ),
]
NamesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME",
        help="Processes, by their ids, parts of those that were issued, or full names.",
        autocompletion=complete_processes,
    ),
]
DetachKeysOption = Annotated[
    str,
    typer.Option(
        "--detach-keys",
        metavar="KEYS",
        envvar="HCSD_DETACH_KEYS",
        callback=check_keys,
        help="Keys that leave a console while the process goes on, as in ctrl-a,d; '' for none.",
    ),
]


def check_format(template: Template | None, output: OutputFormat, *, quiet: bool = False) -> None:
    """Refuse a template together with another way to print."""
    if template is not None and (quiet or output is not OutputFormat.TABLE):
        other = "--quiet" if quiet else "--output"
        raise typer.BadParameter(f"must not be given with {other}", param_hint="--format")


def check_pairs(values: list[str] | None) -> list[str] | None:
    """Refuse what is not of the form ``KEY=VALUE``."""
    for text in values or []:
        key, equals, _ = text.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"'{text}' is not of the form KEY=VALUE")
    return values


def check_names(names: list[str] | None) -> list[str] | None:
    """Refuse what no variable can be called."""
    for name in names or []:
        if not name or "=" in name:
            msg = f"'{name}' is not the name of a variable; its value is that of the daemon"
            raise typer.BadParameter(msg)
    return names


def expand_variables(values: list[str] | None) -> list[str] | None:
    """Give each ``KEY`` alone the value that it has for this command."""
    for text in values or []:
        if "=" not in text and text not in os.environ:
            raise typer.BadParameter(f"'{text}' is not set here; write {text}=VALUE")
    return check_pairs(
        [text if "=" in text else f"{text}={os.environ[text]}" for text in values or []]
    )


def variables_in(path: str) -> list[str]:
    """Read a file with a ``KEY=VALUE`` in each line; empty lines and those with ``#`` are passed over.

    A key alone stands for the variable that is set here, and for nothing if it is not.

    Raises:
        BadParameter: The file cannot be read, or a line makes no sense.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:  # some editors of Windows mark it
            lines = [line.strip() for line in file]
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise typer.BadParameter(f"cannot read '{path}': {why}") from None
    found = []
    for number, line in enumerate(lines, 1):
        key, equals, _ = line.partition("=")
        if not line or line.startswith("#"):
            continue
        if not key or any(character.isspace() or character in "'\"" for character in key):
            raise typer.BadParameter(
                f"'{path}', line {number}: '{key}' is no name of a variable; write KEY=VALUE, or KEY"
                " alone, without 'export' and quotes"
            )
        if equals:
            found.append(line)
        elif key in os.environ:
            found.append(f"{key}={os.environ[key]}")
    return found


MAX_BYTES = 1 << 62
MAX_SECONDS = 315_576_000_000.0  # as google.protobuf.Duration has it

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)


def bytes_of(text: str) -> int:
    """Read a size such as ``4096``, ``64k``, ``256m`` or ``1.5GiB``; units are powers of 1024."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"'{text}' is not a size; write it as in 4096, 64k, 256m or 1g")
    number, unit = match.groups()
    size = float(number) * 1024.0 ** " kmgt".index(unit.lower() or " ")
    if size > MAX_BYTES:
        raise typer.BadParameter(f"'{text}' is more than any size may be")
    return round(size)


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def seconds_of(text: str) -> float:
    """Read a duration such as ``10``, ``10s``, ``500ms`` or ``1m30s``."""
    parts = _PART.findall(text)
    if re.fullmatch(r"\d+(\.\d+)?", text):
        parts = [(text, "s")]
    elif not re.fullmatch(f"(?:{_PART.pattern})+", text):
        raise typer.BadParameter(f"'{text}' is not a duration; write it as in 10s, 500ms or 1m30s")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds > MAX_SECONDS:
        raise typer.BadParameter(f"'{text}' is more than 10,000 years")
    return seconds


def moment_of(text: str) -> datetime:
    """Read a time such as ``10m`` (ago), ``2026-11-30T14:05``, or one with a zone.

    Without a zone it is local.
    """
    if re.match(r"\d+(\.\d+)?(ms|s|m|h|$)", text):
        return datetime.now(UTC) - timedelta(seconds=seconds_of(text))
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(
            f"'{text}' is not a time; write it as in 10m (ago), 2026-11-30T14:05:00 or"
            " 2026-11-30T14:05:00Z"
        ) from None


def moment_option(name: str, help_text: str, panel: str | None = None) -> object:
    """Return an option for a time that `moment_of` reads, for an annotation.

    Args:
        name: With its dashes.
        help_text: What it does.
        panel: The group of options that it is shown in.
    """
    return typer.Option(
        name, metavar="TIME", parser=moment_of, help=help_text, rich_help_panel=panel
    )


OLDER_HELP = "Leave out what is older, as in 10m or 2026-11-30T14:05:00."
