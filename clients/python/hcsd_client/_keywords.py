"""What to run and how the daemon keeps it, in the words of `subprocess`, as keywords.

    command, keywords ──▶ ProcessSpec      what the guest is told
                      └─▶ ProcessOptions   what the daemon does about it

A keyword that is left out is not set, and so is left to the daemon.
"""

from __future__ import annotations

from difflib import get_close_matches
from subprocess import DEVNULL, PIPE, STDOUT
from typing import TYPE_CHECKING, TypedDict

from hcsd.v1.process_pb2 import (
    OUTPUT_STREAM_STDERR,
    OUTPUT_STREAM_STDOUT,
    STDIN_MODE_PIPE,
    Console,
    EnvironmentVariable,
    OutputOptions,
    ProcessOptions,
    ProcessSpec,
)
from hcsd_client._requests import console_of, spec_of
from hcsd_client._subprocess import INSTEAD
from hcsd_client._values import duration, flag, mapping, message, number, text, wrong_value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from hcsd.v1.process_pb2 import OverflowPolicy
    from hcsd_client._requests import Command
    from hcsd_client._values import Path, Seconds

# Words of docker and of the contract, and what they are here. Those of subprocess are in `_subprocess`.
_ELSEWHERE = {
    "environment": "it is 'env' here",
    "id": "it is 'process_id' here",
    "name": "it is 'process_id' here",
    "run_timeout": "it is 'timeout' here",
    "stderr_to_stdout": "give stderr=STDOUT",
    "stdin": "`run` and `create` take it, `exec` takes 'input'",
    "system": "it is 'parent' here",
    "workdir": "it is 'cwd' here",
    "working_directory": "it is 'cwd' here",
}
# Keywords of the methods themselves.
_OF_METHODS = ("process_id", "parent", "labels", "input", "check", "stdin", "max_output_bytes")

_IN_SPEC = frozenset({"cwd", "env", "user", "umask", "console"})


class ProcessKeywords(TypedDict, total=False):
    """What to run a command with, and how the daemon keeps it.

    A document (``parameters_json``) has members of its own for the first five, so they cannot be given with
    one. A keyword whose field a `ProcessSpec` sets already is refused.

    Attributes:
        cwd: Absolute path of the working directory in the guest. Default: the home of the user.
        env: Variables, on top of those that every process of the system has.
        user: Who runs it, as the guest names users. Guests of POSIX take a uid, too, and a group behind a
            colon, as in ``build:docker``. Default: the guest's own.
        umask: Its umask, on hosts whose engine is the embedded one. Default: 0o022.
        console: Whether it has a console, and its size: ``(columns, rows)``, or True for 80 by 24. All
            output is stdout then.
        stdout: `DEVNULL` to discard it. Default: it is kept, to be read.
        stderr: `DEVNULL` to discard it, or `STDOUT` to send it where stdout goes, in the order of
            writing: `UnimplementedError` for systems of HCS.
        timeout: Seconds, or a timedelta, after which the process is killed with what it has started.
            Default: never.
        drain_timeout: The same, after its exit, in which descendants may still write. Default: the
            daemon's.
        ring_bytes: How many bytes of each output to keep. Default: the daemon's, see ``GetHost``.
        overflow: `OVERFLOW_POLICY_DROP_OLDEST`, as a log, or `OVERFLOW_POLICY_BLOCK`, as a pipe: the
            process then waits for who reads. Default: the first for `create`, the second for `run`.
        pin: Whether to keep the process after its exit until it is deleted.
    """

    cwd: Path
    env: Mapping[str, str]
    user: str | int
    umask: int
    console: bool | tuple[int, int]
    stdout: int
    stderr: int
    timeout: Seconds
    drain_timeout: Seconds
    ring_bytes: int
    overflow: OverflowPolicy
    pin: bool


def spec_and_options(
    command: Command | None, keywords: ProcessKeywords, *, stdin: bool = False
) -> tuple[ProcessSpec | None, ProcessOptions]:
    """Return what to run, None for a document, and how to keep it.

    Args:
        command: What to run; None if a document says it.
        keywords: As they were given.
        stdin: Whether it has a stdin to write to.

    Raises:
        TypeError: There is no such keyword, or its value is of another kind.
        ValueError: A value makes no sense, or the spec says the same already.
    """
    for name in keywords.keys() - ProcessKeywords.__optional_keys__:
        if name in INSTEAD:
            raise TypeError(f"'{name}' of subprocess is no keyword here: {INSTEAD[name]}")
        raise TypeError(f"'{name}' is no keyword of a process; {_meant(name)}")
    options = _options(keywords)
    has_stdin = flag(stdin, "stdin")
    said = [name for name in keywords if name in _IN_SPEC]
    if command is None:
        if has_stdin:
            said.append("stdin")
        if said:
            raise TypeError(f"'{said[0]}' is for a command: a document says that itself")
        return None, options
    spec = spec_of(command)
    _shape(spec, keywords)
    if has_stdin:
        spec.stdin_mode = STDIN_MODE_PIPE
    return spec, options


def _meant(name: str) -> str:
    """Say what a keyword that there is not was probably meant to be."""
    known = sorted(ProcessKeywords.__optional_keys__)
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    for near in get_close_matches(name, [*known, *_OF_METHODS], n=1):
        return f"did you mean '{near}'?" if near != name else "another call takes it"
    return f"known are {', '.join(known)}"


def _shape(spec: ProcessSpec, keywords: ProcessKeywords) -> None:
    for name in _IN_SPEC.intersection(keywords):
        field = "working_directory" if name == "cwd" else name
        if _is_set(spec, field):
            raise ValueError(f"'{name}' is said twice: the ProcessSpec has '{field}'")
    if (cwd := keywords.get("cwd")) is not None:
        spec.working_directory = text(cwd, "cwd")
    for name, value in mapping(keywords.get("env"), "env", "{'LANG': 'C'}").items():
        spec.env.append(EnvironmentVariable(name=name, value=value))
    if (user := keywords.get("user")) is not None:
        is_uid = isinstance(user, int) and not isinstance(user, bool)
        spec.user = str(user) if is_uid else text(user, "user")
    if (umask := keywords.get("umask")) is not None:
        spec.umask = number(umask, "umask", "a mask, as 0o077", most=0o777)
    console = keywords.get("console", False)
    if console is True:
        spec.console.CopyFrom(Console())
    elif console is not False:
        spec.console.CopyFrom(console_of(console, "console", "True or "))


def _is_set(spec: ProcessSpec, field: str) -> bool:
    return any(known.name == field for known, _ in spec.ListFields())


def _options(keywords: ProcessKeywords) -> ProcessOptions:
    output = message(
        OutputOptions,
        overflow=keywords.get("overflow"),
        ring_bytes=keywords.get("ring_bytes"),
    )
    options = message(
        ProcessOptions,
        run_timeout=duration(keywords.get("timeout"), "timeout"),
        drain_timeout=duration(keywords.get("drain_timeout"), "drain_timeout"),
        pin=keywords.get("pin"),
    )
    if _redirect(keywords, "stdout", {DEVNULL: "DEVNULL"}) is not None:
        output.discard.append(OUTPUT_STREAM_STDOUT)
    stderr = _redirect(keywords, "stderr", {DEVNULL: "DEVNULL", STDOUT: "STDOUT"})
    if stderr == DEVNULL or (stderr == STDOUT and output.discard):
        output.discard.append(OUTPUT_STREAM_STDERR)
    elif stderr == STDOUT:
        output.stderr_to_stdout = True
    if output.ByteSize():
        options.output.CopyFrom(output)
    return options


def _redirect(
    keywords: ProcessKeywords, stream: Literal["stdout", "stderr"], known: Mapping[int, str]
) -> int | None:
    """Return where a stream goes; None if it is read."""
    where = keywords.get(stream)
    if where is None or where == PIPE:
        return None
    if where not in known:
        wanted = f"PIPE, which is the default, or {' or '.join(known.values())}"
        raise wrong_value(stream, where, f"{wanted}; write a file with what is read")
    return where
