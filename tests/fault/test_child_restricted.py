"""What a daemon may not give a process is refused in words, with the step that failed."""

import errno

from hcsd.abi.hresult import HR
from tests.fault.test_restricted import pytestmark as needs_setpriv
from tests.fault.test_restricted import without

pytestmark = needs_setpriv

DENIED = f"{HR.E_ACCESSDENIED:#x}"


def test_other_users_higher_limits_and_lower_scores_are_refused_by_name() -> None:
    findings = without("setuid setgid sys_resource", "refused_rights")
    assert isinstance(findings, dict)
    assert {name: found[:3] for name, found in findings.items() if name != "own"} == {
        "user": [DENIED, "user", errno.EPERM],
        "uid": [DENIED, "user", errno.EPERM],
        "group": [DENIED, "user", errno.EPERM],
        "limit": [DENIED, "limits", errno.EPERM],
        "score": [DENIED, "oom_score_adj", errno.EACCES],
    }
    texts = {name: found[3] for name, found in findings.items() if name != "own"}
    assert texts == {
        "user": "user 'nobody': Operation not permitted",
        "uid": "user '12345': Operation not permitted",
        "group": "groups of the process: Operation not permitted",
        "limit": "limit 'nofile': Operation not permitted",
        "score": "oom score -500: Permission denied",
    }
