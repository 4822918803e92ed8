"""Every option of docker and systemd-run is accounted for: it is ours, or its hint says what to do."""

import pytest

from hcsd.cli.words_elsewhere import hint_for_option
from tests.options_elsewhere import ALL, Elsewhere, rows


@pytest.mark.parametrize("elsewhere", ALL, ids=lambda elsewhere: elsewhere.name)
def test_something_is_said_of_each_option(elsewhere: Elsewhere) -> None:
    said = list(rows(elsewhere))
    assert [row.spellings for row in said if not row.told] == []
    assert len({row.spellings[0] for row in said}) == len(said)


@pytest.mark.parametrize("elsewhere", ALL, ids=lambda elsewhere: elsewhere.name)
def test_each_form_that_is_missing_is_answered(elsewhere: Elsewhere) -> None:
    missing = [form for row in rows(elsewhere) for form in row.missing]
    assert [form for form in missing if not hint_for_option(elsewhere.ours, form)] == []


def test_what_is_ours_and_what_is_not_are_told_apart() -> None:
    said = {
        (elsewhere.name, row.spellings[0]): row.told for elsewhere in ALL for row in rows(elsewhere)
    }
    assert said["docker run", "--env"] == "have"
    assert said["docker run", "--help"] == "have"
    assert said["docker run", "--hostname"].endswith("; '-h' is '--help' here")
    assert said["docker logs", "--tail"] == "have"
    assert said["systemd-run", "--same-dir"] == "write '--workdir .'; '-d' is '--detach' here"
    assert said["systemd-run", "--user"].startswith("names a user here")
    assert "there are no images" in said["docker run", "--platform"]
