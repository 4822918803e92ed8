"""Keywords of a process: what they become, and that a wrong one is named with its remedy."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import PurePosixPath
from subprocess import PIPE

import pytest

from hcsd.v1 import process_pb2 as pb
from hcsd_client import (
    DEVNULL,
    STDOUT,
    BadNameError,
    Client,
    Completed,
    process_name,
    system_name,
)
from hcsd_client._keywords import ProcessKeywords, spec_and_options
from hcsd_client.names import full_process_name, full_system_name


def made(**keywords: object) -> tuple[pb.ProcessSpec, pb.ProcessOptions]:
    spec, options = spec_and_options(["x"], keywords)  # type: ignore[arg-type]
    assert spec is not None
    return spec, options


def test_what_is_left_out_is_left_open() -> None:
    spec, options = made()
    assert spec == pb.ProcessSpec(argv=pb.Argv(args=["x"]))
    assert options == pb.ProcessOptions()


def test_each_keyword_has_its_place() -> None:
    spec, options = made(
        cwd=PurePosixPath("/src"),
        env={"LANG": "C"},
        user=1000,
        umask=0o077,
        console=(100, 30),
        timeout=1.5,
        drain_timeout=timedelta(milliseconds=20),
        ring_bytes=4096,
        overflow=pb.OVERFLOW_POLICY_BLOCK,
        pin=True,
    )
    assert spec == pb.ProcessSpec(
        argv=pb.Argv(args=["x"]),
        working_directory="/src",
        env=[pb.EnvironmentVariable(name="LANG", value="C")],
        user="1000",
        umask=0o077,
        console=pb.Console(columns=100, rows=30),
    )
    assert options.run_timeout.ToMilliseconds() == 1500
    assert options.drain_timeout.ToMilliseconds() == 20
    assert options.output.ring_bytes == 4096
    assert options.output.overflow == pb.OVERFLOW_POLICY_BLOCK
    assert options.pin


@pytest.mark.parametrize(
    ("keywords", "output"),
    [
        ({"stderr": STDOUT}, pb.OutputOptions(stderr_to_stdout=True)),
        ({"stdout": DEVNULL}, pb.OutputOptions(discard=[pb.OUTPUT_STREAM_STDOUT])),
        ({"stderr": DEVNULL}, pb.OutputOptions(discard=[pb.OUTPUT_STREAM_STDERR])),
        ({"stdout": PIPE, "stderr": PIPE}, pb.OutputOptions()),
        (
            {"stdout": DEVNULL, "stderr": STDOUT},
            pb.OutputOptions(discard=[pb.OUTPUT_STREAM_STDOUT, pb.OUTPUT_STREAM_STDERR]),
        ),
    ],
)
def test_outputs_go_where_subprocess_would_send_them(
    keywords: ProcessKeywords, output: pb.OutputOptions
) -> None:
    assert made(**keywords)[1] == pb.ProcessOptions(output=output if output.ByteSize() else None)


@pytest.mark.parametrize(
    ("keywords", "error", "said"),
    [
        ({"timeout": "5"}, TypeError, "timeout is '5', of type str; give seconds or a timedelta"),
        ({"timeout": True}, TypeError, "timeout is True"),
        ({"timeout": -1}, ValueError, "timeout is -1; give 0 or more seconds"),
        ({"timeout": float("nan")}, ValueError, "timeout is nan"),
        ({"env": {"A": 1}}, TypeError, "env['A'] is 1, of type int; give text"),
        ({"env": {1: "A"}}, TypeError, "a name in env is 1"),
        ({"cwd": b"/"}, TypeError, "cwd is b'/', of type bytes; give text"),
        ({"user": 1.5}, TypeError, "user is 1.5, of type float; give text"),
        ({"umask": 0o1000}, ValueError, "umask is 512; give 511 at the most"),
        (
            {"console": 80},
            TypeError,
            "console is 80, of type int; give True or (columns, rows), as (80, 24)",
        ),
        (
            {"stdout": STDOUT},
            ValueError,
            "stdout is -2; give PIPE, which is the default, or DEVNULL",
        ),
        ({"stderr": 2}, ValueError, "DEVNULL or STDOUT; write a file with what is read"),
        ({"ring_bytes": -1}, ValueError, "ring_bytes is -1; give 0 or more"),
        (
            {"overflow": "block"},
            TypeError,
            "overflow is 'block', of type str; give OVERFLOW_POLICY_DROP_OLDEST or OVERFLOW_POLICY_BLOCK",
        ),
        ({"overflow": 99}, ValueError, "overflow is 99; give OVERFLOW_POLICY_DROP_OLDEST"),
        ({"cwdd": "/"}, TypeError, "'cwdd' is no keyword of a process; did you mean 'cwd'?"),
        ({"timeouts": 1}, TypeError, "did you mean 'timeout'?"),
        ({"process-id": "x"}, TypeError, "did you mean 'process_id'?"),
        ({"check": True}, TypeError, "'check' is no keyword of a process; another call takes it"),
        ({"workdir": "/"}, TypeError, "it is 'cwd' here"),
        (
            {"text": True},
            TypeError,
            "'text' of subprocess is no keyword here: 'text' of a Completed",
        ),
        ({"xyz": 1}, TypeError, "known are console, cwd,"),
        ({"env": ["A=1"]}, TypeError, "env is ['A=1'], of type list; give a mapping, as {'LANG'"),
        ({"pin": "x"}, TypeError, "pin is 'x', of type str; give True or False"),
        ({"ring_bytes": "64m"}, TypeError, "ring_bytes is '64m', of type str; give bytes"),
    ],
)
def test_a_keyword_of_the_wrong_kind_is_named(
    keywords: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error) as caught:
        made(**keywords)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["echo", 3], "word 1 of the command is 3, of type int; give text"),
        (3, "command is 3, of type int; give a list of words"),
        (b"ls", "give a list, as ['ls']"),
        (PurePosixPath("/bin/ls"), "give a list, as ['/bin/ls']"),
    ],
)
def test_a_command_of_the_wrong_kind_is_named(command: object, said: str) -> None:
    with pytest.raises(TypeError) as caught:
        spec_and_options(command, {})  # type: ignore[arg-type]
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda client: client.exec(["x"], input=3), "input is 3, of type int; give bytes or text"),
        (
            lambda client: client.exec(["x"], max_output_bytes="1m"),
            "max_output_bytes is '1m', of type str; give bytes",
        ),
        (lambda client: client.exec(["x"], labels=["a"]), "labels is ['a'], of type list"),
        (lambda client: client.exec(["x"], labels={"a": 1}), "labels['a'] is 1, of type int"),
        (
            lambda client: client.modify_process("x", console_size=("a", 3)),
            "console_size[0] is 'a', of type str; give a whole number",
        ),
        (
            lambda client: client.get_process(3),
            "name is 3, of type int; give the name or id of a process",
        ),
        (
            lambda client: client.get_system(3),
            "name is 3, of type int; give the name or id of a compute system",
        ),
        (
            lambda client: client.terminate_process("x", grace_period="1m"),
            "grace_period is '1m', of type str; give seconds or a timedelta",
        ),
    ],
)
async def test_an_argument_of_the_wrong_kind_is_named(
    call: Callable[[Client], Awaitable[object]], said: str
) -> None:
    async with Client("unix:///nowhere") as client:
        with pytest.raises(TypeError) as caught:
            await call(client)
    assert said in str(caught.value)


def test_what_has_ended_is_shown_in_one_line() -> None:
    end = pb.ProcessExit(exit_code=3, reason=pb.EXIT_REASON_EXITED)
    assert repr(Completed("x", end, b"out", b"")) == (
        "Completed('x', exit_code=3, stdout=b'out', stderr=b'', truncated=False)"
    )
    long = repr(Completed("x", pb.ProcessExit(), bytes(10**6), b""))
    assert "exit='has ended, and nobody can tell how', stdout=<1000000 bytes, ending in" in long
    assert len(long) < 1200


def test_a_spec_is_not_changed_and_says_nothing_twice() -> None:
    spec = pb.ProcessSpec(command_line="x", working_directory="/")
    filled, _ = spec_and_options(spec, {"user": "build"}, stdin=True)
    assert filled is not None
    assert (filled.user, filled.stdin_mode) == ("build", pb.STDIN_MODE_PIPE)
    assert (spec.user, spec.stdin_mode) == ("", pb.STDIN_MODE_UNSPECIFIED)
    with pytest.raises(ValueError, match="'cwd' is said twice"):
        spec_and_options(spec, {"cwd": "/src"})


def test_what_is_in_a_document_is_no_keyword() -> None:
    assert spec_and_options(None, {"timeout": 1})[0] is None
    with pytest.raises(TypeError, match="'cwd' is for a command"):
        spec_and_options(None, {"cwd": "/"})


def test_an_id_alone_is_a_name_and_a_name_of_another_kind_is_refused() -> None:
    assert full_process_name("job") == "systems/host/processes/job"
    assert full_process_name("systems/a/processes/b") == "systems/a/processes/b"
    assert full_system_name("a b") == "systems/a%20b"
    assert full_system_name("systems/-") == "systems/-"
    refusals = [
        (full_process_name, ("systems/host",)),
        (full_process_name, ("a/b",)),
        (full_system_name, ("systems/a/processes/b",)),
        (system_name, ("systems/host",)),
        (process_name, ("systems/host", "a")),
        (process_name, ("host", "systems/host/processes/a")),
        (process_name, ("host", "")),
        (full_process_name, ("systems/host/processes/",)),
        (full_system_name, ("systems/",)),
    ]
    for function, arguments in refusals:
        with pytest.raises(
            BadNameError, match=r"name already|no process|no compute system|is empty"
        ):
            function(*arguments)  # type: ignore[operator]
