"""Values that are kept: what comes back is what went in, also from an older daemon, and never damage."""

import json
from dataclasses import dataclass
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcsd.daemon.options import NO_OPTIONS
from hcsd.daemon.process_life import Life
from hcsd.daemon.process_shape import NO_SHAPE
from hcsd.daemon.process_view import Exit, ExitReason, Failure
from hcsd.daemon.spec import ProcessSpec
from hcsd.daemon.state import forms
from hcsd.daemon.state.codec import TEXT, WHOLE, CodecError, Optional, Record, Row
from hcsd.daemon.state.packing import pack, unpack
from hcsd.daemon.state.rows import SavedState
from tests.support import saved


def through(document: object) -> object:
    """Return a document after it was bytes."""
    return unpack(b"key", pack(b"key", document))


@pytest.mark.parametrize("variant", range(60))
def test_states_systems_and_events_come_back(variant: int) -> None:
    state, system = saved.state(variant), saved.system(variant=variant)
    assert forms.STATE.decode(through(forms.STATE.encode(state))) == state
    assert forms.SYSTEM.decode(through(forms.SYSTEM.encode(system))) == system
    event = saved.system_event(variant)
    assert forms.decode_event(through(forms.encode_event(event, None)), None) == event
    identity = saved.identity(variant)
    event = saved.process_event(variant, identity)
    document = through(forms.encode_event(event, 7))
    assert forms.row_of(document) == 7
    assert forms.decode_event(document, identity) == event


@pytest.mark.parametrize("spec", [saved.SPEC, ProcessSpec(), None], ids=["full", "empty", "none"])
@pytest.mark.parametrize("number", [0, 1])
def test_processes_come_back(spec: ProcessSpec | None, number: int) -> None:
    process = saved.process(number, spec)
    found = forms.decode_process(through(forms.encode_process(process)))
    assert repr(found) == repr(process)  # identities have no equality
    assert found.identity.weight == process.identity.weight
    if spec is not None and not spec.argv:
        assert found.identity.spec is not None
        assert found.identity.spec.shape is NO_SHAPE  # some ask for the object


@given(st.text(st.characters(categories=["L", "N", "P", "C"])), st.binary(max_size=8))
def test_any_text_comes_back(text: str, key: bytes) -> None:
    assert unpack(key, pack(key, {text: [text]})) == {text: [text]}


@given(st.data())
def test_damaged_bytes_are_told(data: st.DataObject) -> None:
    whole = pack(b"key", forms.STATE.encode(saved.state(31)))
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[place]))
    for damaged in (whole[:place], whole[:place] + bytes([other]) + whole[place + 1 :]):
        with pytest.raises(CodecError):
            unpack(b"key", damaged)


@pytest.mark.parametrize("packed", [None, "text", 7, 1.5, b"", b"\0\0\0\0"])
def test_what_is_no_document_is_told(packed: object) -> None:
    with pytest.raises(CodecError):
        unpack(b"key", packed)


def test_a_document_of_another_key_is_none() -> None:
    with pytest.raises(CodecError):
        unpack(b"another", pack(b"key", {}))


# --- other versions ---

# As version 1 wrote them. Nobody may change these: what is kept must be read for as long as version 1 is.
OLD_STATE = """{"life": "EXITED", "output_complete": true, "pid": 7, "created": [1.5, 2.5], "start_time": 3,
 "reason": "RUN_TIMEOUT", "exit": {"code": 0, "unknown": {"hresult": 5, "message": "m"}, "time": 4},
 "closed": ["STDERR", "STDOUT"], "forced": ["STDOUT"]}"""
OLD_PROCESS = """{"identity": {"key": {"system_id": "s", "process_id": "p"}, "uid": "U", "incarnation": "i",
 "spec": {"argv": ["a"], "env": [["A", "b"]], "stdin_mode": "CLOSED"}, "options": {"overflow": "BLOCK"},
 "labels": {"l": "v"}, "origin": "CREATED", "create_time": 9}, "number": 4, "request":
 {"id": "r", "fingerprint": "00ff"}}"""


def test_what_version_1_wrote_is_read() -> None:
    state = forms.STATE.decode(json.loads(OLD_STATE))
    assert state.exit == Exit(code=0, unknown=Failure(5, "m"), time=4)
    assert (state.life, state.reason) == (Life.EXITED, ExitReason.RUN_TIMEOUT)
    identity, number, request = forms.decode_process(json.loads(OLD_PROCESS))
    assert (identity.name, number, request) == ("systems/s/processes/p", 4, ("r", b"\0\xff"))
    assert identity.spec is not None
    assert identity.spec.env == (("A", "b"),)
    assert identity.options is not None
    assert identity.options.pin is NO_OPTIONS.pin


def test_missing_members_have_their_defaults_and_unknown_ones_are_ignored() -> None:
    document = {"life": "RUNNING", "mood": {"of": "a newer daemon"}}
    assert forms.STATE.decode(document) == SavedState(Life.RUNNING)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"life": "HAPPY"},
        {"life": 3},
        {"life": "RUNNING", "pid": "7"},
        {"life": "RUNNING", "pid": True},
        {"life": "RUNNING", "created": [1.0]},
        {"life": "RUNNING", "created": "now"},
        {"life": "RUNNING", "closed": [["STDOUT"]]},
        {"life": "RUNNING", "exit": []},
        {"life": "RUNNING", "exit": {"start_error": {"message": "no code"}}},
        [],
        None,
    ],
)
def test_what_is_no_state_is_told(document: object) -> None:
    with pytest.raises(CodecError):
        forms.STATE.decode(document)


@pytest.mark.parametrize("fingerprint", ["0", "xx", 7])
def test_what_is_no_fingerprint_is_told(fingerprint: object) -> None:
    with pytest.raises(CodecError):
        forms.REQUEST.decode({"id": "r", "fingerprint": fingerprint})


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclass
class Line:
    points: tuple[Point, ...]
    name: str | None = None


def test_a_member_without_a_form_is_refused_when_the_form_is_made() -> None:
    point = Record(Point, x=WHOLE, y=WHOLE)
    line = Record(Line, points=Row(point), name=Optional(TEXT))
    assert line.encode(Line((Point(0), Point(1, 2)))) == {"points": [{"x": 0}, {"x": 1, "y": 2}]}
    with pytest.raises(TypeError, match=r"\['y'\]"):
        Record(Point, x=WHOLE)
    with pytest.raises(TypeError, match=r"\['z'\]"):
        Record(Point, x=WHOLE, y=WHOLE, z=WHOLE)
