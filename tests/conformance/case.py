"""Cases: what is asked of a client library, and what must come of it, as data.

A file in `cases/` has

    title          a sentence: what the library promises
    known_failing  languages that do not keep it yet; they are run all the same, and must fail
    environment    variables of the runner
    daemon         options of a daemon of its own; by default the cases share one
    outages        ways in which the daemon goes away for a while (outages.py): the case is played for each
    files          names and sizes of files of random bytes: `$name` has `path`, `bytes`, `sha256`
    steps          one after the other

A step asks the runner (`do`, as in PROTOCOL.md), or the suite itself if `do` begins with ``suite.``. Besides
the arguments it may have

    ok, error      what must be in the answer; without either, it must be no error
    save           keeps the answer under this name
    background     does not wait: `suite.await` of this name has what is expected
    times          so often at the same time, with `$n` from 0
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.matching import Table

FOLDER = Path(__file__).with_name("cases")


@dataclass(frozen=True)
class Step:
    """One request, and what is expected of it."""

    do: str
    arguments: Table
    ok: Table | None = None
    error: Table | None = None
    save: str = ""
    background: str = ""
    times: int = 1

    @classmethod
    def read(cls, table: Table) -> "Step":
        rest = dict(table)
        known = {key: rest.pop(key) for key in cls.__match_args__ if key in rest}
        return cls(arguments=rest, **known)


@dataclass(frozen=True)
class Case:
    """What one file says."""

    name: str
    title: str
    steps: tuple[Step, ...]
    files: dict[str, int]
    environment: dict[str, str]
    daemon: tuple[str, ...] | None
    known_failing: tuple[str, ...]
    outage: str

    def __str__(self) -> str:
        return self.name


def read_cases(path: Path) -> Iterator[Case]:
    """Read one file: the case, or one for each of its outages."""
    ways = tomllib.loads(path.read_text("utf-8")).get("outages", [""])
    for way in ways:
        yield read_case(path, way)


def read_case(path: Path, outage: str) -> Case:
    """Read one file, for one outage or for none."""
    table = tomllib.loads(path.read_text("utf-8"))
    table.pop("outages", None)
    daemon = table.pop("daemon", None)
    return Case(
        name=f"{path.stem}-{outage}" if outage else path.stem,
        outage=outage,
        title=table.pop("title"),
        steps=tuple(Step.read(step) for step in table.pop("steps")),
        files=table.pop("files", {}),
        environment=table.pop("environment", {}),
        daemon=None if daemon is None else tuple(daemon),
        known_failing=tuple(table.pop("known_failing", ())),
        **table,  # a key that is not known
    )


CASES = tuple(case for path in sorted(FOLDER.glob("*.toml")) for case in read_cases(path))
