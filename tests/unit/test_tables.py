"""Reasons and settings are one list each: documentation, contract and clients follow from it."""

import dataclasses
import re

import pytest

from hcsd.daemon.errors import LimitError
from hcsd.daemon.reasons import Reason
from hcsd.daemon.settings import OPTIONS, Limits
from hcsd.rpc.status import CODES
from tests.tables import ROOT, TABLES, Table

# Where each client has its classes by code and reason, and how a row of that reads.
CLIENTS = {
    "clients/python/hcsd_client/_errors.py": r'StatusCode\.([A-Z_]+), "([A-Z_]+)"\)',
    "clients/go/classes.go": r'codes\.([A-Za-z]+), "([A-Z_]+)"\}',
    "clients/rust/src/status.rs": r'Code::([A-Za-z]+), "([A-Z_]+)"\)',
    "clients/java/hcsd/src/main/java/hcsd/Failures.java": r'Code\.([A-Z_]+), "([A-Z_]+)"\)',
    "clients/typescript/src/status.ts": r"^    ([A-Z_]+): errors\.()",
}
HAVE_A_CLASS = {
    Reason.DAEMON_RESTARTED,
    Reason.EXECUTABLE_NOT_FOUND,
    Reason.OUTPUT_EVICTED,
    Reason.REQUEST_ID_REUSED,
    Reason.REVISION_COMPACTED,
    Reason.STDIN_BUSY,
    Reason.STDIN_CLOSED,
    Reason.STDIN_TAKEN_OVER,
    Reason.SUBSCRIBER_STALLED,
}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.path)
def test_a_table_says_what_the_list_says(table: Table) -> None:
    text = (ROOT / table.path).read_text(encoding="utf-8")
    assert table.begin + "\n" in text
    assert text == table.expected(), "run: .venv/bin/python -m tests.tables, then make generate"


@pytest.mark.parametrize("path", CLIENTS, ids=lambda path: path.split("/")[1])
def test_a_client_has_a_class_for_each_of_these_reasons_by_its_code(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    found = set()
    for code, reason in re.findall(CLIENTS[path], text, re.MULTILINE):
        if not reason:  # it stands below its code, and was found in its place
            block = text[: text.index(f"    {code}: errors.")]
            codes = re.findall(r"^  ([A-Z_]+): \{", block, re.MULTILINE)
            found.add((codes[-1], code))
        else:
            found.add((re.sub(r"(?<=[a-z])(?=[A-Z])", "_", code).upper(), reason))
    assert found == {(CODES[reason.kind].name, reason.name) for reason in HAVE_A_CLASS}


def test_every_reason_is_one_that_the_daemon_gives() -> None:
    code = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "hcsd").rglob("*.py")
        if path.name != "reasons.py"
    )
    given = set(re.findall(r"\bReason\.([A-Z_]+)", code))
    limits = set(re.findall(r'LimitError\(\s*"max_([a-z_]+)"', code))
    assert given | {f"TOO_MANY_{limit.upper()}" for limit in limits} == {r.name for r in Reason}


@pytest.mark.parametrize("reason", [r for r in Reason if r.name.startswith("TOO_MANY_")])
def test_a_limit_is_told_with_the_option_that_raises_it(reason: Reason) -> None:
    name = f"max_{reason.name.removeprefix('TOO_MANY_').lower()}"
    error = LimitError(name, 3, "end one")
    assert error.reason == reason.name
    assert f"--{OPTIONS[name].option}'" in error.message


def test_a_setting_is_known_by_one_name_each() -> None:
    names = [field.name for field in dataclasses.fields(Limits)]
    options = [setting.option for setting in OPTIONS.values()]
    assert len(set(names)) == len(names)
    assert len(set(options)) == len(options)
