"""What people can do about an error: a remedy for each reason."""

import re
from itertools import chain

import pytest
from google.rpc import error_details_pb2, status_pb2

from hcsd.abi.hresult import HR
from hcsd.cli.main_group import GROUPS
from hcsd.cli.remedies import OF_STARTS, REMEDIES, remedy_of
from hcsd.daemon.reasons import Reason
from hcsd.embedded.keeper.child import STAGES
from hcsd_client._errors import CallError, error_from_status


def error(reason: str, **facts: str) -> CallError:
    status = status_pb2.Status(code=9, message="it did not work")
    info = error_details_pb2.ErrorInfo(reason=reason, domain="hcsd", metadata=facts)
    status.details.add().Pack(info)
    return error_from_status(status)


def test_each_reason_has_a_remedy() -> None:
    own = {reason.name for reason in Reason}
    symbols = {code.code.symbol for code in HR}
    assert own - REMEDIES.keys() == set()
    assert REMEDIES.keys() - own - symbols == set()
    assert {stage for stage, _ in OF_STARTS} <= {*STAGES, "working_directory"} - {"directory"}


def test_a_remedy_names_commands_that_there_are() -> None:
    commands = set(chain.from_iterable(GROUPS.values()))
    texts = [*REMEDIES.values(), *OF_STARTS.values()]
    named = {word for text in texts for word in re.findall(r"\bhcsd ([a-z]+)", text)}
    assert named
    assert named <= commands


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"process": "systems/host/processes/a"}, "'hcsd stop a'"),
        ({"process": "systems/b/processes/a"}, "'hcsd stop systems/b/processes/a'"),
        ({}, ""),
    ],
)
def test_a_remedy_has_the_name_as_commands_take_it(facts: dict[str, str], said: str) -> None:
    remedy = remedy_of(error("PROCESS_RUNNING", **facts))
    assert said in remedy
    assert bool(said) == bool(remedy)


def test_a_system_whose_id_has_blanks_goes_by_its_name() -> None:
    remedy = remedy_of(error("HCS_E_SYSTEM_ALREADY_EXISTS", system="systems/a%20b"))
    assert "'hcsd system rm systems/a%20b'" in remedy


def test_the_stage_of_a_start_goes_before_the_reason() -> None:
    facts = {"stage": "executable", "errno": "13"}
    assert "chmod +x" in remedy_of(error("E_ACCESSDENIED", **facts))
    assert remedy_of(error("E_ACCESSDENIED")) == ""
    assert remedy_of(error("A_REASON_OF_A_LATER_VERSION")) == ""
