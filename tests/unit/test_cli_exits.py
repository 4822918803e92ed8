"""Exit codes: of a process that has ended, and of one that was not started."""

import errno
import os

import grpc
import pytest

from hcsd.cli.errors import say_error, start_exit_code
from hcsd.cli.output.words import describe_exit
from hcsd.cli.session.exits import exit_code, sink_exit_code
from hcsd.cli.session.sink import SinkFailure
from hcsd.v1 import process_pb2 as pb
from hcsd_client import error_from_status
from tests.unit.test_client_fake import make_status

posix = pytest.mark.skipif(os.name == "nt", reason="has exit codes of 32 bits")


def ends(
    code: int, reason: pb.ExitReason = pb.EXIT_REASON_EXITED, signal_name: str = ""
) -> pb.ProcessExit:
    return pb.ProcessExit(exit_code=code, reason=reason, signal_name=signal_name)


@pytest.mark.parametrize(
    ("ended", "code", "text"),
    [
        (ends(0), 0, ""),
        (ends(255), 255, ""),
        (ends(137, pb.EXIT_REASON_TERMINATED, "KILL"), 137, "process was ended by SIGKILL"),
        pytest.param(
            ends(143, pb.EXIT_REASON_SIGNALED, "SIGTERM"),
            143,
            "process was ended by SIGTERM",
            id="name with its prefix",
        ),
        (ends(1, pb.EXIT_REASON_TERMINATED), 1, "process was terminated"),
        (
            ends(137, pb.EXIT_REASON_RUN_TIMEOUT, "KILL"),
            137,
            "process was ended by SIGKILL: it ran longer than it may",
        ),
        (
            ends(1, pb.EXIT_REASON_DAEMON_SHUTDOWN),
            1,
            "process was ended: the daemon is stopping",
        ),
        (ends(130, pb.EXIT_REASON_SIGNALED, "INT"), 130, ""),
        (pb.ProcessExit(exit_code=166, signal=38), 166, "process was ended by SIG38"),
        (
            pb.ProcessExit(unknown=pb.UnknownExit(message="HCS went away")),
            125,
            "how the process ended cannot be known: HCS went away",
        ),
        (
            pb.ProcessExit(start_error=pb.StartError(hresult=0x80070002, message="no file")),
            127,
            "the process was not started: no file",
        ),
        (
            pb.ProcessExit(start_error=pb.StartError(hresult=0x800700C1, message="no program")),
            126,
            "the process was not started: no program",
        ),
        (pb.ProcessExit(), 125, "the daemon did not say how the process ended"),
        (None, 125, "the daemon did not say how the process ended"),
        pytest.param(
            ends(256), 1, "process exited with 256 (0x00000100)", marks=posix, id="no low byte"
        ),
        pytest.param(
            ends(0xC000013A),
            0x3A,
            "process exited with 3221225786 (0xC000013A)",
            marks=posix,
            id="too large",
        ),
    ],
)
def test_an_end_is_an_exit_code_and_what_it_does_not_say_a_line(
    ended: pb.ProcessExit | None, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(ended) == code
    assert capsys.readouterr().err == (f"hcsd: {text}\n" if text else "")


@pytest.mark.parametrize(("memory", "limit"), [(64 << 20, " (limit 64 MiB)"), (0, "")])
def test_a_process_that_was_killed_for_want_of_memory_is_told_with_the_limit(
    memory: int, limit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(ends(137, pb.EXIT_REASON_OUT_OF_MEMORY, "KILL"), memory) == 137
    assert capsys.readouterr().err == (
        f"hcsd: the process was killed: its compute system was out of memory{limit}\n"
    )


@pytest.mark.parametrize(
    ("code", "reason", "hresult", "function", "expected"),
    [
        ("NOT_FOUND", "EXECUTABLE_NOT_FOUND", "0x80070002", "HcsCreateProcess", 127),
        ("PERMISSION_DENIED", "E_ACCESSDENIED", "0x80070005", "HcsCreateProcess", 126),
        ("INVALID_ARGUMENT", "WORKING_DIRECTORY_NOT_FOUND", "0x8007010B", "HcsCreateProcess", 126),
        ("PERMISSION_DENIED", "E_ACCESSDENIED", "0x80070005", "HcsOpenComputeSystem", 125),
        ("UNIMPLEMENTED", "ERROR_NOT_SUPPORTED", "0x80070032", "HcsCreateProcess", 125),
        ("FAILED_PRECONDITION", "HCS_E_INVALID_STATE", "0x80370105", "HcsCreateProcess", 125),
        ("ALREADY_EXISTS", "PROCESS_EXISTS", "", "", 125),
        ("UNAVAILABLE", "", "", "", 125),
    ],
)
def test_a_failed_start_is_told_apart(
    code: str, reason: str, hresult: str, function: str, expected: int
) -> None:
    metadata = {"hresult": hresult, "function": function} if hresult else {}
    status = make_status(grpc.StatusCode[code], "cannot do it", reason, metadata=metadata)
    assert start_exit_code(error_from_status(status)) == expected


@pytest.mark.parametrize(
    ("ended", "text"),
    [
        (None, ""),
        (ends(7), "7"),
        (ends(137, signal_name="KILL"), "137 (KILL)"),
        (ends(137, pb.EXIT_REASON_OUT_OF_MEMORY, "KILL"), "137 (out of memory)"),
        (pb.ProcessExit(start_error=pb.StartError()), "not started"),
        (pb.ProcessExit(unknown=pb.UnknownExit()), "unknown"),
    ],
)
def test_a_list_shows_the_end_in_a_word(ended: pb.ProcessExit | None, text: str) -> None:
    assert describe_exit(pb.Process(exit=ended)) == text


def test_a_reader_that_is_gone_is_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    assert sink_exit_code(SinkFailure(1, OSError(errno.EPIPE, "Broken pipe")), other=1) == 141
    assert capsys.readouterr().err == ""
    assert (
        sink_exit_code(SinkFailure(2, OSError(errno.ENOSPC, "No space left on device")), other=1)
        == 1
    )
    assert capsys.readouterr().err == "hcsd: cannot write to stderr: No space left on device\n"


def test_what_the_daemon_says_cannot_command_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = make_status(grpc.StatusCode.NOT_FOUND, "no program '\x1b[2J\x07'\nsecond line")
    say_error(error_from_status(status))
    assert capsys.readouterr().err == "hcsd: no program '\\x1b[2J\\x07'\\nsecond line\n"
