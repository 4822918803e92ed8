"""What people are told when something fails, and the exit code that goes with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hcsd.cli import exit_codes
from hcsd.cli.output.text import say
from hcsd_client import (
    CallError,
    ExecutableNotFoundError,
    InvalidRequestError,
    UnauthenticatedError,
    UnimplementedError,
)

if TYPE_CHECKING:
    from hcsd_client import HcsdClientError

WIN32_FACILITY = 0x8007
FILE_NOT_FOUND = 0x80070002
PATH_NOT_FOUND = 0x80070003
BEFORE_START = {"HcsOpenComputeSystem"}  # fails for the system's sake, not for the program's


# What people are told about a restart, in the words of the daemon.
RESTARTED = "the daemon was restarted, and its processes ended with it"

# Fields of a request, and the options of `hcsd run` that they come from.
OPTIONS = {
    "ring_bytes": "--keep",
    "run_timeout": "--timeout",
    "working_directory": "--workdir",
    "user": "--user",
    "env": "--env",
    "process_id": "--name",
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
    option = OPTIONS.get(field.rpartition(".")[2].partition("[")[0])
    return f"{option} ({field})" if option else field


def say_error(error: HcsdClientError) -> None:
    """Tell people about an error: what failed, every bad field, and what to do about it."""
    if isinstance(error, InvalidRequestError) and error.violations:
        say("the request is not valid:")
        for violation in error.violations:
            say(f"  {_shown(violation.field)}: {violation.message}")
        return
    said = _with_options("; ".join([str(error), *getattr(error, "__notes__", ())]))
    say(said)
    if isinstance(error, UnauthenticatedError) and "--token-file" not in said:
        say("name the file with the daemon's token with --token-file or HCSD_TOKEN_FILE")


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
