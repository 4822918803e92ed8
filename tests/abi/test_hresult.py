"""Result codes: one row for each condition, whatever dress it arrives in."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcsd.abi.hresult import (
    HR,
    Kind,
    describe,
    from_win32,
    is_pending,
    normalise,
    succeeded,
    unsigned,
)

every_row = pytest.mark.parametrize("row", list(HR), ids=lambda row: row.name)

# Written down from Microsoft's page HCSHResult and winerror.h, not from the table.
SERVICE = {
    "HCS_E_TERMINATED_DURING_START": 0x80370100,
    "HCS_E_IMAGE_MISMATCH": 0x80370101,
    "HCS_E_HYPERV_NOT_INSTALLED": 0x80370102,
    "HCS_E_INVALID_STATE": 0x80370105,
    "HCS_E_UNEXPECTED_EXIT": 0x80370106,
    "HCS_E_TERMINATED": 0x80370107,
    "HCS_E_CONNECT_FAILED": 0x80370108,
    "HCS_E_CONNECTION_TIMEOUT": 0x80370109,
    "HCS_E_CONNECTION_CLOSED": 0x8037010A,
    "HCS_E_UNKNOWN_MESSAGE": 0x8037010B,
    "HCS_E_UNSUPPORTED_PROTOCOL_VERSION": 0x8037010C,
    "HCS_E_INVALID_JSON": 0x8037010D,
    "HCS_E_SYSTEM_NOT_FOUND": 0x8037010E,
    "HCS_E_SYSTEM_ALREADY_EXISTS": 0x8037010F,
    "HCS_E_SYSTEM_ALREADY_STOPPED": 0x80370110,
    "HCS_E_PROTOCOL_ERROR": 0x80370111,
    "HCS_E_INVALID_LAYER": 0x80370112,
    "HCS_E_WINDOWS_INSIDER_REQUIRED": 0x80370113,
    "HCS_E_SERVICE_NOT_AVAILABLE": 0x80370114,
    "HCS_E_OPERATION_NOT_STARTED": 0x80370115,
    "HCS_E_OPERATION_ALREADY_STARTED": 0x80370116,
    "HCS_E_OPERATION_PENDING": 0x80370117,
    "HCS_E_OPERATION_TIMEOUT": 0x80370118,
    "HCS_E_OPERATION_SYSTEM_CALLBACK_ALREADY_SET": 0x80370119,
    "HCS_E_OPERATION_RESULT_ALLOCATION_FAILED": 0x8037011A,
    "HCS_E_ACCESS_DENIED": 0x8037011B,
    "HCS_E_GUEST_CRITICAL_ERROR": 0x8037011C,
    "HCS_E_PROCESS_INFO_NOT_AVAILABLE": 0x8037011D,
    "HCS_E_SERVICE_DISCONNECT": 0x8037011E,
    "HCS_E_PROCESS_ALREADY_STOPPED": 0x8037011F,
    "HCS_E_SYSTEM_NOT_CONFIGURED_FOR_OPERATION": 0x80370120,
    "HCS_E_OPERATION_ALREADY_CANCELLED": 0x80370121,
}

WIN32 = {
    "ERROR_FILE_NOT_FOUND": 2,
    "ERROR_PATH_NOT_FOUND": 3,
    "E_ACCESSDENIED": 5,
    "ERROR_INVALID_HANDLE": 6,
    "ERROR_INVALID_DATA": 13,
    "E_OUTOFMEMORY": 14,
    "ERROR_SHARING_VIOLATION": 32,
    "ERROR_NOT_SUPPORTED": 50,
    "E_INVALIDARG": 87,
    "ERROR_BROKEN_PIPE": 109,
    "ERROR_PROC_NOT_FOUND": 127,
    "ERROR_ALREADY_EXISTS": 183,
    "ERROR_BAD_EXE_FORMAT": 193,
    "ERROR_DIRECTORY": 267,
    "ERROR_OPERATION_ABORTED": 995,
    "ERROR_NOT_FOUND": 1168,
    "ERROR_LOGON_FAILURE": 1326,
    "ERROR_NO_SYSTEM_RESOURCES": 1450,
    "ERROR_TIMEOUT": 1460,
    "RPC_S_SERVER_UNAVAILABLE": 1722,
    "RPC_S_CALL_FAILED": 1726,
    "RPC_S_CALL_FAILED_DNE": 1727,
    "RPC_X_SS_IN_NULL_CONTEXT": 1775,
    "ERROR_NOT_A_REPARSE_POINT": 4390,
    "ERROR_INVALID_STATE": 5023,
}

OTHER = {
    "S_OK": 0,
    "S_FALSE": 1,
    "E_NOTIMPL": 0x80004001,
    "E_POINTER": 0x80004003,
    "E_FAIL": 0x80004005,
    "E_UNEXPECTED": 0x8000FFFF,
    "ERROR_VMCOMPUTE_TOO_MANY_NOTIFICATIONS": 0xC0370104,
}


def signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


def test_table_holds_every_code_of_the_reference_and_no_other() -> None:
    win32 = {symbol: 0x80070000 | code for symbol, code in WIN32.items()}
    assert {row.code.symbol: int(row) for row in HR} == SERVICE | win32 | OTHER


@every_row
def test_member_is_the_row(row: HR) -> None:
    assert row == row.code.value == row.value
    assert row.code.symbol in {row.name, f"HCS_E_{row.name}"}
    assert describe(row) is row.code


@every_row
def test_row_has_a_kind_and_prose(row: HR) -> None:
    assert (row.code.kind is Kind.SUCCESS) == (row < 2)
    assert (row.code.kind is Kind.UNKNOWN) == (row is HR.E_FAIL)
    assert re.fullmatch(r"[a-z][a-z0-9 ,']+[a-z0-9]", row.code.meaning)


@every_row
def test_every_spelling_signed_or_not_leads_to_the_row(row: HR) -> None:
    for value in (row.code.value, *row.code.aliases):
        for dress in (value, signed(value)):
            assert normalise(dress) == row
            assert describe(dress) is row.code


@pytest.mark.parametrize("symbol", SERVICE)
def test_code_of_vmcompute_is_the_twin_of_the_services(symbol: str) -> None:
    assert describe(SERVICE[symbol] + 0x40000000).symbol == symbol


@pytest.mark.parametrize("symbol", WIN32)
def test_bare_win32_error_is_read_as_such_only_when_told(symbol: str) -> None:
    code = WIN32[symbol]
    assert normalise(code, win32=True) == from_win32(code) == HR[symbol]
    assert normalise(code) == code


def test_no_spelling_means_two_things() -> None:
    spellings = [value for row in HR for value in (row.code.value, *row.code.aliases)]
    assert len(set(spellings)) == len(spellings)


def test_legacy_pending_has_no_twin_by_arithmetic() -> None:
    assert normalise(0xC0370103) == HR.OPERATION_PENDING
    assert describe(0x80370103).kind is Kind.UNKNOWN
    assert normalise(0xC0370104) == 0xC0370104
    assert describe(0xC0370104).kind is Kind.EXHAUSTED


def test_twin_of_a_code_that_is_newer_than_the_table_is_normalised() -> None:
    assert normalise(0xC03701F0) == 0x803701F0
    assert normalise(0xC0370201) == 0xC0370201, "the hypervisor's, not the service's"


def test_bad_directory_is_not_unknown_message() -> None:
    assert describe(0x8007010B).symbol == "ERROR_DIRECTORY"
    assert describe(0x8007010B).kind is Kind.INVALID
    assert describe(0x8037010B).symbol == "HCS_E_UNKNOWN_MESSAGE"
    assert describe(0xC037010B).kind is Kind.UNSUPPORTED
    assert normalise(267, win32=True) == HR.ERROR_DIRECTORY


@pytest.mark.parametrize(
    ("literal", "decoded", "symbol"),
    [
        (-0x7FC8_FF00, 0x80370100, "HCS_E_TERMINATED_DURING_START"),
        (-0x7FFF_FFFB, 0x80000005, "HRESULT_0x80000005"),
        (-0x7FC8_FEFD, 0x80370103, "HRESULT_0x80370103"),
        (-0x7FC8_FEF7, 0x80370109, "HCS_E_CONNECTION_TIMEOUT"),
        (-0x7FC8_FFFE, 0x80370002, "HRESULT_0x80370002"),
        (-0x7FC8_FFFD, 0x80370003, "HRESULT_0x80370003"),
    ],
)
def test_wrong_literals_seen_in_another_client_decode_to_what_they_are(
    literal: int, decoded: int, symbol: str
) -> None:
    assert unsigned(literal) == decoded
    assert describe(literal).symbol == symbol


@pytest.mark.parametrize(
    ("hr", "symbol", "meaning"),
    [
        (0x80070035, "HRESULT_0x80070035", "windows error 53"),
        (-0x7FF8FFCB, "HRESULT_0x80070035", "windows error 53"),
        (0x8ABCDEF0, "HRESULT_0x8ABCDEF0", "unknown result"),
        (0x0000002A, "HRESULT_0x0000002A", "unknown result"),
    ],
)
def test_unknown_code_is_described_by_its_number(hr: int, symbol: str, meaning: str) -> None:
    code = describe(hr)
    assert (code.symbol, code.meaning, code.kind) == (symbol, meaning, Kind.UNKNOWN)
    assert code.value == unsigned(hr)
    assert code.aliases == ()


@given(st.integers(-(1 << 31), (1 << 32) - 1))
def test_every_number_has_a_description(hr: int) -> None:
    code = describe(hr)
    assert code.symbol
    assert normalise(normalise(hr)) == normalise(hr) == code.value
    assert normalise(signed(unsigned(hr))) == normalise(hr)


@pytest.mark.parametrize(
    ("code", "hr"),
    [(0, 0), (5, 0x80070005), (0x80005, 0x80070005), (0x80070005, 0x80070005), (-1, 0xFFFFFFFF)],
)
def test_win32_wrapping_leaves_success_and_hresults_alone(code: int, hr: int) -> None:
    assert from_win32(code) == hr


def test_success_is_a_clear_sign_bit() -> None:
    assert all(succeeded(hr) for hr in (0, 1, 0x0000002A, 0x7FFFFFFF))
    assert not any(succeeded(hr) for hr in (-1, 0x80004005, HR.OPERATION_PENDING, 0xC0370103))


@pytest.mark.parametrize("hr", [0x102, 0x80070102, 0x800705B4, 0x80370118, 0xC0370118])
def test_a_wait_that_timed_out_never_counts_as_success(hr: int) -> None:
    assert not succeeded(hr)
    assert describe(hr).kind is Kind.TOO_LATE


def test_pending_is_recognised_in_every_dress() -> None:
    assert all(is_pending(hr) for hr in (0x80370117, 0xC0370117, 0xC0370103, -0x7FC8FEE9))
    assert not any(is_pending(hr) for hr in (0, 0x80370103, 0x80370116))
