"""The conformance suite's own judgement: a case that does not come out must be told."""

import re
from pathlib import Path

import pytest

from tests.conformance import offers
from tests.conformance.case import CASES, Step
from tests.conformance.languages import LANGUAGES
from tests.conformance.matching import differences, fill


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"exit_code": 0}, {"exit_code": 0, "signal": 0}),
        ({"code": {"absent": True}}, {}),
        ({"bytes": {"at_least": 3}}, {"bytes": 3}),
        ({"bytes": {"below": 3}}, {"bytes": 2}),
        ({"message": {"contains": "no"}}, {"message": "nobody"}),
        ({"class": {"one_of": ["A", "B"]}}, {"class": "B"}),
        ([{"field": "a"}, {"field": "b"}], [{"field": "a", "rule": "x"}, {"field": "b"}]),
    ],
)
def test_what_fits_is_no_difference(wanted: object, found: object) -> None:
    assert differences(wanted, found) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"exit_code": 0}, {"exit_code": False}),
        ({"exit_code": 0}, {}),
        ({"exit_code": 0}, None),
        ({"code": {"absent": True}}, {"code": "NOT_FOUND"}),
        ({"bytes": {"at_least": 3}}, {"bytes": 2}),
        ({"bytes": {"at_least": 3}}, {"bytes": "3"}),
        ({"bytes": {"below": 3}}, {"bytes": 3}),
        ({"message": {"contains": "no"}}, {"message": "yes"}),
        ({"class": {"one_of": ["A", "B"]}}, {"class": "C"}),
        ([{"field": "a"}], [{"field": "a"}, {"field": "b"}]),
        ([{"field": "a"}, {"field": "b"}], [{"field": "b"}, {"field": "a"}]),
    ],
)
def test_what_does_not_fit_is_told(wanted: object, found: object) -> None:
    assert len(differences(wanted, found)) >= 1


def test_a_reference_is_filled_in_whole_or_in_part() -> None:
    known = {"big": {"bytes": 7, "path": "/x"}, "n": 3, "times": [5, 6]}
    filled = fill(
        {"a": "$big.bytes", "b": ["p$n", "$$1"], "c": "cat $big.path", "d": "$times.1"}, known
    )
    assert filled == {"a": 7, "b": ["p3", "$1"], "c": "cat /x", "d": 6}
    with pytest.raises(KeyError, match="known are big, n, times"):
        fill("$nothing", known)


def test_every_case_asks_something_and_fails_for_known_languages_only() -> None:
    names = {language.name for language in LANGUAGES}
    for case in CASES:
        assert case.title.endswith(".")
        assert set(case.known_failing) <= names
        assert any(step.ok or step.error or step.do == "suite.count" for step in case.steps), case


def test_the_features_are_those_of_the_protocol() -> None:
    text = Path(offers.__file__).with_name("PROTOCOL.md").read_text("utf-8")
    block = text.partition("made of these.\n\n")[2].partition("\n\n")[0]
    lists = (re.split(r" {2,}", line.strip())[0] for line in block.splitlines())
    assert [name for names in lists for name in names.split()] == list(offers.FEATURES)


def test_a_column_of_offers_is_written_and_the_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{offers.BEGIN}{offers.END}after\n")
    monkeypatch.setattr(offers, "PAGE", page)
    go, rust = {"run": "client.Run(ctx, a | b)", "stubs": "hcsdv1"}, {"run": "Client::run"}
    offers.write({"go": go})
    offers.write({"rust": rust})
    offers.write({"rust": rust | {"pin": ".pin(true)"}})
    assert {name: column for name, column in offers.shown().items() if column} == {
        "go": go,
        "rust": rust | {"pin": ".pin(true)"},
    }
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")


def test_a_step_of_the_suite_has_arguments_of_its_own_only() -> None:
    for case in CASES:
        for step in case.steps:
            if step.do.startswith("suite.") and step.do != "suite.await":
                bare = Step(step.do, step.arguments)
                assert step == bare, f"{case}: {step.do} would not get all that is said"
