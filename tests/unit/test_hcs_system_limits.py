"""Limits of systems, out of what the engine tells and out of what was asked for."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcsd.hcs.system_limits import MAX_UINT32, MAX_UINT64, SystemLimits

MEMBERS = ("MemoryBytes", "Container", "VirtualMachine", "ComputeTopology", "Memory", "Processor")
NAMES = (*MEMBERS, "SizeInMB", "Count", "Weight", "Maximum", "Limit", "Limits", "MaxTasks")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner),
)


def asked(**document: object) -> SystemLimits | None:
    return SystemLimits.asked(json.dumps(document))


@pytest.mark.parametrize(
    ("document", "limits"),
    [
        ({"Container": {}}, SystemLimits()),
        ({"Container": {"Memory": {"SizeInMB": 64}}}, SystemLimits(memory_bytes=64 << 20)),
        ({"Container": {"Processor": {"Count": 2}}}, SystemLimits(processor_millis=2000)),
        ({"Container": {"Processor": {"Weight": 500}}}, SystemLimits(processor_weight=500)),
        (
            {"Container": {"Processor": {"Maximum": 5000}}},
            SystemLimits(processor_millis=(os.cpu_count() or 1) * 500),
        ),
        (
            {
                "VirtualMachine": {
                    "ComputeTopology": {
                        "Memory": {"SizeInMB": 1024},
                        "Processor": {"Count": 4, "Limit": 50_000, "Weight": 200},
                    }
                }
            },
            SystemLimits(1 << 30, 2000, 200),
        ),
    ],
    ids=["nothing", "memory", "count", "weight", "maximum", "virtual machine"],
)
def test_what_was_asked_for_is_read(document: dict[str, object], limits: SystemLimits) -> None:
    assert asked(**document) == limits


@pytest.mark.parametrize("text", ["", "{", "7", "[]", '{"a":' * 100_000])
def test_a_document_that_cannot_be_read_says_nothing(text: str) -> None:
    assert SystemLimits.asked(text) is None


def test_what_the_engine_tells_is_read() -> None:
    told = {"MemoryBytes": 5, "ProcessorMillis": 6, "ProcessorWeight": 7, "MaxTasks": 8}
    assert SystemLimits.of(told) == SystemLimits(5, 6, 7, 8)
    assert SystemLimits.of({}) == SystemLimits()
    assert SystemLimits.of(None) is None


@given(value=VALUES)
def test_whatever_a_document_says_fits_into_the_contract(value: object) -> None:
    found = [SystemLimits.of(value)]
    found += [SystemLimits.asked(json.dumps(it)) for it in (value, {"Container": value})]
    for limits in found:
        if limits is not None:
            assert 0 <= limits.memory_bytes <= MAX_UINT64
            assert 0 <= limits.max_tasks <= MAX_UINT64
            assert 0 <= limits.processor_millis <= MAX_UINT32
            assert 0 <= limits.processor_weight <= MAX_UINT32
