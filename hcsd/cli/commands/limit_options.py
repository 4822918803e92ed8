"""The options of `hcsd serve` that set limits: made of the daemon's own list of settings."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Annotated, ParamSpec

import typer

from hcsd.cli.options import bytes_of, seconds_of
from hcsd.daemon.setting import KIB, LEAST, MIB, MOST, Unit
from hcsd.daemon.settings import OPTIONS, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hcsd.daemon.setting import Setting


Parameters = ParamSpec("Parameters")

METAVARS = {Unit.BYTES: "SIZE", Unit.SECONDS: "TIME", Unit.COUNT: "COUNT"}
GROUPS = {Unit.BYTES: "Limits", Unit.SECONDS: "Times", Unit.COUNT: "Limits"}
_SIZES = (("t", MIB * MIB), ("g", KIB * MIB), ("m", MIB), ("k", KIB))
_TIMES = (("h", 3600, 3600), ("m", 60, 120))  # and from which on they are used


def with_limit_options(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Give a command an option for each setting that has one, in the place of its ``**limits``.

    The values reach it by the keys of the settings; see `limits_of`.
    """
    signature = inspect.signature(command, eval_str=True)
    given = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    added = [_parameter(setting) for setting in OPTIONS.values()]
    command.__signature__ = signature.replace(  # type: ignore[attr-defined]  # what typer reads
        parameters=[*given, *added]
    )
    return command


def limits_of(values: Mapping[str, object]) -> Limits:
    """Return the limits that options have set, by the keys of the settings."""
    found = {
        name: values[setting.key]
        for name, setting in OPTIONS.items()
        if values[setting.key] is not None
    }
    return Limits(**found)  # type: ignore[arg-type]  # `value_of` has made each by its unit


def value_of(setting: Setting, text: object) -> float:
    """Read what somebody gives a setting: a time, a size whose bare numbers count MiB, or a number.

    Raises:
        typer.BadParameter: It is none, or out of range.
    """
    said = str(text)
    if setting.unit is Unit.SECONDS:
        value = seconds_of(said)
    elif setting.unit is Unit.BYTES:
        value = _size(said)
    elif said.isascii() and said.removeprefix("-").isdigit() and len(said) <= 20:
        value = int(said)
    else:
        raise typer.BadParameter(f"'{said}' is not a number; write digits alone, as in 100")
    if not setting.least <= value <= setting.most:
        least, most = written(setting.unit, setting.least), written(setting.unit, setting.most)
        raise typer.BadParameter(f"'{said}' is out of range; the least is {least}, the most {most}")
    return value


def window_of(text: object) -> float:
    """Read how long a restart may take, in seconds; 0 stands for no restore.

    Raises:
        typer.BadParameter: It is no time, or out of range.
    """
    value = seconds_of(str(text))
    least, most = LEAST[Unit.SECONDS], MOST[Unit.SECONDS]
    if value and not least <= value <= most:
        msg = f"'{text}' is out of range; it is 0, or from 1ms to 8760h"
        raise typer.BadParameter(msg)
    return value


def written(unit: Unit, value: float) -> str:
    """Return a value as one would type it; `value_of` reads it back."""
    if unit is Unit.COUNT:
        return str(int(value))
    if unit is Unit.BYTES:
        return next(
            (f"{int(value) // size}{name}" for name, size in _SIZES if value % size == 0),
            f"{int(value)}b",
        )
    if 0 < value < 1 and (value * 1000).is_integer():
        return f"{value * 1000:.0f}ms"
    for name, size, beginning in _TIMES:
        if value % size == 0 and value >= beginning:
            return f"{int(value // size)}{name}"
    return f"{int(value) if float(value).is_integer() else value}s"


def _size(text: str) -> int:
    try:
        return bytes_of(f"{text}m" if text[-1:].isdecimal() else text)
    except typer.BadParameter:
        msg = f"'{text}' is not a size; write it as in 512m or 2g; a bare number counts MiB"
        raise typer.BadParameter(msg) from None


def _parameter(setting: Setting) -> inspect.Parameter:
    default = Limits.default_of(setting.name)
    option = typer.Option(
        f"--{setting.option}",
        metavar=METAVARS[setting.unit],
        help=setting.text,
        parser=functools.partial(value_of, setting),
        rich_help_panel=GROUPS[setting.unit],
    )
    return inspect.Parameter(
        setting.key,
        inspect.Parameter.KEYWORD_ONLY,
        default=None if default is None else written(setting.unit, default),
        annotation=Annotated[float | None, option],
    )
