"""Questions about what is refused, and with which code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hcsd.hcs.errors import HcsError
from hcsd.selftest.question import Answer, Question

if TYPE_CHECKING:
    from hcsd.selftest.asking import Asking
    from hcsd.selftest.process import Started

EXIT_SECONDS = 8.0
NO_USER = "hcsd-selftest-nobody"
NO_PID = 0x7FFFFFF4  # far from usual ones


async def _refusal(it: Asking, document: str) -> Answer:
    """Try to start a process, and tell by which code that fails."""
    done, process = await it.try_start(document)
    if process is None:
        return Answer(done.symbol, done.details())
    process.events = it.listen(process.handle)
    process.read()
    try:
        code = await it.exit_code(process, 2.0)
    except TimeoutError:
        code = "it runs"
    return Answer("S_OK", {"exit_code": code})


async def no_program(it: Asking) -> Answer:
    """Start a program that does not exist."""
    return await _refusal(it, json.dumps(it.programs.no_program()))


async def no_directory(it: Asking) -> Answer:
    """Start a process in a folder that does not exist."""
    place: dict[str, object] = {"WorkingDirectory": it.programs.no_directory()}
    return await _refusal(it, json.dumps(it.programs.after_line(0) | place))


async def no_user(it: Asking) -> Answer:
    """Start a process as an account that does not exist."""
    account: dict[str, object] = {"User": NO_USER}
    return await _refusal(it, json.dumps(it.programs.after_line(0) | account))


async def no_document(it: Asking) -> Answer:
    """Start a process from half a document."""
    return await _refusal(it, '{"CommandLine":')


async def unknown_member(it: Asking) -> Answer:
    """Start a process from a document with a member that no schema has."""
    extra: dict[str, object] = {"HcsdSelftest": True}
    return await _refusal(it, json.dumps(it.programs.after_line(0) | extra))


async def no_pid(it: Asking) -> Answer:
    """Open a process that does not exist."""
    try:
        it.open_process(NO_PID)
    except HcsError as error:
        return Answer(error.code.symbol, {"hresult": f"0x{error.hresult:08X}"})
    return Answer("S_OK")


async def _exited(it: Asking) -> Started:
    process = await it.start(it.programs.after_line(7))
    await process.go()
    await process.exit(it.seconds(EXIT_SECONDS))
    return process


async def open_after_exit(it: Asking) -> Answer:
    """Open a process that has exited, while a handle of it is open."""
    process = await _exited(it)
    try:
        it.open_process(process.pid)
    except HcsError as error:
        return Answer(error.code.symbol, {"hresult": f"0x{error.hresult:08X}"})
    return Answer("S_OK")


async def kill_twice(it: Asking) -> Answer:
    """Kill a process twice in a row."""
    process = await it.start(it.programs.echo())
    first = await it.terminate(process.handle)
    second = await it.terminate(process.handle)
    code = await it.exit_code(process, EXIT_SECONDS)
    details: dict[str, object] = {"first": first.details(), "second": second.details()}
    return Answer(second.symbol, details | {"exit_code": code})


async def kill_after_exit(it: Asking) -> Answer:
    """Kill a process that has exited."""
    done = await it.terminate((await _exited(it)).handle)
    return Answer(done.symbol, done.details())


async def signal_after_exit(it: Asking) -> Answer:
    """Signal a process that has exited."""
    done = await it.signal((await _exited(it)).handle, it.programs.interrupt())
    return Answer(done.symbol, done.details())


async def properties_after_exit(it: Asking) -> Answer:
    """Ask for the properties of a process that has exited."""
    process = await _exited(it)
    try:
        status = await it.status(process)
    except HcsError as error:
        return Answer(error.code.symbol, {"text": error.text})
    if not status.exited:
        return Answer("not exited")
    return Answer("exit code" if status.exit_code == 7 else f"exit code {status.exit_code}")


KILLED_TWICE = (
    "E_ACCESSDENIED",
    "HCS_E_PROCESS_ALREADY_STOPPED",
    "ERROR_NOT_FOUND",
    "S_OK",
)
STOPPED = ("HCS_E_PROCESS_ALREADY_STOPPED", "ERROR_NOT_FOUND")

QUESTIONS = (
    Question(
        "no-program",
        "What answers the create of a process whose program does not exist?",
        "nothing; hcsshim knows ERROR_FILE_NOT_FOUND and ERROR_PATH_NOT_FOUND",
        ("ERROR_FILE_NOT_FOUND", "ERROR_PATH_NOT_FOUND"),
        "names the command line; only these two are told as a program that was not found",
        "HcsCreateProcess with a path that does not exist",
        no_program,
    ),
    Question(
        "no-directory",
        "What answers the create of a process whose working directory does not exist?",
        "nothing; users have met ERROR_DIRECTORY",
        ("ERROR_DIRECTORY",),
        "passes the code on, as an error of the request",
        "HcsCreateProcess with a `WorkingDirectory` that does not exist",
        no_directory,
    ),
    Question(
        "no-user",
        "What answers the create of a process for an account that does not exist?",
        "nothing; users have met ERROR_LOGON_FAILURE",
        ("ERROR_LOGON_FAILURE",),
        "passes the code on, as an error of the request",
        "HcsCreateProcess with a `User` that does not exist",
        no_user,
    ),
    Question(
        "no-document",
        "What answers the create of a process from half a document?",
        "HCS_E_INVALID_JSON",
        ("HCS_E_INVALID_JSON", "ERROR_INVALID_DATA"),
        "takes both for a document that was refused",
        'HcsCreateProcess with `{"CommandLine":`',
        no_document,
    ),
    Question(
        "unknown-member",
        "Is a member of a document refused that no schema has?",
        "nothing",
        (),
        "passes documents on as they are",
        "HcsCreateProcess with such a member",
        unknown_member,
    ),
    Question(
        "no-pid",
        "What answers HcsOpenProcess for a pid that nobody has?",
        "nothing; hcsshim treats ERROR_NOT_FOUND as gone",
        STOPPED,
        "takes both for a process that is gone",
        f"HcsOpenProcess with {NO_PID}",
        no_pid,
    ),
    Question(
        "open-after-exit",
        "What answers HcsOpenProcess for a process that has exited?",
        "nothing",
        STOPPED,
        "takes both for a process that is gone",
        "HcsOpenProcess after the exit event, while the first handle is open",
        open_after_exit,
    ),
    Question(
        "kill-twice",
        "What does a second HcsTerminateProcess answer?",
        "nothing; hcsshim has met E_ACCESSDENIED and HCS_E_PROCESS_ALREADY_STOPPED",
        KILLED_TWICE,
        "takes each of these for a kill that has been done",
        "HcsTerminateProcess twice in a row on one handle",
        kill_twice,
    ),
    Question(
        "kill-after-exit",
        "What does HcsTerminateProcess answer after the exit?",
        "nothing",
        (*STOPPED, "E_ACCESSDENIED"),
        "takes each of these for a process that has ended",
        "HcsTerminateProcess after the exit event",
        kill_after_exit,
    ),
    Question(
        "signal-after-exit",
        "What does HcsSignalProcess answer after the exit?",
        "nothing",
        STOPPED,
        "says that the process has exited",
        "HcsSignalProcess after the exit event",
        signal_after_exit,
    ),
    Question(
        "properties-after-exit",
        "Do the properties of a process tell its exit code after the exit?",
        "nothing; hcsshim has met failures, and keeps the code of the event",
        ("exit code",),
        "keeps the code of the event, and asks only if an event did not come",
        "HcsGetProcessProperties after the exit event",
        properties_after_exit,
    ),
)
