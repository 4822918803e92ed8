"""The self-test that users run on their hosts, over the test double."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

import pytest

from hcsd.selftest.catalogue import QUESTIONS

# What Wine decides and not the double: its `start` gives a child no handles, and it has no `mode`.
WINE = {"end-with-grandchild": "with the process", "console-size": "not asked"}


def blocked(function: str) -> list[dict[str, object]]:
    return [{"Function": function, "BlockMs": 600_000, "Times": 0}]


class Told(TypedDict):
    """The report."""

    build: str
    engine: str
    results: list[dict[str, object]]
    answers: list[dict[str, object]]
    stuck: list[str]


def selftest(directory: Path, *options: str, script: object = ()) -> tuple[int, str, Told]:
    """Run it over a double of its own; returns its exit code, what it prints, and its report."""
    path = directory / "report"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "hcsd.selftest",
            "--system",
            "host",
            "--report",
            str(path),
            *options,
        ],
        env={**os.environ, "HCSD_DOUBLE_SCRIPT": json.dumps(script)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=170,
        check=False,
    )
    return done.returncode, done.stdout, json.loads(path.read_text())


@pytest.mark.timeout(180)
def test_all_checks_pass_and_the_double_answers_what_is_assumed(tmp_path: Path) -> None:
    code, said, report = selftest(tmp_path, "--guest", os.environ["HCSD_GUEST"], "--patience", "2")
    assert code == 0, said
    assert report["engine"] == "windows"
    assert report["build"] == "10.0.18362"
    assert all(result["passed"] for result in report["results"])
    answers = {str(answer["id"]): answer for answer in report["answers"]}
    assert list(answers) == [question.id for question in QUESTIONS]
    assert report["stuck"] == []
    found = {
        name: answer["answer"] if answer["verdict"] == "different" else answer["verdict"]
        for name, answer in answers.items()
        if answer["verdict"] not in {"as assumed", "noted"}
    }
    assert found == WINE, said
    exports = answers["exports"]["details"]
    assert isinstance(exports, dict)
    assert "HcsdDoubleReset" in exports["unknown_to_hcsd"]  # the file of the DLL was read
    assert answers["pipe-room"]["answer"] == "stdout 65536, stderr 65536"
    assert answers["signal-stubborn"]["answer"] == "at once"


@pytest.mark.timeout(180)
def test_a_call_that_does_not_return_is_no_answer_and_not_the_end(tmp_path: Path) -> None:
    options = ["--only", "stdio-again", "--only", "no-program", "--patience", "0.5"]
    code, said, report = selftest(tmp_path, *options, script=blocked("HcsOpenProcess"))
    assert code == 0, said
    first, second = report["answers"]  # asked in the order of the catalogue
    assert (first["id"], first["verdict"]) == ("stdio-again", "no answer")
    assert (second["id"], second["answer"]) == ("no-program", "ERROR_FILE_NOT_FOUND")
    assert report["stuck"] == ["stdio-again"]


@pytest.mark.timeout(180)
def test_a_kill_behind_a_blocked_signal_is_an_answer(tmp_path: Path) -> None:
    options = ["--only", "kill-behind-signal", "--patience", "2"]
    code, said, report = selftest(tmp_path, *options, script=blocked("HcsSignalProcess"))
    assert code == 0, said
    [answer] = report["answers"]
    assert answer["answer"] == "the kill is at once"
    details = answer["details"]
    assert isinstance(details, dict)
    assert details["signal"] == "under way"
    assert report["stuck"] == ["kill-behind-signal"]
