"""What a call about a compute system fails with."""

import pytest

from hcsd.abi.hresult import HR, Kind
from hcsd.daemon.system_errors import failure
from hcsd.hcs.library import error_for

QUERY = "HcsGetComputeSystemProperties"


@pytest.mark.parametrize("hresult", [HR.E_ACCESSDENIED, HR.ERROR_INVALID_HANDLE, HR.INVALID_STATE])
def test_a_system_that_starts_or_stops_has_no_figures_in_its_state(hresult: int) -> None:
    error = failure(error_for(hresult, QUERY, subject="query it", document=None), "one")
    assert error.kind is Kind.WRONG_STATE
    assert error.reason == "HCS_E_INVALID_STATE"


def test_another_call_that_is_denied_is_denied() -> None:
    error = failure(error_for(HR.E_ACCESSDENIED, "HcsModifyComputeSystem"), "one")
    assert error.kind is Kind.DENIED
