"""Tables of the documentation that follow from lists in the code.

``python -m tests.tables`` writes them; tests/unit/test_tables.py says when one is out of step.
"""

import itertools
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hcsd import host_limits
from hcsd.cli.commands.limit_options import METAVARS
from hcsd.daemon.reasons import Reason
from hcsd.daemon.setting import MIB, Setting, Unit
from hcsd.daemon.settings import SETTINGS, Limits
from hcsd.rpc.status import CODES
from hcsd.selftest.catalogue import QUESTIONS
from tests import options_elsewhere

ROOT = Path(__file__).parents[1]


class Table(NamedTuple):
    """A table in a file, between two lines that stay.

    Attributes:
        path: The file, from the root of the project.
        begin: The line before it.
        end: The line after it.
        render: Returns the lines between.
    """

    path: str
    begin: str
    end: str
    render: Callable[[], str]

    def expected(self) -> str:
        """Return the file as it should be."""
        text = (ROOT / self.path).read_text(encoding="utf-8")
        before, _, rest = text.partition(self.begin + "\n")
        _, _, after = rest.partition(self.end + "\n")
        return f"{before}{self.begin}\n{self.render()}{self.end}\n{after}"


def reasons_page() -> str:
    rows = [
        f"| `{reason.name}` | `{CODES[reason.kind].name}` | {'yes' if reason.retryable else 'no'}"
        f" | {reason.calls} | {reason.text} |\n"
        for reason in Reason
    ]
    return "".join(
        ["| reason | code | again later | from | meaning |\n", "|---|---|---|---|---|\n", *rows]
    )


def reasons_comment() -> str:
    """As the comment in the contract, in columns."""
    names = max(len(reason.name) for reason in Reason) + 2
    codes = max(len(CODES[reason.kind].name) for reason in Reason) + 2
    lines = []
    for reason in Reason:
        lead = f"//   {reason.name:{names}}{CODES[reason.kind].name:{codes}}"
        first, *more = textwrap.wrap(reason.text, 100 - len(lead))
        lines.append(lead + first)
        lines += [f"//{'':{len(lead) - 2}}{line}" for line in more]
    return "".join(f"{line}\n" for line in lines)


def settings_page() -> str:
    header = "| option | default | live | `hcsd info` | meaning |\n|---|---|---|---|---|\n"
    with_option = [setting for setting in SETTINGS if setting.option]
    fixed = [setting for setting in SETTINGS if not setting.option]
    rows = map(_setting_row, itertools.chain(with_option, fixed))
    return header + "".join(rows)


def _setting_row(setting: Setting) -> str:
    metavar = METAVARS[setting.unit]
    option = f"`--{setting.option} {metavar}`" if setting.option else "-"
    shown = f"`{setting.shown}`" if setting.shown else "-"
    live = "yes" if setting.live else "-"
    return f"| {option} | {_default(setting)} | {live} | {shown} | {setting.text} |\n"


def _default(setting: Setting) -> str:
    value = Limits.default_of(setting.name)
    if value is None:
        return "-"
    if setting.unit is Unit.SECONDS:
        return f"{value:g} s"
    if setting.unit is Unit.BYTES:
        return f"{value / MIB:g} MiB" if value >= MIB else f"{value / 1024:g} KiB"
    return f"{value:,.0f}"


def host_limits_page() -> str:
    rows = [
        f"| `{limit.name}` | `{limit.hresult.code.symbol}` | {limit.text} | {limit.remedy} |\n"
        for limit in host_limits.ALL
    ]
    return "".join(
        ["| `limit` | reason | meaning | what makes room |\n", "|---|---|---|---|\n", *rows]
    )


def questions_page() -> str:
    rows = [
        f"| `{it.id}`: {it.text} | {it.documented} | {_words(it.assumed)} | {it.either_way} |\n"
        for it in QUESTIONS
    ]
    header = "| question | documented | hcsd and the double assume | either way, hcsd |\n"
    return "".join([header, "|---|---|---|---|\n", *rows])


def _words(answers: tuple[str, ...]) -> str:
    return " or ".join(f"`{answer}`" for answer in answers) or "-"


TABLES = [
    Table(
        "hcsd/docs/questions.md",
        "<!-- questions:begin -->",
        "<!-- questions:end -->",
        questions_page,
    ),
    Table(
        "hcsd/docs/from-docker.md",
        "<!-- elsewhere:begin -->",
        "<!-- elsewhere:end -->",
        options_elsewhere.page,
    ),
    Table(
        "hcsd/docs/limits.md",
        "<!-- host-limits:begin -->",
        "<!-- host-limits:end -->",
        host_limits_page,
    ),
    Table("hcsd/docs/errors.md", "<!-- reasons:begin -->", "<!-- reasons:end -->", reasons_page),
    Table(
        "hcsd/docs/settings.md",
        "<!-- settings:begin -->",
        "<!-- settings:end -->",
        settings_page,
    ),
    Table(
        "protos/hcsd/v1/error.proto",
        "// own conditions, one of\n//",
        "//\n// New reasons may be added. Messages are prose for people and are never to be parsed.",
        reasons_comment,
    ),
]


def main() -> None:
    for table in TABLES:
        (ROOT / table.path).write_text(table.expected(), encoding="utf-8")


if __name__ == "__main__":
    main()
