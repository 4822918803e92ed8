"""`hcsd stats`: what compute systems use, live."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from hcsd.cli.complete_names import complete_systems
from hcsd.cli.connection import ClientCommands
from hcsd.cli.execute import execute
from hcsd.cli.options import (
    FormatOption,
    OutputFormat,
    OutputOption,
    check_format,
    seconds_of,
)
from hcsd.cli.resource_names import system_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.message import Message

    from hcsd.v1 import compute_system_pb2 as pb
    from hcsd.v1.compute_system_service_pb2 import GetComputeSystemPropertiesResponse
    from hcsd_client import Client

EPILOG = """\b
Examples:
  hcsd stats
  hcsd stats --count 1 web db
  hcsd stats --count 1 --format '{{.system.system_id}} {{json .statistics}}'
"""
app = ClientCommands()

HEADER = ("SYSTEM", "STATE", "CPU", "MEMORY", "PEAK", "READ", "WRITTEN", "PROCESSES", "UP")
FIGURES = ("Statistics", "ProcessList")
LEAST_INTERVAL = 0.1  # seconds; more often says little and costs much
PATIENCE = (
    10.0  # seconds without the daemon between two tables, about as long as other commands wait
)
PAUSE = 0.25  # seconds before it is asked again; arbitrary


def _interval(text: str) -> float:
    seconds = seconds_of(text)
    if seconds < LEAST_INTERVAL:
        raise typer.BadParameter(f"'{text}' is less than {LEAST_INTERVAL} s")
    return seconds


class Sample(NamedTuple):
    """What a system used up to a moment.

    Attributes:
        system: The system.
        figures: Its figures; None if HCS has none of it in its state.
    """

    system: pb.ComputeSystem
    figures: GetComputeSystemPropertiesResponse | None


@app.command("stats", epilog=EPILOG)
def stats(
    context: typer.Context,
    systems: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SYSTEM",
            help="Compute systems, by their ids or names. Default: all.",
            autocompletion=complete_systems,
        ),
    ] = None,
    *,
    interval: Annotated[
        float,
        typer.Option(
            metavar="DURATION", parser=_interval, help="Time from one table to the next, as in 2s."
        ),
    ] = "1s",  # type: ignore[assignment]  # parsed as if it were said
    count: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="COUNT",
            help="How many tables. Default: one, and on a terminal until Ctrl-C.",
        ),
    ] = None,
    no_stream: Annotated[bool, typer.Option("--no-stream", help="One table: --count 1.")] = False,
    template: FormatOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show what compute systems use, live.

    CPU is that of the time since the table before, in percent of one processor. With --output json each
    table is an array on a line of its own.
    """
    check_format(template, output)
    if no_stream and count is not None:
        raise typer.BadParameter("says already how many tables", param_hint="--count")
    count = 1 if no_stream else count
    live = template is None and output is OutputFormat.TABLE and sys.stdout.isatty()

    async def work(client: Client) -> int:
        from hcsd.cli.output.json_output import print_json_line
        from hcsd.cli.output.tables import print_table, showing
        from hcsd.cli.output.words import SYSTEM_STYLES

        if template:
            template.check(_shape())
        names = [system_of(system) for system in systems or ()]
        wanted = count if count is not None or live else 1
        tables = _tables(client, names, interval, wanted)
        if template:
            async for samples, _ in tables:
                template.show(map(_plain, samples))
        elif output is OutputFormat.JSON:
            async for samples, _ in tables:
                print_json_line([_plain(sample) for sample in samples])
        elif live:
            with showing(HEADER, SYSTEM_STYLES) as update:
                async for _, rows in tables:
                    update(rows)
        else:
            async for _, rows in tables:
                print_table(HEADER, rows)
        return 0

    execute(context, work)


async def _tables(
    client: Client, names: list[str], interval: float, count: int | None
) -> AsyncIterator[tuple[list[Sample], list[tuple[str, ...]]]]:
    """Give one table after the other. The first has a sample before it, for the CPU to be of."""
    import anyio

    from hcsd.cli.output.tables import is_cut
    from hcsd.cli.short_ids import shortened

    run = (await client.get_host()).incarnation
    before = {sample.system.name: sample for sample in await _samples(client, names)}
    made = 0
    while count is None or made < count:
        await anyio.sleep(interval)
        earlier = run
        run, samples = await _later_samples(client, names, run)
        if run != earlier:
            before = {}
        ids = [sample.system.system_id for sample in samples]
        shown = shortened(ids) if is_cut() else dict(zip(ids, ids, strict=True))
        yield (
            samples,
            [
                (shown[sample.system.system_id], *_figures(sample, before.get(sample.system.name)))
                for sample in samples
            ],
        )
        before = {sample.system.name: sample for sample in samples}
        made += 1


async def _later_samples(client: Client, names: list[str], run: str) -> tuple[str, list[Sample]]:
    """Take samples from a daemon that was there, and say so if it lost its state since.

    Args:
        client: To the daemon.
        names: Of systems; none for all.
        run: The incarnation of the daemon that had the samples before.

    Returns:
        The present incarnation, and the samples.

    Raises:
        UnavailableError: It was away for too long.
    """
    import time

    import anyio

    from hcsd.cli.errors import RESTARTED
    from hcsd.cli.output.text import say
    from hcsd_client import UnavailableError

    given_up = time.monotonic() + PATIENCE
    while True:
        try:
            if run != (run := (await client.get_host()).incarnation):
                say(RESTARTED)
            return run, await _samples(client, names)
        except UnavailableError:
            if time.monotonic() >= given_up:
                raise
        await anyio.sleep(PAUSE)


async def _samples(client: Client, names: list[str]) -> list[Sample]:
    from hcsd_client import CallError, FailedPreconditionError, NotFoundError

    systems = (
        [await client.get_system(name) for name in names]
        if names
        else [system async for system in client.list_systems()]
    )
    samples = []
    for system in systems:
        figures = None
        try:
            figures = await client.get_system_properties(system.name, property_types=FIGURES)
        except (FailedPreconditionError, NotFoundError):  # it does not run, or not any more
            pass
        except CallError as error:
            if error.hresult is None:  # not HCS's word about one system
                raise
        samples.append(Sample(system, figures))
    return samples


def _figures(sample: Sample, before: Sample | None) -> tuple[str, ...]:
    from hcsd.cli.output.units import size, span
    from hcsd.cli.output.words import system_state

    system, figures = sample
    if figures is None or not figures.HasField("statistics"):
        return (system_state(system), *[""] * (len(HEADER) - 2))
    now = figures.statistics
    return (
        system_state(system),
        _cpu(now, before.figures.statistics) if before and before.figures else "",
        size(now.memory.usage_commit_bytes),
        size(now.memory.usage_commit_peak_bytes),
        size(now.storage.read_size_bytes),
        size(now.storage.write_size_bytes),
        str(len(figures.process_list)),
        span(now.uptime.ToNanoseconds() / 1e9),
    )


def _cpu(now: pb.ComputeSystemStatistics, before: pb.ComputeSystemStatistics) -> str:
    passed = now.sample_time.ToNanoseconds() - before.sample_time.ToNanoseconds()
    used = (
        now.processor.total_runtime.ToNanoseconds() - before.processor.total_runtime.ToNanoseconds()
    )
    return f"{max(0, used) / passed:.1%}" if passed > 0 else ""


def _shape() -> dict[str, type[Message] | None]:
    """Return what `_plain` makes, for templates."""
    from hcsd.v1 import compute_system_pb2 as pb

    return {
        "system": pb.ComputeSystem,
        "statistics": pb.ComputeSystemStatistics,
        "processes": None,
    }


def _plain(sample: Sample) -> dict[str, object]:
    from hcsd.cli.output.json_output import plain

    system, figures = sample
    return {
        "system": plain(system),
        "statistics": plain(figures.statistics) if figures is not None else None,
        "processes": len(figures.process_list) if figures is not None else None,
    }
