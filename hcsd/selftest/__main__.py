"""Run the checks, print a report, and write it as JSON to send.

    python -m hcsd.selftest [--system ID] [--report FILE]

With --system it also runs harmless processes in that compute system, which must be running; on
Windows a container (`hcsdiag list` shows the ids), on POSIX 'host'. Exit code: 0 if all checks have
passed, else 1.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from hcsd.engine import open_host
from hcsd.errors import HcsdError
from hcsd.hcs.errors import HcsError
from hcsd.selftest.checks import OF_HOST, OF_SYSTEM, CheckFailedError
from hcsd.selftest.programs import PosixPrograms, WindowsPrograms
from hcsd.version import __version__

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from hcsd.hcs.host import Host
    from hcsd.hcs.system import ComputeSystem
    from hcsd.selftest.programs import Programs

TIMEOUT = 60.0  # seconds for a check: far more than any needs
FAILED = 1


@dataclass
class Result:
    """How a check ended.

    Attributes:
        detail: What it found, or why it failed.
        hresult: The code of HCS if that failed it, as in ``0x8037011B``.
    """

    check: str
    passed: bool
    seconds: float
    detail: str
    hresult: str = ""


@dataclass
class Report:
    """All of it, as it is sent."""

    hcsd: str = __version__
    python: str = sys.version
    system: str = field(default_factory=platform.platform)
    build: str = field(default_factory=platform.version)
    machine: str = field(default_factory=platform.machine)
    began: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    engine: str = ""
    results: list[Result] = field(default_factory=list)

    async def add(self, check: str, work: Awaitable[str]) -> None:
        """Run a check, and tell how it ended."""
        started = time.perf_counter()
        passed, hresult = False, ""
        try:
            with anyio.fail_after(TIMEOUT):
                detail = await work
            passed = True
        except TimeoutError:
            detail = f"no end within {TIMEOUT:g} s"
        except Exception as group:  # whatever it is, it is the result
            error = _first(group)
            detail = str(error) if isinstance(error, (CheckFailedError, HcsdError)) else repr(error)
            hresult = f"0x{error.hresult:08X}" if isinstance(error, HcsError) else ""
        seconds = round(time.perf_counter() - started, 4)
        self.add_result(Result(check, passed, seconds, detail, hresult))

    def add_result(self, result: Result) -> None:
        """Note a result, and tell it."""
        self.results.append(result)
        verdict = "pass" if result.passed else "FAIL"
        say(f"{verdict} {result.seconds:8.3f} s  {result.check}: {result.detail} {result.hresult}")


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text.rstrip() + "\n")
    sys.stdout.flush()


async def check_all(report: Report, host: Host, system_id: str | None) -> None:
    """Run all checks, those of processes only with a system."""
    for name, of_host in OF_HOST.items():
        await report.add(name, of_host(host))
    if system_id is None:
        say("no --system: no processes were run")
        return
    opened: list[ComputeSystem] = []

    async def open_system() -> str:
        opened.append(await host.open_system(system_id))
        return f"'{system_id}'"

    await report.add("open system", open_system())
    for system in opened:
        guest = (await system.properties()).runtime_os_type or host.guest_os
        programs: Programs = WindowsPrograms() if guest.lower() == "windows" else PosixPrograms()
        for name, of_system in OF_SYSTEM.items():
            await report.add(name, of_system(system, programs))
        system.close()


def main() -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hcsd.selftest", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--system", metavar="ID", help="where to run processes")
    parser.add_argument("--report", metavar="FILE", type=Path, default="hcsd-selftest.json")
    arguments = parser.parse_args()
    report = Report()
    say(f"hcsd {report.hcsd}, {report.system} ({report.build}), Python {report.python}")
    try:
        host = open_host()
    except (HcsdError, OSError) as error:
        report.add_result(Result("open engine", passed=False, seconds=0.0, detail=str(error)))
    else:
        report.engine = host.engine
        try:
            anyio.run(check_all, report, host, arguments.system)
        finally:
            host.close()
    failed = sum(not result.passed for result in report.results)
    say(f"{len(report.results) - failed} passed, {failed} failed")
    arguments.report.write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
    say(f"written to {arguments.report}")
    return FAILED if failed else 0


if __name__ == "__main__":
    sys.exit(main())
