"""Sizes, offsets and values of the ABI, as literals: what a 64-bit computecore.dll expects."""

import ctypes
import enum

import pytest

from hcsd.abi import types as abi

pytestmark = pytest.mark.skipif(
    ctypes.sizeof(ctypes.c_void_p) != 8, reason="the service exists on 64-bit Windows only"
)

LAYOUTS: dict[type[ctypes.Structure], tuple[int, dict[str, tuple[int, int]]]] = {
    abi.HCS_EVENT: (24, {"Type": (0, 4), "EventData": (8, 8), "Operation": (16, 8)}),
    abi.HCS_PROCESS_INFORMATION: (
        32,
        {
            "ProcessId": (0, 4),
            "Reserved": (4, 4),
            "StdInput": (8, 8),
            "StdOutput": (16, 8),
            "StdError": (24, 8),
        },
    ),
}

ENUMS: dict[type[enum.IntEnum | enum.IntFlag], dict[str, int]] = {
    abi.HCS_OPERATION_TYPE: {
        "HcsOperationTypeNone": -1,
        "HcsOperationTypeEnumerate": 0,
        "HcsOperationTypeCreate": 1,
        "HcsOperationTypeStart": 2,
        "HcsOperationTypeShutdown": 3,
        "HcsOperationTypePause": 4,
        "HcsOperationTypeResume": 5,
        "HcsOperationTypeSave": 6,
        "HcsOperationTypeTerminate": 7,
        "HcsOperationTypeModify": 8,
        "HcsOperationTypeGetProperties": 9,
        "HcsOperationTypeCreateProcess": 10,
        "HcsOperationTypeSignalProcess": 11,
        "HcsOperationTypeGetProcessInfo": 12,
        "HcsOperationTypeGetProcessProperties": 13,
        "HcsOperationTypeModifyProcess": 14,
        "HcsOperationTypeCrash": 15,
    },
    abi.HCS_EVENT_TYPE: {
        "HcsEventInvalid": 0,
        "HcsEventSystemExited": 1,
        "HcsEventSystemCrashInitiated": 2,
        "HcsEventSystemCrashReport": 3,
        "HcsEventSystemRdpEnhancedModeStateChanged": 4,
        "HcsEventSystemSiloJobCreated": 5,
        "HcsEventSystemGuestConnectionClosed": 6,
        "HcsEventProcessExited": 0x10000,
        "HcsEventOperationCallback": 0x1000000,
        "HcsEventServiceDisconnect": 0x2000000,
        "HcsEventGroupVmLifecycle": 0x80000002,
        "HcsEventGroupLiveMigration": 0x80000003,
        "HcsEventGroupOperationInfo": 0xC0000001,
    },
    abi.HCS_EVENT_OPTIONS: {
        "HcsEventOptionNone": 0,
        "HcsEventOptionEnableOperationCallbacks": 1,
    },
}


@pytest.mark.parametrize("structure", LAYOUTS, ids=lambda s: s.__name__)
def test_structure_has_the_layout_of_the_header(structure: type[ctypes.Structure]) -> None:
    size, fields = LAYOUTS[structure]
    measured = {
        name: (getattr(structure, name).offset, getattr(structure, name).size)
        for name, *_ in structure._fields_
    }
    assert measured == fields
    assert ctypes.sizeof(structure) == size


@pytest.mark.parametrize("kind", ENUMS, ids=lambda k: k.__name__)
def test_enum_has_exactly_the_values_of_the_header(
    kind: type[enum.IntEnum | enum.IntFlag],
) -> None:
    assert {name: int(member) for name, member in kind.__members__.items()} == ENUMS[kind]


def test_scalars_have_a_fixed_width() -> None:
    widths = {
        "HRESULT": 4,
        "DWORD": 4,
        "UINT32": 4,
        "ENUM": 4,
        "FLAGS": 4,
        "UINT64": 8,
        "PVOID": 8,
    }
    assert {name: ctypes.sizeof(getattr(abi, name)) for name in widths} == widths
    assert abi.HRESULT(0x8037010E).value == 0x8037010E - (1 << 32)
    assert abi.ENUM(0xFFFFFFFF).value == -1
    assert abi.FLAGS(-1).value == 0xFFFFFFFF


def test_constants_are_unsigned() -> None:
    assert abi.INFINITE == 0xFFFFFFFF
    assert abi.GENERIC_ALL == 0x10000000
    assert abi.INVALID_HANDLE_VALUE == 0xFFFFFFFFFFFFFFFF
    assert abi.HANDLE(-1).value == abi.INVALID_HANDLE_VALUE
    assert abi.HCS_INVALID_OPERATION_ID == 0xFFFFFFFFFFFFFFFF


def test_event_type_is_read_unsigned_and_unknown_ones_are_tolerated() -> None:
    event = abi.HCS_EVENT(Type=0x80000009)
    kind = abi.HCS_EVENT_TYPE(event.Type)
    assert kind == 0x80000009
    assert kind.name == "HCS_EVENT_TYPE_0x80000009"
    assert kind not in list(abi.HCS_EVENT_TYPE)


def test_operation_type_of_a_newer_build_is_tolerated() -> None:
    assert abi.HCS_OPERATION_TYPE(19) == 19
    assert abi.HCS_OPERATION_TYPE(-5).name == "HCS_OPERATION_TYPE_0xFFFFFFFB"


@pytest.mark.parametrize("value", [1 << 32, -(1 << 31) - 1, "1"])
def test_what_is_no_32_bit_number_is_no_event_type(value: int) -> None:
    with pytest.raises(ValueError, match="not a valid HCS_EVENT_TYPE"):
        abi.HCS_EVENT_TYPE(value)


def test_event_options_of_a_newer_build_are_kept() -> None:
    assert abi.HCS_EVENT_OPTIONS(0x7) == 0x7


def test_handles_in_a_structure_keep_all_bits() -> None:
    info = abi.HCS_PROCESS_INFORMATION(StdOutput=0xFFFF_FFFF_8000_0001)
    assert info.StdOutput.value == 0xFFFF_FFFF_8000_0001
    assert info.StdError.value is None
