"""What `hcsd serve` is told about limits is what holds, and what it cannot do it refuses."""

from pathlib import Path

import anyio
import grpc
import pytest
import typer
from typer.testing import CliRunner

from hcsd.cli.commands.serve import serve
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.wire import connected, refused, sh
from tests.support.daemon import serving

MIB = 1 << 20


async def test_limits_can_be_set(tmp_path: Path) -> None:
    config = tmp_path / "hcsd.toml"
    config.write_text('stall-timeout = "1m30s"\nring-memory = 7\nmax-exited = 9\n')
    with serving("--config", str(config), "--max-exited", "2", "--exited-retention", "1.5s") as own:
        async with connected(own.address) as client:
            limits = (await client.get_host()).limits
    assert limits.stall_timeout.ToSeconds() == 90
    assert limits.ring_memory_bytes == 7 * MIB
    assert limits.max_exited_processes == 2
    assert limits.exited_process_retention.ToMilliseconds() == 1500


async def test_a_process_is_forgotten_when_its_time_is_over(tmp_path: Path) -> None:
    with serving("--exited-retention", "300ms") as own:
        async with connected(own.address) as client:
            made = await client.create(sh("exit 3"))
            assert (await client.wait(made.name)).exit.exit_code == 3
            with anyio.fail_after(30), refused(grpc.StatusCode.NOT_FOUND, "PROCESS_NOT_FOUND"):
                while True:
                    await client.get(made.name)


async def test_no_more_exited_processes_are_kept_than_said() -> None:
    with serving("--max-exited", "2") as own:
        async with connected(own.address) as client:
            names = []
            for _ in range(4):
                names.append((await client.create(pb.Argv(args=["true"]))).name)
                await client.wait(names[-1], service_pb.WAIT_FOR_OUTPUT_COMPLETE)
            request = service_pb.ListProcessesRequest(parent="systems/-")
            listed = (await client.processes.ListProcesses(request)).processes
            assert [process.name for process in listed] == names[2:]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--exited-retention", "0"),
        ("--exited-retention", "-1s"),
        ("--exited-retention", "soon"),
        ("--stall-timeout", "0s"),
        ("--stall-timeout", "1000000h"),
        ("--max-exited", "0"),
        ("--max-exited", "many"),
        ("--ring-memory", "0"),
        ("--ring-memory", "1k"),
        ("--ring-memory", "90s"),
        ("--ring-memory", "2000000g"),
        ("--max-message", "2g"),
        ("--max-exited", "2147483648"),
        ("--max-exited", "1.5"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(option: str, value: str) -> None:
    app = typer.Typer()
    app.command()(serve)
    result = CliRunner().invoke(app, [f"{option}={value}"], env={"COLUMNS": "1000"})
    assert result.exit_code == 2
    assert f"'{option}'" in result.output
