"""What to run and how the daemon keeps it, in the words of `subprocess`, as keywords.

    command, keywords ──▶ ProcessSpec      what the guest is told
                      └─▶ ProcessOptions   what the daemon does about it

A keyword that is left out is not set, and so is left to the daemon.
"""

from __future__ import annotations

from datetime import timedelta
from difflib import get_close_matches
from subprocess import DEVNULL, STDOUT
from typing import TYPE_CHECKING, TypedDict

from hcsd.v1.process_pb2 import (
    OUTPUT_STREAM_STDERR,
    OUTPUT_STREAM_STDOUT,
    OVERFLOW_POLICY_UNSPECIFIED,
    STDIN_MODE_PIPE,
    Console,
    EnvironmentVariable,
    OverflowPolicy,
    ProcessOptions,
    ProcessSpec,
)
from hcsd_client._requests import (
    make_duration,
    mapping_of,
    number_of,
    spec_of,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal, TypeAlias

    from hcsd_client._requests import Command, Path

    Seconds: TypeAlias = float | timedelta

# Words of subprocess, docker and the contract, and what they are here.
_ELSEWHERE = {
    "capture_output": "both outputs are in what `exec` returns",
    "encoding": "`Completed.text` is the output as text",
    "environment": "it is 'env' here",
    "id": "it is 'process_id' here",
    "name": "it is 'process_id' here",
    "run_timeout": "it is 'timeout' here",
    "shell": "give ['sh', '-c', 'what the shell is to run']",
    "stderr_to_stdout": "give stderr=STDOUT",
    "stdin": "`run` and `create` take it, `exec` takes 'input'",
    "system": "it is 'parent' here",
    "text": "`Completed.text` is the output as text",
    "universal_newlines": "`Completed.text` is the output as text",
    "workdir": "it is 'cwd' here",
    "working_directory": "it is 'cwd' here",
}
# Keywords of the methods themselves.
_OF_METHODS = ("process_id", "parent", "labels", "input", "check", "stdin", "max_output_bytes")

_IN_SPEC = frozenset({"cwd", "env", "user", "console"})


class ProcessKeywords(TypedDict, total=False):
    """What to run a command with, and how the daemon keeps it.

    A document (``parameters_json``) has members of its own for the first four, so they cannot be given with
    one. A keyword whose field a `ProcessSpec` sets already is refused.

    Attributes:
        cwd: Absolute path of the working directory in the guest. Default: the home of the user.
        env: Variables, on top of those that every process of the system has.
        user: Who runs it, as the guest names users. Default: the guest's own.
        console: Whether it has a console, and its size: ``(columns, rows)``, or True for 80 by 24. All
            output is stdout then.
        stdout: `DEVNULL` to discard it.
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
    user: str
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
        raise TypeError(f"'{name}' is no keyword of a process; {_meant(name)}")
    options = _options(keywords)
    said = [name for name in keywords if name in _IN_SPEC]
    if command is None:
        if said:
            raise TypeError(f"'{said[0]}' is for a command: a document says that itself")
        return None, options
    spec = spec_of(command)
    _shape(spec, keywords)
    if stdin:
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


def seconds(value: object, name: str) -> float:
    """Return a time in seconds.

    Raises:
        TypeError: It is neither a number nor a timedelta.
        ValueError: It is negative, or none at all.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(
            f"{name} is {value!r}, of type {type(value).__name__}; give seconds or a timedelta"
        )
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} is {value!r}; give 0 or more seconds")
    return value


def _shape(spec: ProcessSpec, keywords: ProcessKeywords) -> None:
    for name, field in (("cwd", "working_directory"), ("env", "env"), ("user", "user")):
        if name in keywords and getattr(spec, field):
            raise ValueError(f"'{name}' is said twice: the ProcessSpec has '{field}'")
    if (cwd := keywords.get("cwd")) is not None:
        spec.working_directory = text_of(cwd, "cwd")
    env = mapping_of(keywords.get("env"), "env", "{'LANG': 'C'}")
    for key, value in env.items():
        name = text_of(key, "a name in env")
        spec.env.append(EnvironmentVariable(name=name, value=text_of(value, f"env[{name!r}]")))
    if (user := keywords.get("user")) is not None:
        spec.user = text_of(user, "user")
    console = keywords.get("console", False)
    if console is True:
        spec.console.CopyFrom(Console())
    elif console is not False:
        try:
            columns, rows = console
            spec.console.CopyFrom(Console(columns=columns, rows=rows))
        except (TypeError, ValueError):
            raise TypeError(f"console is {console!r}; give True, or (columns, rows)") from None


def _options(keywords: ProcessKeywords) -> ProcessOptions:
    pin = keywords.get("pin", False)
    if not isinstance(pin, bool):
        raise TypeError(f"pin is {pin!r}; give True or False")
    options = ProcessOptions(pin=pin)
    for name, field in (("timeout", "run_timeout"), ("drain_timeout", "drain_timeout")):
        if (value := keywords.get(name)) is not None:
            getattr(options, field).CopyFrom(make_duration(seconds(value, name)))
    overflow = keywords.get("overflow", OVERFLOW_POLICY_UNSPECIFIED)
    if overflow not in OverflowPolicy.values():
        raise ValueError(f"overflow is {overflow!r}; give a policy, as OVERFLOW_POLICY_BLOCK")
    ring_bytes = number_of(keywords.get("ring_bytes", 0), "ring_bytes")
    output = options.output
    if _redirect(keywords, "stdout", {DEVNULL: "DEVNULL"}) is not None:
        output.discard.append(OUTPUT_STREAM_STDOUT)
    stderr = _redirect(keywords, "stderr", {DEVNULL: "DEVNULL", STDOUT: "STDOUT"})
    if stderr == DEVNULL or (stderr == STDOUT and output.discard):
        output.discard.append(OUTPUT_STREAM_STDERR)
    elif stderr == STDOUT:
        output.stderr_to_stdout = True
    if overflow:
        output.overflow = overflow
    if ring_bytes:
        output.ring_bytes = ring_bytes
    if not output.ByteSize():
        options.ClearField("output")
    return options


def _redirect(
    keywords: ProcessKeywords, stream: Literal["stdout", "stderr"], known: Mapping[int, str]
) -> int | None:
    """Return where a stream goes; None if it is read."""
    where = keywords.get(stream)
    if where is not None and where not in known:
        raise ValueError(
            f"{stream} is {where!r}; it is read by default, or give {' or '.join(known.values())}"
        )
    return where
