"""What HCS has no place for: refused where HCS is asked, and in the document elsewhere."""

import json

from hcsd.daemon.guests import Guest
from hcsd.daemon.process_shape import NO_SHAPE, ResourceLimit, Shape
from hcsd.daemon.raw_document import read_document
from hcsd.daemon.spec import ProcessSpec, parameters

WINDOWS, LINUX = Guest
WHOLE = Shape(
    uid=1,
    gid=0,
    supplementary_groups=(4, 5),
    resource_limits=(ResourceLimit("core", 0, 0), ResourceLimit("core", 1, 2)),
    umask=0,
    oom_score_adj=0,
    no_new_privileges=True,
)


def test_a_document_for_hcs_has_no_member_that_hcs_does_not_know() -> None:
    assert json.loads(parameters(ProcessSpec(argv=("true",)), WINDOWS)).keys() == {
        "CommandLine", "CreateStdOutPipe", "CreateStdErrPipe"
    }  # fmt: skip


def test_what_was_asked_for_is_in_the_document_and_0_is_something() -> None:
    document = json.loads(parameters(ProcessSpec(argv=("true",), shape=WHOLE), LINUX))
    assert document["Uid"] == 1
    assert (document["Gid"], document["Umask"], document["OomScoreAdj"]) == (0, 0, 0)
    assert document["SupplementaryGroups"] == [4, 5]
    assert document["ResourceLimits"] == {"core": [1, 2]}
    assert document["NoNewPrivileges"] is True


def test_what_a_raw_document_asks_for_is_shown() -> None:
    document = parameters(ProcessSpec(argv=("true",), shape=WHOLE), LINUX)
    shown = read_document(document).shape
    assert shown.resource_limits == (ResourceLimit("core", 1, 2),)
    assert (shown.uid, shown.gid, shown.umask, shown.oom_score_adj) == (1, 0, 0, 0)
    assert shown.supplementary_groups == (4, 5)
    assert shown.no_new_privileges
    wrong = {"Uid": "x", "Gid": True, "Umask": [], "ResourceLimits": {"core": 1, "cpu": [1]}}
    assert read_document(json.dumps(wrong)).shape == NO_SHAPE
