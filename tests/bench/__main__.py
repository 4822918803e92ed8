"""Measure the daemon against floors, side by side: ``python -m tests.bench``.

Each row is a ratio of two figures taken in turn, in one run, on one machine: absolutes say more about
the machine than about the daemon. Nothing fails for being slow; who runs it reads the table.
"""

import argparse
import os
import platform
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import anyio
import grpc
from rich.console import Console
from rich.table import Table

from tests.bench import floors
from tests.bench.rows import Effort, Name, Row, Rows
from tests.support.daemon import HCSD, serving

SECONDS = "how long to repeat, on each side of each round, what is repeated"
MEGABYTES = "how much to stream, on each side of each round"


@dataclass(frozen=True)
class Figures:
    """What the rounds of a row gave.

    Attributes:
        floors: The floor's figures, by round.
        ours: The daemon's.
    """

    row: Row
    floors: list[float]
    ours: list[float]

    @property
    def ratios(self) -> list[float]:
        """By round, so that a machine that slows down for a while slows both sides of each."""
        return [ours / floor for ours, floor in zip(self.ours, self.floors, strict=True)]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    def cells(self) -> list[str]:
        row = self.row
        low, _, high = statistics.quantiles(self.ratios * 2)  # twice: it wants at least two
        goal, verdict = "", ""
        if row.goal is not None:
            met = self.ratio <= row.goal if row.costs else self.ratio >= row.goal
            goal = f"{'≤' if row.costs else '≥'} {row.goal:.2f}"
            verdict = "[green]yes[/]" if met else "[red]no[/]"
        return [
            row.title,
            row.unit,
            _figure(statistics.median(self.floors)),
            _figure(statistics.median(self.ours)),
            f"[bold]{self.ratio:.2f}[/]",
            f"{low:.2f}-{high:.2f}",
            goal,
            verdict,
        ]


def _figure(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"


async def _measure(row: Row, rounds: int) -> Figures:
    """Take both figures in turn; the first of each warms up and does not count."""
    figures = Figures(row, [], [])
    for number in range(rounds + 1):
        sides = [(row.floor, figures.floors), (row.ours, figures.ours)]
        for measure, taken in sides if number % 2 else reversed(sides):
            value = await measure()
            if number:
                taken.append(value)
    return figures


async def _bench(picked: set[Name], rounds: int, effort: Effort, console: Console) -> list[Figures]:
    with (
        tempfile.TemporaryDirectory(prefix="hcsd-bench-", dir="/tmp") as directory,
        floors.running(Path(directory) / "floor.sock") as floor,
        serving(command=HCSD) as daemon,
    ):
        async with (
            grpc.aio.insecure_channel(floor) as floor_channel,
            grpc.aio.insecure_channel(daemon.address) as daemon_channel,
        ):
            rows = Rows(daemon_channel, floor_channel, effort, Path(directory))
            await rows.prepare()
            chosen = [row for row in rows.all() if row.name in picked]
            figures = []
            for row in chosen:
                with console.status(f"{row.title}: {rounds} rounds"):
                    figures.append(await _measure(row, rounds))
            return figures


def _table(figures: list[Figures]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("ours : floor", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for heading in ("floor", "ours", "ratio", "quartiles", "goal", "met"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in figures:
        table.add_row(*each.cells())
    return table


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure the daemon against what the same work costs at least.",
    )
    add = parser.add_argument
    add("row", nargs="*", type=Name, help=f"rows to measure: {', '.join(Name)} (default: all)")
    add("--rounds", type=int, default=41, help="rounds of each row (default: %(default)s)")
    add("--seconds", type=float, default=0.08, help=f"{SECONDS} (default: %(default)s)")
    add("--megabytes", type=int, default=50, help=f"{MEGABYTES} (default: %(default)s)")
    return parser.parse_args()


def main() -> None:
    given = _arguments()
    effort = Effort(given.seconds, given.megabytes * 1_000_000)
    console, load = Console(), os.getloadavg()[0]
    figures = anyio.run(_bench, set(given.row or Name), given.rounds, effort, console)
    console.print(_table(figures))
    console.print(
        f"\nMedians of {given.rounds} rounds, both sides in turn. {os.cpu_count()} cores, load"
        f" {load:.1f} at the start, Python {platform.python_version()}, grpcio {grpc.__version__},"
        " Unix sockets, one process each for the client, the floor and the daemon.",
        highlight=False,
    )


if __name__ == "__main__":
    main()
