"""The self-test that users run on their hosts, on the host of the tests."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

from hcsd.selftest.catalogue import QUESTIONS
from hcsd.selftest.checks import OF_HOST, OF_SYSTEM
from hcsd.selftest.programs import WindowsPrograms

# What cannot be asked of the embedded engine. All others have the answer that is assumed.
NOT_ASKED = {
    "stdio-bind",
    "pipe-kind",
    "pipe-room",
    "variable-case",
    "console-without-stdin",
    "exit-document",
    "signal-slow",
    "signal-stubborn",
}


class Given(TypedDict):
    """An answer in the report."""

    id: str
    answer: str
    verdict: str
    assumed: list[str]
    seconds: float
    details: dict[str, object]


class Told(TypedDict):
    """The report."""

    schema: int
    hcsd: str
    build: str
    engine: str
    results: list[dict[str, object]]
    answers: list[Given]
    stuck: list[str]


def selftest(directory: Path, *options: str) -> tuple[int, str, Told]:
    """Run it; returns its exit code, what it prints, and its report."""
    path = directory / "report"
    done = subprocess.run(
        [sys.executable, "-m", "hcsd.selftest", "--report", str(path), *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=50,
        check=False,
    )
    return done.returncode, done.stdout, json.loads(path.read_text())


def test_all_checks_pass_and_all_answers_are_assumed_with_the_embedded_engine(
    tmp_path: Path,
) -> None:
    code, said, report = selftest(tmp_path, "--system", "host", "--patience", "2")
    assert code == 0, said
    assert [result["check"] for result in report["results"]] == [
        *OF_HOST,
        "open system",
        *OF_SYSTEM,
    ]
    assert all(result["passed"] for result in report["results"])
    assert said.count("\npass ") == len(report["results"])
    assert [answer["id"] for answer in report["answers"]] == [question.id for question in QUESTIONS]
    verdicts = {answer["id"]: answer["verdict"] for answer in report["answers"]}
    assert {name for name, verdict in verdicts.items() if verdict == "not asked"} == NOT_ASKED, said
    assert set(verdicts.values()) == {"as assumed", "noted", "not asked"}, said
    assert (report["schema"], report["engine"], report["stuck"]) == (2, "embedded", [])
    assert "Traceback" not in said


def test_a_system_that_is_not_there_is_a_failed_check(tmp_path: Path) -> None:
    code, said, report = selftest(tmp_path, "--system", "nosuch")
    assert code == 1
    assert "\nFAIL " in said
    assert report["results"][-1]["check"] == "open system"
    assert report["results"][-1]["hresult"] == "0x8037010E"


def test_without_a_system_no_process_is_run(tmp_path: Path) -> None:
    code, said, report = selftest(tmp_path)
    assert code == 0
    assert "no processes were run" in said
    asked = {answer["id"] for answer in report["answers"] if answer["verdict"] != "not asked"}
    assert asked == {question.id for question in QUESTIONS if question.of_host}


def test_one_question_may_be_asked_alone(tmp_path: Path) -> None:
    code, said, report = selftest(tmp_path, "--system", "host", "--only", "no-pid")
    assert code == 0, said
    assert [answer["answer"] for answer in report["answers"]] == ["ERROR_NOT_FOUND"]
    assert [result["check"] for result in report["results"]] == ["open system"]


def test_the_questions_are_shown_without_asking() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hcsd.selftest", "--list"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(f"\n{question.id}\n    " in f"\n{done.stdout}" for question in QUESTIONS)
    assert "as assumed" not in done.stdout


def test_exit_codes_reach_cmd_as_it_reads_numbers() -> None:
    line = WindowsPrograms().leave(0xC000013A)["CommandLine"]
    assert str(line).endswith("/c exit -1073741510")
