"""What people at the command line can do about an error: one table, by the reason of the error.

The daemon says what is wrong, in words for clients of every language. Options and commands of `hcsd` are
added here. Each reason of the daemon has a row.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from hcsd.cli.resource_names import short_name
from hcsd.v1 import compute_system_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd_client import CallError, Client

_ANEW = "look anew, from what is there now: hcsd events -f"
_TOKEN = "name the file with the daemon's token with --token-file or HCSD_TOKEN_FILE"  # noqa: S105
_DIRECTORY = "it must be on the daemon's machine: make it there, or name another with --workdir"
_LATER = "it may happen yet: see 'hcsd ps' and 'hcsd system ps' before you try again"
_RETRY = "try again when the daemon has less to do"
_END_SOME = "end some of the commands that follow output or events"
_SERVICE = "try again when the Host Compute Service runs: 'hcsd info' asks for it"

# By reason. What is in braces is from the error's facts; without them the remedy is not given.
REMEDIES: Mapping[str, str] = {
    "ANSWER_TOO_LARGE": "ask for a part of it with a client library: see 'hcsd docs clients'",
    "CERTIFICATE_INVALID": "name one of the daemon's CA with --tls-cert and --tls-key",
    "CONFIGURATION_UNUSABLE": "nothing has changed",
    "DAEMON_RESTARTED": "see what there is now with 'hcsd ps --all'",
    "DAEMON_STOPPING": "try again when it has been started anew",
    "EXECUTABLE_BUSY": "try again when the file has been written",
    "EXECUTABLE_NOT_FOUND": (
        "it is looked for on the daemon's machine, in the PATH of the process: give a full path, or"
        " -e PATH=DIRECTORIES; a line for a shell is run by sh -c 'LINE'"
    ),
    "INTERNAL": "this is a fault of hcsd: please report it, with what the log has under that number",
    "INVALID_REQUEST": "'hcsd COMMAND --help' says what each option takes",
    "OUTPUT_EVICTED": "keep more of the next one with 'hcsd run --keep SIZE'",
    "OUTPUT_OFFSET": "read what is kept with 'hcsd logs {process}'",
    "PID_NOT_FOUND": "see what runs in it with 'hcsd system stats {system}'",
    "PROCESS_ALREADY_EXISTS": (
        "see it with 'hcsd inspect {process}', remove it with 'hcsd rm {process}', or choose another"
        " --name"
    ),
    "PROCESS_ALREADY_OPEN": "see it with 'hcsd inspect {process}'",
    "PROCESS_NOT_FOUND": (
        "see what there is with 'hcsd ps --all'; what has ended is forgotten after a while, unless it is"
        " run with --pin"
    ),
    "PROCESS_NOT_RUNNING": "see how it ended with 'hcsd inspect {process}'",
    "PROCESS_RUNNING": "stop it with 'hcsd stop {process}', or use --force",
    "RECORD_MEMORY_EXHAUSTED": "'hcsd prune' removes what has ended",
    "REQUEST_ID_REUSED": "give each request an id of its own",
    "REQUEST_INCOMPLETE": _RETRY,
    "REVISION_COMPACTED": _ANEW,
    "REVISION_UNKNOWN": _ANEW,
    "RING_MEMORY_EXHAUSTED": "'hcsd prune' removes what has ended, and --keep asks for smaller rings",
    "STATE_NOT_WRITTEN": "make room where the daemon has its state directory, and try again",
    "STDERR_TO_STDOUT_NOT_SUPPORTED": "leave out --stderr-to-stdout",
    "STDIN_BUSY": (
        "take its place with 'hcsd attach --take-over {process}', or do without with --no-stdin"
    ),
    "STDIN_CLOSED": "give the next one a stdin with 'hcsd run -i'",
    "STDIN_OFFSET": "begin anew with 'hcsd attach {process}'",
    "STDIN_TAKEN_OVER": "take it back with 'hcsd attach --take-over {process}'",
    "STDIO_NOT_OWNED": "what can be seen of it is in 'hcsd inspect {process}'",
    "SUBSCRIBER_STALLED": "let nothing that reads its output pause",
    "TOKEN_INVALID": _TOKEN,
    "TOKEN_MISSING": _TOKEN,
    "TOO_MANY_CALLS": _RETRY,
    "TOO_MANY_PROCESSES": "see what runs with 'hcsd ps'",
    "TOO_MANY_STREAMS_PER_CLIENT": _END_SOME,
    "TOO_MANY_STREAMS_PER_CONNECTION": _END_SOME,
    "TOO_MANY_SYSTEMS": "see what there is with 'hcsd system ps'",
    "TREE_NOT_SUPPORTED": (
        "leave the rest alone with --process-only, or end it all with 'hcsd system kill SYSTEM'"
    ),
    "WORKING_DIRECTORY_NOT_FOUND": _DIRECTORY,
    # What HCS and the embedded engine answer.
    "HCS_E_ACCESS_DENIED": "run the daemon as an administrator: 'hcsd service install' does",
    "HCS_E_SYSTEM_ALREADY_EXISTS": (
        "see it with 'hcsd system inspect {system}', remove it with 'hcsd system rm {system}', or"
        " choose another ID"
    ),
    "HCS_E_SYSTEM_NOT_FOUND": "see what there is with 'hcsd system ps'",
    "HCS_E_SYSTEM_ALREADY_STOPPED": (
        "a system that has ended does not start again: make another with 'hcsd system create'"
    ),
    "HCS_E_INVALID_JSON": "see which members are taken with 'hcsd docs embedded', or HCS's schema",
    "HCS_E_OPERATION_TIMEOUT": _LATER,
    "HCS_E_CONNECTION_TIMEOUT": _LATER,
    "HCS_E_SERVICE_DISCONNECT": _SERVICE,
    "RPC_S_SERVER_UNAVAILABLE": _SERVICE,
    "ERROR_LOGON_FAILURE": "name a user of the guest that may log on with --user",
}

# By the stage at which a start has failed, and the errno there; before the reason, which is wider.
OF_STARTS: Mapping[tuple[str, int], str] = {
    ("executable", errno.EACCES): (
        "its user must be allowed to execute it (chmod +x FILE) and to enter its directory; a script"
        " can be given to its interpreter, as in sh FILE"
    ),
    ("executable", errno.ENOEXEC): (
        "a script needs a first line such as #!/bin/sh, or its interpreter, as in sh FILE"
    ),
    ("executable", errno.E2BIG): "give it shorter arguments or fewer variables, or use its stdin",
    ("working_directory", errno.ENOENT): _DIRECTORY,
    ("working_directory", errno.ENOTDIR): _DIRECTORY,
    ("working_directory", errno.EACCES): "name one with --workdir that the user may enter",
    ("user", errno.ENOENT): "name one that the daemon's machine has, or give a number",
    ("user", errno.EPERM): "only a daemon of root runs processes as others: leave out --user",
    ("limits", errno.EPERM): (
        "ask for less with --ulimit: only root goes above the daemon's own limits, and nobody above"
        " those of the kernel"
    ),
    ("oom_score_adj", errno.EACCES): "ask for a higher one: only root goes below the daemon's own",
}

_BY_STATE = {
    pb.COMPUTE_SYSTEM_STATE_CREATED: "start it with 'hcsd system start {system}'",
    pb.COMPUTE_SYSTEM_STATE_PAUSED: "let it run on with 'hcsd system resume {system}'",
    pb.COMPUTE_SYSTEM_STATE_STOPPED: REMEDIES["HCS_E_SYSTEM_ALREADY_STOPPED"],
}


_WRONG_STATE = frozenset({"HCS_E_INVALID_STATE", "ERROR_INVALID_STATE"})


def remedy_of(error: CallError) -> str:
    """Return what people can do about an error; "" if there is nothing to add to its message."""
    start = error.metadata.get("stage", ""), int(error.metadata.get("errno", "0"))
    return _filled(OF_STARTS.get(start) or REMEDIES.get(error.reason, ""), error)


async def remedy_of_state(client: Client, error: CallError) -> str:
    """Return what makes a compute system ready for a process; "" if that is not why a start failed.

    Raises:
        CallError: The daemon does not tell the state of the system.
    """
    if error.reason not in _WRONG_STATE or error.metadata.get("function") != "HcsCreateProcess":
        return ""
    system = await client.get_system(error.metadata["system"])
    return _filled(_BY_STATE.get(system.state, ""), error)


def _filled(text: str, error: CallError) -> str:
    """Put what the error is about into a remedy, as commands take it; "" if that is not known."""
    process, system = (error.metadata.get(kind, "") for kind in ("process", "system"))
    short = system if "%" in system else system.removeprefix("systems/")
    try:
        return text.format_map(
            ({"process": short_name(process)} if process else {})
            | ({"system": short} if system else {})
        )
    except KeyError:
        return ""
