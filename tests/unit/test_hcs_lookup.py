"""Whether a process under a pid is the one that was lost."""

import pytest

from hcsd.hcs.lookup import Verdict, judge
from hcsd.hcs.schema import ProcessDetails

CREATED = (1000.0, 1002.0)
SLACK = 1.0


@pytest.mark.parametrize(
    ("listed", "verdict"),
    [
        (None, Verdict.ENDED),
        (ProcessDetails(7, None), Verdict.CANNOT_TELL),
        (ProcessDetails(7, 0.0), Verdict.CANNOT_TELL),
        (ProcessDetails(7, 998.9), Verdict.CANNOT_TELL),
        (ProcessDetails(7, 999.0), Verdict.FOUND),
        (ProcessDetails(7, 1001.0), Verdict.FOUND),
        (ProcessDetails(7, 1003.0), Verdict.FOUND),
        (ProcessDetails(7, 1003.1), Verdict.CANNOT_TELL),
    ],
)
def test_only_what_was_created_when_ours_was_is_taken_for_ours(
    listed: ProcessDetails | None, verdict: Verdict
) -> None:
    assert judge(listed, CREATED, SLACK) is verdict


def test_an_opened_process_may_have_been_created_at_any_time_before() -> None:
    opened = (0.0, 1000.0)
    assert judge(ProcessDetails(7, 3.0), opened, SLACK) is Verdict.FOUND
    assert judge(ProcessDetails(7, 1001.1), opened, SLACK) is Verdict.CANNOT_TELL
