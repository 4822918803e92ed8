"""Every error becomes one status that a client can read, whatever the request had in it."""

import base64
import logging

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # not in its stubs
from hypothesis import given, settings
from hypothesis import strategies as st

from hcsd.abi.hresult import HR, Kind
from hcsd.daemon.errors import (
    CreateFailedError,
    InvalidRequestError,
    ProcessNotFoundError,
    RequestError,
    StoppingError,
    Violation,
)
from hcsd.daemon.reasons import Reason
from hcsd.daemon.shorten import shorten
from hcsd.errors import HcsdError
from hcsd.hcs.errors import DocumentError, ErrorEvent, HcsError
from hcsd.rpc.grpc_log import GRPC_LOGGER
from hcsd.rpc.status import CODES, to_status
from hcsd.v1 import error_pb2
from tests.support.records import ours

anything = st.text(alphabet=st.characters(), max_size=20)  # surrogates, too
times = st.sampled_from([1, 20, 500])
much = st.builds(lambda text, count: text * count, anything, times)
prose = st.builds(lambda text, count: text * count, st.text(max_size=20), times)
few = settings(max_examples=30)


def info(status: status_pb2.Status) -> error_details_pb2.ErrorInfo:
    found = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(found)
    return found


def is_readable(status: status_pb2.Status) -> bool:
    """Whether a client takes it with its default of 8 KiB, counted as HTTP/2 counts.

    HTTP has three bytes for one of the message that it does not take, details are in base64, and each
    entry has 32 bytes of its own.
    """
    message = status.message.encode()
    escaped = sum(1 if 0x20 <= byte <= 0x7E and byte != 0x25 else 3 for byte in message)
    entries = {
        "grpc-status": 2,
        "grpc-message": escaped,
        "grpc-status-details-bin": len(base64.b64encode(status.SerializeToString())),
        "hcsd-request-id": 20,
    }
    return sum(len(name) + size + 32 for name, size in entries.items()) <= 8192


@given(text=anything, limit=st.integers(3, 60))
def test_a_shortened_text_fits_and_is_a_beginning(text: str, limit: int) -> None:
    cut = shorten(text, limit)
    assert len(cut.encode()) <= limit
    plain = text.encode(errors="replace").decode()
    assert cut == plain or (cut.endswith("…") and plain.startswith(cut[:-1]))


def test_a_text_that_fits_is_left_alone() -> None:
    assert shorten("exactly", 7) == "exactly"
    assert shorten("exactlyy", 7) == "exac…"
    assert shorten("ééé", 5) == "é…"
    assert shorten("a\ud800b", 9) == "a?b"


@few
@given(
    hresult=st.sampled_from([int(code) for code in HR if code >> 31])
    | st.integers(1 << 31, (1 << 32) - 1),
    text=much,
    document=much,
    events=st.lists(st.builds(ErrorEvent, much, much, st.integers(0, 2**32 - 1), much), max_size=5),
    system=much,
)
def test_whatever_hcs_says_a_client_can_read_it(
    hresult: int, text: str, document: str, events: list[ErrorEvent], system: str
) -> None:
    error = HcsError(hresult, "HcsX", text=text, document=document, events=tuple(events))
    for status in (to_status(error), to_status(CreateFailedError(error, system))):
        assert is_readable(status)
        assert status.code != 0
        assert info(status).metadata["hresult"] == f"0x{error.hresult:08X}"
        detail = error_pb2.HcsErrorDetail()
        assert status.details[1].Unpack(detail)
        assert detail.hresult == error.hresult
        assert detail.document in {"", document}


@few
@given(st.lists(st.builds(Violation, prose, prose, prose), min_size=1, max_size=60))
def test_however_many_violations_there_are_a_client_can_read_them(found: list[Violation]) -> None:
    status = to_status(InvalidRequestError(found))
    assert is_readable(status)
    assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert info(status).metadata["violations"] == str(len(found))


@pytest.mark.parametrize("character", ["x", "é", "\n", "\U0001f600"])
def test_a_violation_that_quotes_a_long_value_is_listed_shortened(character: str) -> None:
    long = character * 100_000
    status = to_status(InvalidRequestError([Violation(long, "rule", f"is {long}")] * 200))
    assert is_readable(status)
    bad = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad)
    left_out = 200 - len(bad.field_violations)
    assert 0 < left_out < 200
    assert info(status).metadata["violations_left_out"] == str(left_out)
    assert f"{left_out} of 200 violations are left out" in status.message


def test_all_violations_are_listed_in_their_order() -> None:
    found = [Violation(f"field_{number}", "rule", "is wrong") for number in range(20)]
    status = to_status(InvalidRequestError(found))
    bad = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad)
    assert [item.field for item in bad.field_violations] == [item.field for item in found]
    assert {item.reason for item in bad.field_violations} == {"rule"}
    assert "left out" not in status.message


@given(much)
def test_a_process_that_is_not_found_is_named(name: str) -> None:
    status = to_status(ProcessNotFoundError(name))
    assert is_readable(status)
    assert status.code == grpc.StatusCode.NOT_FOUND.value[0]


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (StoppingError(), grpc.StatusCode.UNAVAILABLE, "DAEMON_STOPPING"),
        (
            HcsError(HR.SYSTEM_NOT_FOUND, "HcsOpenComputeSystem"),
            grpc.StatusCode.NOT_FOUND,
            "HCS_E_SYSTEM_NOT_FOUND",
        ),
        (
            CreateFailedError(HcsError(HR.ERROR_FILE_NOT_FOUND, "f"), "systems/a"),
            grpc.StatusCode.NOT_FOUND,
            "EXECUTABLE_NOT_FOUND",
        ),
        (
            CreateFailedError(HcsError(HR.ERROR_DIRECTORY, "f"), "systems/a"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "WORKING_DIRECTORY_NOT_FOUND",
        ),
        (
            RequestError(Reason.STDIN_TAKEN_OVER, "x"),
            grpc.StatusCode.ABORTED,
            "STDIN_TAKEN_OVER",
        ),
        (DocumentError("no JSON"), grpc.StatusCode.INTERNAL, "E_UNEXPECTED"),
    ],
    ids=["stopping", "hcs", "program", "directory", "own", "document"],
)
def test_an_error_has_its_code_and_its_reason(
    error: Exception, code: grpc.StatusCode, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    status = to_status(error)
    assert status.code == code.value[0]
    assert (info(status).reason, info(status).domain) == (reason, "hcsd")
    assert ours(caplog) == []  # neither a client's mistake nor one of HCS is a fault of ours


def test_every_kind_of_failure_has_a_status_code_of_its_own() -> None:
    assert set(CODES) == set(Kind)
    assert len(set(CODES.values())) == len(CODES)


def test_a_retry_is_offered_where_it_may_help() -> None:
    status = to_status(HcsError(HR.SERVICE_DISCONNECT, "f"))
    assert status.code == grpc.StatusCode.UNAVAILABLE.value[0]
    retry = error_details_pb2.RetryInfo()
    assert status.details[2].Unpack(retry)
    assert retry.retry_delay.ToSeconds() > 0


@pytest.mark.parametrize("error", [KeyError("secret"), HcsdError("secret"), RecursionError()])
def test_a_fault_of_the_daemon_is_logged_and_shown_as_an_incident_only(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    status = to_status(error)
    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert "secret" not in str(status)
    (record,) = ours(caplog)
    assert record.levelno == logging.ERROR
    assert info(status).metadata["incident"] in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_a_client_that_leaves_before_its_answer_is_no_news(
    caplog: pytest.LogCaptureFixture,
) -> None:
    grpc_logger = logging.getLogger(GRPC_LOGGER)
    for error in (cygrpc.ExecuteBatchError("gone"), cygrpc.InternalError("a fault"), None):
        grpc_logger.error("%r", error, exc_info=error)
    heard = [record.message for record in caplog.records if record.name == GRPC_LOGGER]
    assert heard == ["InternalError('a fault')", "None"]
