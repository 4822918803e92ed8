"""Check the engine on this host, ask what only this host can answer, and write a report to send.

    python -m hcsd.selftest [--system ID] [--report FILE] [--list] [--only QUESTION]

With --system it also runs harmless processes in that compute system, which must be running; on
Windows a container (`hcsdiag list` shows the ids), on POSIX 'host'. Exit code: 0 if all checks have
passed, else 1. Answers that differ from what hcsd assumes are no failures.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from hcsd.engine import open_host
from hcsd.errors import HcsdError
from hcsd.hcs.errors import HcsError
from hcsd.selftest.asking import Subject
from hcsd.selftest.catalogue import QUESTIONS
from hcsd.selftest.checks import OF_HOST, OF_SYSTEM, CheckFailedError
from hcsd.selftest.interview import Interview, first, run_bounded
from hcsd.selftest.programs import PosixPrograms, WindowsPrograms
from hcsd.selftest.report import Report, Result, describe, say

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from hcsd.hcs.host import Host
    from hcsd.hcs.system import ComputeSystem
    from hcsd.selftest.programs import Programs

TIMEOUT = 10.0  # seconds for a check
CHECKS_SECONDS = 30.0  # for all of them; a call that does not return is not waited for
ALL_SECONDS = 80.0  # from the start to the last question, which may take half a minute
FAILED = 1


async def check(report: Report, name: str, timeout: float, work: Awaitable[str]) -> None:
    """Run a check, and tell how it ended."""
    started = time.perf_counter()
    passed, hresult = False, ""
    try:
        with anyio.fail_after(timeout):
            detail = await work
        passed = True
    except TimeoutError:
        detail = f"no end within {timeout:g} s"
    except Exception as group:  # whatever it is, it is the result
        error = first(group)
        detail = str(error) if isinstance(error, (CheckFailedError, HcsdError)) else repr(error)
        hresult = f"0x{error.hresult:08X}" if isinstance(error, HcsError) else ""
    seconds = round(time.perf_counter() - started, 4)
    report.add_result(Result(name, passed, seconds, detail, hresult))


class SelfTest:
    """One run.

    Args:
        host: The engine.
        report: Where results and answers go.
        options: What the command line says.
    """

    def __init__(self, host: Host, report: Report, options: argparse.Namespace) -> None:
        self._host = host
        self._report = report
        self._until = time.monotonic() + ALL_SECONDS * options.patience
        self._patience: float = options.patience
        self._system_id: str = options.system or ""
        self._guest: str = options.guest
        self._programs: Programs = (
            WindowsPrograms() if host.guest_os == "windows" else PosixPrograms()
        )
        self._opened = False
        self._only: list[str] | None = options.only

    def run(self) -> None:
        """Check, then ask."""
        self._check()
        subject = Subject(
            self._host.library,
            self._system_id if self._opened else "",
            self._programs,
            self._guest,
            self._patience,
        )
        questions = [q for q in QUESTIONS if self._only is None or q.id in self._only]
        interview = Interview(subject, self._until - time.monotonic())
        for reply in interview.ask(questions):
            self._report.add_reply(reply)
        self._report.stuck += interview.stuck

    def _check(self) -> None:
        seconds = CHECKS_SECONDS * self._patience
        if not run_bounded(lambda: anyio.run(self._check_all), seconds):
            self._report.stuck.append("checks")
            result = Result("end of the checks", False, seconds, f"no end within {seconds:g} s")
            self._report.add_result(result)

    async def _check_all(self) -> None:
        """Run all checks, those of processes only with a system."""
        if self._only is None:
            for name, of_host in OF_HOST.items():
                await self._run(name, of_host(self._host))
        if not self._system_id:
            say("no --system: no processes were run")
            return
        opened: list[ComputeSystem] = []
        await self._run("open system", self._open(opened))
        for system in opened:
            for name, of_system in OF_SYSTEM.items() if self._only is None else ():
                await self._run(name, of_system(system, self._programs))
            system.close()

    async def _run(self, name: str, work: Awaitable[str]) -> None:
        await check(self._report, name, TIMEOUT * self._patience, work)

    async def _open(self, opened: list[ComputeSystem]) -> str:
        system = await self._host.open_system(self._system_id)
        opened.append(system)
        self._opened = True
        guest = (await system.properties()).runtime_os_type or self._host.guest_os
        self._programs = WindowsPrograms() if guest.lower() == "windows" else PosixPrograms()
        return f"'{self._system_id}'"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m hcsd.selftest", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--system", metavar="ID", help="where to run processes")
    parser.add_argument("--report", metavar="FILE", type=Path, default="hcsd-selftest.json")
    parser.add_argument("--list", action="store_true", help="show the questions and end")
    parser.add_argument(
        "--only",
        metavar="ID",
        action="append",
        choices=[question.id for question in QUESTIONS],
        help="ask only this question, and check nothing; may be repeated",
    )
    parser.add_argument(
        "--guest",
        metavar="PATH",
        default="",
        help="where tests/windows/guest.exe is in the system; some questions need it",
    )
    parser.add_argument(
        "--patience",
        metavar="N",
        type=float,
        default=1.0,
        help="multiply all time limits by this, for a slow host (default: 1, under two minutes)",
    )
    return parser.parse_args(arguments)


def main() -> int:
    """Run the command; returns the exit code."""
    options = parse()
    if options.list:
        for question in QUESTIONS:
            describe(question)
        return 0
    report = Report()
    began = time.monotonic()
    say(f"hcsd {report.hcsd}, {report.system} ({report.build}), Python {report.python}")
    try:
        host = open_host()
    except (HcsdError, OSError) as error:
        report.add_result(Result("open engine", passed=False, seconds=0.0, detail=str(error)))
    else:
        report.engine = host.engine
        try:
            SelfTest(host, report, options).run()
        finally:
            if not report.stuck:
                host.close()
    report.seconds = round(time.monotonic() - began, 1)
    say("")
    say(report.summary())
    report.write(options.report)
    say(f"written to {options.report}")
    code = FAILED if report.failed else 0
    if report.stuck:
        os._exit(code)  # a thread that is stuck in a call would keep this process
    return code


if __name__ == "__main__":
    sys.exit(main())
