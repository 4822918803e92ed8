"""Options of `hcsd run` about limits and rights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hcsd.v1.process_pb2 import ProcessSpec

RIGHTS = "Limits and rights"
UNLIMITED = (1 << 64) - 1
MAX_UMASK = 0o777


def check_umask(text: str) -> str:
    """Refuse what is no umask."""
    if text:
        try:
            fits = 0 <= int(text, 8) <= MAX_UMASK
        except ValueError:
            fits = False
        if not fits:
            raise typer.BadParameter(f"'{text}' is not an octal number up to 777")
    return text


def check_limits(values: list[str] | None) -> list[str] | None:
    """Refuse what is not of the form ``NAME=SOFT[:HARD]``."""
    for text in values or []:
        _, soft, hard = _limit(text)
        if hard < soft:
            raise typer.BadParameter(f"'{text}' has a hard limit below the soft one")
    return values


UmaskOption = Annotated[
    str,
    typer.Option(
        metavar="MODE",
        callback=check_umask,
        rich_help_panel=RIGHTS,
        help="Its umask, in octal. Default: 022.",
    ),
]
LimitsOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=SOFT[:HARD]",
        callback=check_limits,
        rich_help_panel=RIGHTS,
        help="Resource limit, named as in prlimit(1); 'unlimited' is one, too. May be given more"
        " than once. Default: all that the daemon has, but nofile=1024, core=0, stack=8388608.",
    ),
]
OomScoreOption = Annotated[
    int | None,
    typer.Option(
        metavar="SCORE",
        min=-1000,
        max=1000,
        rich_help_panel=RIGHTS,
        help="How gladly the kernel ends it when memory runs out. Default: 0.",
    ),
]
NoNewPrivilegesOption = Annotated[
    bool,
    typer.Option(
        "--no-new-privileges",
        rich_help_panel=RIGHTS,
        help="Let no program, such as sudo, give it more rights.",
    ),
]


def shape(
    spec: ProcessSpec,
    umask: str,
    limits: list[str],
    oom_score_adj: int | None,
    *,
    no_new_privileges: bool,
) -> None:
    """Put what the options said into a spec."""
    if umask:
        spec.umask = int(umask, 8)
    for text in limits:
        name, soft, hard = _limit(text)
        spec.resource_limits.add(name=name, soft=soft, hard=hard)
    if oom_score_adj is not None:
        spec.oom_score_adj = oom_score_adj
    spec.no_new_privileges = no_new_privileges


def _limit(text: str) -> tuple[str, int, int]:
    name, equals, values = text.partition("=")
    soft, _, hard = values.partition(":")
    if not name or not equals:
        raise typer.BadParameter(f"'{text}' is not of the form NAME=SOFT[:HARD]")
    first = _number(text, soft)
    return name.lower(), first, _number(text, hard) if hard else first


def _number(text: str, value: str) -> int:
    if value in {"unlimited", "-1"}:
        return UNLIMITED
    if not (value.isascii() and value.isdigit() and len(value) <= 20 and int(value) <= UNLIMITED):
        raise typer.BadParameter(f"'{text}': '{value}' is neither a number nor 'unlimited'")
    return int(value)
