"""`hcsd run --memory --cpus`: a compute system for one process, with limits, and removed with it."""

import json
import signal

import anyio
import pytest

from hcsd.embedded.hierarchies import find_hierarchies
from tests.integration.test_cli import Line, hcsd

__all__ = ["hcsd"]  # a fixture here, too

pytestmark = pytest.mark.skipif(
    not {"memory", "cpu"} <= find_hierarchies().controllers.keys(),
    reason="this host does not let the tests limit anything",
)


async def systems(hcsd: Line) -> set[str]:
    listed = json.loads((await hcsd("system", "ps", "--output", "json")).stdout)
    return {system["system_id"] for system in listed if system["system_id"].startswith("run-")}


async def test_a_process_is_held_to_its_limits_and_its_system_goes_with_it(hcsd: Line) -> None:
    hog = "import sys; print('here', flush=True); bytearray(200 << 20)"
    told = await hcsd("run", "-m", "16m", "--", "python3", "-c", hog)
    assert (told.returncode, told.stdout) == (137, "here\n")
    assert told.stderr == (
        "hcsd: the process was killed: its compute system was out of memory (limit 16 MiB)\n"
    )
    told = await hcsd("run", "--memory", "64m", "--cpus", "0.5", "--", "sh", "-c", "exit 3")
    assert (told.returncode, told.stdout, told.stderr) == (3, "", "")
    told = await hcsd("run", "--cpus", "1", "--", "no-such-program")
    assert told.returncode == 127
    assert await systems(hcsd) == set()


async def test_the_limits_are_those_of_its_system(hcsd: Line) -> None:
    options = ("--memory", "64m", "--cpus", "0.5", "--name", "held")
    async with hcsd.running("run", *options, "--", "sh", "-c", "echo ready; exec sleep 1000") as it:
        assert it.stdout is not None
        assert await it.stdout.receive() == b"ready\n"
        (system,) = await systems(hcsd)
        shown = (await hcsd("system", "inspect", system)).stdout.split()
        assert [shown[shown.index("memory:") + 1], shown[shown.index("processors:") + 1]] == [
            "64",
            "0.5",
        ]
        assert (await hcsd("kill", f"systems/{system}/processes/held")).returncode == 0
        assert await it.wait() == 137
    assert await systems(hcsd) == set()


async def test_a_system_stays_for_a_process_that_goes_on(hcsd: Line) -> None:
    script = "trap 'echo heard' INT; echo ready; while :; do sleep 0.01; done"
    async with hcsd.running("run", "-m", "64m", "--", "sh", "-c", script) as it:
        assert it.stdout is not None
        assert it.stderr is not None
        assert await it.stdout.receive() == b"ready\n"
        with anyio.fail_after(60):
            it.send_signal(signal.SIGINT)
            assert await it.stdout.receive() == b"heard\n"
            it.send_signal(signal.SIGINT)
            said = b""
            while b"remove both" not in said:
                said += await it.stderr.receive()
            assert await it.wait() == 130
    (system,) = await systems(hcsd)
    assert f"remove both with 'hcsd system rm -f {system}'" in said.decode()
    assert (await hcsd("system", "rm", "-f", system)).returncode == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("-d", "-m", "1g", "--cpus", "0.5"),
            "'hcsd system create --start --memory 1024m --cpus 0.5 SYSTEM' and 'hcsd run -d --system",
        ),
        (("--system", "host", "--cpus", "2"), "must not be given with --system"),
        (("-m", "0"), "is too little; write it as in 256m or 1g"),
        (("-m", "268435456"), "has no unit; write it as in 256m or 1g"),
        (("-m", "much"), "is not a size"),
        (("--cpus", "0"), "is no number of processors; write it as in 2 or 0.5"),
        (("--cpus", "-1"), "is no number of processors"),
        (("--cpus", "nan"), "is no number of processors"),
        (("-m", "1m"), "the least is 4"),
    ],
)
async def test_limits_that_make_no_sense_are_told(
    hcsd: Line, options: tuple[str, ...], said: str
) -> None:
    told = await hcsd("run", *options, "--", "true")
    assert told.returncode == 125
    assert said in told.stderr
    assert await systems(hcsd) == set()
