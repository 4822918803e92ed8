"""The options of `hcsd serve` that set limits: made of the daemon's own list of settings."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, ParamSpec

import typer

from hcsd.cli.options import seconds_of
from hcsd.daemon.settings import MIB, OPTIONS, Limits, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hcsd.daemon.settings import Setting


Parameters = ParamSpec("Parameters")

MAX_SECONDS = 365 * 24 * 3600.0  # what timers can do anywhere
METAVARS = {Unit.BYTES: "MIB", Unit.SECONDS: "TIME", Unit.COUNT: "COUNT"}


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
        name: _value(setting, values[setting.key])
        for name, setting in OPTIONS.items()
        if values[setting.key] is not None
    }
    return Limits(**found)  # type: ignore[arg-type]  # each by its unit


def _parameter(setting: Setting) -> inspect.Parameter:
    times = setting.unit is Unit.SECONDS
    option = typer.Option(
        f"--{setting.option}",
        metavar=METAVARS[setting.unit],
        help=setting.text,
        min=None if times else 1,
        callback=_positive_time if times else None,
    )
    return inspect.Parameter(
        setting.key,
        inspect.Parameter.KEYWORD_ONLY,
        default=_shown_default(setting),
        annotation=Annotated[(str if times else int) | None, option],
    )


def _shown_default(setting: Setting) -> str | int | None:
    """Return the default as one would type it; None where only the daemon can work it out."""
    value = Limits.default_of(setting.name)
    if value is None:
        return None
    if setting.unit is Unit.SECONDS:
        return f"{value / 60:g}m" if value >= 120 else f"{value:g}s"
    return int(value) // MIB if setting.unit is Unit.BYTES else int(value)


def _value(setting: Setting, given: object) -> float:
    if setting.unit is Unit.SECONDS:
        return seconds_of(str(given))
    number = int(str(given))
    return number * MIB if setting.unit is Unit.BYTES else number


def _positive_time(text: str) -> str:
    if not 0 < seconds_of(text) <= MAX_SECONDS:
        raise typer.BadParameter(f"'{text}' is not more than nothing and at most a year")
    return text
