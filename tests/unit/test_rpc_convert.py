"""Messages of the contract and the daemon's own types, both ways."""

import enum
import tracemalloc

import pytest

from hcsd.daemon.events import ProcessEventKind, SystemEventKind
from hcsd.daemon.kills import Scope
from hcsd.daemon.names import ProcessKey
from hcsd.daemon.options import OrphanPolicy
from hcsd.daemon.process_life import Life
from hcsd.daemon.process_view import (
    Exit,
    ExitReason,
    Failure,
    Identity,
    Origin,
    ProcessView,
    StreamStatus,
)
from hcsd.daemon.settings import SETTINGS, Limits
from hcsd.daemon.spec import StdinMode, resolve
from hcsd.io import Overflow
from hcsd.rpc import convert, enums
from hcsd.rpc.rules import MAX_SECONDS
from hcsd.rpc.validate import Validator
from hcsd.v1 import event_pb2
from hcsd.v1 import host_service_pb2 as host_pb
from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb

LIMITS = Limits()


def full_spec() -> pb.ProcessSpec:
    spec = pb.ProcessSpec(
        argv=pb.Argv(args=["a", ""]),
        working_directory="/b",
        env=[pb.EnvironmentVariable(name="B", value="1"), pb.EnvironmentVariable(name="A")],
        user="c",
        console=pb.Console(columns=90, rows=30),
        stdin_mode=pb.STDIN_MODE_PIPE,
        output=pb.OutputOptions(ring_bytes=5, overflow=pb.OVERFLOW_POLICY_BLOCK),
        orphan_policy=pb.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT,
        restricted_token=True,
    )
    spec.run_timeout.FromMilliseconds(1500)
    spec.drain_timeout.FromNanoseconds(1)
    return spec


def view_of(asked: pb.ProcessSpec, life: Life, exit_: Exit | None = None) -> ProcessView:
    key = ProcessKey("host", "a")
    request = convert.process_request_from(
        service_pb.CreateProcessRequest(parent="systems/host", spec=asked), owned=False
    )
    resolved = resolve(convert.spec_from(asked), request.options, LIMITS, owned=False)
    identity = Identity(
        key=key,
        uid="uid",
        incarnation="this",
        spec=resolved.shown,
        options=resolved.options,
        labels={"k": "v"},
        origin=Origin.CREATED,
        create_time=1_000_000_001,
        name=key.name,
    )
    return ProcessView(identity, life, 7, 2, None, StreamStatus(1, 2), StreamStatus(), exit_)


@pytest.mark.parametrize(
    "spec",
    [
        full_spec(),
        pb.ProcessSpec(command_line="a b"),
        pb.ProcessSpec(command_line=""),
    ],
    ids=["full", "line", "empty line"],
)
def test_a_spec_is_shown_as_it_was_asked_for_with_the_defaults(spec: pb.ProcessSpec) -> None:
    before = spec.SerializeToString(deterministic=True)
    shown = convert.process_message(view_of(spec, Life.RUNNING)).spec
    expected = pb.ProcessSpec(
        stdin_mode=pb.STDIN_MODE_CLOSED,
        output=pb.OutputOptions(
            ring_bytes=LIMITS.default_ring_bytes, overflow=pb.OVERFLOW_POLICY_DROP_OLDEST
        ),
        orphan_policy=pb.ORPHAN_POLICY_KEEP,
    )
    expected.drain_timeout.FromNanoseconds(round(LIMITS.drain_timeout * 1e9))
    expected.MergeFrom(spec)
    if spec.HasField("drain_timeout"):
        expected.drain_timeout.CopyFrom(spec.drain_timeout)
    assert shown == expected
    assert spec.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("field", ["run_timeout", "drain_timeout"])
@pytest.mark.parametrize("time", [(0, 1), (365 * 86400, 123_456_789), (MAX_SECONDS, 999_999_999)])
def test_every_time_that_is_valid_is_shown_to_the_nanosecond(
    field: str, time: tuple[int, int]
) -> None:
    spec = pb.ProcessSpec(command_line="a")
    getattr(spec, field).seconds, getattr(spec, field).nanos = time
    assert Validator(LIMITS).check(spec) == []
    shown = getattr(convert.process_message(view_of(spec, Life.RUNNING)).spec, field)
    assert (shown.seconds, shown.nanos) == time


def test_what_never_changes_is_made_once_and_no_reader_can_change_it() -> None:
    view = view_of(full_spec(), Life.RUNNING)
    first = convert.process_message(view)
    first.spec.user = "changed"
    first.labels["k"] = "changed"
    second = convert.process_message(view)
    assert (second.spec.user, second.labels["k"]) == ("c", "v")
    assert len(view.identity.cached) == 1


@pytest.mark.parametrize(
    ("exit_", "outcome"),
    [
        (Exit(code=0), "exit_code"),
        (Exit(code=2**32 - 1), "exit_code"),
        (Exit(unknown=Failure(0x8037011E, "away")), "unknown"),
        (Exit(start_error=Failure(0x80070002, "no")), "start_error"),
    ],
)
def test_an_exit_has_one_outcome(exit_: Exit, outcome: str) -> None:
    message = convert.process_message(view_of(full_spec(), Life.EXITED, exit_)).exit
    assert message.WhichOneof("outcome") == outcome


@pytest.mark.parametrize(
    ("ours", "table", "theirs"),
    [
        (StdinMode, enums.STDIN_MODES, pb.StdinMode),
        (Overflow, enums.OVERFLOWS, pb.OverflowPolicy),
        (OrphanPolicy, enums.ORPHAN_POLICIES, pb.OrphanPolicy),
        (ExitReason, enums.EXIT_REASONS, pb.ExitReason),
        (Origin, enums.ORIGINS, pb.ProcessOrigin),
        (ProcessEventKind, enums.PROCESS_EVENTS, event_pb2.ProcessEventType),
        (SystemEventKind, enums.SYSTEM_EVENTS, event_pb2.SystemEventType),
        (Scope, enums.TERMINATE_SCOPES, service_pb.TerminateScope),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_every_value_has_its_namesake(
    ours: type[enum.Enum], table: dict[enum.Enum, int], theirs: object
) -> None:
    names = dict(theirs.items())  # type: ignore[attr-defined]  # enum wrapper
    prefix = next(name for name, value in names.items() if not value).removesuffix("UNSPECIFIED")
    assert table.keys() == set(ours)
    assert {prefix + member.name: table[member] for member in ours} == {
        name: value for name, value in names.items() if value
    }


def test_every_state_of_a_process_is_told() -> None:
    assert enums.PROCESS_STATES.keys() == set(Life) - {Life.DELETED}
    assert set(enums.PROCESS_STATES.values()) == set(pb.ProcessState.values()) - {0}


def test_a_request_without_an_id_is_known_by_nothing() -> None:
    request = service_pb.CreateProcessRequest(parent="systems/host", parameters_json="{}")
    assert convert.process_request_from(request, owned=False).key == ("", b"")


def test_what_was_asked_for_weighs_at_least_what_it_takes() -> None:
    spec = pb.ProcessSpec(command_line="a")
    spec.env.extend(pb.EnvironmentVariable(name=f"N{n}", value="v") for n in range(10_000))
    light = view_of(pb.ProcessSpec(command_line="a"), Life.RUNNING).identity.weight
    tracemalloc.start()
    try:
        view = view_of(spec, Life.RUNNING)
        convert.process_message(view)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    cached = sum(message.ByteSize() for message in view.identity.cached)  # type: ignore[attr-defined]
    assert view.identity.weight - light > taken / 2 + cached


def test_get_host_shows_every_limit_that_the_list_says_and_no_other() -> None:
    shown = {setting.shown for setting in SETTINGS if setting.shown}
    assert shown == set(host_pb.Limits.DESCRIPTOR.fields_by_name)
    message = convert.limits_message(LIMITS)
    assert message.max_processes == LIMITS.max_processes
    assert message.stall_timeout.ToSeconds() == LIMITS.stall_timeout
