"""What people are told when something fails, and the exit code that goes with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hcsd.cli import exit_codes
from hcsd.cli.output.text import say
from hcsd.cli.remedies import remedy_of
from hcsd_client import (
    CallError,
    ExecutableNotFoundError,
    InvalidRequestError,
    UnimplementedError,
)

if TYPE_CHECKING:
    from hcsd_client import HcsdClientError

WIN32_FACILITY = 0x8007
FILE_NOT_FOUND = 0x80070002
PATH_NOT_FOUND = 0x80070003
BEFORE_START = {"HcsOpenComputeSystem"}  # fails for the system's sake, not for the program's


# What people are told about a restart that lost all, in the words of the daemon.
RESTARTED = "the daemon was restarted without its state, and its processes are gone"

# Fields of a request, and the options and arguments of commands that they come from.
OPTIONS = {
    "argv": "COMMAND",
    "env": "--env",
    "labels": "--label",
    "no_new_privileges": "--no-new-privileges",
    "oom_score_adj": "--oom-score-adj",
    "process_id": "--name",
    "resource_limits": "--ulimit",
    "ring_bytes": "--keep",
    "run_timeout": "--timeout",
    "signal_name": "SIGNAL",
    "signal_number": "SIGNAL",
    "system_id": "ID",
    "umask": "--umask",
    "user": "--user",
    "working_directory": "--workdir",
}


# Arguments of the Python client, which its messages name as `Client(address=...)`, as options of a command.
ARGUMENTS = {
    "address": "--address",
    "token_file": "--token-file",
    "tls_ca_file": "--tls-ca",
    "tls_cert_file": "--tls-cert",
    "tls_key_file": "--tls-key",
    "insecure": "--insecure",
}


def _with_options(text: str) -> str:
    """Put options in the place of the arguments that a message of the client names."""

    def options(named: re.Match[str]) -> str:
        return " and ".join(ARGUMENTS[name] for name in re.findall(r"\w+(?==)", named[1]))

    return re.sub(r"\bClient\(((?:\w+=\.\.\.(?:, )?)+)\)", options, text)


def _shown(field: str) -> str:
    """Return a field with its option, if it has one."""
    for name in reversed(re.findall(r"\w+", field)):  # of a part, that of the whole
        if name in OPTIONS:
            return f"{OPTIONS[name]} ({field})"
    return field


def say_error(error: HcsdClientError) -> None:
    """Tell people about an error: what failed, every bad field, and what to do about it."""
    to_do = list(getattr(error, "__notes__", ()))  # of those who know more than the table
    if not to_do and isinstance(error, CallError) and (remedy := remedy_of(error)):
        to_do.append(remedy)
    if isinstance(error, InvalidRequestError) and error.violations:
        say("the request is not valid:")
        for violation in error.violations:
            say(f"  {_shown(violation.field)}: {violation.message}")
        for text in to_do:
            say(text)
    else:
        say(_with_options("; ".join([str(error), *to_do])))


def start_exit_code(error: CallError) -> int:
    """Return the exit code for a process that was not started, as shells have it."""
    if isinstance(error, ExecutableNotFoundError):
        return exit_codes.NOT_FOUND
    function = error.metadata.get("function", "")
    if error.hresult is None or function in BEFORE_START or isinstance(error, UnimplementedError):
        return exit_codes.RUN_FAILED
    return hresult_exit_code(error.hresult)


def hresult_exit_code(hresult: int) -> int:
    """Return the exit code for a failed start: what the guest's system said, or what HCS did."""
    if hresult in {FILE_NOT_FOUND, PATH_NOT_FOUND}:
        return exit_codes.NOT_FOUND
    return exit_codes.CANNOT_EXECUTE if hresult >> 16 == WIN32_FACILITY else exit_codes.RUN_FAILED
