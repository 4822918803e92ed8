"""From a spec, or a raw document, to what HCS is told and what is shown."""

import json

import pytest

from hcsd.daemon.guests import Guest
from hcsd.daemon.options import NO_OPTIONS, Options, OrphanPolicy
from hcsd.daemon.raw_document import read_document
from hcsd.daemon.settings import Limits
from hcsd.daemon.spans import Span
from hcsd.daemon.spec import (
    ConsoleSize,
    ProcessSpec,
    StdinMode,
    parameters,
    resolve,
)
from hcsd.io import Overflow

WINDOWS, LINUX = Guest
LIMITS = Limits()
TRUE = ProcessSpec(argv=("true",))


def test_windows_guests_get_a_command_line_and_others_their_arguments() -> None:
    made = ProcessSpec(argv=("a b", "c"))
    assert json.loads(parameters(made, WINDOWS))["CommandLine"] == '"a b" c'
    assert "CommandArgs" not in json.loads(parameters(made, WINDOWS))
    assert json.loads(parameters(made, LINUX))["CommandArgs"] == ["a b", "c"]
    line = ProcessSpec(command_line="a  b")
    for guest in Guest:
        assert json.loads(parameters(line, guest))["CommandLine"] == "a  b"


def test_a_console_has_a_stdin_pipe_and_no_stderr() -> None:
    made = ProcessSpec(argv=("true",), console=ConsoleSize(columns=100, rows=30))
    document = json.loads(parameters(made, WINDOWS))
    assert document["EmulateConsole"] is True
    assert document["CreateStdInPipe"] is True
    assert "CreateStdErrPipe" not in document
    assert document["ConsoleSize"] == [30, 100]  # height first


def test_a_process_without_a_console_has_both_outputs_and_stdin_if_asked_for() -> None:
    assert json.loads(parameters(TRUE, LINUX)) == {
        "CommandArgs": ["true"],
        "CreateStdOutPipe": True,
        "CreateStdErrPipe": True,
    }
    piped = ProcessSpec(argv=("true",), stdin_mode=StdinMode.PIPE)
    assert json.loads(parameters(piped, LINUX))["CreateStdInPipe"] is True


def test_everything_that_a_spec_says_reaches_hcs() -> None:
    made = ProcessSpec(
        argv=("true",),
        working_directory="/dir",
        user="somebody",
        restricted_token=True,
        env=(("B", "1"), ("A", ""), ("B", "2")),
    )
    document = json.loads(parameters(made, LINUX))
    assert document["WorkingDirectory"] == "/dir"
    assert document["User"] == "somebody"
    assert document["RestrictedToken"] is True
    assert document["Environment"] == {"B": "2", "A": ""}


@pytest.mark.parametrize("owned", [True, False])
@pytest.mark.parametrize("overflow", Overflow)
def test_a_chosen_overflow_holds_whoever_owns_the_process(
    overflow: Overflow, *, owned: bool
) -> None:
    assert resolve(TRUE, Options(overflow=overflow), LIMITS, owned=owned).overflow is overflow


def test_output_blocks_for_an_owner_and_drops_for_a_log_unless_said_otherwise() -> None:
    assert resolve(TRUE, NO_OPTIONS, LIMITS, owned=True).overflow is Overflow.BLOCK
    assert resolve(TRUE, NO_OPTIONS, LIMITS, owned=False).overflow is Overflow.DROP_OLDEST


def test_times_and_sizes_have_their_defaults_and_zero_is_zero_where_it_means_something() -> None:
    resolved = resolve(TRUE, NO_OPTIONS, LIMITS, owned=False)
    assert resolved.drain_timeout == LIMITS.drain_timeout
    assert resolved.run_timeout == 0
    assert resolved.ring_bytes == LIMITS.default_ring_bytes
    asked = Options(drain_timeout=Span(0), run_timeout=Span(1_500_000_000), ring_bytes=5)
    resolved = resolve(TRUE, asked, LIMITS, owned=False)
    assert (resolved.drain_timeout, resolved.run_timeout, resolved.ring_bytes) == (0, 1.5, 5)


def test_a_spec_is_shown_with_the_defaults_that_apply() -> None:
    resolved = resolve(TRUE, NO_OPTIONS, LIMITS, owned=True)
    assert resolved.shown == ProcessSpec(argv=("true",), stdin_mode=StdinMode.CLOSED)
    assert resolved.options == Options(
        drain_timeout=Span(round(LIMITS.drain_timeout * 1e9)),
        ring_bytes=LIMITS.default_ring_bytes,
        overflow=Overflow.BLOCK,
        orphan_policy=OrphanPolicy.KEEP,
    )
    console = resolve(ProcessSpec(console=ConsoleSize(0, 0)), NO_OPTIONS, LIMITS, owned=False).shown
    assert console.console == (80, 25)
    assert console.stdin_mode is StdinMode.PIPE


def test_only_a_kill_on_disconnect_kills() -> None:
    for policy in (None, *OrphanPolicy):
        resolved = resolve(TRUE, Options(orphan_policy=policy), LIMITS, owned=True)
        kills = policy is OrphanPolicy.KILL_ON_OWNER_DISCONNECT
        assert resolved.owner_grace == (0 if kills else None)


CONSOLE = {
    "CommandLine": "a",
    "WorkingDirectory": "/b",
    "User": "c",
    "Environment": {"D": "e", "F": ""},
    "RestrictedToken": True,
    "EmulateConsole": True,
    "ConsoleSize": [30, 90],
    "CreateStdInPipe": True,
}
CLOSED = StdinMode.CLOSED


@pytest.mark.parametrize(
    ("document", "shown"),
    [
        ('{"CommandLine": "a b"}', ProcessSpec(command_line="a b", stdin_mode=CLOSED)),
        ('{"CommandArgs": ["a", "b"]}', ProcessSpec(argv=("a", "b"), stdin_mode=CLOSED)),
        ('{"CommandArgs": ["a", 1]}', ProcessSpec(argv=("a", "1"), stdin_mode=CLOSED)),
        ('{"CommandLine": "\\ud800"}', ProcessSpec(command_line="?", stdin_mode=CLOSED)),
        (
            '{"CommandLine": 1, "User": 2, "Environment": [3]}',
            ProcessSpec(stdin_mode=CLOSED),
        ),
        (
            '{"EmulateConsole": true, "ConsoleSize": [-1, "a"]}',
            ProcessSpec(console=ConsoleSize(0, 0), stdin_mode=CLOSED),
        ),
        (
            json.dumps(CONSOLE),
            ProcessSpec(
                command_line="a",
                working_directory="/b",
                user="c",
                env=(("D", "e"), ("F", "")),
                restricted_token=True,
                console=ConsoleSize(columns=90, rows=30),
                stdin_mode=StdinMode.PIPE,
            ),
        ),
        ("{", ProcessSpec()),
        ("[]", ProcessSpec()),
        ("[" * 100_000, ProcessSpec()),
    ],
    ids=range(10),
)
def test_what_is_known_of_a_document_is_shown(document: str, shown: ProcessSpec) -> None:
    assert read_document(document) == shown
