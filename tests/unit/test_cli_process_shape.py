"""Options of `hcsd run` about limits and rights."""

import pytest
import typer

from hcsd.cli.process_shape import UNLIMITED, check_limits, check_umask, shape
from hcsd.v1 import process_pb2 as pb


def test_what_is_not_said_is_not_in_the_spec() -> None:
    spec = pb.ProcessSpec()
    shape(spec, "", [], None, no_new_privileges=False)
    assert spec == pb.ProcessSpec()


def test_what_is_said_is_in_the_spec() -> None:
    spec = pb.ProcessSpec()
    shape(spec, "0", ["NOFILE=1:2", "core=-1", "cpu=1:unlimited"], 0, no_new_privileges=True)
    assert spec == pb.ProcessSpec(
        umask=0,
        oom_score_adj=0,
        no_new_privileges=True,
        resource_limits=[
            pb.ResourceLimit(name="nofile", soft=1, hard=2),
            pb.ResourceLimit(name="core", soft=UNLIMITED, hard=UNLIMITED),
            pb.ResourceLimit(name="cpu", soft=1, hard=UNLIMITED),
        ],
    )


@pytest.mark.parametrize(
    "text",
    [
        *("", "nofile", "=1", "nofile=", "nofile=x", "nofile=1:x", "nofile=2:1", "nofile=\u00b2"),
        *("nofile=18446744073709551616", "nofile=" + "9" * 5000, "nofile=-2"),
    ],
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        check_limits([text])


@pytest.mark.parametrize("text", ["8", "1000", "-1", "x", "0x1"])
def test_what_is_no_umask_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        check_umask(text)
